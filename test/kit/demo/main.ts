// `npm run demo`: everything that a login needs, on this machine, for somebody who wants to see it work.
// Whatever happens here ends in `leave`, and nothing that was started outlives it.
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { startFakeCore } from '../fake-core.js';
import { startGateway } from '../gateway.js';
import { startIdp } from '../idp.js';
import { startWhoami } from '../whoami.js';
import { ACCOUNTS } from './accounts.js';
import { type Child, type Command, killChildren, startChild } from './children.js';
import {
  claimPorts,
  DemoError,
  type DemoOptions,
  type GatewayName,
  help,
  type Ports,
  parseOptions,
} from './options.js';
import { findProgram, PROXIES, prepareProxy, unfit } from './proxies.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const DAEMON = join(ROOT, 'dist', 'main.js');
const READY_WITHIN = 60_000;
/** One Ctrl-C may arrive twice, from the terminal and from npm; only a later one is a second one. */
const SAME_CTRL_C = 500;

const say = (text: string): boolean => process.stdout.write(`${text}\n`);
const children: Child[] = [];
let data = '';
/** The data directory, if it is ours to remove. */
let temporary: string | null = null;
let leaving = false;

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(help());
    return;
  }
  const gateway = chooseGateway(options.gateway);
  const ports = await claimPorts(options.ports);
  const directory = dataDirectory(options.data);
  data = directory;
  listenForSignals();
  await build(directory);

  const origin = new URL(`http://whoami.localhost:${ports.port}`).origin;
  const identity = await (options.authentik ? startCore : startProvider)(ports, origin);
  say(
    `${options.authentik ? 'authentik core' : 'OpenID provider'}${options.authentik ? '  ' : ' '} ready  ${identity.url}`,
  );

  const app = await startWhoami({ port: ports['app-port'] });
  say(`application      ready  http://127.0.0.1:${app.port}`);

  await startOutpost(directory, ports, options, identity);
  const outpost = `127.0.0.1:${ports['outpost-port']}`;
  say(`outpost          ready  http://${outpost}, metrics http://127.0.0.1:${ports['metrics-port']}/metrics`);

  const which = await openGateway(gateway, directory, ports);
  say(`gateway          ready  ${which}`);

  const host = new URL(origin).host;
  say(`
Open ${origin}/

  ${identity.users.join('\n  ')}
  Any password will do. What to look at:
${walk(origin, identity, which.startsWith('nginx'))
  .map((step) => `  * ${step}\n`)
  .join('')}
What a request without a session gets:
  curl -sD- -o /dev/null -H 'Host: ${host}' http://127.0.0.1:${ports.port}/
What akprox says about this gateway:
  node dist/main.js doctor ${origin}/ --outpost http://127.0.0.1:${ports['outpost-port']}${options.authentik ? '' : ' --echo /public/'}

Configuration, sessions and logs: ${directory}
Ctrl-C stops everything.`);
}

/** What a newcomer sees, in the order in which it can be seen. */
function walk(origin: string, { prefix, bob }: Identity, nginx: boolean): string[] {
  // nginx shows no answer of a check to anybody.
  const page = nginx
    ? 'and sees the 403 of nginx; another gateway (--gateway builtin) shows the page of akprox'
    : 'and sees a page that says as whom he is signed in, in the language of the browser; its button “Sign in as somebody else” leads to the login';
  return [
    `alice: the page has what the application is told of her. “Sign out” there, or ${origin}${prefix}/sign_out, ends both sessions and says so`,
    ...(bob === 'kept out' ? [`bob: ${page}`] : []),
    `an address that nobody serves: ${origin}${prefix}/nothing`,
    `a login that cannot be completed, and the reference of its page in outpost.log: ${origin}${prefix}/callback?code=x&state=y`,
  ];
}

/** Who knows the users, and what the outpost is told of it. */
interface Identity {
  readonly url: string;
  readonly users: readonly string[];
  readonly bob: 'kept out' | 'let in';
  readonly providers: readonly unknown[];
  readonly env: Readonly<Record<string, string>>;
  /** Where the steps of a login are. */
  readonly prefix: string;
}

async function startProvider(ports: Ports, origin: string): Promise<Identity> {
  const client = { id: 'whoami', secret: randomBytes(24).toString('base64url') };
  const idp = await startIdp({
    port: ports['idp-port'],
    accounts: ACCOUNTS,
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        redirect_uris: [`${origin}/akprox/callback`],
        post_logout_redirect_uris: [`${origin}/akprox/signed_out`],
      },
    ],
  });
  const whoami = {
    name: 'whoami',
    display_name: 'Whoami',
    mode: 'forward_single',
    external_host: origin,
    cookie_secret: { env: 'DEMO_COOKIE_SECRET' },
    prefix: '/akprox',
    oidc: { issuer: idp.issuer, client_id: client.id, client_secret: { env: 'DEMO_CLIENT_SECRET' } },
    access: { groups: ['staff'] },
    skip_path_regex: ['^/public/'],
  };
  return {
    url: idp.issuer,
    bob: 'kept out',
    users: ['alice  is in the group staff and gets in', 'bob    is not, and gets a page of 403'],
    providers: [whoami],
    env: { DEMO_COOKIE_SECRET: randomBytes(48).toString('base64url'), DEMO_CLIENT_SECRET: client.secret },
    prefix: '/akprox',
  };
}

/** The outpost gets an address and a token, nothing else; its provider comes from core. */
async function startCore(ports: Ports, origin: string): Promise<Identity> {
  const token = randomBytes(24).toString('base64url');
  const core = await startFakeCore({
    port: ports['idp-port'],
    token,
    accounts: ACCOUNTS,
    providers: [{ name: 'whoami', external_host: origin }],
  });
  return {
    url: core.url,
    bob: 'let in',
    users: [
      'alice and bob both get in: who may use an application is for authentik to decide, and this stand-in lets everybody in',
    ],
    providers: [],
    env: { AUTHENTIK_HOST: core.url, AUTHENTIK_TOKEN: token },
    prefix: '/outpost.goauthentik.io',
  };
}

function dataDirectory(wanted: string | null): string {
  if (wanted === null) {
    temporary = mkdtempSync(join(tmpdir(), 'akprox-demo-'));
    return temporary;
  }
  const directory = resolve(wanted);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new DemoError(`--data: ${error instanceof Error ? error.message : error}`);
  }
  return directory;
}

/** Compiles when there is nothing to run, or when the sources are newer. */
async function build(directory: string): Promise<void> {
  const source = join(ROOT, 'src');
  const newest = Math.max(
    ...readdirSync(source, { recursive: true, encoding: 'utf8' }).map((file) => statSync(join(source, file)).mtimeMs),
  );
  if ((statSync(DAEMON, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= newest) return;
  say('building dist/ …');
  const started = new Date();
  const compiler = start({
    file: process.execPath,
    args: [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(ROOT, 'tsconfig.json')],
    env: { PATH: process.env['PATH'] },
    log: join(directory, 'build.log'),
  });
  const how = await compiler.ended;
  if (how !== 'exit code 0') throw new DemoError(`dist/ could not be built (${how}):\n${compiler.tail()}`);
  utimesSync(DAEMON, started, started);
}

async function startOutpost(directory: string, ports: Ports, options: DemoOptions, identity: Identity): Promise<void> {
  const config = join(directory, 'akprox.yaml');
  const listen = (port: number): string => `127.0.0.1:${port}`;
  writeFileSync(
    config,
    stringify({
      listen: { http: listen(ports['outpost-port']), https: null, metrics: listen(ports['metrics-port']) },
      workers: options.workers,
      store: { kind: 'embedded', path: join(directory, 'sessions') },
      log: { level: 'info', checks: 'all' },
      pages: { name: 'akprox demo' },
      providers: identity.providers,
    }),
  );
  const child = start({
    file: process.execPath,
    args: [DAEMON],
    env: {
      PATH: process.env['PATH'],
      AKPROX_CONFIG: config,
      ...identity.env,
    },
    log: join(directory, 'outpost.log'),
  });
  await untilReady(child, 'The outpost', `http://127.0.0.1:${ports['metrics-port']}/readyz`, 200);
}

function chooseGateway(wanted: GatewayName | 'auto'): { name: GatewayName; file: string } {
  const path = process.env['PATH'] ?? '';
  for (const name of wanted === 'auto' ? PROXIES : wanted === 'builtin' ? [] : [wanted]) {
    const file = findProgram(name, path);
    const problem = file === null ? `there is no ${name} on PATH` : unfit(name, file);
    if (file !== null && problem === null) return { name, file };
    if (wanted !== 'auto') throw new DemoError(`--gateway: ${problem}.`);
  }
  return { name: 'builtin', file: '' };
}

/** A line about what it is. */
async function openGateway(gateway: { name: GatewayName; file: string }, directory: string, ports: Ports) {
  const outpost = `127.0.0.1:${ports['outpost-port']}`;
  const application = `127.0.0.1:${ports['app-port']}`;
  if (gateway.name === 'builtin') {
    await startGateway({
      port: ports.port,
      outpost: `http://${outpost}`,
      backend: `http://${application}`,
      host: 'whoami.localhost',
      routeOutpostPaths: true,
    });
    return 'builtin, asks as Traefik does';
  }
  const command = prepareProxy(gateway.name, gateway.file, { directory, port: ports.port, outpost, application });
  const child = start(command);
  const hint = '--gateway builtin does without.';
  await untilReady(child, gateway.name, `http://whoami.localhost:${ports.port}/akprox/ping`, 204, hint);
  return `${gateway.name} (${gateway.file}), set up by ${command.config}`;
}

function start(command: Command): Child {
  if (leaving) throw new DemoError('stopped');
  const child = startChild(command);
  children.push(child);
  return child;
}

/** Waits for the answer that shows that the child works, and from then on takes its end for a failure. */
async function untilReady(child: Child, name: string, url: string, status: number, hint = ''): Promise<void> {
  let how: string | null = null;
  void child.ended.then((end) => {
    how = end;
  });
  const deadline = Date.now() + READY_WITHIN;
  const failure = (what: string): DemoError =>
    new DemoError([`${name} ${what}. Its last words:`, child.tail(), hint].filter(Boolean).join('\n'));
  while ((await ask(url)) !== status) {
    if (how !== null) throw failure(`did not start (${how})`);
    if (Date.now() > deadline) throw failure(`does not answer at ${url} as it should`);
    await delay(50);
  }
  void child.ended.then((end) => fail(failure(`ended unexpectedly (${end})`)));
}

/** The status, or null. */
function ask(url: string): Promise<number | null> {
  return new Promise((answer) => {
    // Not every resolver knows that names below `localhost` are this machine.
    const place = { hostname: '127.0.0.1', headers: { Host: new URL(url).host } };
    const req = request(url, { agent: false, timeout: 1_000, ...place }, (res) => {
      res.resume();
      answer(res.statusCode ?? null);
    });
    req.on('timeout', () => req.destroy());
    req.on('error', () => answer(null));
    req.end();
  });
}

function listenForSignals(): void {
  let first = 0;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!leaving) {
        first = Date.now();
        say('\nstopping …');
        void leave(0);
      } else if (Date.now() - first > SAME_CTRL_C) {
        process.exit(130);
      }
    });
  }
}

function fail(error: unknown): void {
  if (leaving) return;
  const known = error instanceof DemoError;
  process.stderr.write(`${known ? error.message : error instanceof Error ? error.stack : error}\n`);
  void leave(1);
}

/** Stops what was started, last first. The OpenID provider, the application and our own gateway end with the process. */
async function leave(code: number): Promise<void> {
  leaving = true;
  for (const child of children.reverse()) await child.stop();
  if (temporary !== null && code === 0) rmSync(temporary, { recursive: true, force: true });
  else if (code !== 0 && children.length > 0) process.stderr.write(`Configuration and logs: ${data}\n`);
  process.exit(code);
}

process.on('exit', killChildren);
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
main().catch(fail);
