// `akprox sessions`: how many there are, whose, and ending them by hand. A running daemon does it, so that every worker knows at once;
// without one it is done to the store itself.
// A subject is an e-mail address as often as not: only its keyed hash is ever printed.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import type { Logger } from 'pino';
import { type Application, createApplication } from '../application/application.js';
import type { Loaded } from '../config/load.js';
import type { StoreConfig } from '../config/schema.js';
import { explain } from '../infra/errors.js';
import { createLog } from '../infra/log.js';
import { openChannel, openStore } from '../session/open-store.js';
import { countSessions, type Operation, showSessions } from '../session/operation.js';
import type { SharedChannel } from '../session/revocation.js';
import { indexHash } from '../session/session-keys.js';
import type { SessionStore } from '../session/store.js';
import { counted, FAILED, type Io, loadOrPrint, OK, usage } from './command.js';
import { askToOperate, printOutcome } from './operate-daemon.js';

export const SESSIONS_HELP = `akprox sessions: count, show and end sessions

  (nothing)              counts them, by provider
  --sub SUB              ends those of one person, at every provider. SUB is the claim \`sub\`, which applications get as X-Forwarded-User
                         and X-authentik-uid: seldom the user name
  --sub SUB --list       shows them: begin, last renewal, end, browser, address
  --sid SID              ends that of one session at the identity provider (the claim \`sid\`)
  --provider NAME        at this provider alone
  --provider NAME --all  ends all that a provider has

Whose they are is printed as the hash that is \`subject\` in the log. A running daemon does it, so that the next check is refused; without
one it is done to the store. Exit code: 0 done, 1 not done, 2 called wrongly.
`;

/** How long the channel may take to connect. */
const CHANNEL_WAIT_MS = 5_000;

export async function manageSessions(args: string[], io: Io): Promise<number> {
  const request = readRequest(args);
  if (typeof request === 'string') return usage(request, io, 'sessions');
  const asked = await askToOperate(request, io);
  if (asked !== null) return asked;
  const loaded = await loadOrPrint(io);
  return loaded === null ? FAILED : countOrOperate(request, loaded, io);
}

/** What stands behind `sessions`; a text says what is wrong with it. Throws what `parseArgs` throws. */
function readRequest(args: string[]): Operation | string {
  const { values } = parseArgs({
    args,
    options: {
      provider: { type: 'string' },
      sub: { type: 'string' },
      sid: { type: 'string' },
      all: { type: 'boolean' },
      list: { type: 'boolean' },
    },
  });
  const { provider = null, sub, sid, all = false, list = false } = values;
  const chosen = Number(sub !== undefined) + Number(sid !== undefined) + Number(all);
  if (chosen > 1) return '--sub, --sid and --all exclude each other';
  if (provider === '' || sub === '' || sid === '') return 'an option of sessions is empty';
  if (list && sub === undefined) return '--list needs --sub';
  if (sub !== undefined) return { kind: list ? 'show' : 'sub', value: sub, provider };
  if (sid !== undefined) return { kind: 'sid', value: sid, provider };
  if (all) return provider === null ? '--all needs --provider' : { kind: 'all', provider };
  return provider === null ? { kind: 'count' } : '--provider needs --sub, --sid or --all';
}

async function countOrOperate(request: Operation, loaded: Loaded, io: Io): Promise<number> {
  const { config } = loaded;
  const applications = config.providers.map((provider) => createApplication(provider));
  const unknown = unknownProvider(request, applications, loaded);
  if (unknown !== null) return failed(unknown, io);

  const store =
    config.store.kind === 'embedded' ? { ...config.store, path: resolve(io.cwd, config.store.path) } : config.store;
  // Opening would make one; the wrong directory must not look like a store without sessions.
  if (store.kind === 'embedded' && !existsSync(join(store.path, 'data.mdb')))
    return failed(`store.path: there is no store in ${store.path}`, io);
  const broken = (error: unknown) => {
    const message = explain(error);
    return failed(message.startsWith('store.') ? message : `${settingOf(store)}: ${message}`, io);
  };
  let opened: SessionStore;
  try {
    // What it would log is written for a daemon that goes on.
    opened = await openStore(store, Date.now, createLog('silent', 'sessions'));
  } catch (error) {
    return broken(error);
  }
  try {
    if (request.kind === 'count') return await count(opened, applications, loaded, io);
    if (request.kind === 'show') return await show(opened, request, applications, io);
    return await revoke(opened, request, applications, loaded, io);
  } catch (error) {
    return broken(error);
  } finally {
    await opened.close();
  }
}

async function count(
  store: SessionStore,
  applications: readonly Application[],
  loaded: Loaded,
  io: Io,
): Promise<number> {
  const outcomes = await countSessions(store, applications);
  for (const outcome of outcomes) printOutcome(outcome, 'count', io);
  if (outcomes.length === 0) io.stdout(`no sessions${loaded.authentik ? '' : ', and no providers'}\n`);
  return OK;
}

async function show(
  store: SessionStore,
  { value, provider }: Extract<Operation, { kind: 'show' }>,
  applications: readonly Application[],
  io: Io,
): Promise<number> {
  for (const application of applications) {
    if (provider !== null && application.name !== provider) continue;
    printOutcome(await showSessions(store, application, value), 'show', io);
  }
  return OK;
}

async function revoke(
  store: SessionStore,
  request: Exclude<Operation, { kind: 'count' | 'show' }>,
  applications: readonly Application[],
  loaded: Loaded,
  io: Io,
): Promise<number> {
  const ended: Ended[] = [];
  let problem: unknown = null;
  try {
    if (request.kind === 'all') {
      const { sessions } = await store.stats();
      const known = applications.some(({ name }) => name === request.provider);
      if (!known && sessions[request.provider] === undefined)
        return failed(`${notThere(request.provider, applications, loaded)}, and it has no sessions in the store`, io);
      const keys = await store.deleteProvider(request.provider);
      ended.push({ keys, provider: request.provider, subject: '' });
      io.stdout(`${request.provider}: ${counted(keys.length, 'session')} ended\n`);
    } else {
      const { kind, value } = request;
      for (const application of applications) {
        if (request.provider !== null && application.name !== request.provider) continue;
        const hash = indexHash(application, kind, value);
        const subject = kind === 'sub' ? hash : await subjectOfSid(store, hash);
        const keys = await (kind === 'sub' ? store.deleteSubject(hash) : store.deleteSid(hash));
        ended.push({ keys, provider: application.name, subject });
        io.stdout(`${application.name}: ${counted(keys.length, 'session')} ended, ${kind} ${hash}\n`);
      }
      if (request.provider === null && loaded.authentik)
        io.stderr('The providers that come from authentik are not known here: end their sessions in authentik.\n');
    }
  } catch (error) {
    // What has ended so far must be published all the same.
    problem = error;
  }
  const some = ended.filter(({ keys }) => keys.length > 0);
  const published = some.length === 0 || (await publish(some, loaded, io));
  if (problem !== null) throw problem;
  return published ? OK : FAILED;
}

/** Whose they are, for the audit of the daemons. */
interface Ended {
  readonly keys: readonly string[];
  readonly provider: string;
  readonly subject: string;
}

async function subjectOfSid(store: SessionStore, sid: string): Promise<string> {
  const [first] = await store.listSid(sid);
  return first === undefined ? '' : store.subjectOf(first);
}

/** False when the workers of a running daemon may not have heard of it. */
async function publish(ended: readonly Ended[], { config }: Loaded, io: Io): Promise<boolean> {
  const { max_age, stale_max } = config.cache;
  const later =
    `Workers that have one of these sessions in their cache read it again at a check, when it was read longer than ` +
    `cache.max_age (${max_age / 1_000} s) ago; none is served longer than cache.stale_max (${stale_max / 1_000} s).\n`;
  let warnings = 0;
  const log = createLog('warn', 'sessions', {
    write: (line) => {
      warnings += 1;
      io.stderr(line);
    },
  });
  const channel = await openChannel(config.store, {
    log,
    monotonic: () => performance.now(),
    nodeId: 'akprox-sessions',
  });
  if (channel === null) {
    io.stdout(`No running daemon was found: one that runs elsewhere, or has no control socket, is not told. ${later}`);
    return true;
  }
  try {
    if (await connected(channel, log)) {
      for (const { keys, provider, subject } of ended) {
        const audit = { provider, subject, sessions: keys.length };
        channel.publish({ keys, source: 'operator', at: Date.now(), audit });
      }
    } else warnings += 1;
  } finally {
    await channel.close();
  }
  // A warning: it may have been sent once more and arrived, but nobody can be sure.
  if (warnings === 0) return true;
  io.stderr(
    `${settingOf(config.store)}: the sessions are gone from Redis, but not every worker could be told. ${later}`,
  );
  return false;
}

function connected(channel: SharedChannel, log: Logger): Promise<boolean> {
  if (channel.connected) return Promise.resolve(true);
  return new Promise((resolvePromise) => {
    const timer = setTimeout(() => {
      log.warn('the channel for revocations does not connect');
      resolvePromise(false);
    }, CHANNEL_WAIT_MS);
    channel.onGap(() => {
      clearTimeout(timer);
      resolvePromise(true);
    });
  });
}

/** `--sub` and `--sid` are hashed with a secret of the provider, so it has to be in the configuration. */
function unknownProvider(request: Operation, applications: readonly Application[], loaded: Loaded): string | null {
  if (request.kind === 'count' || request.kind === 'all') return null;
  if (request.provider === null) return applications.length > 0 ? null : notThere(null, applications, loaded);
  const known = applications.some(({ name }) => name === request.provider);
  return known ? null : notThere(request.provider, applications, loaded);
}

function notThere(name: string | null, applications: readonly Application[], loaded: Loaded): string {
  const names = applications.map((application) => `'${application.name}'`).join(', ');
  const missing =
    name === null || names === '' ? 'there are none in the configuration' : `none is called '${name}', only ${names}`;
  const elsewhere = loaded.authentik
    ? '; those that come from authentik are not known here, end their sessions in authentik'
    : '';
  return `providers: ${missing}${elsewhere}`;
}

/** The setting that says where the store is. */
function settingOf(store: StoreConfig): string {
  if (store.kind === 'embedded') return 'store.path';
  if (store.sentinels !== undefined) return 'store.sentinels';
  return store.cluster === undefined ? 'store.url' : 'store.cluster';
}

function failed(message: string, io: Io): number {
  io.stderr(`${message}\n`);
  return FAILED;
}
