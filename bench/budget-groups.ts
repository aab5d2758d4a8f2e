// Everything that the budget of a check says, in groups that are measured one after the other; inside a group, targets take turns.
import { createApplication } from '../src/application/application.js';
import { configOf } from '../test/kit/application.js';
import { testProvider } from '../test/kit/daemon.js';
import { makeSessions } from '../test/kit/sessions.js';
import { cachedBytes, NO_STORE } from './cached-bytes.js';
import { measureCached } from './cached-rows.js';
import { measureKilled } from './killed-rows.js';
import { loopRows, measureLoop } from './loop-rows.js';
import { measureMemory } from './memory-rows.js';
import { sessionOf } from './mint.js';
import { installed, type Settings } from './options.js';
import { measurePeer } from './peer-rows.js';
import { percentile } from './percentiles.js';
import { measureRestartRows } from './restart-rows.js';
import { NODES, revocationTimes } from './revocation-times.js';
import { measureStores } from './store-rows.js';
import { oauth2ProxyMissing } from './targets/oauth2-proxy.js';
import { measureTraefik, traefikRows } from './traefik-cells.js';
import { traefikMissing } from './traefik-scene.js';
import { measureUnix, unixMissing, unixRows } from './unix-cells.js';
import type { Row } from './verdict.js';

export interface BudgetSettings extends Settings {
  readonly quick: boolean;
}

export interface Group {
  readonly name: string;
  readonly title: string;
  /** Why it cannot be measured here; null when it can. */
  missing(): string | null;
  measure(settings: BudgetSettings, progress: (text: string) => void): Promise<Row[]>;
}

const REVOCATIONS = 1_000;
const QUICK_REVOCATIONS = 100;
const QUICK_SESSIONS = 20_000;

const always = (): null => null;
const needs = (program: string) => (): string | null => (installed(program) ? null : `${program} is not installed`);

export const GROUPS: readonly Group[] = [
  { name: 'cached', title: 'one worker', missing: always, measure: measureCached },
  {
    name: 'unix',
    title: 'unix sockets',
    missing: unixMissing,
    measure: async (settings, progress) => unixRows(await measureUnix(settings, progress)),
  },
  {
    name: 'traefik',
    title: 'a real Traefik, 64 connections, alone on its core',
    missing: () => traefikMissing() ?? needs('wrk')(),
    measure: async (settings, progress) =>
      traefikRows(await measureTraefik({ ...settings, seconds: settings.quick ? 1 : 2 }, progress)),
  },
  {
    name: 'stores',
    title: 'many sessions, and those that are not cached',
    missing: needs('redis-server'),
    measure: (settings, progress) => measureStores(settings, progress, settings.quick ? QUICK_SESSIONS : undefined),
  },
  {
    name: 'peer',
    title: 'the peer',
    missing: () => oauth2ProxyMissing() ?? needs('wrk')(),
    measure: measurePeer,
  },
  {
    name: 'memory',
    title: 'memory of an idle daemon',
    missing: always,
    measure: (_, progress) => measureMemory(progress),
  },
  { name: 'session', title: 'memory of a session', missing: always, measure: measureSession },
  { name: 'killed', title: 'a worker is killed', missing: always, measure: measureKilled },
  {
    name: 'restart',
    title: 'a restart or an upgrade on one host',
    missing: always,
    measure: (settings, progress) => measureRestartRows(settings.rounds, progress),
  },
  {
    name: 'loop',
    title: 'the event loop',
    missing: always,
    measure: async (settings, progress) => loopRows(await measureLoop(settings, progress)),
  },
  { name: 'revocation', title: 'revocation', missing: needs('redis-server'), measure: measureRevocation },
];

export async function measureSession(): Promise<Row[]> {
  const config = configOf({
    cache: { max_bytes: 2 ** 31 },
    providers: [testProvider('http://127.0.0.1:9', { access: { groups: ['staff'] } })],
  });
  const [provider] = config.providers;
  if (provider === undefined) throw new Error('no provider');
  const application = createApplication(provider);
  const { heap } = await cachedBytes(application, makeSessions(NO_STORE, { cache: config.cache }), (number) =>
    sessionOf(application, number, 3_600_000),
  );
  return [
    {
      title: 'memory of a cached session without a JWT header, heap and buffers',
      limit: 1.5,
      rounds: [heap / 1_024],
      unit: ' KiB',
    },
  ];
}

async function measureRevocation(settings: BudgetSettings): Promise<Row[]> {
  const count = settings.quick ? QUICK_REVOCATIONS : REVOCATIONS;
  const times = await revocationTimes(count);
  return [
    {
      title: `revocation, sign-out to the last of ${NODES * 2} workers on ${NODES} nodes, p99 of ${count}`,
      limit: 100,
      rounds: [percentile(times, 0.99)],
      unit: ' ms',
      digits: 1,
    },
  ];
}
