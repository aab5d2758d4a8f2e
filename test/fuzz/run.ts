// The run: lanes that send batches to each listener until so many requests are sent, and what came of it.
import type { Answer } from './answers.js';
import { type BatchOptions, makeBatch } from './batches.js';
import { nothing, Oracle } from './oracle.js';
import { createRandom } from './random.js';
import type { BatchEvents, Transport } from './transport.js';
import type { Fuzzed } from './wire.js';
import { type FuzzWorld, identityAnswered } from './world.js';

export interface Lanes extends BatchOptions {
  readonly transport: Transport;
  readonly connections: number;
  /** Of all requests. */
  readonly share: number;
}

export interface RunOptions {
  readonly seed: number;
  readonly requests: number;
  readonly lanes: readonly Lanes[];
  /** Called now and then with the number of requests so far. */
  readonly progress?: (soFar: number) => void;
}

export interface Figures {
  requests: number;
  answers: number;
  /** The connection ended instead, as it may after a request that is framed oddly or behind one that waits. */
  ended: number;
  /** Answers to bytes behind an oddly framed request. */
  more: number;
  hangs: number;
  unjustified: number;
  offSite: number;
  faults: number;
  /** By `listener kind status`. */
  readonly counts: Map<string, number>;
  /** The first of all complaints. */
  readonly complaints: string[];
  complained: number;
}

const MOST_COMPLAINTS = 50;
const PROGRESS_EVERY = 10_000;

export async function fuzz(world: FuzzWorld, options: RunOptions): Promise<Figures> {
  const figures: Figures = {
    requests: 0,
    answers: 0,
    ended: 0,
    more: 0,
    hangs: 0,
    unjustified: 0,
    offSite: 0,
    faults: 0,
    counts: new Map(),
    complaints: [],
    complained: 0,
  };
  const oracle = new Oracle(world.issuer);
  let shown = 0;
  await Promise.all(options.lanes.map(runLanes));
  return figures;

  async function runLanes(lanes: Lanes, index: number): Promise<void> {
    // One stream of requests per listener, whoever of its lanes sends the next batch.
    const r = createRandom(options.seed * 31 + index);
    const wanted = Math.round(options.requests * lanes.share);
    let sent = 0;
    const events = eventsOf(lanes.transport.name);
    const lane = async (): Promise<void> => {
      const connection = lanes.transport.connection();
      try {
        while (sent < wanted) {
          const batch = makeBatch(r, world, lanes);
          sent += batch.requests.length;
          figures.requests += batch.requests.length;
          await connection.send(batch, events);
          if (figures.requests - shown >= PROGRESS_EVERY) {
            shown = figures.requests;
            options.progress?.(shown);
          }
        }
      } finally {
        connection.close();
      }
    };
    await Promise.all(Array.from({ length: lanes.connections }, lane));
  }

  function eventsOf(listener: string): BatchEvents {
    const complain = (request: Fuzzed | undefined, what: string, answer?: Answer): void => {
      figures.complained += 1;
      if (/HANG/.test(what)) figures.hangs += 1;
      if (/2xx|IDENTITY/.test(what)) figures.unjustified += 1;
      if (/OFF SITE|off site/.test(what)) figures.offSite += 1;
      if (/accounts for/.test(what)) figures.faults += 1;
      if (figures.complaints.length >= MOST_COMPLAINTS) return;
      const shownRequest = JSON.stringify(request?.bytes.slice(0, 3_000) ?? '');
      const shownAnswer =
        answer === undefined ? '' : `\n  answer: ${JSON.stringify(`${answer.head}\n${answer.body}`.slice(0, 1_500))}`;
      figures.complaints.push(`${listener}: ${what}\n  (${request?.what})\n  request: ${shownRequest}${shownAnswer}`);
    };
    const count = (request: Fuzzed, status: string): void => {
      const framing = request.framing === 'plain' || request.framing === 'last' ? '' : ` ${request.framing}`;
      const key = `${listener} ${request.isCheck ? 'check' : 'step'}${framing} ${status}`;
      figures.counts.set(key, (figures.counts.get(key) ?? 0) + 1);
    };
    return {
      answered(request, answer) {
        figures.answers += 1;
        count(request, String(answer.status));
        const wrong = oracle.judge(request.rule, answer, request.isCheck);
        if (wrong !== null) complain(request, wrong, answer);
      },
      answeredMore(request, answer) {
        figures.more += 1;
        const wrong = oracle.judge(nothing(world.sites), answer, true);
        if (wrong !== null) complain(request, `behind it: ${wrong}`, answer);
      },
      ended(requests, expected) {
        figures.ended += requests.length;
        for (const request of requests) count(request, 'ended');
        if (!expected) complain(requests[0], 'the connection ended without an answer');
      },
      complain,
    };
  }
}

/** What must hold when all is over: nobody was signed out, no worker was lost, nothing was logged as an error of ours. */
export async function aftermath(
  world: FuzzWorld,
  workersBefore: readonly number[],
  workersNow: readonly number[],
): Promise<string[]> {
  const wrong: string[] = [];
  for (const session of world.sessions) {
    if (session.kind !== 'kept' && session.kind !== 'ended') continue;
    // Both workers have a share of new connections.
    for (let i = 0; i < 4; i += 1) {
      const { status, headers } = await identityAnswered(world.daemon, session);
      const same = [...session.identity].every(([name, value]) => headers.get(name) === value);
      if (session.kind === 'kept' ? status !== 200 || !same : status === 200)
        wrong.push(
          `${session.user} at ${session.site.name}, ${session.kind}, was answered ${status}${same ? '' : ' as somebody else'}`,
        );
    }
  }
  if (workersBefore.join() !== workersNow.join())
    wrong.push(`workers were lost: ${workersBefore.join()} became ${workersNow.join()}`);
  const lines = [world.daemon, world.onNode].flatMap((daemon) => daemon?.lines ?? []);
  for (const { msg, level, ...facts } of lines) {
    if (msg === 'a worker died' || level === 'error' || level === 'fatal')
      wrong.push(`${level}: ${msg} ${JSON.stringify(facts).slice(0, 600)}`);
  }
  return wrong;
}
