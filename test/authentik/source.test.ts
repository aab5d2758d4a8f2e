// The source as a whole against the fake core: what is applied and when, and that nothing core does takes it away again.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { generate } from 'selfsigned';
import {
  type AuthentikSource,
  type AuthentikSourceOptions,
  type OutpostFacts,
  startAuthentikSource,
} from '../../src/authentik/source.js';
import type { ProviderConfig } from '../../src/config/schema.js';
import type { FakeCore } from '../kit/fake-core.js';
import { createTestLog, createTestTimers, createWaiter, startTestCore, WHOAMI, WIKI } from './setup.js';

const INSTANCE = '0f8fad5b-d9cb-469f-a165-70867728950e';

interface Applied {
  readonly providers: ProviderConfig[];
  readonly facts: OutpostFacts;
}

describe('providers from authentik', () => {
  let core: FakeCore;
  let dataDir: string;
  let source: AuthentikSource | null;
  beforeEach(async () => {
    core = await startTestCore({ providers: [WHOAMI] });
    dataDir = mkdtempSync(join(tmpdir(), 'akprox-source-'));
    source = null;
  });
  afterEach(async () => {
    source?.stop();
    await core.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  function start(overrides: Partial<AuthentikSourceOptions> = {}) {
    const waiter = createWaiter();
    const timers = createTestTimers(waiter);
    const log = createTestLog(waiter);
    const applied: Applied[] = [];
    const ended: string[] = [];
    source = startAuthentikSource({
      env: { host: core.url, token: core.token, insecure: false, hostBrowser: null },
      dataDir,
      instanceId: INSTANCE,
      now: timers.now,
      monotonic: timers.now,
      random: () => 0.5,
      log,
      timers,
      apply: async (providers, facts) => {
        applied.push({ providers, facts });
        waiter.changed();
      },
      sessionEnd: (sid) => {
        ended.push(sid);
        waiter.changed();
      },
      ...overrides,
    });
    const names = (): string[][] => applied.map(({ providers }) => providers.map((provider) => provider.name));
    return { source, timers, log, applied, ended, names, until: waiter.until };
  }

  /** Until the first fetch is in force and the connection is there. */
  async function started(overrides: Partial<AuthentikSourceOptions> = {}) {
    const test = start(overrides);
    await test.until(() => test.log.texts('info').includes('connected to authentik'));
    return test;
  }

  it('are applied at start, with what core says of the outpost', async () => {
    core.setInstance({ config: { authentik_host: core.url, log_level: 'warning' } });
    const test = await started();
    assert.deepEqual(test.names(), [['whoami']]);
    assert.deepEqual(test.applied[0]?.facts, { pk: core.outpostPk, name: 'fake outpost', logLevel: 'warn' });
    const { connected, lastUpdate, problem, instanceId } = test.source.status();
    assert.deepEqual([connected, lastUpdate, problem, instanceId], [true, test.timers.now(), null, INSTANCE]);
    assert.doesNotMatch(test.log.all(), new RegExp(`${core.token}|client-secret-of`));
  });

  it('are asked for again after 3, 6, 12, 24, 30, 30 s, for ever, while core is down', async () => {
    core.fail({ status: 502 });
    const test = start();
    const delays: number[] = [];
    for (let i = 1; i <= 6; i += 1) {
      await test.until(() => test.log.texts('error').length === i && test.timers.waits().length === 1);
      delays.push(...test.timers.waits());
      if (i < 6) test.timers.pass(delays.at(-1) ?? 0);
    }
    assert.deepEqual(delays, [3_000, 6_000, 12_000, 24_000, 30_000, 30_000]);
    assert.match(
      test.log.all(),
      /authentik answered 502.*no provider is known yet|no provider is known yet.*answered 502/,
    );
    core.fail(null);
    test.timers.pass(30_000);
    await test.until(() => test.applied.length === 1);
    assert.ok(test.log.texts('info').includes('authentik answers again'));
  });

  for (const [title, prepare, message] of [
    ['a wrong token', (c: FakeCore) => c.setToken('another'), /AUTHENTIK_TOKEN is wrong or has expired/],
    ['a token without an outpost', (c: FakeCore) => c.setTokenKind('user'), /no outpost for this AUTHENTIK_TOKEN/],
    [
      'a redirect',
      (c: FakeCore) => c.fail({ status: 301, headers: { Location: 'https://x.tld/' } }),
      /AUTHENTIK_HOST must be/,
    ],
  ] as const) {
    it(`say at start what is wrong: ${title}`, async () => {
      prepare(core);
      const test = start();
      await test.until(() => test.log.texts('error').length === 1);
      assert.match(test.log.all(), message);
      assert.equal(test.applied.length, 0);
      assert.match(test.source.status().problem ?? '', message);
    });
  }

  it('follow a trigger within a second', async () => {
    const test = await started();
    await core.setProviders([WHOAMI, WIKI]);
    core.trigger();
    await test.until(() => test.timers.waits().includes(500));
    core.trigger();
    test.timers.pass(500);
    await test.until(() => test.applied.length === 2);
    assert.deepEqual(test.names()[1], ['whoami', 'wiki']);
  });

  it('are not applied again when nothing has changed', async () => {
    const test = await started();
    assert.equal(await test.source.refresh(), true);
    assert.equal(await test.source.refresh(), true);
    assert.equal(test.applied.length, 1);
  });

  it('stay when a fetch fails, whatever way, and the reason is named', async () => {
    const test = await started();
    await core.setProviders([WIKI]);
    for (const fault of [
      { status: 500 },
      { status: 302, headers: { Location: '/login' } },
      { status: 200, body: 'nonsense' },
      { path: /outposts\/proxy/, status: 500 },
      { broken: true },
    ]) {
      core.fail(fault);
      assert.equal(await test.source.refresh(), false);
    }
    core.fail(null);
    core.setToken('a new one');
    assert.equal(await test.source.refresh(), false);
    assert.match(test.source.status().problem ?? '', /AUTHENTIK_TOKEN is wrong or has expired/);
    assert.deepEqual(test.names(), [['whoami']]);
    assert.ok(test.log.texts('error').every((text) => text.includes('what was known stays in force')));
    core.setToken(core.token);
    assert.equal(await test.source.refresh(), true);
    assert.deepEqual(test.names()[1], ['wiki']);
  });

  it('are fetched once for all who ask while a fetch is running', async () => {
    const test = await started();
    const fetches = (): number => core.requests.filter(({ path }) => path.includes('outposts/instances')).length;
    const before = fetches();
    const release = core.hold();
    const asked = [test.source.refresh(), test.source.refresh(), test.source.refresh(), test.source.refresh()];
    await core.until(() => fetches() === before + 1);
    release();
    assert.deepEqual(await Promise.all(asked), [true, true, true, true]);
    assert.equal(fetches(), before + 2);
  });

  for (const [seconds, expected] of [
    [300, 300_000],
    [0, 300_000],
    [-5, 300_000],
    [null, 300_000],
    ['soon', 300_000],
    [7, 30_000],
    [61.5, 61_500],
    [1e12, 86_400_000],
  ] as const) {
    it(`are polled for: refresh_interval_s ${seconds}`, async () => {
      core.setInstance({ refresh_interval_s: seconds });
      const test = await started();
      assert.ok(test.timers.waits().includes(expected), String(test.timers.waits()));
    });
  }

  it('arrive with the next poll when the websocket cannot be had', async () => {
    core.fail({ path: /^\/ws\// });
    const test = start();
    await test.until(() => test.log.texts('warn').some((text) => text.startsWith('no live connection')));
    await core.setProviders([WIKI]);
    test.timers.pass(300_000);
    await test.until(() => test.applied.length === 2);
  });

  it('are asked for after a lost connection, for what was missed', async () => {
    const test = await started();
    await core.setProviders([WIKI]);
    core.dropConnections();
    await test.until(() => test.log.texts('warn').some((text) => text.startsWith('no live connection')));
    test.timers.pass(1_000);
    await test.until(() => test.timers.waits().includes(500));
    test.timers.pass(500);
    await test.until(() => test.applied.length === 2);
  });

  it('hand session ends on', async () => {
    const test = await started();
    core.endSession('a');
    core.endSession('b', 'provider_specific');
    await test.until(() => test.ended.length === 2);
    assert.deepEqual(test.ended, ['a', 'b']);
  });

  it('say what is skipped once, and again when it comes back', async () => {
    const proxy = { ...WIKI, mode: 'proxy' };
    const said = (): number => test.log.texts('warn').filter((text) => text.includes('"wiki" is skipped')).length;
    await core.setProviders([WHOAMI, proxy]);
    const test = await started();
    await test.source.refresh();
    assert.equal(said(), 1);
    await core.setProviders([WHOAMI]);
    await test.source.refresh();
    await core.setProviders([WHOAMI, proxy]);
    await test.source.refresh();
    assert.equal(said(), 2);
    assert.deepEqual(test.names(), [['whoami']]);
  });

  describe('that were known before', () => {
    const file = (): string => {
      const directory = join(dataDir, 'authentik');
      const [name = ''] = readdirSync(directory).filter((entry) => entry.endsWith('.sealed'));
      return join(directory, name);
    };

    it('are served at once while core is down, and core is asked on', async () => {
      (await started()).source.stop();
      core.fail({ broken: true });
      const test = start();
      await test.until(() => test.applied.length === 1 && test.log.texts('error').length === 1);
      assert.deepEqual(test.names(), [['whoami']]);
      assert.match(test.log.all(), /last known providers.*\n.*what was known stays in force/s);
      core.fail(null);
      await core.setProviders([WIKI]);
      test.timers.pass(3_000);
      await test.until(() => test.applied.length === 2);
      assert.deepEqual(test.names()[1], ['wiki']);
    });

    it('are sealed in a private file that is exchanged as a whole', async () => {
      (await started()).source.stop();
      assert.equal(statSync(file()).mode & 0o777, 0o600);
      assert.equal(statSync(join(dataDir, 'authentik')).mode & 0o777, 0o700);
      const text = readFileSync(file(), 'latin1');
      assert.ok(!text.includes('whoami') && !text.includes('client'));
      assert.deepEqual(readdirSync(join(dataDir, 'authentik')).length, 1);
    });

    it('are nothing to another token, and nothing when tampered with', async () => {
      (await started()).source.stop();
      core.fail({ broken: true });
      const env = { host: core.url, token: 'another', insecure: false, hostBrowser: null };
      const stranger = start({ env });
      await stranger.until(() => stranger.log.texts('error').length === 1);
      assert.equal(stranger.applied.length, 0);
      stranger.source.stop();
      const bytes = readFileSync(file());
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      writeFileSync(file(), bytes);
      const tampered = start();
      await tampered.until(() => tampered.log.texts('error').length === 1);
      assert.equal(tampered.applied.length, 0);
    });

    it('are given up with a warning when the disk cannot be written', async () => {
      writeFileSync(join(dataDir, 'authentik'), 'a file where the directory should be');
      const test = await started();
      await test.source.refresh();
      assert.equal(test.log.texts('warn').filter((text) => text.includes('cannot be kept')).length, 1);
      assert.deepEqual(test.names(), [['whoami']]);
    });
  });

  describe('with a certificate', () => {
    const make = async (fingerprint: string) => {
      const pems = await generate([{ name: 'commonName', value: 'whoami' }], { keyType: 'ec', curve: 'P-256' });
      return { fingerprint, certificate: pems.cert, privateKey: pems.private };
    };

    it('have it as private files with a new name for a new certificate, gone at the end', async () => {
      const first = await make('01');
      core.setCertificate('uuid-1', first);
      await core.setProviders([{ ...WHOAMI, certificate: 'uuid-1' }]);
      const test = await started();
      const tls = test.applied[0]?.providers[0]?.tls;
      assert.ok(tls);
      assert.equal(readFileSync(tls.cert, 'utf8'), first.certificate);
      assert.equal(readFileSync(tls.key, 'utf8'), first.privateKey);
      assert.equal(statSync(tls.key).mode & 0o777, 0o600);
      await test.source.refresh();
      assert.equal(test.applied.length, 1);
      assert.equal(core.requests.filter(({ path }) => path.endsWith('/view_private_key/')).length, 1);

      core.setCertificate('uuid-1', await make('02'));
      await test.source.refresh();
      const next = test.applied[1]?.providers[0]?.tls;
      assert.ok(next && next.cert !== tls.cert);
      test.source.stop();
      assert.throws(() => statSync(next.key));
    });

    it('keep it while core does not show it', async () => {
      core.setCertificate('uuid-1', await make('01'));
      await core.setProviders([{ ...WHOAMI, certificate: 'uuid-1' }]);
      const test = await started();
      core.fail({ path: /crypto/, status: 500 });
      assert.equal(await test.source.refresh(), true);
      assert.equal(test.applied.length, 1);
      assert.match(test.log.all(), /the certificate uuid-1 cannot be read: authentik answered 500/);
    });

    it('go on without it when it is none', async () => {
      const [one, other] = [await make('01'), await make('02')];
      core.setCertificate('no-key', { ...one, privateKey: '' });
      core.setCertificate('nonsense', { ...one, certificate: 'x' });
      core.setCertificate('mixed', { ...one, privateKey: other.privateKey });
      await core.setProviders(
        ['no-key', 'nonsense', 'mixed', 'missing'].map((uuid) => ({
          name: uuid,
          external_host: `http://${uuid}.localhost`,
          certificate: uuid,
        })),
      );
      const test = await started();
      assert.deepEqual(
        test.applied[0]?.providers.map((provider) => provider.tls),
        [undefined, undefined, undefined, undefined],
      );
      const warnings = test.log.texts('warn').join('\n');
      assert.match(warnings, /no-key cannot be used: authentik has no private key/);
      assert.match(warnings, /nonsense cannot be used: it is not a PEM certificate/);
      assert.match(warnings, /mixed cannot be used: its private key belongs to another certificate/);
      assert.match(warnings, /missing cannot be read/);
    });

    it('come back with it while core is down at start', async () => {
      core.setCertificate('uuid-1', await make('01'));
      await core.setProviders([{ ...WHOAMI, certificate: 'uuid-1' }]);
      (await started()).source.stop();
      core.fail({ broken: true });
      const test = start();
      await test.until(() => test.applied.length === 1);
      const tls = test.applied[0]?.providers[0]?.tls;
      assert.ok(tls && statSync(tls.cert).isFile());
    });
  });

  it('are reported about, within limits', async () => {
    const test = await started();
    const event = {
      message: 'X-Forwarded-Host is missing',
      provider: '',
      clientIp: '203.0.113.9',
      url: '',
      headers: {},
    };
    test.source.misconfigured(event);
    test.source.misconfigured(event);
    await core.until(() => core.events.length === 1);
    assert.deepEqual(core.events[0], {
      action: 'configuration_error',
      app: 'authentik.providers.proxy',
      client_ip: '203.0.113.9',
      context: { message: event.message, provider: '', outpost: 'fake outpost', url: '', headers: {} },
    });
  });

  it('are let alone after the end', async () => {
    const test = await started();
    test.source.stop();
    assert.equal(await test.source.refresh(), false);
    await core.until(() => core.closes.length === 1);
    assert.deepEqual(test.timers.waits(), []);
  });

  it('can be stopped in the middle of a fetch', async () => {
    const release = core.hold();
    const test = start();
    await core.until(() => core.requests.length > 0);
    test.source.stop();
    release();
    assert.equal(await test.source.refresh(), false);
    assert.equal(test.applied.length, 0);
    mkdirSync(join(dataDir, 'still-there'));
  });
});
