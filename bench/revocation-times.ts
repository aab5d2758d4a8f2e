// How long after a sign-out on one of two nodes of two workers, with one Redis, none of the four workers lets the session pass any more.
//
// The clock starts when the sign-out is sent and stops, for a session, when the last of the four workers has answered
// something else than 200; each is asked on a connection of its own, over and over, before and while it happens.
import { Agent } from 'node:http';
import { performance } from 'node:perf_hooks';
import { type Application, createApplication } from '../src/application/application.js';
import { readClaims } from '../src/application/claims.js';
import { createLog } from '../src/infra/log.js';
import { openStore } from '../src/session/open-store.js';
import type { Sessions } from '../src/session/sessions.js';
import { configOf } from '../test/kit/application.js';
import { type Daemon, request, startDaemon, testProvider, traefikCheck } from '../test/kit/daemon.js';
import { startRedis } from '../test/kit/redis-server.js';
import { makeSessions } from '../test/kit/sessions.js';

const APP = 'http://whoami.localhost:8080';
export const NODES = 2;
/** A session that is let through for longer has survived. */
const SURVIVED_MS = 3_000;
const TIME_LIMIT_MS = 90_000;
/** Connections that are opened until every worker has one: the kernel deals them out by a hash. */
const ATTEMPTS = 200;

interface Line {
  readonly node: Daemon;
  readonly agent: Agent;
}

type Ask = (line: Line, cookie: string) => Promise<number>;

const ask: Ask = async ({ node, agent }, cookie) =>
  (await traefikCheck(node.http, `${APP}/`, { cookie, agent })).status;

/**
 * One kept-alive connection to each of the two workers of a node. Which worker has a connection is found out with the
 * metric for misses: a session that a worker has in its cache is a hit there, and a miss at the other one.
 */
async function linesTo(node: Daemon, create: () => Promise<string>): Promise<Line[]> {
  const connect = (): Line => ({ node, agent: new Agent({ keepAlive: true, maxSockets: 1 }) });
  const misses = () => node.metric('akprox_session_cache_misses_total');
  const first = connect();
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const second = connect();
    const cookie = await create();
    await ask(first, cookie);
    const before = await misses();
    await ask(second, cookie);
    if ((await misses()) > before) return [first, second];
    second.agent.destroy();
  }
  throw new Error(`${ATTEMPTS} connections, and all to one worker`);
}

async function measureOne(lines: readonly Line[], cookie: string, node: Daemon): Promise<number> {
  for (const line of lines) {
    const status = await ask(line, cookie);
    if (status !== 200) throw new Error(`a check before the sign-out was answered ${status}`);
  }
  let start = Number.POSITIVE_INFINITY;
  const ends = lines.map(async (line) => {
    while ((await ask(line, cookie)) === 200)
      if (performance.now() - start > SURVIVED_MS) return Number.POSITIVE_INFINITY;
    return performance.now();
  });
  start = performance.now();
  const answer = await request(`${node.http}/akprox/sign_out`, {
    headers: { Host: new URL(APP).host, Cookie: cookie },
    agent: signOuts,
  });
  // A redirect to the provider, or, as here where none answers, a page.
  if (answer.status !== 302 && answer.status !== 200) throw new Error(`the sign-out was answered ${answer.status}`);
  const last = Math.max(...(await Promise.all(ends)));
  // It must stay so.
  for (const line of lines) if ((await ask(line, cookie)) === 200) return Number.POSITIVE_INFINITY;
  return last - start;
}

function makeSession(application: Application, number: number): Parameters<Sessions['create']>[1] {
  const now = Date.now();
  return {
    provider: application.id,
    claims: readClaims({ sub: `user-${number}`, sid: `sid-${number}`, groups: ['staff'], name: 'Alice Liddell' }),
    createdAt: now,
    renewedAt: now,
    expiresAt: now + 3_600_000,
    idToken: '',
    jwt: '',
    refreshToken: null,
    loginState: '',
    loginTarget: '',
  };
}

const signOuts = new Agent({ keepAlive: true, maxSockets: 1 });

/** Milliseconds of each; infinite for a session that survived. */
export async function revocationTimes(count: number): Promise<number[]> {
  const closers: (() => unknown)[] = [];
  try {
    return await measureAll(count, closers);
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

async function measureAll(count: number, closers: (() => unknown)[]): Promise<number[]> {
  const end = performance.now() + TIME_LIMIT_MS;
  const redis = await startRedis();
  closers.push(() => redis.stop());
  // Nobody logs in, so the identity provider need not be there; only the sign-out would lead to it.
  const written = {
    workers: 2,
    store: { kind: 'redis', url: redis.url },
    providers: [testProvider('http://127.0.0.1:9')],
  };
  const nodes: Daemon[] = [];
  for (let i = 0; i < NODES; i += 1) {
    const node = await startDaemon(written);
    closers.push(() => node[Symbol.asyncDispose]());
    nodes.push(node);
  }
  const config = configOf(written);
  const [signOutNode, [providerConfig]] = [nodes[0], config.providers];
  if (providerConfig === undefined || signOutNode === undefined) throw new Error('no provider or no node');
  const application = createApplication(providerConfig);
  const log = createLog('silent', 'bench');
  const store = await openStore(config.store, Date.now, log);
  closers.push(() => store.close());
  const sessions = makeSessions(store, { cache: config.cache });
  let made = 0;
  const create = async () => {
    made += 1;
    return `${application.cookieName}=${await sessions.create(application, makeSession(application, made))}`;
  };
  const lines: Line[] = [];
  for (const node of nodes) lines.push(...(await linesTo(node, create)));
  closers.push(() => {
    for (const agent of [signOuts, ...lines.map((line) => line.agent)]) agent.destroy();
  });
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    if (performance.now() > end) throw new Error(`${i} revocations in ${TIME_LIMIT_MS / 1_000} s, not ${count}`);
    times.push(await measureOne(lines, await create(), signOutNode));
  }
  return times;
}
