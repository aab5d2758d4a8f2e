// What is traced, as a real OpenTelemetry collector has it: logins with all that is asked for them, renewals, and the checks that the
// proxy wants traced; and nothing in it that would be a secret or say who somebody is.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { describeWith } from '../kit/needs.js';
import { type CollectedSpan, type Collector, collectorMissing, startCollector } from '../kit/otel-collector.js';
import { until } from '../kit/until.js';
import { APP, startWorld, type World } from '../kit/world.js';

/** Of tokens, in seconds. */
const TOKEN_LIFE = 4;

/** A trace of its own for each letter. `flags`: 01 is a proxy that wants it. */
function traceOf(letter: string, flags = '01') {
  const traceId = letter.repeat(32);
  const parentId = '1234567890abcdef';
  return { traceId, parentId, headers: { traceparent: `00-${traceId}-${parentId}-${flags}` } };
}

describeWith(collectorMissing(), 'what is traced', () => {
  let collector: Collector;
  let world: World;
  let secrets: string[];

  const find = (fits: (span: CollectedSpan) => boolean): CollectedSpan | undefined => collector.spans().find(fits);
  const childrenOf = ({ id }: CollectedSpan) => collector.spans().filter(({ parentId }) => parentId === id);

  before(async () => {
    collector = await startCollector();
    world = await startWorld({
      config: { workers: 1, listen: { compat: '127.0.0.1:0' } },
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '100' },
      idp: { refreshTokens: 'always', ttl: { IdToken: TOKEN_LIFE, AccessToken: TOKEN_LIFE } },
    });
    const { daemon } = world;
    const browser = world.browser();
    assert.equal((await browser.logIn(`${APP}/secret-page?secret=query`, 'alice')).status, 200);
    const cookie = (await browser.cookies(`${APP}/`)).join('; ');
    secrets = ['alice', 'secret', ...cookie.split(/[=;. ]+/).filter((part) => part.length > 30)];
    await until(async () => {
      await traefikCheck(daemon.http, `${APP}/`, { cookie });
      return find(({ name }) => name === 'renewal') !== undefined;
    });
    for (const [letter, base, flags] of [
      ['a', daemon.http, '01'],
      ['b', daemon.compat ?? '', '01'],
      ['c', daemon.http, '00'],
      ['d', daemon.compat ?? '', '00'],
    ] as const)
      assert.equal((await traefikCheck(base, `${APP}/`, { cookie, ...traceOf(letter, flags) })).status, 200);
    await traefikCheck(daemon.http, `${APP}/secret-page`, traceOf('e'));
    await browser.get(`${APP}/akprox/sign_out`);
    await traefikCheck(daemon.http, `${APP}/`, { cookie, ...traceOf('f') });
    // What is left is sent at the end.
    await daemon.stop();
    await until(() => find(({ traceId }) => traceId === traceOf('f').traceId) !== undefined);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await collector?.stop();
  });

  it('is a login, with what is asked of the identity provider and of the store', () => {
    const callback = find(({ name }) => name === 'callback');
    assert.ok(callback);
    assert.equal(callback.parentId, '');
    assert.deepEqual(callback.facts, { 'akprox.provider': 'whoami', 'http.response.status_code': '302' });
    const asked = childrenOf(callback).map(
      ({ name, facts }) => `${name} ${facts['url.path'] ?? facts['db.operation.name']}`,
    );
    assert.ok(asked.includes('identity provider /token'), String(asked));
    assert.ok(asked.includes('store put'), String(asked));
    assert.ok(find(({ name }) => name === 'start'));
    assert.ok(find(({ name }) => name === 'signOut'));
  });

  it('is a renewal, with the call that it took', () => {
    const renewal = find(({ name }) => name === 'renewal');
    assert.ok(renewal);
    assert.equal(renewal.failed, false);
    assert.deepEqual(renewal.facts, { 'akprox.provider': 'whoami', 'akprox.result': 'renewed' });
    assert.ok(childrenOf(renewal).some(({ facts }) => facts['url.path'] === '/token'));
  });

  it('is a check that the proxy wants traced, as a part of its trace, on every kind of listener', () => {
    const hit = { 'akprox.dialect': 'traefik', 'akprox.decision': 'allow', 'akprox.provider': 'whoami' };
    for (const letter of ['a', 'b']) {
      const { traceId, parentId } = traceOf(letter);
      const spans = collector.spans().filter((span) => span.traceId === traceId);
      assert.deepEqual(
        spans.map((span) => [span.name, span.parentId, span.failed, span.facts]),
        [['check', parentId, false, { ...hit, 'akprox.cached': '1' }]],
      );
    }
    const challenge = find(({ traceId }) => traceId === traceOf('e').traceId);
    assert.deepEqual(challenge?.facts, { 'akprox.dialect': 'traefik', 'akprox.decision': 'challenge' });
    const slow = find(({ name, traceId }) => name === 'check' && traceId === traceOf('f').traceId);
    assert.ok(slow);
    assert.deepEqual(
      childrenOf(slow).map(({ name, facts }) => [name, facts['db.operation.name']]),
      [['store', 'get']],
    );
  });

  it('is no other check', () => {
    const wanted = ['a', 'b', 'e', 'f'].map((letter) => traceOf(letter).traceId);
    const checks = collector.spans().filter(({ name }) => name === 'check');
    assert.deepEqual(checks.map(({ traceId }) => traceId).sort(), wanted);
  });

  it('says nothing that is secret, and not who it was', () => {
    const output = collector.output();
    assert.match(output, /-> service\.name: Str\(akprox\)/);
    for (const secret of secrets) assert.ok(!output.includes(secret), secret);
  });
});

it('spans that nobody takes cost a line in the log and nothing else', async () => {
  await using daemon = await startDaemon(
    { workers: 1, providers: [testProvider('http://127.0.0.1:9')] },
    {
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
        OTEL_EXPORTER_OTLP_TIMEOUT: '200',
        OTEL_BSP_SCHEDULE_DELAY: '50',
      },
    },
  );
  assert.equal((await traefikCheck(daemon.http, `${APP}/akprox/start`)).status, 503);
  await daemon.waitFor(({ msg }) => msg.startsWith('spans were not taken: compare OTEL_EXPORTER_OTLP_ENDPOINT'));
  assert.equal((await traefikCheck(daemon.http, `${APP}/`, traceOf('a'))).status, 302);
  assert.equal(await daemon.stop(), 0);
});
