// listen.http as a unix socket: one file for each worker, who may open it, what becomes of what lies there, and whom a daemon
// believes that asks through it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeSocket } from '../../src/cluster/publish-socket.js';
import { claimSockets, socketPath } from '../../src/cluster/unix-sockets.js';
import { configSchema } from '../../src/config/schema.js';
import { AkproxError } from '../../src/infra/errors.js';
import { startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { endsWithTest } from '../kit/ends-with-test.js';

const providers = [testProvider('http://127.0.0.1:9')];

let directory = '';
let made = 0;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'akprox-unix-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

/** Alone in a directory of its own. */
function path(): string {
  made += 1;
  const own = join(directory, String(made));
  mkdirSync(own);
  return join(own, 'a.sock');
}

interface Told {
  readonly status: number;
  readonly body: string;
}

function ask(socketPath: string, path: string, headers: Record<string, string> = {}): Promise<Told> {
  return new Promise((resolve, reject) => {
    const req = http.get({ socketPath, path, headers, agent: false }, (res) => {
      let body = '';
      res.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body }));
    });
    req.on('error', reject);
  });
}

const CHECK = {
  'X-Forwarded-Proto': 'http',
  'X-Forwarded-Host': 'whoami.localhost:8080',
  'X-Forwarded-Uri': '/',
  'X-Forwarded-Method': 'GET',
};
const check = (socket: string, headers: Record<string, string> = {}): Promise<Told> =>
  ask(socket, '/akprox/auth/traefik', { ...CHECK, ...headers });

/** Leaves the file behind, as a daemon that was killed does. */
async function leaveStale(socket: string): Promise<void> {
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  await once(endsWithTest(spawn(process.execPath, ['-e', script, socket], { stdio: 'ignore' })), 'exit');
  assert.ok(lstatSync(socket).isSocket());
}

describe('a daemon on unix sockets', () => {
  it('has one for each worker in place of what a killed one left, of the mode that is asked for, says so, and takes them away when it ends', async () => {
    const socket = path();
    for (const one of [socket, `${socket}.2`]) await leaveStale(one);
    await using daemon = await startDaemon({
      workers: 2,
      providers,
      listen: { http: `unix:${socket}`, socket: { mode: '0640' } },
    });
    const paths = [socket, `${socket}.2`];
    const listening = await daemon.waitFor(({ msg }) => msg === 'listening');
    assert.equal(listening['http'], `unix:${socket}`);
    assert.deepEqual(listening['sockets'], paths);
    assert.deepEqual(readdirSync(join(socket, '..')), ['a.sock', 'a.sock.2']);
    for (const one of paths) {
      assert.equal((await check(one)).status, 302);
      assert.equal(statSync(one).mode & 0o777, 0o640);
    }
    assert.equal(await daemon.stop(), 0);
    assert.deepEqual(readdirSync(join(socket, '..')), []);
  });

  it('gives them to the user and the group that are asked for', {
    skip: process.getuid?.() !== 0 && 'only root gives files away',
  }, async () => {
    const socket = path();
    const listen = { http: `unix:${socket}`, socket: { user: 12_345, group: 'nogroup' } };
    await using daemon = await startDaemon({ workers: 1, providers, listen });
    const { uid, gid, mode } = statSync(socket);
    assert.equal(uid, 12_345);
    assert.notEqual(gid, process.getgid?.());
    assert.equal(mode & 0o777, 0o660);
    assert.equal((await check(socket)).status, 302);
    await daemon.stop();
  });

  it('gives nobody what a link leads to that was put in its place meanwhile', async () => {
    const socket = path();
    const other = `${socket}.secret`;
    writeFileSync(other, 'nobody else reads this', { mode: 0o600 });
    const server = {
      async listenUnix(name: string) {
        symlinkSync(other, name);
      },
    };
    await assert.rejects(
      makeSocket(server, { path: socket, mode: 0o666, uid: null, gid: null }),
      (error) => error instanceof AkproxError && /^listen\.socket: .* another file in its place$/.test(error.message),
    );
    assert.equal(statSync(other).mode & 0o777, 0o600);
  });

  it('puts the worker that replaces another in its place', async () => {
    const socket = path();
    await using daemon = await startDaemon({ workers: 2, providers, listen: { http: `unix:${socket}` } });
    const ready = daemon.lines.filter(({ msg }) => msg === 'worker ready');
    const former = [socket, `${socket}.2`].map((one) => lstatSync(one).ino);
    process.kill(Number(ready[0]?.['worker_pid']), 'SIGKILL');
    await daemon.waitFor(({ msg, worker }) => msg === 'worker ready' && worker === 3);
    const now = [socket, `${socket}.2`].map((one) => lstatSync(one).ino);
    assert.equal(former.filter((ino, place) => ino === now[place]).length, 1);
    for (const one of [socket, `${socket}.2`]) assert.equal((await check(one)).status, 302);
    assert.equal(await daemon.stop(), 0);
    assert.deepEqual(readdirSync(join(socket, '..')), []);
  });

  it('is alone there: a second one is refused with one line, and the first goes on', async () => {
    const socket = path();
    await using daemon = await startDaemon({ workers: 2, providers, listen: { http: `unix:${socket}` } });
    const inode = lstatSync(socket).ino;
    await assert.rejects(
      startDaemon({ workers: 1, providers, listen: { http: `unix:${socket}` } }),
      new RegExp(
        `akprox cannot start: listen\\.http: cannot listen on unix:${socket}: somebody answers there; is another akprox`,
      ),
    );
    assert.equal(lstatSync(socket).ino, inode);
    assert.equal((await check(socket)).status, 302);
    await daemon.stop();
  });

  it("leaves a file alone at its end that is another's by then", async () => {
    const socket = path();
    await using daemon = await startDaemon({ workers: 1, providers, listen: { http: `unix:${socket}` } });
    rmSync(socket);
    const other = createServer().listen(socket);
    await once(other, 'listening');
    await daemon.stop();
    assert.ok(existsSync(socket));
    await once(other.close(), 'close');
  });

  it('believes what whoever may open it says of the client, and of the host of a login', async () => {
    const socket = path();
    await using daemon = await startDaemon({
      workers: 1,
      providers,
      listen: { http: `unix:${socket}`, compat: '127.0.0.1:0' },
      trusted_proxies: [],
      log: { level: 'info', checks: 'denied' },
    });
    const client = async (headers: Record<string, string>, uri: string): Promise<unknown> => {
      await check(socket, { ...headers, 'X-Forwarded-Uri': uri });
      return (await daemon.waitFor(({ msg, path }) => msg === 'check denied' && path === uri))['client'];
    };
    assert.equal(await client({ 'X-Forwarded-For': '203.0.113.9' }, '/told'), '203.0.113.9');
    assert.equal(await client({ 'X-Forwarded-For': '198.51.100.1, 203.0.113.9' }, '/list'), '203.0.113.9');
    assert.equal(await client({}, '/untold'), 'unix');
    // What is no address ends the walk.
    assert.equal(await client({ 'X-Forwarded-For': '198.51.100.1, unix' }, '/said'), 'unix');
    // Over TCP the same daemon believes nobody, as it is told.
    await traefikCheck(daemon.compat ?? '', 'http://whoami.localhost:8080/tcp');
    const overTcp = await daemon.waitFor(({ msg, path }) => msg === 'check denied' && path === '/tcp');
    assert.equal(overTcp['client'], '127.0.0.1');

    const userinfo = (host: string): Promise<Told> =>
      ask(socket, '/akprox/userinfo', { Host: 'outpost.internal', 'X-Forwarded-Host': host });
    assert.equal((await userinfo('whoami.localhost:8080')).status, 401);
    assert.notEqual((await userinfo('elsewhere.localhost')).status, 401);
    await daemon.stop();
  });
});

describe('claimSockets', () => {
  const listen = (address: string, socket = {}) => ({
    ...configSchema.parse({ listen: { socket } }).listen,
    http: address,
  });

  it('has nothing to do for a port', async () => {
    assert.equal(await claimSockets(listen('127.0.0.1:0'), 2), null);
  });

  it('names the sockets of all workers', async () => {
    const socket = path();
    const claimed = await claimSockets(listen(`unix:${socket}`, { mode: '0666', group: 7 }), 3);
    assert.deepEqual(
      claimed?.files,
      [socket, `${socket}.2`, `${socket}.3`].map((one) => ({ path: one, mode: 0o666, uid: null, gid: 7 })),
    );
    assert.equal(socketPath(socket, 2), `${socket}.3`);
  });

  it('says when there is no such user or group', async () => {
    for (const [key, file] of [
      ['user', '/etc/passwd'],
      ['group', '/etc/group'],
    ] as const) {
      await assert.rejects(claimSockets(listen(`unix:${path()}`, { [key]: 'nobody-has-this' }), 1), {
        code: 'listen_failed',
        message: `listen.socket.${key}: ${file} has no ${key} "nobody-has-this"`,
      });
    }
  });

  it('looks at the sockets of all workers', async () => {
    const socket = path();
    const other = createServer().listen(`${socket}.2`);
    await once(other, 'listening');
    await assert.rejects(claimSockets(listen(`unix:${socket}`), 2, 1), /unix:.*\.2: somebody answers there/);
    assert.ok(await claimSockets(listen(`unix:${socket}`), 1, 1));
    assert.ok(existsSync(`${socket}.2`));
    await once(other.close(), 'close');
  });

  it('waits for a predecessor that is about to go', async () => {
    const socket = path();
    const predecessor = createServer((connection) => {
      // Whoever looks whether somebody answers has found it by now.
      connection.destroy();
      predecessor.close();
    }).listen(socket);
    await once(predecessor, 'listening');
    assert.ok(await claimSockets(listen(`unix:${socket}`), 1, 1_000));
    assert.ok(!existsSync(socket));
  });

  for (const [what, prepare, why] of [
    ['a file that is no socket', (socket: string) => writeFileSync(socket, 'mine'), /what is there is no socket$/],
    [
      'a file that is no socket, where workers listen for a moment',
      (socket: string) => writeFileSync(`${socket}.new`, 'mine'),
      /what is there is no socket$/,
    ],
    ['a directory that is not there', (socket: string) => rmSync(join(socket, '..'), { recursive: true }), /ENOENT/],
  ] as const) {
    it(`refuses ${what}`, async () => {
      const socket = path();
      prepare(socket);
      await assert.rejects(claimSockets(listen(`unix:${socket}`), 1), (error: unknown) => {
        assert.ok(error instanceof AkproxError);
        assert.equal(error.code, 'listen_failed');
        assert.match(error.message, /^listen\.http: cannot listen on unix:/);
        assert.match(error.message, why);
        return true;
      });
      if (what.startsWith('a file')) assert.equal(readdirSync(join(socket, '..')).length, 1);
    });
  }
});
