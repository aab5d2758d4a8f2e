// What the commands of an operator ask of the running daemon: `akprox status`, `akprox reload`, `akprox sessions`.
import type { Worker } from 'node:cluster';
import type { Loaded } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { Engine } from '../http/engine.js';
import type { GatedLog } from '../infra/log-gate.js';
import type { Timers } from '../infra/timers.js';
import { isRecord } from '../infra/untyped.js';
import { VERSION } from '../infra/version.js';
import { METRICS } from '../metrics/catalogue.js';
import type { Totals } from '../metrics/totals.js';
import type { Operation, Outcome } from '../session/operation.js';
import { controlPath } from './control-path.js';
import type { ToPrimary } from './messages.js';
import type { Questions } from './questions.js';
import type { Reloaded, RunningConfig } from './running-config.js';
import type { Supervisor } from './supervisor.js';

export interface ControlOptions {
  readonly supervisor: Supervisor;
  readonly questions: Questions;
  readonly config: RunningConfig;
  readonly reload: () => Promise<Reloaded>;
  readonly engine: () => Engine | null;
  readonly totals: Totals;
  /** The address of the metrics listener. */
  readonly metrics: () => string | null;
  /** Why it cannot serve; null when it can. */
  readonly unready: () => string | null;
  readonly timers: Timers;
  readonly log: GatedLog;
}

/** What `akprox status` is told. Times in Unix milliseconds. */
export interface DaemonStatus {
  readonly version: string;
  readonly node: string;
  readonly pid: number;
  readonly startedAt: number;
  readonly workers: { readonly ready: number; readonly wanted: number; readonly restarts: number };
  /** What is served; null when it is not yet known. */
  readonly engine: Engine | null;
  readonly listen: Pick<Config['listen'], 'http' | 'https' | 'compat' | 'metrics'>;
  readonly store: Config['store']['kind'];
  readonly generation: number;
  /** Whether it runs with what was last read. */
  readonly current: boolean;
  /** Null when it serves. */
  readonly unready: string | null;
  /** What is worse than it should be. */
  readonly degraded: readonly string[];
  readonly providers: number;
  /** Those that have been asked. */
  readonly idps: readonly (readonly [provider: string, isUp: boolean])[];
  readonly certificates: readonly (readonly [name: string, end: number])[];
}

export type ReloadAnswer = {
  readonly taken: boolean;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  readonly ignored: readonly string[];
  readonly generation: number;
};

export type OperationAnswer = { readonly outcomes: readonly Outcome[] } | { readonly problem: string };

type Result = Extract<ToPrimary, { type: 'operated' }>['result'];

/** A store that does not answer takes 5 s to say so, at each of several steps. */
const OPERATION_TIMEOUT = 60_000;
const APPLY_TIMEOUT = 15_000;
const KINDS: readonly unknown[] = ['count', 'all', 'sub', 'sid', 'show'] satisfies Operation['kind'][];

export class Control {
  private readonly options: ControlOptions;
  private readonly asked = new Map<number, { readonly worker: number; readonly done: (result: Result) => void }>();
  private last = 0;
  private closeServer: () => void = () => {};

  constructor(options: ControlOptions) {
    this.options = options;
  }

  /**
   * A daemon without it serves all the same. It is given what the commands read too, not what has become of it: the port that the
   * system chose, the address of a host without IPv6. `replaces`: it takes over from another daemon. Never rejects.
   */
  async open({ config, path: file }: Pick<Loaded, 'config' | 'path'>, replaces: boolean): Promise<void> {
    const { log } = this.options;
    const path = controlPath(config, file, process.cwd());
    try {
      const { openControlServer } = await import('./control-server.js');
      this.closeServer = await openControlServer({
        path,
        replaces,
        answer: (method, asked, body) => this.answer(method, asked, body),
        onError: (error) => log.error({ err: error }, 'a request over the control socket failed'),
      });
    } catch (error) {
      log.warn(
        { path, err: error },
        'there is no control socket: akprox status and reload do not work, and akprox sessions cannot tell this daemon',
      );
    }
  }

  close(): void {
    this.closeServer();
  }

  private async answer(
    method: string,
    path: string,
    body: string | null,
  ): Promise<{ status: number; value: unknown } | undefined> {
    switch (`${method} ${path}`) {
      case 'GET /status':
        return { status: 200, value: await this.status() };
      case 'POST /reload':
        return { status: 200, value: await this.reload() };
      case 'POST /sessions': {
        const operation = readOperation(body);
        if (operation === null) return { status: 400, value: null };
        return { status: 200, value: await this.operate(operation) };
      }
      default:
        return undefined;
    }
  }

  private async status(): Promise<DaemonStatus> {
    const { supervisor, questions, config, engine, totals, unready } = this.options;
    await questions.ask('report');
    const { CertificateEnds } = await import('./certificate-ends.js');
    const { listen, providers, store } = config.current;
    const { http, https, compat } = listen;
    return {
      version: VERSION,
      node: process.version,
      pid: process.pid,
      startedAt: Date.now() - Math.round(process.uptime() * 1_000),
      workers: {
        ready: supervisor.workers.ready().length,
        wanted: supervisor.wanted,
        restarts: supervisor.restarts,
      },
      engine: engine(),
      listen: { http, https, compat, metrics: this.options.metrics() },
      store: store.kind,
      generation: config.generation,
      current: config.isCurrent,
      unready: unready(),
      degraded: [...new Set(await questions.ask('health'))],
      providers: providers.length,
      idps: idpsOf(totals),
      certificates: new CertificateEnds().of(config.current),
    };
  }

  private async reload(): Promise<ReloadAnswer> {
    const { config, reload } = this.options;
    const reloaded = await reload();
    const nothing = { problems: [], warnings: [], ignored: [] };
    if (!reloaded.taken) return { ...nothing, ...reloaded, generation: config.generation };
    const late = ['not every worker has taken it yet: see the log'];
    const problems = await this.within(APPLY_TIMEOUT, reloaded.applied, late);
    const { warnings, ignored } = reloaded;
    return { taken: true, problems, warnings, ignored, generation: config.generation };
  }

  /** By one worker for all; once it is answered, no worker of this host serves what has ended. */
  private async operate(operation: Operation): Promise<OperationAnswer> {
    const { supervisor, questions } = this.options;
    const { workers } = supervisor;
    this.last += 1;
    const request = this.last;
    const asked = workers.sendToOne({ type: 'operate', request, operation });
    if (asked === null) return { problem: 'no worker is ready' };
    const done = new Promise<Result>((resolve) => this.asked.set(request, { worker: asked.id, done: resolve }));
    const result = await this.within<Result>(OPERATION_TIMEOUT, done, { problem: 'the worker does not answer' });
    this.asked.delete(request);
    if ('problem' in result) return result;
    if (result.keys.length > 0) {
      workers.broadcast({ type: 'forget', keys: result.keys });
      // Messages to a worker stay in order: who answers this has forgotten.
      await questions.ask('health');
    }
    return { outcomes: result.outcomes };
  }

  answered({ request, result }: Extract<ToPrimary, { type: 'operated' }>): void {
    this.asked.get(request)?.done(result);
  }

  /** A worker that died answers nothing any more. */
  gone({ id }: Worker): void {
    for (const { worker, done } of this.asked.values())
      if (worker === id) done({ problem: 'the worker that was asked has died' });
  }

  private within<T>(ms: number, work: Promise<T>, otherwise: T): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.options.timers.after(ms, () => resolve(otherwise));
      work.then(resolve, reject).finally(cancel);
    });
  }
}

/** By what came of the last call to each. */
function idpsOf(totals: Totals): DaemonStatus['idps'] {
  const metric = METRICS.find(({ name }) => name === 'akprox_idp_up');
  if (metric === undefined || 'show' in metric) return [];
  return totals.of(metric).map(([[provider = ''], [isUp]]) => [provider, isUp === 1] as const);
}

function readOperation(body: string | null): Operation | null {
  let value: unknown;
  try {
    value = JSON.parse(body ?? '');
  } catch {
    return null;
  }
  if (!isRecord(value) || !KINDS.includes(value['kind'])) return null;
  const { kind, provider, value: text } = value;
  if (kind === 'count') return { kind };
  if (kind === 'all') return typeof provider === 'string' ? { kind, provider } : null;
  if (typeof text !== 'string' || (provider !== null && typeof provider !== 'string')) return null;
  return { kind: kind as 'sub' | 'sid' | 'show', value: text, provider };
}
