// The whole daemon while its store is in trouble: who signs out is out, on every worker and on one that starts later; who is
// signed in stays so; and no worker dies.
import assert from 'node:assert/strict';
import { statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Daemon, traefikCheck } from '../kit/daemon.js';
import { describeWith } from '../kit/needs.js';
import { redisMissing, startRedis } from '../kit/redis-server.js';
import { until } from '../kit/until.js';
import { APP, startWorld, type World } from '../kit/world.js';

/** Each check on a connection of its own, so that every worker is asked. */
async function statuses(daemon: Daemon, cookie: string, times = 40): Promise<number[]> {
  const answers = await Promise.all(
    Array.from({ length: times }, () => traefikCheck(daemon.http, `${APP}/`, { cookie })),
  );
  return [...new Set(answers.map(({ status }) => status))].sort();
}

async function logIn(world: World) {
  const browser = world.browser();
  await browser.logIn(`${APP}/`, 'alice');
  const cookie = (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_')) ?? '';
  return { browser, cookie };
}

const workers = (daemon: Daemon): number[] =>
  daemon.lines.filter(({ msg }) => msg === 'worker ready').map((line) => Number(line['worker_pid']));

describeWith(redisMissing(), 'a sign-out that Redis cannot take', () => {
  it('read-only: refused by every worker and by the next one, and deleted when Redis can be written', async () => {
    const redis = await startRedis();
    try {
      await using world = await startWorld({ config: { store: { kind: 'redis', url: redis.url } } });
      const { daemon } = world;
      const [here, there] = [await logIn(world), await logIn(world)];
      for (const { cookie } of [here, there]) assert.deepEqual(await statuses(daemon, cookie), [200]);

      await redis.client.config('SET', 'min-replicas-to-write', '1');
      const page = await here.browser.get(`${APP}/akprox/sign_out`);
      assert.equal(page.status, 200);
      assert.match(page.body, /signed_out_here/);
      const isOut = async (cookie: string) => !(await statuses(daemon, cookie)).includes(200);
      for (const { cookie } of [here, there]) await until(() => isOut(cookie));

      const before = workers(daemon).length;
      process.kill(workers(daemon)[0] ?? 0, 'SIGKILL');
      await until(() => workers(daemon).length > before);
      for (const { cookie } of [here, there]) assert.ok(await isOut(cookie));

      await redis.client.config('SET', 'min-replicas-to-write', '0');
      await until(async () => (await redis.client.keys('akprox:s:*')).length === 0);
      const again = await logIn(world);
      assert.deepEqual(await statuses(daemon, again.cookie), [200]);
      assert.ok(await isOut(here.cookie));
    } finally {
      await redis.stop();
    }
  });

  it('gone: refused by every worker, while who did not sign out stays signed in', async () => {
    const redis = await startRedis();
    try {
      await using world = await startWorld({ config: { store: { kind: 'redis', url: redis.url } } });
      const { daemon } = world;
      const [here, stays] = [await logIn(world), await logIn(world)];
      for (const { cookie } of [here, stays]) assert.deepEqual(await statuses(daemon, cookie), [200]);
      await redis.kill();
      const page = await here.browser.get(`${APP}/akprox/sign_out`);
      assert.equal(page.status, 200);
      assert.match(page.body, /signed_out_here/);
      await until(async () => !(await statuses(daemon, here.cookie)).includes(200));
      assert.deepEqual(await statuses(daemon, stays.cookie), [200]);
    } finally {
      await redis.stop();
    }
  });
});

describe('the file of the embedded store is cut off', () => {
  it('cached sessions are served while they may be, then it is 503; nobody is signed out, and no process ends', async () => {
    const cache = { max_age: '1s', stale_max: '3s', max_bytes: 1_048_576 };
    await using world = await startWorld({ config: { cache } });
    const { daemon } = world;
    const { cookie } = await logIn(world);
    assert.deepEqual(await statuses(daemon, cookie), [200]);
    const file = join(daemon.directory, 'data', 'data.mdb');
    truncateSync(file, Math.floor(statSync(file).size / 2));
    const seen = new Set<number>();
    await until(async () => {
      const now = await statuses(daemon, cookie, 10);
      for (const status of now) seen.add(status);
      return now.every((status) => status === 503);
    });
    for (const status of seen) assert.ok(status === 200 || status === 503, String([...seen]));
    assert.deepEqual(await statuses(daemon, cookie), [503]);
    assert.equal(workers(daemon).length, 2);
    assert.ok(daemon.lines.some((line) => JSON.stringify(line).includes('cut off while it was in use')));
    assert.ok(!daemon.lines.some(({ msg }) => msg.includes('died')));
  });
});
