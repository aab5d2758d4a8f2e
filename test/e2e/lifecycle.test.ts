// The daemon as a process: workers die, configurations change, it is restarted and drained, and nobody is signed out.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Daemon, request, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { until } from '../kit/until.js';
import { APP, startWorld, type World } from '../kit/world.js';

async function signedIn(world: World): Promise<string> {
  const browser = world.browser();
  await browser.logIn(`${APP}/`, 'alice');
  const cookie = (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_'));
  assert.ok(cookie, 'the login made a session');
  return cookie;
}

/** Checks without a pause over kept-alive connections until `stop`; every answer and every broken connection is counted. */
function load(
  outpost: string,
  cookie: string,
  connections: number,
): { stop(): Promise<{ statuses: Map<number, number>; broken: number }>; atLeast(n: number): Promise<void> } {
  const statuses = new Map<number, number>();
  let broken = 0;
  let total = 0;
  let running = true;
  const waiters: { n: number; done: () => void }[] = [];
  const one = async (): Promise<void> => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    while (running) {
      try {
        const { status } = await traefikCheck(outpost, `${APP}/image.png`, { cookie, agent });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      } catch {
        broken += 1;
      }
      total += 1;
      for (const waiter of waiters) if (total >= waiter.n) waiter.done();
    }
    agent.destroy();
  };
  const all = Promise.all(Array.from({ length: connections }, one));
  return {
    atLeast: (more) => new Promise((done) => waiters.push({ n: total + more, done })),
    stop: async () => {
      running = false;
      await all;
      return { statuses, broken };
    },
  };
}

function workerPids(daemon: Daemon): number[] {
  return daemon.lines.filter((line) => line.msg === 'worker ready').map((line) => Number(line['worker_pid']));
}

describe('a worker that is killed under load', () => {
  it('loses no session, and no check but those in flight on it', async () => {
    await using world = await startWorld();
    const cookie = await signedIn(world);
    const connections = 8;
    const traffic = load(world.daemon.http, cookie, connections);
    await traffic.atLeast(200);
    const [victim] = workerPids(world.daemon);
    assert.ok(victim);
    process.kill(victim, 'SIGKILL');
    await world.daemon.waitFor((line) => line.msg === 'a worker died');
    await world.daemon.waitFor(
      (line) =>
        line.msg === 'worker ready' && !workerPids(world.daemon).slice(0, 2).includes(Number(line['worker_pid'])),
    );
    await traffic.atLeast(200);
    const { statuses, broken } = await traffic.stop();
    assert.deepEqual([...statuses.keys()], [200]);
    assert.ok(
      broken <= connections,
      `${broken} checks were lost, more than the ${connections} that can have been in flight`,
    );
    assert.equal(await world.daemon.metric('akprox_worker_restarts_total'), 1);
  });
});

describe('a restart of the whole daemon', () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    it(`keeps everybody signed in (${signal})`, async () => {
      await using world = await startWorld();
      const cookie = await signedIn(world);
      await using again = await world.daemon.restart(signal);
      const { status, headers } = await traefikCheck(again.http, `${APP}/`, { cookie });
      assert.equal(status, 200);
      assert.equal(headers['x-auth-username'], 'alice');
      // And a sign-out after the restart holds after another one.
      await request(`${again.http}/akprox/sign_out`, { headers: { Host: 'whoami.localhost:8080', Cookie: cookie } });
      await using third = await again.restart(signal);
      assert.equal((await traefikCheck(third.http, `${APP}/`, { cookie })).status, 302);
    });
  }
});

describe('a sign-out', () => {
  it('is effective on every worker', async () => {
    await using world = await startWorld({ config: { workers: 3 } });
    const cookie = await signedIn(world);
    // Many connections of their own: the kernel spreads them, so every worker has the session in its cache.
    const ask = () =>
      Promise.all(Array.from({ length: 60 }, () => traefikCheck(world.daemon.http, `${APP}/`, { cookie })));
    assert.deepEqual(new Set((await ask()).map(({ status }) => status)), new Set([200]));
    await request(`${world.daemon.http}/akprox/sign_out`, {
      headers: { Host: 'whoami.localhost:8080', Cookie: cookie },
    });
    // The metrics are asked of every worker after it was told: once they have answered, all have heard.
    await world.daemon.metric('akprox_workers');
    assert.deepEqual(new Set((await ask()).map(({ status }) => status)), new Set([302]));
  });
});

describe('SIGUSR1', () => {
  it('opens no inspector when no authentik is there to be asked', async () => {
    await using daemon = await startDaemon({ workers: 1, providers: [testProvider('http://127.0.0.1:1')] });
    daemon.child.kill('SIGUSR1');
    daemon.child.kill('SIGHUP');
    await daemon.waitFor((line) => line.msg === 'the configuration was changed');
    assert.equal(await daemon.stop(), 0);
    assert.doesNotMatch(daemon.stray(), /debugger/i);
  });
});

describe('SIGHUP', () => {
  it('brings a new configuration without a refused check, and a bad one changes nothing', async () => {
    await using world = await startWorld();
    const cookie = await signedIn(world);
    const config = (providers: unknown[]) => ({
      workers: 2,
      store: { kind: 'embedded', path: join(world.daemon.directory, 'data') },
      providers,
    });
    const secret = join(world.daemon.directory, 'client-secret');
    writeFileSync(secret, 'former');
    const plain = testProvider(world.idp.issuer, { access: { groups: ['staff'] } });
    const oidc = { issuer: world.idp.issuer, client_id: 'whoami', client_secret: { file: secret } };
    const whoami = { ...plain, oidc };
    const traffic = load(world.daemon.http, cookie, 4);
    await traffic.atLeast(100);

    world.daemon.writeConfig(
      config([
        whoami,
        testProvider(world.idp.issuer, { name: 'second', external_host: 'http://second.localhost:8080' }),
      ]),
    );
    world.daemon.child.kill('SIGHUP');
    await world.daemon.waitFor((line) => line.msg === 'the configuration was changed');
    await world.daemon.metric('akprox_workers');
    assert.equal((await traefikCheck(world.daemon.http, 'http://second.localhost:8080/')).status, 302);

    world.daemon.writeConfig(config([{ ...whoami, mode: 'forward_nothing', typo: 1 }]));
    world.daemon.child.kill('SIGHUP');
    await world.daemon.waitFor((line) => line.msg.startsWith('the configuration was not changed'));
    assert.ok(world.daemon.lines.some((line) => line['setting'] === 'providers[0].mode'));
    assert.equal((await traefikCheck(world.daemon.http, 'http://second.localhost:8080/')).status, 302);

    // A secret that is exchanged is taken without a signal, once the rest is in order again.
    world.daemon.writeConfig(config([whoami]));
    writeFileSync(secret, 'a new one');
    const changes = world.daemon.lines.filter(({ msg }) => msg === 'the configuration was changed').length;
    await world.daemon.waitFor(({ msg }) => msg === 'a file that the configuration refers to has changed');
    await until(() => world.daemon.lines.filter(({ msg }) => msg === 'the configuration was changed').length > changes);

    await traffic.atLeast(100);
    const { statuses, broken } = await traffic.stop();
    assert.deepEqual([...statuses.keys()], [200]);
    assert.equal(broken, 0);
  });

  it('takes no counter back: of a provider that is removed, added again, and of a worker that dies', async () => {
    await using world = await startWorld();
    const { daemon, idp } = world;
    const whoami = testProvider(idp.issuer);
    const second = testProvider(idp.issuer, { name: 'second', external_host: 'http://second.localhost:8080' });
    const configure = async (providers: unknown[]) => {
      const before = daemon.lines.length;
      daemon.writeConfig({ workers: 2, store: { kind: 'embedded', path: join(daemon.directory, 'data') }, providers });
      daemon.child.kill('SIGHUP');
      await daemon.waitFor(
        (line) => daemon.lines.indexOf(line) >= before && line.msg === 'the configuration was changed',
      );
    };
    const ask = async () => {
      for (let i = 0; i < 10; i += 1) await traefikCheck(daemon.http, 'http://second.localhost:8080/');
    };
    const counted = () => daemon.metric('akprox_checks_total', 'provider="second"');
    assert.equal(await counted(), 0);
    await configure([whoami, second]);
    await ask();
    assert.equal(await counted(), 10);
    await configure([whoami]);
    assert.equal(await counted(), 10);
    await ask(); // of no provider
    assert.equal(await counted(), 10);
    await configure([whoami, second]);
    await ask();
    assert.equal(await counted(), 20);
    const ready = daemon.lines.filter((line) => line.msg === 'worker ready');
    const pid = Number(ready[0]?.['worker_pid']);
    process.kill(pid, 'SIGKILL');
    await daemon.waitFor((line) => line.msg === 'worker ready' && !ready.includes(line));
    assert.equal(await counted(), 20);
    await ask();
    assert.equal(await counted(), 30);
  });

  it('applies a changed access rule to sessions that are cached', async () => {
    await using world = await startWorld();
    const cookie = await signedIn(world);
    assert.equal((await traefikCheck(world.daemon.http, `${APP}/`, { cookie })).status, 200);
    const providers = [testProvider(world.idp.issuer, { access: { groups: ['admins'] } })];
    world.daemon.writeConfig({ store: { kind: 'embedded', path: join(world.daemon.directory, 'data') }, providers });
    world.daemon.child.kill('SIGHUP');
    await world.daemon.waitFor((line) => line.msg === 'the configuration was changed');
    await world.daemon.metric('akprox_workers');
    assert.equal((await traefikCheck(world.daemon.http, `${APP}/`, { cookie })).status, 403);
  });
});

describe('SIGTERM', () => {
  it('finishes what is in flight, refuses readiness and exits with 0', async () => {
    // A provider that takes its time: discovery is answered only when the test says so.
    let discover = (): void => {};
    const asked = new Promise<void>((heard) => {
      discover = heard;
    });
    let answer = (): void => {};
    const slow = http.createServer((_req, res) => {
      discover();
      answer = () => res.writeHead(500).end();
    });
    slow.listen(0, '127.0.0.1');
    await once(slow, 'listening');
    const issuer = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`;
    await using daemon = await startDaemon({ workers: 1, providers: [testProvider(issuer)] });
    assert.equal((await request(`${daemon.metrics}/readyz`)).status, 200);
    await asked;
    const login = request(`${daemon.http}/akprox/start`, { headers: { Host: 'whoami.localhost:8080' } });
    // A second request on the same worker: when it is answered, the first one has been taken in.
    await request(`${daemon.http}/akprox/ping`);
    await request(`${daemon.http}/akprox/ping`);
    daemon.child.kill('SIGTERM');
    await daemon.waitFor((line) => line.msg === 'draining');
    assert.equal((await request(`${daemon.metrics}/readyz`)).status, 503);
    answer();
    assert.equal((await login).status, 503);
    await once(daemon.child, 'exit');
    assert.equal(daemon.child.exitCode, 0);
    slow.close();
  });
});

describe('an upload that is broken off', () => {
  it('does not hold up the next SIGTERM', async () => {
    await using daemon = await startDaemon({ workers: 1, providers: [testProvider('http://127.0.0.1:9')] });
    const { hostname, port } = new URL(daemon.http);
    const socket = connect(Number(port), hostname);
    socket.write(
      'POST /akprox/backchannel_logout HTTP/1.1\r\nHost: whoami.localhost:8080\r\nContent-Length: 100\r\n\r\nlogout_t',
    );
    await request(`${daemon.http}/akprox/ping`);
    socket.destroy();
    await request(`${daemon.http}/akprox/ping`);
    const start = performance.now();
    assert.equal(await daemon.stop(), 0);
    assert.ok(performance.now() - start < 8_000, 'the drain waited for its grace period of 10 s');
  });
});

describe('starting', () => {
  it('is refused, with the setting, when another daemon has the metrics port', async () => {
    await using daemon = await startDaemon({ workers: 1, providers: [testProvider('http://127.0.0.1:9')] });
    const metrics = daemon.metrics.slice('http://'.length);
    await assert.rejects(
      startDaemon({ workers: 1, listen: { metrics }, providers: [] }),
      /listen\.metrics.*another akprox/s,
    );
  });

  it('is refused, with the setting, when the store cannot be used', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'akprox-test-')), 'file');
    writeFileSync(file, '');
    await assert.rejects(
      startDaemon({ workers: 1, store: { kind: 'embedded', path: join(file, 'data') }, providers: [] }),
      /store\.path/,
    );
  });

  it('is refused, with the setting, when the port belongs to another program', async () => {
    const other = http.createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = (other.address() as AddressInfo).port;
    await assert.rejects(
      startDaemon({ workers: 1, listen: { http: `127.0.0.1:${port}` }, providers: [] }),
      /listen\.http/,
    );
    other.close();
  });

  it('works while the identity provider is down, and a login gets a page that says so', async () => {
    await using daemon = await startDaemon({ workers: 1, providers: [testProvider('http://127.0.0.1:9')] });
    const answer = await request(`${daemon.http}/akprox/start`, { headers: { Host: 'whoami.localhost:8080' } });
    assert.equal(answer.status, 503);
    assert.match(answer.body, /identity provider does not answer/);
    assert.equal(answer.headers['retry-after'], '2');
    assert.equal(answer.headers['set-cookie'], undefined);
    assert.equal((await traefikCheck(daemon.http, `${APP}/`)).status, 302);
  });

  it('prints a clear message for a bad configuration, and no stack', () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
    writeFileSync(join(directory, 'akprox.yaml'), 'providers: 7\nlisten: { htp: 1 }\n');
    const main = new URL('../../dist/main.js', import.meta.url).pathname;
    const { status, stderr, stdout } = spawnSync(process.execPath, [main], {
      cwd: directory,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] },
    });
    assert.equal(status, 1);
    assert.match(stderr + stdout, /listen\.htp/);
    assert.match(stderr + stdout, /providers/);
    assert.doesNotMatch(stderr + stdout, /\n\s+at /);
  });
});
