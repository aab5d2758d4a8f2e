// `akprox status`, `reload` and `sessions` with a running daemon, over its control socket; and without one.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { controlPath } from '../../src/cluster/control-path.js';
import { run } from '../../src/commands/command-line.js';
import { configSchema } from '../../src/config/schema.js';
import { type Daemon, request, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { describeWith } from '../kit/needs.js';
import { redisMissing, startRedis } from '../kit/redis-server.js';
import { until } from '../kit/until.js';
import { APP, startWorld, type World } from '../kit/world.js';

const WIKI = { name: 'wiki', external_host: 'http://wiki.localhost:8080' };

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function akprox(config: string, ...argv: string[]): Promise<Ran> {
  return withEnvironment({}, ['--config', config, ...argv]);
}

async function withEnvironment(env: Record<string, string>, argv: string[]): Promise<Ran> {
  const written = { stdout: '', stderr: '' };
  const code = await run(argv, {
    env,
    cwd: '/',
    stdout: (text) => {
      written.stdout += text;
    },
    stderr: (text) => {
      written.stderr += text;
    },
    read: () => Promise.reject(new Error('not to be served')),
    serve: () => Promise.reject(new Error('not to be served')),
  });
  return { code, ...written };
}

async function logIn(world: World): Promise<string> {
  const browser = world.browser();
  await browser.logIn(`${APP}/`, 'alice');
  return (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_')) ?? '';
}

/** What thirty checks at once are answered with, on connections of their own. */
async function ask({ http: address }: Daemon, cookie: string): Promise<number[]> {
  const checks = Array.from({ length: 30 }, () => traefikCheck(address, `${APP}/`, { cookie }));
  return [...new Set((await Promise.all(checks)).map(({ status }) => status))];
}

/** Until the worker that had no part in the login has the session in its cache too. */
async function cachedByBoth(daemon: Daemon, cookie: string): Promise<void> {
  await until(async () => {
    assert.deepEqual(await ask(daemon, cookie), [200]);
    return (await daemon.metric('akprox_session_cache_misses_total')) >= 1;
  });
}

async function endsAtOnce(world: World): Promise<void> {
  const { daemon } = world;
  const cookie = await logIn(world);
  await cachedByBoth(daemon, cookie);

  const listed = await akprox(daemon.configPath, 'sessions', '--sub', 'alice', '--list');
  assert.deepEqual([listed.code, listed.stderr], [0, '']);
  const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`;
  assert.match(
    listed.stdout,
    new RegExp(
      String.raw`^whoami: 1 session, sub \S{43}\n  began ${time}, not renewed, ends ${time}, unknown browser, 127\.0\.0\.1\nwiki: 0 sessions, sub \S{43}\n$`,
    ),
  );
  const id = cookie.slice(cookie.indexOf('=') + 1);
  assert.ok(!listed.stdout.includes(id.slice(0, 8)));

  const { code, stdout, stderr } = await akprox(daemon.configPath, 'sessions', '--sub', 'alice');
  // The very next ones, whichever worker gets them.
  const answered = await ask(daemon, cookie);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^whoami: 1 session ended, sub \S{43}\nwiki: 0 sessions ended, sub \S{43}\n$/);
  assert.deepEqual(answered, [302]);
  await daemon.waitFor((line) => line['audit'] === 'session_ended' && line['reason'] === 'operator');
}

describe('the control socket', () => {
  it('ends sessions in every worker at once, shows them, reloads and tells the state; nobody else may open it', async () => {
    await using world = await startWorld({
      others: (issuer) => [testProvider(issuer, WIKI)],
      config: { workers: 2 },
    });
    const { daemon } = world;
    const socket = join(daemon.directory, 'data', 'control.sock');
    assert.equal(statSync(socket).mode & 0o777, 0o600);
    assert.ok(!readdirSync(join(daemon.directory, 'data')).includes('control.sock.new'));
    await endsAtOnce(world);

    const all = await logIn(world);
    assert.match(
      (await akprox(daemon.configPath, 'sessions', '--provider', 'whoami', '--all')).stdout,
      /^whoami: 1 session ended\n$/,
    );
    assert.deepEqual(await ask(daemon, all), [302]);
    const unknown = await akprox(daemon.configPath, 'sessions', '--provider', 'blog', '--sub', 'alice');
    assert.deepEqual(unknown, {
      code: 1,
      stdout: '',
      stderr: "providers: the running daemon has none that is called 'blog'\n",
    });

    const status = await akprox(daemon.configPath, 'status');
    assert.deepEqual([status.code, status.stderr], [0, '']);
    for (const row of [
      `process ${daemon.child.pid}, since`,
      'state          ok\n',
      'workers        2 of 2 ready\n',
      'store          embedded\n',
      'configuration  generation 0, as on the disk',
      'providers      2\n',
      'idp            whoami: answers\n',
      `listeners      ${daemon.http.replace('://', ' ')}, metrics ${daemon.metrics.slice('http://'.length)}\n`,
    ])
      assert.ok(status.stdout.includes(row), `${row} in ${status.stdout}`);

    const good = readFileSync(daemon.configPath, 'utf8');
    const parsed = parse(good) as { providers: Record<string, unknown>[] };
    daemon.writeConfig({ ...parsed, workers: 3, providers: parsed.providers.slice(0, 1) });
    const reloaded = await akprox(daemon.configPath, 'reload');
    assert.deepEqual(reloaded, {
      code: 0,
      stdout: 'the configuration was changed: every worker has generation 1\n',
      stderr:
        'warning: providers[0].external_host is http: its cookies travel in the clear\nworkers: ignored until a restart\n',
    });
    assert.match((await akprox(daemon.configPath, 'status')).stdout, /^configuration {2}generation 1, /m);
    const wiki = await request(`${daemon.http}/akprox/ping-not`, { headers: { host: 'wiki.localhost:8080' } });
    assert.equal(wiki.status, 400);

    daemon.writeConfig({ ...parsed, providers: [] });
    const refused = await akprox(daemon.configPath, 'reload');
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^it has no provider where there were 1; a restart would take it\nthe configuration was not changed\n$/m,
    );
    assert.equal((await akprox(daemon.configPath, 'status')).code, 1);

    // With a file that has problems, as while it is edited, or where a variable of the daemon's is missing in this shell.
    daemon.writeConfig({ ...parsed, banana: { env: 'NOT_IN_THIS_SHELL' } });
    const bad = await akprox(daemon.configPath, 'reload');
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /^banana, line \d+: unknown key\nthe configuration was not changed\n$/);
    const during = await akprox(daemon.configPath, 'status');
    assert.deepEqual([during.code, during.stderr], [1, '']);
    assert.match(during.stdout, /^configuration {2}generation 1, the last one that was read has not been taken/m);
    const cookie = await logIn(world);
    assert.equal((await akprox(daemon.configPath, 'sessions')).stdout, 'whoami: 1 session\n');
    assert.match((await akprox(daemon.configPath, 'sessions', '--sub', 'alice')).stdout, /^whoami: 1 session ended, /);
    assert.deepEqual(await ask(daemon, cookie), [302]);
    const elsewhere = await akprox(`${daemon.configPath}.none`, 'status');
    assert.match(
      elsewhere.stderr,
      /^--config: file .* cannot be read .*\n1 problem\nno running daemon was looked for: /,
    );
    writeFileSync(daemon.configPath, good);

    for (const [method, path, body, expected] of [
      ['GET', '/', '', 404],
      ['GET', '/reload', '', 404],
      ['POST', '/sessions', 'x'.repeat(9_000), 400],
      ['POST', '/sessions', '{"kind":"every"}', 400],
      ['POST', '/sessions', '{"kind":"sub","value":7,"provider":null}', 400],
    ] as const)
      assert.equal(await overSocket(socket, method, path, body), expected, `${method} ${path}`);
    // None of it over TCP.
    for (const address of [daemon.http, daemon.metrics]) {
      const { status: code } = await request(`${address}/status`, { headers: { host: 'whoami.localhost:8080' } });
      assert.equal(code, 404);
    }

    assert.equal(await daemon.stop(), 0);
    assert.ok(!readdirSync(join(daemon.directory, 'data')).includes('control.sock'));
    const gone = await akprox(daemon.configPath, 'status');
    assert.deepEqual(gone, {
      code: 1,
      stdout: '',
      stderr: `no running daemon was found: nobody answers on ${socket}\n`,
    });
    assert.equal((await akprox(daemon.configPath, 'reload')).code, 1);
    assert.match(
      (await akprox(daemon.configPath, 'sessions', '--sub', 'alice', '--list')).stdout,
      /^whoami: 0 sessions, sub /,
    );
  });

  it('is that of the successor after SIGUSR2', async () => {
    await using world = await startWorld({ config: { workers: 1 }, succeeds: true });
    const { daemon } = world;
    daemon.child.kill('SIGUSR2');
    await daemon.waitFor(({ msg }) => msg === 'the successor serves; draining');
    const cookie = await logIn(world);
    const { code, stdout } = await akprox(daemon.configPath, 'status');
    assert.equal(code, 0);
    assert.match(stdout, / process \d+, since/);
    assert.ok(!stdout.includes(` process ${daemon.child.pid},`));
    assert.match((await akprox(daemon.configPath, 'sessions', '--sub', 'alice')).stdout, /^whoami: 1 session ended/);
    assert.deepEqual(await ask(daemon, cookie), [302]);
  });
});

describeWith(redisMissing(), 'the control socket, with sessions in Redis', () => {
  it('ends sessions in every worker at once', async () => {
    const redis = await startRedis();
    try {
      await using world = await startWorld({
        others: (issuer) => [testProvider(issuer, WIKI)],
        config: { workers: 2, store: { kind: 'redis', url: redis.url } },
      });
      await endsAtOnce(world);
      // By the environment alone, and on ports that the system chooses: the socket is named after what is written.
      const env = {
        AKPROX_CONFIG: '',
        AKPROX_WORKERS: '1',
        AKPROX_STORE_KIND: 'redis',
        AKPROX_STORE_URL: redis.url,
        AKPROX_LISTEN_HTTP: '127.0.0.1:0',
        AKPROX_LISTEN_HTTPS: 'null',
        AKPROX_LISTEN_METRICS: '127.0.0.1:0',
      };
      await using daemon = await startDaemon({}, { env });
      const status = await withEnvironment(env, ['status']);
      assert.deepEqual([status.code, status.stderr], [0, '']);
      assert.ok(status.stdout.includes(`process ${daemon.child.pid}, since`), status.stdout);
    } finally {
      await redis.stop();
    }
  });
});

describe('without a daemon', () => {
  it('a stale socket is nobody, and what is no socket is left alone', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-control-'));
    const config = join(directory, 'akprox.yaml');
    try {
      writeFileSync(
        config,
        JSON.stringify({ store: { kind: 'embedded', path: directory }, providers: [testProvider('https://idp.tld')] }),
      );
      writeFileSync(join(directory, 'control.sock'), 'no socket');
      const { code, stderr } = await akprox(config, 'status');
      assert.equal(code, 1);
      assert.match(stderr, /^no running daemon was found: nobody answers on /);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

/** Whoever may write to /run/akprox has the socket there. */
describeWith(existsSync('/run/akprox') ? '/run/akprox must not be there' : null, 'below the temporary folder', () => {
  it('whoever is the first to have the name of our folder is asked nothing, and believed nothing', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-control-'));
    const usual = process.env['TMPDIR'];
    const config = join(directory, 'akprox.yaml');
    const store = { kind: 'redis', url: 'redis://127.0.0.1:1', prefix: 'akprox:' } as const;
    const asked: string[] = [];
    const stranger = http.createServer((req, res) => {
      asked.push(req.url ?? '');
      res.end('{"outcomes":[{"provider":"whoami","hash":"","ended":1,"shown":[]}]}');
    });
    try {
      process.env['TMPDIR'] = directory;
      writeFileSync(config, JSON.stringify({ store, providers: [testProvider('https://idp.tld')] }));
      const path = controlPath({ store, listen: configSchema.parse({}).listen }, config, '/');
      const folder = dirname(path);
      assert.equal(dirname(folder), directory);
      const elsewhere = join(directory, 'elsewhere');
      mkdirSync(elsewhere, { mode: 0o700 });
      await once(stranger.listen(join(elsewhere, basename(path))), 'listening');
      const expected = `the running daemon cannot be asked on ${path}: ${folder} is not a folder of this user's alone\n`;
      symlinkSync(elsewhere, folder);
      assert.deepEqual(await akprox(config, 'status'), { code: 1, stdout: '', stderr: expected });
      rmSync(folder);
      renameSync(elsewhere, folder);
      chmodSync(folder, 0o777);
      assert.deepEqual(await akprox(config, 'status'), { code: 1, stdout: '', stderr: expected });
      assert.deepEqual(await akprox(config, 'reload'), { code: 1, stdout: '', stderr: expected });
      assert.deepEqual(asked, []);
    } finally {
      if (usual === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = usual;
      stranger.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

function overSocket(socketPath: string, method: string, path: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const req = http.request({ socketPath, method, path, agent: false }, (res) => {
      res.resume();
      resolve(res.statusCode ?? 0);
    });
    req.once('error', reject);
    req.end(body);
  });
}
