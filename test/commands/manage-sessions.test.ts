// `akprox sessions`: what it lists, what it ends, and that a running daemon on Redis hears of it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { type Application, createApplication } from '../../src/application/application.js';
import { readClaims } from '../../src/application/claims.js';
import { run } from '../../src/commands/command-line.js';
import type { StoreConfig } from '../../src/config/schema.js';
import { createLog } from '../../src/infra/log.js';
import { openStore } from '../../src/session/open-store.js';
import { indexHash } from '../../src/session/session-keys.js';
import type { Sessions } from '../../src/session/sessions.js';
import { configOf } from '../kit/application.js';
import { testProvider, traefikCheck } from '../kit/daemon.js';
import { describeWith } from '../kit/needs.js';
import { redisMissing, startRedis } from '../kit/redis-server.js';
import { makeSessions } from '../kit/sessions.js';
import { until } from '../kit/until.js';
import { APP, startWorld } from '../kit/world.js';

const ISSUER = 'https://idp.company.tld';
const WIKI = { name: 'wiki', external_host: 'http://wiki.localhost:8080' };
const MAIL = 'alice@example.com';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function akprox(argv: string[], yaml: string, cwd: string, env: Record<string, string> = {}): Promise<Ran> {
  const written = { stdout: '', stderr: '' };
  const code = await run(['sessions', ...argv], {
    env,
    cwd,
    readFile: (path) => {
      if (path === join(cwd, 'akprox.yaml')) return yaml;
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    },
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

interface Place {
  /** Runs `akprox sessions` on this store. */
  cli(...argv: string[]): Promise<Ran>;
  cliWith(env: Record<string, string>, ...argv: string[]): Promise<Ran>;
  /** Another process of the same store, with a session each for `subs`; the first has the sid `s1`. */
  fill(application: Application, ...subs: string[]): Promise<void>;
  withSessions(use: (sessions: Sessions) => Promise<void>): Promise<void>;
  readonly whoami: Application;
  readonly wiki: Application;
  readonly close: () => Promise<void>;
}

function place(directory: string, store: Record<string, unknown>, done: () => Promise<void>): Place {
  const written = { store, providers: [testProvider(ISSUER), testProvider(ISSUER, WIKI)] };
  const config = configOf(written);
  const [whoami, wiki] = config.providers.map((one) => createApplication(one));
  assert.ok(whoami && wiki);
  const withSessions = async (use: (sessions: Sessions) => Promise<void>) => {
    const opened = await openStore(config.store satisfies StoreConfig, Date.now, createLog('silent', 'test'));
    try {
      await use(makeSessions(opened));
    } finally {
      await opened.close();
    }
  };
  const cliWith = (env: Record<string, string>, ...argv: string[]) => akprox(argv, stringify(written), directory, env);
  return {
    whoami,
    wiki,
    cliWith,
    cli: (...argv) => cliWith({}, ...argv),
    withSessions,
    fill: (application, ...subs) =>
      withSessions(async (sessions) => {
        for (const [i, sub] of subs.entries()) {
          await sessions.create(application, {
            provider: application.id,
            claims: readClaims({ sub, sid: i === 0 ? 's1' : 's2' }),
            createdAt: Date.now(),
            renewedAt: Date.now(),
            expiresAt: Date.now() + 600_000,
            idToken: 'id-token',
            jwt: '',
            refreshToken: null,
            loginState: '',
            loginTarget: '',
          });
        }
      }),
    close: done,
  };
}

async function embedded(): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-sessions-'));
  const store = { kind: 'embedded', path: join(directory, 'data') };
  return place(directory, store, async () => rmSync(directory, { recursive: true, force: true }));
}

async function onRedis(): Promise<Place> {
  const redis = await startRedis();
  return place('/etc/akprox', { kind: 'redis', url: redis.url }, () => redis.stop());
}

function behaviour(open: () => Promise<Place>): void {
  const using = (name: string, body: (here: Place) => Promise<void>) =>
    it(name, async () => {
      const here = await open();
      try {
        await here.fill(here.whoami, MAIL, MAIL, 'bob');
        await here.fill(here.wiki, MAIL);
        await body(here);
      } finally {
        await here.close();
      }
    });
  const counts = async (here: Place) => (await here.cli()).stdout;

  using('counts by provider, and does not count logout tokens', async (here) => {
    await here.withSessions((sessions) => sessions.remember(ISSUER, 'j1'));
    assert.deepEqual(await here.cli(), { code: 0, stdout: 'whoami: 3 sessions\nwiki: 1 session\n', stderr: '' });
  });

  using('ends those of a subject at one provider; its hash is printed, it is not', async (here) => {
    const { code, stdout, stderr } = await here.cli('--provider', 'whoami', '--sub', MAIL);
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(stdout.startsWith(`whoami: 2 sessions ended, sub ${indexHash(here.whoami, 'sub', MAIL)}\n`), stdout);
    assert.ok(!stdout.includes('alice'));
    assert.equal(await counts(here), 'whoami: 1 session\nwiki: 1 session\n');
    const again = await here.cli('--provider', 'whoami', '--sub', MAIL);
    assert.match(again.stdout, /^whoami: 0 sessions ended/);
    assert.equal(again.code, 0);
  });

  using('ends those of a subject everywhere without a provider', async (here) => {
    assert.equal((await here.cli('--sub', MAIL)).code, 0);
    assert.equal(await counts(here), 'whoami: 1 session\nwiki: 0 sessions\n');
  });

  using('ends those of a sid', async (here) => {
    assert.match((await here.cli('--provider', 'whoami', '--sid', 's1')).stdout, /^whoami: 1 session ended, sid /);
    assert.equal(await counts(here), 'whoami: 2 sessions\nwiki: 1 session\n');
  });

  using('ends those of a provider', async (here) => {
    assert.match((await here.cli('--provider', 'whoami', '--all')).stdout, /^whoami: 3 sessions ended\n/);
    assert.equal(await counts(here), 'whoami: 0 sessions\nwiki: 1 session\n');
  });

  using('refuses a provider that it does not know, and touches nothing', async (here) => {
    await here.withSessions((sessions) => sessions.remember(ISSUER, 'j1'));
    for (const what of [['--sub', MAIL], ['--sid', 's1'], ['--all']]) {
      const { code, stdout, stderr } = await here.cli('--provider', 'blog', ...what);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^providers: none is called 'blog', only 'whoami', 'wiki'/);
    }
    const env = { AUTHENTIK_HOST: 'https://ak.tld', AUTHENTIK_TOKEN: 't' };
    const { stderr } = await here.cliWith(env, '--provider', 'blog', '--sub', MAIL);
    assert.match(stderr, /those that come from authentik are not known here/);
    assert.equal(await counts(here), 'whoami: 3 sessions\nwiki: 1 session\n');
    assert.equal((await here.cli('--provider', '#logout-tokens', '--all')).code, 1);
  });
}

describe('akprox sessions, on the embedded store', () => {
  behaviour(embedded);

  it('says that a running daemon is not told', async () => {
    const here = await embedded();
    try {
      await here.fill(here.whoami, MAIL);
      const { stdout } = await here.cli('--sub', MAIL);
      assert.match(stdout, /not told.*cache\.max_age \(60 s\).*cache\.stale_max \(300 s\)/);
    } finally {
      await here.close();
    }
  });

  it('makes no store where there is none', async () => {
    const here = await embedded();
    try {
      const { code, stdout, stderr } = await here.cli();
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, /^store\.path: there is no store in /);
    } finally {
      await here.close();
    }
  });

  it('reports a bad configuration as every command does', async () => {
    const { code, stderr } = await akprox([], 'banana: 1\n', '/etc/akprox');
    assert.deepEqual([code, stderr], [1, 'banana, line 1: unknown key\n1 problem\n']);
  });
});

describeWith(redisMissing(), 'akprox sessions, on Redis', () => {
  behaviour(onRedis);

  it('names the setting when Redis cannot be asked', async () => {
    const here = await onRedis();
    await here.close();
    const { code, stderr } = await here.cli();
    assert.equal(code, 1);
    assert.match(stderr, /^store\.url/m);
  });

  it('names the setting when the password is wrong', async () => {
    const redis = await startRedis({ args: ['--requirepass', 'right'], login: { password: 'right' } });
    const store = { kind: 'redis', url: redis.url, password: 'wrong' };
    try {
      const { code, stderr } = await place('/etc/akprox', store, async () => {}).cli();
      assert.equal(code, 1);
      assert.match(stderr, /^store\.password/m);
    } finally {
      await redis.stop();
    }
  });

  it('is heard by every worker of a running daemon', async () => {
    const redis = await startRedis();
    const store = { kind: 'redis', url: redis.url };
    try {
      await using world = await startWorld({ config: { workers: 2, store } });
      const browser = world.browser();
      await browser.logIn(`${APP}/`, 'alice');
      const cookie = (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_')) ?? '';
      const ask = async () => {
        const checks = Array.from({ length: 30 }, () => traefikCheck(world.daemon.http, `${APP}/`, { cookie }));
        return [...new Set((await Promise.all(checks)).map(({ status }) => status))];
      };
      assert.deepEqual(await ask(), [200]);
      const yaml = stringify({ store, providers: [testProvider(world.idp.issuer)] });
      const { code, stdout, stderr } = await akprox(['--provider', 'whoami', '--sub', 'alice'], yaml, '/etc/akprox');
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, /^whoami: 1 session ended, sub /);
      await until(async () => (await ask()).every((status) => status === 302));
      assert.equal(await world.daemon.metric('akprox_revocations_total', 'source="operator"'), 2);
    } finally {
      await redis.stop();
    }
  });
});
