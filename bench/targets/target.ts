// What can be put under load, and the targets beside the outpost: each a process of its own that says its port.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Peer } from '../options.js';
import type { Recorded } from '../scenarios.js';

/** What else a run has cost. */
export interface Meters {
  /** CPU µs per check of the proxy in front. */
  readonly proxyCpu: number | null;
  /** Connections per check that were opened to what is measured. */
  readonly opened: number | null;
}

export interface Target {
  readonly name: string;
  readonly title: string;
  /** Scenarios that it can be asked; null: all. */
  readonly only: readonly string[] | null;
  url(scenario: string): string;
  /** `exact`: answers what the outpost answers; `empty`: an empty 200; `outpost`: judged by the scenario. */
  readonly answers: 'outpost' | 'exact' | 'empty';
  /** The session that this outpost knows; everybody else gets that of the first outpost. */
  readonly session?: string;
  /** The processes that serve checks; none when they are not ours to look at. */
  readonly pids: readonly number[];
  /** Called before a run; what it gives is called behind it, for a remark beside the figures. */
  watch?(): Promise<() => Promise<string>>;
  /** Called before a run with the generator's connections; what it gives is called behind it, with the checks that were answered. */
  meter?(connections: number): Promise<(checks: number) => Promise<Meters>>;
  /** A unix socket that is asked instead of the URL's host. */
  readonly socket?: string;
  close(): Promise<void>;
}

export const pathOf = (scenario: string): string => `/akprox/auth/traefik/${scenario}`;

/** A script in this folder as a process; its answers by path go with it. */
async function startScript(
  file: string,
  answers: ReadonlyMap<string, Recorded>,
): Promise<{ origin: string; pid: number; close(): Promise<void> }> {
  const byPath = Object.fromEntries([...answers].map(([scenario, answer]) => [pathOf(scenario), answer]));
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL(file, import.meta.url)), JSON.stringify(byPath)],
    { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
  );
  if (child.stdout === null || child.pid === undefined) throw new Error(`${file} did not start`);
  const lines = createInterface({ input: child.stdout });
  const exited = once(child, 'exit');
  const [line] = (await Promise.race([
    once(lines, 'line'),
    exited.then(() => Promise.reject(new Error(`${file} ended`))),
  ])) as [string];
  return {
    origin: `http://127.0.0.1:${line.replace('port ', '')}`,
    pid: child.pid,
    close: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

export async function startFloor(answers: ReadonlyMap<string, Recorded>): Promise<Target[]> {
  const { origin, pid, close } = await startScript('floor.ts', answers);
  return [
    {
      name: 'uws-empty',
      title: 'uWebSockets.js, empty 200',
      only: ['signed-in', 'reconnect'],
      url: () => `${origin}/empty`,
      answers: 'empty',
      pids: [pid],
      close,
    },
    {
      name: 'uws-same',
      title: 'uWebSockets.js, same bytes',
      only: null,
      url: (scenario) => origin + pathOf(scenario),
      answers: 'exact',
      pids: [pid],
      close: async () => {},
    },
  ];
}

export async function startNodeHttp(answers: ReadonlyMap<string, Recorded>): Promise<Target> {
  const { origin, pid, close } = await startScript('node-http.ts', answers);
  return {
    name: 'node-http',
    title: 'node:http, same bytes',
    only: null,
    url: (scenario) => origin + pathOf(scenario),
    answers: 'exact',
    pids: [pid],
    close,
  };
}

export async function startNodeHttp2(answers: ReadonlyMap<string, Recorded>): Promise<Target> {
  const { origin, pid, close } = await startScript('node-http2.ts', answers);
  const secure = origin.replace('http:', 'https:');
  return {
    name: 'node-http2',
    title: 'node:http2, same answer',
    only: null,
    url: (scenario) => secure + pathOf(scenario),
    answers: 'exact',
    pids: [pid],
    close,
  };
}

/** Another outpost: asked with the same headers, so it has to know the same host and session to be measured at all. */
export function peerTarget(peer: Peer): Target {
  return {
    name: peer.name,
    title: peer.name,
    only: null,
    url: () => peer.url,
    answers: 'outpost',
    pids: [],
    close: async () => {},
  };
}
