// The story of one user reads off the log in one grep: what two nodes have written, the lines with the hashes of this user's subject,
// which `akprox sessions --sub` prints.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser } from '../kit/browser.js';
import { type Daemon, type LogLine, request, startDaemon, testProvider } from '../kit/daemon.js';
import { type Idp, startIdp } from '../kit/idp.js';
import { type RedisServer, redisMissing, startRedis } from '../kit/redis-server.js';
import { until } from '../kit/until.js';
import { ACCOUNTS, APP, clientFor, type Front, startFront } from '../kit/world.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const ADMIN = 'http://admin.localhost:8080';
/** Of tokens, in seconds: the session is renewed while it is used. */
const TOKEN_LIFE = 4;

describe('the story of one user', { skip: redisMissing() ?? false }, () => {
  let redis: RedisServer;
  let idp: Idp;
  const nodes: Daemon[] = [];
  const fronts: Front[] = [];

  before(async () => {
    redis = await startRedis();
    idp = await startIdp({
      clients: [clientFor('whoami', APP), clientFor('admin', ADMIN)],
      accounts: ACCOUNTS,
      refreshTokens: 'always',
      ttl: { AccessToken: TOKEN_LIFE, IdToken: TOKEN_LIFE },
    });
    const providers = [
      testProvider(idp.issuer, { access: { groups: ['staff'] } }),
      testProvider(idp.issuer, {
        name: 'admin',
        external_host: ADMIN,
        access: { groups: ['admins'] },
        oidc: { issuer: idp.issuer, client_id: 'admin', client_secret: 'admin-client-secret' },
      }),
    ];
    const store = { kind: 'redis', url: redis.url };
    for (let i = 0; i < 2; i += 1) {
      const node = await startDaemon({ workers: 1, store, log: { audit: 'user' }, providers });
      nodes.push(node);
      fronts.push(await startFront(node.http));
    }
  });
  after(async () => {
    for (const front of fronts) await front.close();
    for (const node of nodes) await node[Symbol.asyncDispose]();
    await idp?.close();
    await redis?.stop();
  });

  it('reads off the log in one grep', async () => {
    const [first, second] = nodes as [Daemon, Daemon];
    const browser = (node: number): Browser => (fronts[node] as Front).browser();
    const cookie = async (of: Browser): Promise<string> => (await of.cookies(`${APP}/`)).join('; ');
    const told = (node: Daemon, audit: string, reason?: string) =>
      node.waitFor((line) => line['audit'] === audit && line['reason'] === reason);

    const one = browser(0);
    assert.equal((await one.logIn(`${APP}/`, 'alice')).status, 200);
    assert.equal((await one.logIn(`${ADMIN}/`, 'alice')).status, 403);
    await told(first, 'access_denied', 'forbidden');
    await until(async () => {
      assert.equal((await one.get(`${APP}/`)).status, 200);
      return first.lines.some((line) => line['audit'] === 'session_renewed');
    });

    const headers = { Host: 'whoami.localhost:8080', 'X-Forwarded-For': '203.0.113.9', 'X-Request-Id': 'request-1' };
    await request(`${second.http}/akprox/sign_out`, { headers: { ...headers, Cookie: await cookie(one) } });
    await told(second, 'sign_out');

    assert.equal((await browser(1).logIn(`${APP}/`, 'alice')).status, 200);
    const token = await logoutToken(idp);
    const answer = await request(`${first.http}/akprox/backchannel_logout`, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' },
      body: `logout_token=${token}`,
    });
    assert.equal(answer.status, 200, answer.body);
    await told(first, 'session_ended', 'backchannel');

    assert.equal((await browser(0).logIn(`${APP}/`, 'alice')).status, 200);
    // Nobody else's line may be among them.
    await browser(1).logIn(`${APP}/`, 'bob');
    const ended = execFileSync(process.execPath, [MAIN, 'sessions', '--sub', 'alice'], {
      env: { PATH: process.env['PATH'], AKPROX_CONFIG: first.configPath },
      encoding: 'utf8',
    });
    const hashes = [...ended.matchAll(/^(\w+): 1 session ended, sub ([\w-]{43})$/gm)].map(([, , hash]) => hash ?? '');
    assert.equal(hashes.length, 2, ended);
    await until(async () => operatorLines(nodes).length >= 2);

    const lines = grep(first.directory, nodes, hashes);
    // When it is renewed, and how often, is a matter of time.
    const renewed = lines.filter((line) => line['audit'] === 'session_renewed');
    assert.deepEqual(storyOf(lines.filter((line) => !renewed.includes(line))), [
      ['0', 'whoami', 'login', 'succeeded'],
      ['0', 'admin', 'login', 'forbidden'],
      ['0', 'admin', 'access_denied', 'forbidden'],
      ['1', 'whoami', 'sign_out', 'deleted'],
      ['1', 'whoami', 'login', 'succeeded'],
      ['0', 'whoami', 'session_ended', 'backchannel'],
      ['0', 'whoami', 'login', 'succeeded'],
    ]);
    assert.ok(renewed.some((line) => line['session'] === lines[0]?.['session'] && line['node'] === '0'));
    assert.deepEqual(
      operatorLines(nodes)
        .map((line) => [line['provider'], line['subject']])
        .sort(),
      [
        ['admin', hashes[1]],
        ['whoami', hashes[0]],
      ],
    );
    const signOut = lines.find((line) => line['audit'] === 'sign_out');
    assert.equal(signOut?.['user'], 'alice');
    assert.equal(signOut['client'], '203.0.113.9');
    assert.equal(signOut['request_id'], 'request-1');
    assert.equal(signOut['session'], lines[0]?.['session']);
    const written = JSON.stringify(nodes.map((node) => node.lines));
    for (const secret of ['alice@example.com', token, ...(await one.cookies(`${ADMIN}/`))])
      assert.ok(!written.includes(secret), `the log has ${secret}`);
  });
});

function logoutToken(idp: Idp): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
  const claims = { iss: idp.issuer, aud: 'whoami', iat: now, exp: now + 120, jti: 'logout-1', sub: 'alice', events };
  return idp.sign(claims, { typ: 'logout+jwt' });
}

function operatorLines(nodes: readonly Daemon[]): LogLine[] {
  return nodes.flatMap((node) => node.lines.filter((line) => line['reason'] === 'operator'));
}

/** What an operator does with the logs of two nodes. */
function grep(directory: string, nodes: readonly Daemon[], hashes: readonly string[]): LogLine[] {
  const all: LogLine[] = nodes.flatMap((node, i) => node.lines.map((line) => ({ ...line, node: String(i) })));
  all.sort((one, other) => String(one['time']).localeCompare(String(other['time'])));
  const file = join(directory, 'both.log');
  writeFileSync(file, all.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const found = execFileSync('grep', [...hashes.flatMap((hash) => ['-e', hash]), file], { encoding: 'utf8' });
  return found
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine);
}

/** Node, provider, what and how. What the operator did is looked at by itself: which node says so is left to them. */
function storyOf(lines: readonly LogLine[]): string[][] {
  return lines
    .filter((line) => line['reason'] !== 'operator')
    .map((line) => [line['node'], line['provider'], line['audit'], line['result'] ?? line['reason']].map(String));
}
