// SIGUSR2: another process takes over, and nobody who asks notices.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { connect } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { askOf, ChaosLoad } from '../../bench/chaos-load.js';
import { type Answer, type Daemon, request, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { startFakeCore } from '../kit/fake-core.js';
import { replaced, servingPid, succeed } from '../kit/successors.js';
import { until } from '../kit/until.js';
import { ACCOUNTS, APP, startWorld, type World } from '../kit/world.js';

const linux = process.platform === 'linux' ? false : 'uWebSockets.js shares a port between processes on Linux';
const NOTHING_LOST = { wrong: 0, unavailable: 0, hung: 0, cut: 0, refused: 0 };

function lossesOf({ tally }: ChaosLoad): typeof NOTHING_LOST {
  const { wrong, unavailable, hung, cut, refused } = tally;
  return { wrong, unavailable, hung, cut: cut.length, refused: refused.length };
}

/** Something that is asked again and again. `asked`: how often so far. */
interface Asking {
  asked: number;
  /** Of the last time: there is no other. */
  failure: unknown;
  stop(): Promise<void>;
}

function askAgain(once: () => Promise<void>): Asking {
  let isOver = false;
  const run = async (): Promise<void> => {
    while (!isOver) {
      await once();
      asking.asked += 1;
    }
  };
  const running = run();
  running.catch((error: unknown) => {
    asking.failure = error;
  });
  const asking: Asking = {
    asked: 0,
    failure: null,
    stop: () => {
      isOver = true;
      return running;
    },
  };
  return asking;
}

describe('a daemon that is replaced by a successor', { skip: linux }, () => {
  let world: World;
  let daemon: Daemon;
  let cookie = '';
  before(async () => {
    world = await startWorld({
      succeeds: true,
      provider: { access: { email_domains: ['example.com'] } },
      // What a worker has in its cache stays there, unless it is told otherwise.
      config: { listen: { https: '127.0.0.1:0', compat: '127.0.0.1:0' }, cache: { max_age: '1h', stale_max: '1h' } },
    });
    daemon = world.daemon;
    cookie = await signIn(world, 'alice');
  });
  after(() => world?.[Symbol.asyncDispose]());

  it('answers every check on every listener, twice in turn, on the ports that it got in the place of 0', async () => {
    const uid = (await traefikCheck(daemon.http, `${APP}/`, { cookie })).headers['x-authentik-uid'];
    const asks = [askOf(cookie, String(uid)), askOf('', null)];
    let turn = 0;
    const next = (): (typeof asks)[number] => asks[++turn % 2] ?? askOf('', null);
    const loads = [daemon.http, daemon.compat ?? ''].flatMap((url) => [
      new ChaosLoad(url, next, 1),
      new ChaosLoad(url, next, 1, true),
    ]);
    const others = [
      askAgain(async () => assert.equal((await request(`${daemon.metrics}/readyz`)).status, 200)),
      askAgain(async () => assert.equal((await request(`${daemon.metrics}/metrics`)).status, 200)),
      askAgain(() => askOverHttp2(daemon.https ?? '', cookie)),
    ];
    for (const load of loads) load.start();
    const all = (): number[] => [...loads.map(({ tally }) => tally.sent), ...others.map(({ asked }) => asked)];
    const failed = (): boolean => others.some(({ failure }) => failure !== null);
    const allGoOn = async (): Promise<void> => {
      const so = all();
      await until(() => failed() || all().every((count, i) => count > (so[i] ?? 0) + 2));
      for (const { failure } of others) assert.ifError(failure);
    };
    await allGoOn();
    for (let i = 0; i < 2; i += 1) {
      await replaced(daemon);
      await allGoOn();
    }
    for (const load of loads) await load.stop();
    for (const other of others) await other.stop();
    for (const load of loads) assert.deepEqual(lossesOf(load), NOTHING_LOST, load.tally.examples.join('\n'));
    assert.deepEqual(new Set(daemon.lines.filter(({ level }) => level === 'error')), new Set());
  });

  it('refuses a session that ended at its successor, on connections that it still has, and the other way round', async () => {
    // At the listener whose idle connections live longest; one for each try, because it may end with its next answer.
    const agents = Array.from({ length: 24 }, () => new OneConnection());
    const [alice, bob] = await Promise.all([signIn(world, 'alice'), signIn(world, 'bob')]);
    for (const agent of agents) {
      for (const cookie of [alice, bob]) assert.equal((await checkKept(daemon, cookie, agent)).status, 200);
    }
    const signsOut = agents.pop();
    await replaced(daemon);
    for (let i = 0; i < 8; i += 1) {
      for (const cookie of [alice, bob]) assert.equal((await check(daemon, cookie)).status, 200);
    }
    assert.equal((await signOut(daemon.http, alice)).status, 302);
    for (let status = 200, pause = 1; status !== 302; pause *= 1.4) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      const agent = agents.pop();
      assert.ok(agent, 'the former daemon has heard of it');
      ({ status } = await checkKept(daemon, alice, agent));
      assert.equal(agent.opened, 1, 'the former daemon has answered');
      assert.ok([200, 302].includes(status));
    }

    assert.equal((await signOut(daemon.compat ?? '', bob, signsOut)).status, 302);
    assert.equal(signsOut?.opened, 1, 'the former daemon has answered');
    await until(async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => check(daemon, bob)));
      return answers.every(({ status }) => status === 302);
    });
  });

  it('is replaced all the same when it is killed while its successor starts', async () => {
    const cookie = await signIn(world, 'alice');
    const former = servingPid(daemon);
    await succeed(daemon, ({ msg, pid }) => msg === 'starting' && pid !== former);
    process.kill(former, 'SIGKILL');
    await daemon.waitFor(({ msg, pid }) => msg === 'listening' && pid !== former && pid === servingPid(daemon));
    assert.equal((await check(daemon, cookie)).status, 200);
    assert.equal((await checkKept(daemon, cookie, new OneConnection())).status, 200);
    assert.equal((await request(`${daemon.metrics}/readyz`)).status, 200);
    await askOverHttp2(daemon.https ?? '', cookie);
  });

  it('takes a listener along that its successor does not have: nobody is let in where nobody answers', async () => {
    const ping = `${daemon.compat}/akprox/ping`;
    assert.equal((await request(ping)).status, 204);
    const config = readFileSync(daemon.configPath, 'utf8');
    assert.match(config, /compat: /);
    writeFileSync(daemon.configPath, config.replace(/compat: .*/, 'compat: null'));
    await replaced(daemon);
    await until(async () => (await refusalOf(ping)) === 'ECONNREFUSED');
  });

  it('ends with SIGTERM to the one that serves', async () => {
    const former = servingPid(daemon);
    process.kill(former, 'SIGTERM');
    await daemon.waitFor(({ msg, pid }) => msg === 'draining' && pid === former);
    await until(async () => (await traefikCheck(daemon.http, `${APP}/`).catch(() => null)) === null);
    if (daemon.child.exitCode === null) await once(daemon.child, 'exit');
    assert.equal(daemon.child.exitCode, 0);
  });
});

async function askOverHttp2(origin: string, cookie: string): Promise<void> {
  const session = connect(origin, { rejectUnauthorized: false });
  try {
    for (let i = 0; i < 5 && !session.closed; i += 1) {
      const stream = session.request({
        ':path': '/akprox/auth/traefik',
        'x-forwarded-proto': 'http',
        'x-forwarded-host': new URL(APP).host,
        'x-forwarded-uri': '/',
        'x-forwarded-method': 'GET',
        cookie,
      });
      stream.resume();
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
      assert.equal(headers[':status'], 200);
      await once(stream, 'close');
    }
  } finally {
    session.close();
  }
}

/** Kept, until somebody closes it. */
class OneConnection extends http.Agent {
  /** How often one was opened. */
  opened = 0;

  constructor() {
    super({ keepAlive: true, maxSockets: 1 });
  }

  override createConnection(...args: Parameters<http.Agent['createConnection']>): Duplex | null | undefined {
    this.opened += 1;
    return super.createConnection(...args);
  }
}

async function signIn(world: World, user: string): Promise<string> {
  const browser = world.browser();
  assert.equal((await browser.logIn(`${APP}/`, user)).status, 200);
  return (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_')) ?? '';
}

/** '' where somebody is let in, answered or not. */
function refusalOf(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connectTcp(Number(port), hostname, () => {
      socket.destroy();
      resolve('');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

function check(daemon: Daemon, cookie: string): Promise<Answer> {
  return traefikCheck(daemon.http, `${APP}/`, { cookie });
}

function checkKept(daemon: Daemon, cookie: string, agent: http.Agent): Promise<Answer> {
  return traefikCheck(daemon.compat ?? '', `${APP}/`, { cookie, agent });
}

function signOut(origin: string, cookie: string, agent?: http.Agent): Promise<Answer> {
  const headers = { Host: new URL(APP).host, Cookie: cookie };
  return request(`${origin}/akprox/sign_out`, { headers, ...(agent && { agent }) });
}

/** A `systemd-notify` that does nothing, or refuses to say that a daemon is ready. */
function notifyingIn(directory: string): { env: Record<string, string>; refuse(refuses: boolean): void } {
  const bin = join(directory, 'systemd');
  const refusal = join(bin, 'refuses');
  mkdirSync(bin);
  const script = `#!/bin/sh\n[ "$1" != --ready ] || [ ! -e ${refusal} ]\n`;
  writeFileSync(join(bin, 'systemd-notify'), script, { mode: 0o755 });
  return {
    env: { NOTIFY_SOCKET: '/nowhere', PATH: `${bin}:${process.env['PATH']}` },
    refuse: (refuses) => (refuses ? writeFileSync(refusal, '') : rmSync(refusal)),
  };
}

describe('a daemon on unix sockets that is replaced by a successor', { skip: linux }, () => {
  it('answers every check; its sockets are replaced by those of the successor, which takes them away when it ends', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-successor-'));
    const socket = join(directory, 'a.sock');
    const providers = [testProvider('http://127.0.0.1:9')];
    const notify = notifyingIn(directory);
    const daemon = await startDaemon(
      { providers, listen: { http: `unix:${socket}` } },
      { succeeds: true, env: notify.env },
    );
    const control = join(daemon.directory, 'data', 'control.sock');
    try {
      const paths = [socket, `${socket}.2`];
      const identities = (): bigint[] => paths.map((path) => lstatSync(path, { bigint: true }).ino);
      const loads = paths.flatMap((path) => [
        new ChaosLoad(`unix:${path}`, () => askOf('', null), 1),
        new ChaosLoad(`unix:${path}`, () => askOf('', null), 1, true),
      ]);
      for (const load of loads) load.start();
      await until(() => loads.every(({ tally }) => tally.sent > 10));
      const former = [...identities(), lstatSync(control, { bigint: true }).ino];

      // One whose workers listen, and that cannot take over all the same, has taken nothing away.
      notify.refuse(true);
      const { pid } = await succeed(daemon, ({ msg }) => msg.startsWith('akprox cannot start: systemd-notify'));
      process.kill(Number(pid), 'SIGKILL');
      await daemon.waitFor(({ msg }) =>
        msg.startsWith('the successor cannot start, this daemon goes on: systemd-notify'),
      );
      assert.deepEqual([...identities(), lstatSync(control, { bigint: true }).ino], former);
      notify.refuse(false);

      await replaced(daemon);
      for (const [i, identity] of identities().entries()) assert.notEqual(identity, former[i]);
      const sent = loads.map(({ tally }) => tally.sent);
      await until(() => loads.every(({ tally }, i) => tally.sent > (sent[i] ?? 0) + 10));
      for (const load of loads) await load.stop();
      await daemon.waitFor(({ msg }) => msg === 'the former daemon has ended');
      assert.deepEqual(readdirSync(directory).sort(), ['a.sock', 'a.sock.2', 'systemd']);
      for (const load of loads) assert.deepEqual(lossesOf(load), NOTHING_LOST, load.tally.examples.join('\n'));
      process.kill(servingPid(daemon), 'SIGTERM');
      await until(() => readdirSync(directory).length === 1);
    } finally {
      await daemon[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('a daemon with providers of authentik that is replaced by a successor', { skip: linux }, () => {
  it('is not replaced by one that does not know them', async () => {
    await using core = await startFakeCore({
      accounts: ACCOUNTS,
      providers: [{ name: 'whoami', external_host: APP }],
    });
    const env = { AUTHENTIK_HOST: core.url, AUTHENTIK_TOKEN: core.token };
    const daemon = await startDaemon({ workers: 1 }, { env, succeeds: true });
    try {
      await daemon.waitFor(({ msg }) => msg === 'the providers from authentik are in force');
      const load = new ChaosLoad(daemon.http, () => askOf('', null), 1, true);
      load.start();
      await replaced(daemon);
      const { sent } = load.tally;
      await until(() => load.tally.sent > sent + 10);
      await load.stop();
      assert.deepEqual(lossesOf(load), NOTHING_LOST, load.tally.examples.join('\n'));
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  });
});
