// Two nodes of two workers on one Redis, real daemons: a sign-out on one ends the session on all four workers, and an outage
// of Redis signs nobody out and lets nobody in.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Answer, type Daemon, request, startDaemon, testProvider, traefikCheck } from '../../kit/daemon.js';
import { describeWith } from '../../kit/needs.js';
import { type RedisServer, redisMissing, startRedis, startSentinel } from '../../kit/redis-server.js';
import { tokenIsOver } from '../../kit/token-end.js';
import { PATIENCE_MS } from '../../kit/until.js';
import { APP, startWorld, type World, type WorldOptions } from '../../kit/world.js';

const HOST = 'whoami.localhost:8080';

interface Fleet {
  readonly world: World;
  readonly nodes: readonly Daemon[];
  readonly redis: RedisServer;
  [Symbol.asyncDispose](): Promise<void>;
}

async function startFleet(
  cache: Record<string, string> = {},
  more: Pick<WorldOptions, 'idp' | 'provider'> = {},
): Promise<Fleet> {
  const redis = await startRedis();
  const store = { kind: 'redis', url: redis.url };
  const world = await startWorld({ config: { workers: 2, store, cache }, ...more });
  const providers = [testProvider(world.idp.issuer, { access: { groups: ['staff'] }, ...more.provider })];
  const second = await startDaemon({ workers: 2, store, cache, providers });
  return {
    world,
    nodes: [world.daemon, second],
    redis,
    async [Symbol.asyncDispose]() {
      await second[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
      await redis.stop();
    },
  };
}

async function signedIn(world: World, user = 'alice'): Promise<string> {
  const browser = world.browser();
  await browser.logIn(`${APP}/`, user);
  return (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_')) ?? '';
}

/** Connections of their own, enough that every worker of every node is asked. */
function askAll(nodes: readonly Daemon[], cookie: string): Promise<Answer[]> {
  return Promise.all(
    nodes.flatMap((node) => Array.from({ length: 30 }, () => traefikCheck(node.http, `${APP}/`, { cookie }))),
  );
}

const statuses = (answers: readonly Answer[]): number[] => [...new Set(answers.map(({ status }) => status))].sort();

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; !(await holds()); ) if (Date.now() > end) assert.fail(what);
}

describeWith(redisMissing(), 'two nodes on one Redis', () => {
  it('share sessions, and a sign-out on one ends them on all four workers', async () => {
    await using fleet = await startFleet();
    const cookie = await signedIn(fleet.world);
    assert.deepEqual(statuses(await askAll(fleet.nodes, cookie)), [200]);
    const [first] = fleet.nodes;
    const answer = await request(`${first?.http}/akprox/sign_out`, { headers: { Host: HOST, Cookie: cookie } });
    assert.equal(answer.status, 302);
    await eventually('the sign-out did not reach every worker', async () => {
      const seen = statuses(await askAll(fleet.nodes, cookie));
      return seen.length === 1 && seen[0] === 302;
    });
    for (const node of fleet.nodes) assert.equal(await node.metric('akprox_worker_restarts_total'), 0);
  });

  it('end a session that the provider ends (back-channel logout), on every worker, and take no token twice', async () => {
    await using fleet = await startFleet();
    const { world, nodes } = fleet;
    const cookie = await signedIn(world);
    assert.deepEqual(statuses(await askAll(nodes, cookie)), [200]);
    const issuedAt = Math.floor(Date.now() / 1_000);
    const token = await world.idp.sign(
      {
        iss: world.idp.issuer,
        aud: 'whoami',
        iat: issuedAt,
        exp: issuedAt + 60,
        jti: 'logout-1',
        sub: 'alice',
        events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      },
      { typ: 'logout+jwt' },
    );
    const send = (node: Daemon | undefined, logoutToken: string) =>
      request(`${node?.http}/akprox/backchannel_logout`, {
        method: 'POST',
        headers: { Host: HOST, 'Content-Type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ logout_token: logoutToken }).toString(),
      });
    assert.equal((await send(nodes[0], `${token}x`)).status, 400);
    assert.deepEqual(statuses(await askAll(nodes, cookie)), [200]);
    assert.equal((await send(nodes[1], token)).status, 200);
    await eventually('the logout did not reach every worker', async () => {
      const seen = statuses(await askAll(nodes, cookie));
      return seen.length === 1 && seen[0] === 302;
    });
    for (const node of nodes) assert.equal((await send(node, token)).status, 400, 'a replay');
    assert.ok(((await nodes[0]?.metric('akprox_revocation_lag_seconds_count')) ?? 0) > 0);
  });

  // The provider ends everything when a refresh token comes twice.
  it('renew a session that was idle past the end of its tokens once for all, and let every check in', async () => {
    await using fleet = await startFleet(
      {},
      {
        idp: { refreshTokens: 'always', ttl: { IdToken: 4, AccessToken: 4 } },
        provider: { headers: { pass_jwt: true } },
      },
    );
    const { world, nodes, redis } = fleet;
    const cookie = await signedIn(world);
    const [{ headers }] = (await askAll(nodes, cookie)) as [Answer];
    await tokenIsOver(String(headers['x-authentik-jwt']));
    assert.deepEqual(statuses(await askAll(nodes, cookie)), [200]);
    for (const node of nodes) assert.equal(await node.metric('akprox_revocations_total', 'refresh'), 0);
    const [name = ''] = await redis.client.keys('*s:{*');
    assert.ok((await redis.client.pttl(name)) > 3_600_000, 'the record lives as long as the session may');
  });

  it('go on through an outage: cached sessions pass, others get 503, nobody is signed out', async () => {
    await using fleet = await startFleet({ max_age: '1s', stale_max: '60s' });
    const { world, nodes, redis } = fleet;
    const cached = await signedIn(world);
    const other = await signedIn(world);
    assert.deepEqual(statuses(await askAll(nodes, cached)), [200]);
    // `other` is in the cache of the worker that made it at most: the second node has never seen it.
    const [, second] = nodes;
    assert.ok(second);
    const pid = Number(/process_id:(\d+)/.exec(await redis.client.info('server'))?.[1]);
    process.kill(pid, 'SIGSTOP');
    try {
      const answers = { count: 0, others: new Set<number>() };
      for (const end = Date.now() + 5_000; Date.now() < end || answers.count <= 100; ) {
        for (const { status } of await askAll(nodes, cached)) {
          answers.count += 1;
          if (status !== 200) answers.others.add(status);
        }
      }
      assert.deepEqual([...answers.others], [], `of ${answers.count} checks of a cached session`);
      const unknown = await traefikCheck(second.http, `${APP}/`, { cookie: other });
      assert.equal(unknown.status, 503);
      assert.ok(unknown.headers['retry-after']);
      assert.equal(unknown.headers['set-cookie'], undefined);
      assert.equal((await traefikCheck(second.http, `${APP}/`)).status, 302);
      const ready = await request(`${second.metrics}/readyz`);
      assert.equal(ready.status, 200);
      assert.match(ready.body, /^degraded: /);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await eventually(
      'the store did not come back',
      async () => (await traefikCheck(second.http, `${APP}/`, { cookie: other })).status === 200,
    );
    const after = await askAll(nodes, cached);
    assert.deepEqual(statuses(after), [200]);
    await eventually(
      'the node stayed degraded',
      async () => !(await request(`${second.metrics}/readyz`)).body.startsWith('degraded'),
    );
  });

  it('go through a fail-over: every check is counted, none passes without a session, none loses one that was valid', async () => {
    const set = await startSentinel({ data: 'd4ta', sentinel: 's3ntinel' });
    try {
      const store = {
        kind: 'redis',
        sentinels: [...set.sentinels],
        name: 'akprox',
        password: 'd4ta',
        sentinel_password: 's3ntinel',
      };
      await using world = await startWorld({
        config: { workers: 2, store, cache: { max_age: '1s', stale_max: '60s' } },
      });
      const outpost = world.daemon.http;
      const alice = await signedIn(world);
      const bob = await signedIn(world, 'bob');
      const forged = `${alice.slice(0, -4)}AAAA`;
      assert.equal(await set.primary.client.wait(1, 5_000), 1);
      assert.deepEqual(statuses(await askAll([world.daemon], alice)), [200]);
      const counts = new Map<string, number>();
      const count = (who: string, status: number) =>
        counts.set(`${who} ${status}`, (counts.get(`${who} ${status}`) ?? 0) + 1);
      let running = true;
      const ask = async (who: string, cookie: string): Promise<void> => {
        while (running) count(who, (await traefikCheck(outpost, `${APP}/`, { cookie })).status);
      };
      const load = Promise.all([
        ask('alice', alice),
        ask('alice', alice),
        ask('bob', bob),
        ask('forged', forged),
        ask('nobody', ''),
      ]);
      await set.primary.kill();
      await eventually('no fail-over', async () => /role:master/.test(await set.replica.client.info('replication')));
      await eventually('the store did not come back', async () => {
        const fresh = await signedIn(world).catch(() => '');
        return fresh !== '' && (await traefikCheck(outpost, `${APP}/`, { cookie: fresh })).status === 200;
      });
      running = false;
      await load;
      // alice is cached: nothing but 200. bob may not pass, and is told so or that the store is away; the others never get in.
      const seen = (who: string) =>
        [...counts.keys()].filter((key) => key.startsWith(who)).map((key) => Number(key.split(' ')[1]));
      assert.deepEqual(seen('alice'), [200]);
      assert.deepEqual(
        seen('bob').filter((status) => status !== 403 && status !== 503),
        [],
      );
      assert.deepEqual(seen('forged'), [302]);
      assert.deepEqual(seen('nobody'), [302]);
      assert.equal((await traefikCheck(outpost, `${APP}/`, { cookie: alice })).status, 200);
    } finally {
      await set.stop();
    }
  });

  it('name the setting when the password is wrong, and do not start', async () => {
    const redis = await startRedis({ args: ['--requirepass', 'right'], login: { password: 'right' } });
    try {
      const store = { kind: 'redis', url: redis.url, password: 'wrong' };
      await assert.rejects(startDaemon({ workers: 1, store, providers: [] }), /store\.password/);
    } finally {
      await redis.stop();
    }
  });
});
