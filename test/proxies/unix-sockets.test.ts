// The files of deploy/proxies over unix sockets, as they say it: answers are the same, both workers are asked, one that dies is
// replaced in its place, and the client's address is the one that the proxy names.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { Browser } from '../kit/browser.js';
import type { LogLine } from '../kit/daemon.js';
import { describeWith } from '../kit/needs.js';
import {
  APP,
  LOGIN,
  type Mode,
  type ProxyName,
  proxyMissing,
  type RealWorld,
  type Surroundings,
  startRealWorld,
  startSurroundings,
} from '../kit/real-proxy.js';
import { until } from '../kit/until.js';

const XHR = { Accept: 'application/json', 'Sec-Fetch-Mode': 'cors' };
/** Enough to be dealt to both workers, whatever a proxy deals by (Caddy: by chance). */
const CHECKS = 24;

for (const mode of ['single', 'domain'] as const) {
  let directory = '';
  let around: Surroundings;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'akprox-unix-'));
    around = await startSurroundings(mode, {
      listen: { http: `unix:${join(directory, 'akprox.sock')}` },
      settings: { workers: 2, log: { level: 'info', checks: 'all' } },
    });
  });
  after(async () => {
    await around?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  // Traefik's forwardAuth has no unix sockets.
  for (const name of ['nginx', 'caddy', 'haproxy', 'envoy'] as const) {
    describeWith(proxyMissing(name), `${name} over unix sockets, ${mode}`, () => cases(name, mode, () => around));
  }
}

function cases(name: ProxyName, mode: Mode, around: () => Surroundings): void {
  let world: RealWorld;
  let alice: Browser;
  before(async () => {
    world = await startRealWorld(name, mode, { around: around() });
    alice = world.browser();
    const page = await alice.logIn(`${APP}/page`, 'alice');
    assert.equal(page.status, 200, page.body);
    assert.equal(page.url, `${APP}/page`);
  });
  after(() => world?.[Symbol.asyncDispose]());

  const ready = (): LogLine[] => world.daemon.lines.filter(({ msg }) => msg === 'worker ready');

  it('denies, asks to log in, and answers on its own paths', async () => {
    const seen = world.seen.length;
    const nobody = world.browser();
    const answer = await nobody.get(`${APP}/page?x=1`);
    assert.equal(answer.status, 302);
    const origin = mode === 'single' ? APP : LOGIN;
    assert.equal(answer.location, `${origin}/akprox/start?rd=${encodeURIComponent(`${APP}/page?x=1`)}`);
    assert.equal((await nobody.get(`${APP}/api`, XHR)).status, 401);
    assert.equal(world.seen.length, seen, 'the application was asked');
    assert.equal((await alice.get(`${APP}/akprox/userinfo`)).status, 200);
    assert.equal((await nobody.get(`${APP}/akprox/userinfo`)).status, 401);
  });

  it('asks both workers, and says whose request it is', async () => {
    const asked = new Set<unknown>();
    for (let i = 0; i < CHECKS; i += 1) {
      const path = `/${name}/${i}`;
      assert.equal((await alice.get(APP + path)).status, 200);
      const line = await world.daemon.waitFor((one) => one.msg === 'check allowed' && one['path'] === path);
      // Envoy says an address of its own host where somebody asks over the loopback one.
      if (name === 'envoy') assert.notEqual(isIP(String(line['client'])), 0, String(line['client']));
      else assert.equal(line['client'], '127.0.0.1');
      asked.add(line['pid']);
    }
    assert.equal(asked.size, 2);
  });

  it('goes on when a worker has died and another is in its place', async () => {
    const victim = ready().at(-1) ?? assert.fail();
    // Workers count up, and become ready in any order.
    const newest = Math.max(...ready().map(({ worker }) => Number(worker)));
    process.kill(Number(victim['worker_pid']), 'SIGKILL');
    // These two ask the other worker in its place; Caddy and Envoy deny.
    const passes = name === 'nginx' || name === 'haproxy';
    if (passes) for (let i = 0; i < CHECKS; i += 1) assert.equal((await alice.get(`${APP}/meanwhile`)).status, 200);
    await world.daemon.waitFor((line) => line.msg === 'worker ready' && Number(line['worker']) > newest);
    await until(async () => (await alice.get(`${APP}/after`)).status === 200);
    for (let i = 0; i < CHECKS; i += 1) assert.equal((await alice.get(`${APP}/after`)).status, 200);
  });
}
