// node --import tsx bench/sizing.ts: the figures of deploy/sizing.md, from a real redis-server and real logins on two nodes.
// It prints nothing that it has not measured. Commands that the scripts of the store run inside Redis are counted apart:
// they cost the server a little time, and the network nothing.
import { setTimeout as delay } from 'node:timers/promises';
import { type Application, createApplication } from '../src/application/application.js';
import type { Config } from '../src/config/schema.js';
import { createLog } from '../src/infra/log.js';
import { openStore } from '../src/session/open-store.js';
import type { Session } from '../src/session/session.js';
import type { Sessions } from '../src/session/sessions.js';
import type { SessionStore } from '../src/session/store.js';
import { configOf } from '../test/kit/application.js';
import { type Daemon, request, startDaemon, testProvider, traefikCheck } from '../test/kit/daemon.js';
import { type RedisServer, startRedis } from '../test/kit/redis-server.js';
import { makeSessions } from '../test/kit/sessions.js';
import { APP, startWorld, type World } from '../test/kit/world.js';
import { cachedBytes, NO_STORE } from './cached-bytes.js';
import { buildIfStale } from './targets/akprox.js';

const LOGINS = 20;
const STORED = 10_000;
const WORKERS = 2;
const IDLE_S = 10;
/** What this program asks. */
const OURS = new Set([
  'info',
  'config|resetstat',
  'memory|usage',
  'psubscribe',
  'subscribe',
  'client|list',
  'ping',
  'monitor',
]);

const print = (text: string): void => console.log(text);
const closers: (() => unknown)[] = [];
try {
  buildIfStale();
  const redis = await startRedis();
  closers.push(() => redis.stop());
  await measure(redis);
} finally {
  for (const close of closers.toReversed()) await close();
}

async function measure(redis: RedisServer): Promise<void> {
  const store = { kind: 'redis', url: redis.url };
  const users = Array.from({ length: LOGINS }, (_, i) => `user${i}`);
  const account = (name: string) => ({
    groups: ['staff', 'engineering'],
    email: `${name}@example.com`,
    email_verified: true,
    name: 'Alice Liddell',
    preferred_username: name,
  });
  const world = await startWorld({
    config: { workers: WORKERS, store },
    idp: { accounts: Object.fromEntries(['first', ...users].map((name) => [name, account(name)])) },
  });
  closers.push(() => world[Symbol.asyncDispose]());
  const providers = [testProvider(world.idp.issuer, { access: { groups: ['staff'] } })];
  const second = await startDaemon({ workers: WORKERS, store, providers });
  closers.push(() => second[Symbol.asyncDispose]());
  print(`Redis ${/redis_version:(\S+)/.exec(await redis.client.info('server'))?.[1]}, Node ${process.version}`);

  const commands = await commandCounter(redis);
  const cookies: string[] = [];
  // The very first login sends the scripts themselves.
  await logIn(world, 'first');
  await commands.count('per login', LOGINS, async () => {
    for (const user of users) cookies.push(await logIn(world, user));
  });
  const anyone = cookies[0] ?? '';
  const session = await readSession(world, redis, anyone);
  // One worker's connection for all: each check of a new cookie is a miss there.
  await commands.count('per miss (a check of a session that the worker has not cached)', LOGINS, async () => {
    for (const cookie of cookies) await check(second, cookie);
  });
  await hits(commands, second, anyone);
  await commands.count('per sign-out', LOGINS, async () => {
    for (const cookie of cookies) {
      const headers = { Host: new URL(APP).host, Cookie: cookie };
      const { status } = await request(`${world.daemon.http}/akprox/sign_out`, { headers });
      if (status !== 302) throw new Error(`the sign-out was answered ${status}`);
    }
  });
  await fleet(redis);
  commands.stop();
  await stored(redis, session);
  await cached(session);
}

interface Commands {
  count(what: string, times: number, run: () => Promise<unknown>): Promise<void>;
  stop(): void;
}

/**
 * Counts with INFO commandstats. MONITOR tells apart what that adds up: what a script calls and what a client sends, and
 * the revocations among the messages (the heartbeats of the channels go on meanwhile).
 */
async function commandCounter({ client }: RedisServer): Promise<Commands> {
  const byScripts = new Map<string, number>();
  let revocations = 0;
  const monitor = await client.monitor();
  monitor.on('monitor', (_time: string, [command = '', channel]: string[], source: string) => {
    const name = command.toLowerCase();
    if (source === 'lua') byScripts.set(name, (byScripts.get(name) ?? 0) + 1);
    else if (name === 'publish' && channel === 'akprox:revoked') revocations += 1;
  });
  return {
    async count(what, times, run) {
      await client.config('RESETSTAT');
      revocations = 0;
      byScripts.clear();
      await run();
      const text = await client.info('commandstats');
      await delay(100);
      const sent = new Map<string, number>();
      for (const [, name = '', calls] of text.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)) {
        if (!OURS.has(name)) sent.set(name, Number(calls) - (byScripts.get(name) ?? 0));
      }
      sent.set('publish', revocations);
      const inside = byScripts.size > 0 ? `; called by scripts ${listed(byScripts, times)}` : '';
      print(`commands ${what}: ${listed(sent, times)}${inside}`);
    },
    stop: () => monitor.disconnect(),
  };
}

async function hits(commands: Commands, node: Daemon, cookie: string): Promise<void> {
  // On a connection of its own each, so both workers have it afterwards.
  for (let i = 0; i < 40; i += 1) await check(node, cookie);
  await commands.count('per hit (a check of a cached session)', 40, async () => {
    for (let i = 0; i < 40; i += 1) await check(node, cookie);
  });
}

async function fleet({ client }: RedisServer): Promise<void> {
  const nodes = 2;
  const clients = String(await client.client('LIST'))
    .split('\n')
    .filter((line) => line !== '');
  // Two of them are ours.
  print(`connections of ${nodes} nodes of ${WORKERS} workers: ${clients.length - 2}`);
  const [, subscribers] = await client.pubsub('NUMSUB', 'akprox:revoked');
  const channels = await client.pubsub('CHANNELS', 'akprox:*');
  print(`subscribers of akprox:revoked: ${String(subscribers)}; channels: ${channels.length}`);
  await client.config('RESETSTAT');
  await delay(IDLE_S * 1_000);
  const text = await client.info('commandstats');
  const idle = [...text.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)]
    .filter(([, name = '']) => !OURS.has(name))
    .map(([, name = '', calls]) => `${rounded(Number(calls) / IDLE_S)} ${name.toUpperCase()}`);
  print(`commands per second of ${nodes} idle nodes of ${WORKERS} workers: ${idle.join(', ') || 'none'}`);
}

async function stored(redis: RedisServer, session: Session): Promise<void> {
  const used = async () => Number(/used_memory:(\d+)/.exec(await redis.client.info('memory'))?.[1]);
  const opened = await openStore(settings(redis).store, Date.now, createLog('silent', 'bench'));
  closers.push(() => opened.close());
  const { application, sessions } = sessionsOn(opened, settings(redis));
  const before = await used();
  await fill(STORED, (i) => sessions.create(application, copyOf(session, i)));
  const each = (await used()) - before;
  const [, keys] = await redis.client.scan(0, 'MATCH', 'akprox:s:*', 'COUNT', 1_000);
  const [key = ''] = keys;
  const [own, value] = [await redis.client.memory('USAGE', key), await redis.client.strlen(key)];
  print(
    `bytes per session in Redis, with its indexes: ${Math.round(each / STORED)} (used_memory of ${STORED} sessions)`,
  );
  print(
    `  of which its record: ${own} (MEMORY USAGE), ${value} of them content; its ID token has ${session.idToken.length}`,
  );
}

async function cached(session: Session): Promise<void> {
  const { application, sessions } = sessionsOn(NO_STORE, settings(null, 2 ** 31));
  const { heap, counted, size } = await cachedBytes(application, sessions, (i) => copyOf(session, i));
  print(`bytes per cached session in a worker: ${Math.round(heap)} (heap and buffers of ${size})`);
  print(`  counted against cache.max_bytes: ${Math.round(counted)}`);
}

// --- Helpers --------------------------------------------------------------------------------------------------------------

async function logIn(world: World, user: string): Promise<string> {
  const browser = world.browser();
  await browser.logIn(`${APP}/`, user);
  const cookie = (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_'));
  if (cookie === undefined) throw new Error('the login gave no session cookie');
  return cookie;
}

async function check(node: Daemon, cookie: string): Promise<void> {
  const { status } = await traefikCheck(node.http, `${APP}/`, { cookie });
  if (status !== 200) throw new Error(`a check was answered ${status}`);
}

function settings(redis: RedisServer | null, maxBytes = 65_536): Config {
  return configOf({
    ...(redis && { store: { kind: 'redis', url: redis.url } }),
    cache: { max_bytes: maxBytes },
    providers: [testProvider('http://127.0.0.1:9', { access: { groups: ['staff'] } })],
  });
}

function sessionsOn(store: SessionStore, config: Config): { application: Application; sessions: Sessions } {
  const [providerConfig] = config.providers;
  if (providerConfig === undefined) throw new Error('no provider');
  return { application: createApplication(providerConfig), sessions: makeSessions(store, { cache: config.cache }) };
}

/** What a real login has put into Redis. */
async function readSession(world: World, redis: RedisServer, cookie: string): Promise<Session> {
  const config = settings(redis);
  const opened = await openStore(config.store, Date.now, createLog('silent', 'bench'));
  try {
    const { application, sessions } = sessionsOn(opened, config);
    const found = await sessions.read(cookie.slice(cookie.indexOf('=') + 1), application);
    if (found === null) throw new Error(`no session of a login at ${world.idp.issuer}`);
    return found.session;
  } finally {
    await opened.close();
  }
}

/** Somebody else's, with nothing shared in memory that would not be shared between logins. */
function copyOf(session: Session, number: number): Session {
  const copy: Session = JSON.parse(JSON.stringify(session));
  const expiresAt = Date.now() + 3_600_000;
  return { ...copy, expiresAt, claims: { ...copy.claims, sub: `user-${number}`, sid: `sid-${number}` } };
}

async function fill(count: number, create: (number: number) => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i += 50) await Promise.all(Array.from({ length: 50 }, (_, j) => create(i + j)));
}

/** `3: 2 GET, 1 SET`, for one of `times`. */
function listed(counts: ReadonlyMap<string, number>, times: number): string {
  const entries = [...counts].filter(([, count]) => count !== 0).sort(([, left], [, right]) => right - left);
  const sum = entries.reduce((total, [, count]) => total + count, 0);
  const parts = entries.map(([name, count]) => `${rounded(count / times)} ${name.toUpperCase()}`);
  return parts.length === 0 ? '0' : `${rounded(sum / times)}: ${parts.join(', ')}`;
}

function rounded(number: number): string {
  return String(Math.round(number * 100) / 100);
}
