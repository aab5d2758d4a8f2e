// A daemon that has no binary of uWebSockets.js: node:http serves listen.http, and it says so. What it answers is the same, which
// test/http/answers.test.ts and test/fuzz/ hold; here is what is around the answers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { hasNoBinary } from '../../src/http/engine.js';
import { type AppCopy, copyApp } from '../kit/app-copy.js';
import { type Answer, type Daemon, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { Wire } from '../kit/wire.js';

const APP = 'http://whoami.localhost:8080/';
const provider = testProvider('http://127.0.0.1:9');

let app: AppCopy;
let directory: string;
before(() => {
  app = copyApp({ withBinary: false });
  directory = mkdtempSync(join(tmpdir(), 'akprox-engine-'));
});
after(() => {
  app.remove();
  rmSync(directory, { recursive: true, force: true });
});

describe('a daemon without uWebSockets.js', { concurrency: false }, () => {
  let daemon: Daemon;
  const SAYS = /^listen\.http is served by node:http, because uWebSockets\.js has no binary/;
  before(async () => {
    daemon = await startDaemon({ workers: 2, providers: [provider] }, { main: app.main });
  });
  after(() => daemon?.[Symbol.asyncDispose]());

  it('names what serves in its log, among its metrics and with its version', async () => {
    const listening = await daemon.waitFor(({ msg }) => msg === 'listening');
    assert.equal(listening['engine'], 'node:http');
    const { version } = process;
    assert.equal(await daemon.metric('akprox_build_info', `node="${version}",engine="node:http"`), 1);
    const { stdout, status } = spawnSync(process.execPath, [app.main, '--version'], { encoding: 'utf8' });
    assert.match(stdout, /^akprox \d+\.\d+\.\d+ \(Node\.js v[\d.]+, node:http\)\n$/);
    assert.equal(status, 0);
  });

  it('answers HTTP/1.1 only, as uWebSockets.js does', async () => {
    const wire = await Wire.open(daemon.http);
    wire.send('GET /akprox/ping HTTP/1.0\r\nHost: x\r\n\r\n');
    const answer = await wire.next();
    assert.equal(answer?.status, 505);
    assert.match(answer?.body ?? '', /proxy_http_version 1\.1/);
    await wire.closed();
  });

  it('refuses a head that is too large, and one that cannot be read, with an end of its connection', async () => {
    for (const [head, status] of [
      [`GET /akprox/ping HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`, 431],
      ['GET /akprox/ping HTTP/1.1\r\nHost: x\r\nno field\r\n\r\n', 400],
    ] as const) {
      const wire = await Wire.open(daemon.http);
      wire.send(head);
      assert.match(await wire.rest(), new RegExp(`^HTTP/1\\.1 ${status} `));
    }
  });

  it('refuses a header that came twice, which node:http would show once', async () => {
    for (const name of ['X-Forwarded-Host', 'X-Forwarded-Uri', 'X-Forwarded-Method']) {
      const good = name === 'X-Forwarded-Host' ? 'whoami.localhost:8080' : name === 'X-Forwarded-Uri' ? '/' : 'GET';
      // Whoever brings something is looked at each time (check-state.ts).
      const headers = { [name]: [good, good], Authorization: 'Basic YTpi' };
      const { status, body } = await traefikCheck(daemon.http, APP, { headers });
      assert.equal(status, 400, body);
      assert.match(body, new RegExp(`"${name}"`));
    }
  });

  it('goes on with any of its workers, and one that takes the place of another serves too; all of it is said once', async () => {
    const pidOf = async (worker: number): Promise<number> =>
      Number((await daemon.waitFor((line) => line.msg === 'worker ready' && line['worker'] === worker))['worker_pid']);
    const check = async (): Promise<number> => (await traefikCheck(daemon.http, APP)).status;
    assert.deepEqual([await check(), await check()], [302, 302]);
    const first = await pidOf(1);
    const second = await pidOf(2);
    process.kill(first, 'SIGKILL');
    await pidOf(3);
    // Whoever answers now is the third or the second, and then the third alone.
    process.kill(second, 'SIGKILL');
    await daemon.waitFor((line) => line.msg === 'a worker died' && line['worker'] === 2);
    assert.deepEqual([await check(), await check()], [302, 302]);
    assert.equal(daemon.lines.filter(({ msg }) => SAYS.test(msg)).length, 1);
  });

  it('stops without waiting for connections on which nothing is asked', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const idle = await Wire.open(daemon.http);
    const kept: Answer = await traefikCheck(daemon.http, APP, { agent });
    assert.equal(kept.status, 302);
    assert.notEqual(kept.headers.connection, 'close');
    assert.equal(await daemon.stop(), 0);
    assert.ok(!daemon.lines.some(({ level }) => level === 'fatal'));
    await idle.closed();
    agent.destroy();
  });
});

describe('a daemon without uWebSockets.js, on unix sockets', () => {
  it('has one for each worker, of the mode that is asked for; whoever asks through it is believed', async () => {
    const socket = join(directory, 'a.sock');
    await using daemon = await startDaemon(
      { workers: 2, providers: [provider], listen: { http: `unix:${socket}`, socket: { mode: '0640' } } },
      { main: app.main },
    );
    const paths = [socket, `${socket}.2`];
    const ask = (socketPath: string): Promise<number> =>
      new Promise((resolve, reject) => {
        // The host of a step counts as the proxy says it when the proxy is trusted.
        const headers = { Host: 'nobody.example', 'X-Forwarded-Host': 'whoami.localhost:8080' };
        http
          .get({ socketPath, path: '/akprox/userinfo', headers, agent: false }, (res) => {
            res.resume();
            resolve(res.statusCode ?? 0);
          })
          .on('error', reject);
      });
    for (const one of paths) {
      assert.equal(statSync(one).mode & 0o777, 0o640);
      assert.equal(await ask(one), 401);
    }
    const former = paths.map((one) => lstatSync(one).ino);
    const ready = await daemon.waitFor((line) => line.msg === 'worker ready');
    process.kill(Number(ready['worker_pid']), 'SIGKILL');
    await daemon.waitFor((line) => line.msg === 'worker ready' && line['worker'] === 3);
    assert.equal(paths.filter((one, place) => lstatSync(one).ino === former[place]).length, 1);
    for (const one of paths) assert.equal(await ask(one), 401);
    assert.equal(await daemon.stop(), 0);
    assert.deepEqual(readdirSync(directory), []);
  });
});

describe('whether uWebSockets.js has no binary for this system', () => {
  const says = (why: string): Error => new Error(`This version of uWS.js supports only Node.js versions …\n\n${why}`);
  for (const [what, why, expected] of [
    [
      'another Node.js',
      "Error: Cannot find module './bin/uws_linux_x64_137.node'\nRequire stack:\n- /srv/uws.mjs",
      true,
    ],
    [
      'musl',
      'Error: Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by /srv/uws_linux_x64_127.node)',
      true,
    ],
    [
      'musl with the names of glibc',
      'Error: Error relocating /srv/uws_linux_x64_127.node: fcntl64: symbol not found',
      true,
    ],
    [
      'an old glibc',
      "Error: /lib/libc.so.6: version `GLIBC_2.38' not found (required by /srv/uws_linux_x64_127.node)",
      true,
    ],
    ['a file that is cut off', 'Error: /srv/uws_linux_x64_127.node: file too short', false],
    ['a file that is something else', 'Error: /srv/uws_linux_x64_127.node: invalid ELF header', false],
    [
      'a file that may not be read',
      'Error: /srv/uws_linux_x64_127.node: cannot open shared object file: Permission denied',
      false,
    ],
  ] as const) {
    it(`${what}: ${expected ? 'so it is' : 'a fault of the installation'}`, () => {
      assert.equal(hasNoBinary(says(why)), expected);
    });
  }
});
