// Real reverse proxies for the tests, started with the very files of deploy/proxies/. Only
// addresses and paths are replaced in them; host names stay, and the browser is told where they are really served.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { generate } from 'selfsigned';
import { WebSocketServer } from 'ws';
import { type Browser, createBrowser } from './browser.js';
import { certify } from './certify.js';
import { type Daemon, startDaemon, testProvider } from './daemon.js';
import { findProgram } from './demo/proxies.js';
import { endsWithTest } from './ends-with-test.js';
import { startIdp } from './idp.js';
import { listenLocally } from './listening.js';
import { type Relay, startRelay } from './outpost-relay.js';
import { freePorts } from './ports.js';
import {
  type Changes,
  type Command,
  type Mode,
  type Place,
  PREPARE,
  type Prepare,
  type ProxyName,
  type Variant,
} from './proxy-commands.js';
import { PATIENCE_MS } from './until.js';
import { ACCOUNTS, clientFor } from './world.js';

export const APP = 'https://whoami.company.tld';
export const LOGIN = 'https://login.company.tld';
/** A host that anybody may see: what a request must not be judged by when it goes elsewhere. */
const OPEN = 'https://open.company.tld';

const TRIES = 3;

/** Group names as directories have them, in both families of headers: `carol` has just less than `headers.max_bytes`, `dave` more. */
const groups = (count: number): string[] => [
  'staff',
  ...Array.from({ length: count }, (_, i) => `CN-Department-of-Things-${String(i).padStart(6, '0')}`),
];
const LARGE_ACCOUNTS = {
  carol: { groups: groups(256), email: 'carol@example.com', name: 'Carol', preferred_username: 'carol' },
  dave: { groups: groups(260), email: 'dave@example.com', name: 'Dave', preferred_username: 'dave' },
};

export type { Mode, ProxyName } from './proxy-commands.js';

/** A request as the application got it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly bodyBytes: number;
}

export interface RealWorld {
  readonly daemon: Daemon;
  /** Where the proxy listens, on the loopback address. */
  readonly port: number;
  /** Of the proxy, which is one process. */
  readonly pid: number;
  readonly issuer: string;
  /** What the application got so far, oldest first. */
  readonly seen: readonly Seen[];
  readonly outpost: Relay;
  browser(): Browser;
  /** A TLS connection to the proxy, for what no HTTP client would send. */
  connect(): Promise<TLSSocket>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Named by `TRAEFIK_BIN` and the like, or on PATH. Debian keeps servers where not every user's PATH goes. */
export function findProxy(name: ProxyName): string | null {
  return findProgram(name, [process.env['PATH'] ?? '', '/usr/sbin', '/usr/local/sbin'].join(delimiter));
}

/** Why a suite that needs it is skipped; null when it is here. */
export function proxyMissing(name: ProxyName): string | null {
  return findProxy(name) === null ? `${name} is not installed (${name.toUpperCase()}_BIN names one)` : null;
}

/** What stands around a proxy: several of them, one after the other, can stand in the same. */
export interface Surroundings {
  readonly mode: Mode;
  readonly daemon: Daemon;
  readonly issuer: string;
  readonly application: Application;
  /** Whose certificate the outpost has at `listen.https`, as a file; absent: its own. */
  readonly ca?: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * `allowList` instead of /public/; `application`: one of the test's own, which is closed with the rest; `listen`: more listeners of
 * the daemon than HTTP and HTTPS; `settings`: more of the daemon's; `certified`: by a CA of one's own.
 */
export async function startSurroundings(
  mode: Mode,
  own: {
    readonly allowList?: readonly string[];
    readonly application?: Application;
    readonly listen?: Record<string, unknown>;
    readonly settings?: Record<string, unknown>;
    readonly certified?: boolean;
  } = {},
): Promise<Surroundings> {
  const cleanups: (() => unknown)[] = [];
  const cleanUp = async (): Promise<void> => {
    for (const step of cleanups.splice(0).reverse()) await step();
  };
  try {
    if (own.application !== undefined) cleanups.push(own.application.close);
    const origin = mode === 'single' ? APP : LOGIN;
    const clients = [clientFor('whoami', origin), clientFor('open', OPEN)];
    const idp = await startIdp({ clients, accounts: { ...ACCOUNTS, ...LARGE_ACCOUNTS } });
    cleanups.push(idp.close);
    const certified = own.certified ? await certify() : null;
    if (certified !== null) cleanups.push(certified.remove);
    const daemon = await startDaemon({
      workers: 1,
      ...own.settings,
      providers: providers(idp.issuer, mode, own.allowList),
      listen: { https: '127.0.0.1:0', ...(certified && { tls: certified.tls }), ...own.listen },
    });
    cleanups.push(() => daemon[Symbol.asyncDispose]());
    const application = own.application ?? (await startApplication());
    if (own.application === undefined) cleanups.push(application.close);
    const { issuer } = idp;
    return {
      mode,
      daemon,
      issuer,
      application,
      ...(certified && { ca: certified.ca }),
      [Symbol.asyncDispose]: cleanUp,
    };
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

/**
 * With `around`, what is there already serves, and stays. `prepare`: other files than those of both modes. `variant`: how the outpost is
 * asked, where that is not as the file is; `ca`: over HTTPS, by the CA of `around`. `direct`: past the relay, which then counts nothing.
 */
export async function startRealWorld(
  name: ProxyName,
  mode: Mode,
  options: Changes & {
    readonly around?: Surroundings;
    readonly prepare?: Prepare;
    readonly variant?: 'http' | 'ca';
    readonly direct?: boolean;
  } = {},
): Promise<RealWorld> {
  const program = findProxy(name);
  if (program === null) throw new Error(`${name} is not installed`);
  const cleanups: (() => unknown)[] = [];
  const cleanUp = async (): Promise<void> => {
    for (const step of cleanups.splice(0).reverse()) await step();
  };
  try {
    const directory = mkdtempSync(join(tmpdir(), `akprox-${name}-`));
    chmodSync(directory, 0o755);
    cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
    const around = options.around ?? (await startSurroundings(mode));
    if (around !== options.around) cleanups.push(() => around[Symbol.asyncDispose]());
    const { daemon, application, issuer } = around;
    // On unix sockets the proxy and the daemon have them in common, and nothing stands between.
    const sockets = daemon.http.startsWith('unix:')
      ? ((await daemon.waitFor(({ msg }) => msg === 'listening'))['sockets'] as string[])
      : undefined;
    const portOf = (origin: string | null): number => Number(new URL(origin ?? 'none:').port);
    const targets = { port: portOf(daemon.http), securePort: portOf(daemon.https) };
    const outpost = await startRelay(targets.port, targets.securePort);
    cleanups.push(outpost.close);

    const { edits, script } = options;
    const wanted = {
      outpost: (options.direct ? targets : outpost).port,
      secureOutpost: (options.direct ? targets : outpost).securePort,
      application: application.port,
      ...(edits && { edits }),
      ...(script && { script }),
      ...(sockets && { sockets }),
      ...(options.variant && { variant: variantOf(options.variant, around) }),
    };
    const { port, pid, close } = await startProxy(program, name, mode, directory, wanted, options.prepare);
    cleanups.push(close);

    return {
      daemon,
      port,
      pid,
      issuer,
      seen: application.seen,
      outpost,
      browser: () =>
        createBrowser({
          connect: (url) => (url.hostname.endsWith('.company.tld') ? { host: '127.0.0.1', port } : undefined),
        }),
      connect: async () => {
        const { hostname } = new URL(APP);
        const socket = tlsConnect({ host: '127.0.0.1', port, servername: hostname, rejectUnauthorized: false });
        await once(socket, 'secureConnect');
        return socket;
      },
      [Symbol.asyncDispose]: cleanUp,
    };
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

/** What the proxy's own check says of the file in deploy/proxies/; rejects when it refuses the file. */
export async function checkFile(name: ProxyName, mode: Mode): Promise<string> {
  const program = findProxy(name);
  if (program === null) throw new Error(`${name} is not installed`);
  const directory = mkdtempSync(join(tmpdir(), `akprox-${name}-`));
  try {
    const certificate = await writeCertificate(directory);
    const [port = 0, check = 0, plain = 0, outpost = 0, secureOutpost = 0, application = 0] = await freePorts(6);
    const place = { mode, directory, certificate, port, check, plain, outpost, secureOutpost, application };
    const command: Command = PREPARE[name](place);
    if (command.check === undefined) throw new Error(`${name} has no check`);
    const env = { PATH: process.env['PATH'], ...command.env };
    const { status, stdout, stderr } = spawnSync(program, command.check, { encoding: 'utf8', env });
    if (status !== 0) throw new Error(`${name} refuses deploy/proxies/${name}:\n${stdout}${stderr}`);
    return stdout + stderr;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function variantOf(variant: 'http' | 'ca', { ca }: Surroundings): Variant {
  if (variant === 'http') return variant;
  if (ca === undefined) throw new Error('what stands around has no CA');
  return { ca };
}

/** All of them run in one process here, so nothing is left behind. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

function providers(issuer: string, mode: Mode, allowList?: readonly string[]): Record<string, unknown>[] {
  const open = testProvider(issuer, {
    name: 'open',
    external_host: OPEN,
    oidc: { issuer, client_id: 'open', client_secret: 'open-client-secret' },
    skip_path_regex: ['^/'],
  });
  const access = { groups: ['staff'] };
  if (mode === 'single') {
    return [testProvider(issuer, { external_host: APP, access, skip_path_regex: allowList ?? ['^/public/'] }), open];
  }
  const domain = { mode: 'forward_domain', external_host: LOGIN, cookie_domain: 'company.tld' };
  return [testProvider(issuer, { ...domain, access, skip_path_regex: allowList ?? [`^${APP}/public/`] }), open];
}

/** Starts it on a free port; another process may take the port first, so more than once. */
async function startProxy(
  program: string,
  name: ProxyName,
  mode: Mode,
  directory: string,
  wanted: Omit<Place, 'mode' | 'directory' | 'certificate' | 'port' | 'check' | 'plain'>,
  prepare: Prepare = PREPARE[name],
): Promise<{ port: number; pid: number; close(): Promise<void> }> {
  const certificate = await writeCertificate(directory);
  for (let tries = 1; ; tries += 1) {
    const [port = 0, check = 0, plain = 0] = await freePorts(3);
    const place = { mode, directory, certificate, port, check, plain, ...wanted };
    const command = await prepare(place);
    const child = endsWithTest(
      spawn(program, command.args, {
        env: { PATH: process.env['PATH'], ...command.env },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
    const close = async (): Promise<void> => {
      await stop(child);
      await command.close?.();
    };
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const broken = wanted.edits !== undefined;
    if (await serves(child, port, mode === 'single' ? [APP] : [APP, LOGIN], broken))
      return { port, pid: child.pid ?? 0, close };
    await close();
    if (tries === TRIES) throw new Error(`${name} does not start with deploy/proxies/${name}:\n${output}`);
  }
}

async function writeCertificate(directory: string): Promise<Place['certificate']> {
  const pems = await generate([{ name: 'commonName', value: 'company.tld' }], { keyType: 'ec', curve: 'P-256' });
  const [cert, key, both] = ['tls.crt', 'tls.key', 'tls.pem'].map((file) => join(directory, file)) as [
    string,
    string,
    string,
  ];
  writeFileSync(cert, pems.cert);
  writeFileSync(key, pems.private);
  writeFileSync(both, `${pems.cert}\n${pems.private}`);
  return { cert, key, both };
}

/**
 * True as soon as the outpost answers through the proxy, for every origin, or with a `broken` configuration anybody; false when the
 * process has ended instead.
 */
async function serves(
  child: ChildProcess,
  port: number,
  origins: readonly string[],
  broken: boolean,
): Promise<boolean> {
  const deadline = performance.now() + PATIENCE_MS;
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null || performance.now() > deadline;
  const answers = (origin: string): Promise<boolean> =>
    new Promise((resolve) => {
      const { hostname } = new URL(origin);
      const place = { host: '127.0.0.1', port, servername: hostname, rejectUnauthorized: false, agent: false } as const;
      const req = httpsRequest({ ...place, path: '/akprox/userinfo', headers: { Host: hostname } });
      const again = (): unknown => setTimeout(resolve, 20, false);
      req.once('response', (res) => {
        res.resume();
        // Traefik answers 404 until it has read its files.
        if (res.statusCode === 401 || (broken && res.statusCode !== 404)) resolve(true);
        else again();
      });
      req.once('error', again);
      req.end();
    });
  for (const origin of origins) while (!(await answers(origin))) if (ended()) return false;
  return !ended();
}

export interface Application {
  readonly port: number;
  readonly seen: Seen[];
  close(): Promise<void>;
}

/** Answers with the request as it arrived, and echoes on WebSockets. */
export async function startApplication(): Promise<Application> {
  const seen: Seen[] = [];
  const note = (req: IncomingMessage, bodyBytes: number): Seen => {
    const headers = req.rawHeaders.flatMap((name, i) =>
      i % 2 === 0 ? [[name.toLowerCase(), req.rawHeaders[i + 1] ?? ''] as const] : [],
    );
    const entry = { method: req.method ?? '', url: req.url ?? '', headers, bodyBytes };
    seen.push(entry);
    return entry;
  };
  const server = createHttpServer({ maxHeaderSize: 131_072 }, (req, res) => {
    let bytes = 0;
    req.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    req.on('end', () => {
      res.setHeader('Content-Type', 'application/json');
      res.end(JSON.stringify(note(req, bytes)));
    });
  });
  server.keepAliveTimeout = 0; // as in idp.ts
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (req, socket, head) => {
    note(req, 0);
    sockets.handleUpgrade(req, socket, head, (ws) => ws.on('message', (data) => ws.send(`echo ${data.toString()}`)));
  });
  return { ...(await listenLocally(server)), seen };
}
