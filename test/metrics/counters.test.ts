// From where something is counted to the page: through the table alone, over workers that come and go, and under configurations
// that change.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { countCheck, updateApplications } from '../../src/application/application.js';
import type { ProviderConfig } from '../../src/config/schema.js';
import { METRICS } from '../../src/metrics/catalogue.js';
import { IdpHealth } from '../../src/metrics/idp-health.js';
import { MeasuredStore } from '../../src/metrics/measured-store.js';
import type { Counts, Metric } from '../../src/metrics/metric.js';
import { MetricsPage } from '../../src/metrics/page.js';
import { Tally } from '../../src/metrics/tally.js';
import { REMEMBERED, Totals } from '../../src/metrics/totals.js';
import { makeApplication } from '../kit/application.js';
import { createChecks } from '../kit/checks.js';
import { FACTS } from './facts.js';

const configOf = (name: string): ProviderConfig =>
  makeApplication({ name, external_host: `https://${name}.company.tld` }).config;

const now = { time: 1_000 };

function worker<const T extends readonly Metric[]>(metrics: T, configs: readonly ProviderConfig[] = []) {
  const applications = updateApplications(null, configs);
  const { sessions, store } = createChecks(applications.all);
  const idps = new IdpHealth(() => now.time);
  return {
    applications,
    sessions,
    idps,
    tally: new Tally(metrics, { applications, sessions, store: new MeasuredStore(store, () => 0), idps }),
  };
}

/** As it is when it has gone from process to process. */
function sent(counts: Counts | null): Counts {
  return counts === null ? [] : JSON.parse(JSON.stringify(counts));
}

/** Lines of the page without the comments, in alphabetical order. */
async function linesOf(totals: Totals, metrics: readonly Metric[]): Promise<string[]> {
  const page = (await new MetricsPage(metrics).render(totals, FACTS)).toString();
  return page
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .sort();
}

describe('a metric', () => {
  const TABLE = [
    { name: 'x_told_total', type: 'counter', labels: ['provider', 'kind'], help: 'Told.' },
    {
      name: 'x_taken_total',
      type: 'counter',
      labels: [],
      help: 'Taken.',
      take: ({ sessions }) => [[[], [sessions.hits]]],
    },
    {
      name: 'x_by_result_total',
      type: 'counter',
      labels: ['what', 'result'],
      help: 'Columns.',
      columns: { label: 'result', values: ['good', 'bad'] },
      take: () => [[['"a"'], [0, 2]]],
    },
    {
      name: 'x_seconds',
      type: 'histogram',
      labels: ['op'],
      help: 'H.',
      bounds: [1],
      take: () => [[['get'], [1.5, 1, 2]]],
    },
    {
      name: 'x_least',
      type: 'gauge',
      labels: [],
      help: 'G.',
      read: ({ sessions }) => [[[], [sessions.hits]]],
      merge: Math.min,
    },
    {
      name: 'x_workers',
      type: 'gauge',
      labels: ['version'],
      help: 'W.',
      show: ({ workers, version }) => [[[version], [workers]]],
    },
  ] as const satisfies readonly Metric[];

  it('is one row of the table: what two workers count of it is on the page', async () => {
    const totals = new Totals(TABLE, []);
    for (const id of [1, 2]) {
      const { tally, sessions } = worker(TABLE);
      totals.joined(id);
      tally.count('x_told_total', 'whoami', 'good');
      tally.count('x_told_total', 'whoami', `of ${id}`);
      sessions.hits = 10 * id;
      totals.add(id, sent(tally.take()));
    }
    assert.deepEqual(await linesOf(totals, TABLE), [
      'x_by_result_total{what="\\"a\\"",result="bad"} 4',
      'x_by_result_total{what="\\"a\\"",result="good"} 0',
      'x_least 10',
      'x_seconds_bucket{op="get",le="+Inf"} 6',
      'x_seconds_bucket{op="get",le="1"} 2',
      'x_seconds_count{op="get"} 6',
      'x_seconds_sum{op="get"} 3',
      'x_taken_total 30',
      'x_told_total{provider="whoami",kind="good"} 2',
      'x_told_total{provider="whoami",kind="of 1"} 1',
      'x_told_total{provider="whoami",kind="of 2"} 1',
      'x_workers{version="1.2.3"} 8',
    ]);
  });
});

describe('what a worker tells of its counts', () => {
  const names = fc.constantFrom('a', 'b', 'c');
  const workers = fc.constantFrom(0, 1);
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('check' as const), worker: workers, name: names }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('tell' as const), worker: workers }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const), worker: workers }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('configure' as const),
        names: fc.uniqueArray(names),
        changed: fc.boolean(),
      }),
    },
  );

  it('is all of it, whatever is removed, changed or killed, but for what was not told yet', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        let configs = ['a', 'b', 'c'].map(configOf);
        const totals = new Totals(METRICS, configs);
        const running = [worker(METRICS, configs), worker(METRICS, configs)];
        let ids = 0;
        const idOf = running.map(() => ++ids);
        for (const id of idOf) totals.joined(id);
        const told = new Map<string, number>();
        const untold = running.map(() => new Map<string, number>());
        const add = (to: Map<string, number>, key: string, count: number) => to.set(key, (to.get(key) ?? 0) + count);
        for (const next of steps) {
          if (next.kind === 'configure') {
            configs = next.names.map((name) => ({ ...configOf(name), jwt: next.changed }) as ProviderConfig);
            totals.update(configs);
            for (const one of running) {
              one.applications = updateApplications(one.applications, configs);
              one.tally.update(one.applications);
            }
            continue;
          }
          const one = running[next.worker];
          const mine = untold[next.worker];
          const id = idOf[next.worker] ?? 0;
          if (one === undefined || mine === undefined) throw new Error('no such worker');
          if (next.kind === 'check') {
            const application = one.applications.all.find(({ name }) => name === next.name);
            if (application === undefined) continue;
            countCheck(application, 'allowed');
            one.tally.timing.timed(application.host, 'GET')();
            add(mine, next.name, 1);
          } else if (next.kind === 'tell') {
            totals.add(id, sent(one.tally.take()));
            for (const [name, count] of mine) add(told, name, count);
            mine.clear();
          } else {
            totals.left(id);
            idOf[next.worker] = ++ids;
            totals.joined(ids);
            running[next.worker] = worker(METRICS, configs);
            mine.clear();
          }
        }
        const page = await linesOf(totals, METRICS);
        for (const [name, count] of told) {
          assert.ok(page.includes(`akprox_checks_total{provider="${name}",result="allowed"} ${count}`), name);
          const labels = `outpost_name="akprox",method="GET",host="${name}.company.tld",type="app"`;
          assert.ok(page.includes(`authentik_outpost_proxy_request_duration_seconds_count{${labels}} ${count}`), name);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('is nothing when nothing has changed, and only what has', () => {
    const { tally, sessions, applications } = worker(METRICS, ['a', 'b'].map(configOf));
    assert.deepEqual(tally.take(), [['akprox_session_cache_bytes', [[[], [0]]]]]);
    assert.equal(tally.take(), null);
    sessions.misses += 3;
    const [, second] = applications.all;
    if (second !== undefined) countCheck(second, 'anonymous');
    tally.count('akprox_logins_total', 'b', 'succeeded');
    assert.deepEqual(tally.take(), [
      ['akprox_checks_total', [[['b'], [0, 1]]]],
      ['akprox_logins_total', [[['b', 'succeeded'], [1]]]],
      ['akprox_session_cache_misses_total', [[[], [3]]]],
    ]);
    assert.equal(tally.take(), null);
  });
});

describe('counters', () => {
  const CHECKS = METRICS[0];
  const of = (totals: Totals, name: string) => totals.of(CHECKS).find(([[provider]]) => provider === name)?.[1];

  it('of a dead worker stay, its cache does not; what it had sent and nobody had read yet is added', async () => {
    const totals = new Totals(METRICS, []);
    totals.joined(1);
    totals.add(1, [
      ['akprox_checks_total', [[['gone'], [5]]]],
      ['akprox_session_cache_bytes', [[[], [100]]]],
    ]);
    assert.ok((await linesOf(totals, METRICS)).includes('akprox_session_cache_bytes 100'));
    totals.left(1);
    totals.add(1, [
      ['akprox_checks_total', [[['gone'], [2]]]],
      ['akprox_session_cache_bytes', [[[], [200]]]],
    ]);
    assert.deepEqual(of(totals, 'gone'), [7]);
    assert.ok((await linesOf(totals, METRICS)).includes('akprox_session_cache_bytes 0'));
  });

  it('of providers and hosts that are no more are kept up to a limit, the last of them', () => {
    const here = configOf('here');
    const totals = new Totals(METRICS, [here]);
    const REQUESTS = METRICS.find(({ name }) => name === 'authentik_outpost_proxy_request_duration_seconds');
    assert.ok(REQUESTS?.type === 'histogram');
    totals.add(1, [
      [
        'authentik_outpost_proxy_request_duration_seconds',
        [
          [
            ['other', 'other'],
            [1, 1],
          ],
        ],
      ],
    ]);
    for (let i = 0; i < REMEMBERED + 10; i += 1) {
      totals.add(1, [
        ['akprox_checks_total', [[[`old-${i}`], [1]]]],
        ['akprox_logins_total', [[[`old-${i}`, 'succeeded'], [1]]]],
        [
          'authentik_outpost_proxy_request_duration_seconds',
          [
            [
              ['GET', `old-${i}.company.tld`],
              [1, 1],
            ],
          ],
        ],
      ]);
    }
    // The one that was there until now is gone for the shortest time.
    totals.update([here, configOf('old-3')]);
    totals.update([here]);
    assert.equal(totals.of(CHECKS).length, REMEMBERED + 1);
    assert.equal(of(totals, 'old-9'), undefined);
    for (const name of ['here', 'old-3', 'old-11']) assert.notEqual(of(totals, name), undefined, name);
    assert.equal(totals.of(METRICS[1]).length, REMEMBERED);
    const hosts = totals.of(REQUESTS).map(([[, host]]) => host);
    assert.equal(hosts.length, REMEMBERED + 1);
    assert.ok(hosts.includes('other') && hosts.includes('old-3.company.tld') && !hosts.includes('old-9.company.tld'));
  });

  it('of an application begin with its configuration', () => {
    const totals = new Totals(METRICS, [configOf('a')]);
    totals.update([configOf('b')]);
    assert.deepEqual(
      totals.of(CHECKS).map(([[name]]) => name),
      ['a', 'b'],
    );
  });
});

describe('whether an identity provider is up', () => {
  const pageOf = async (totals: Totals) => (await linesOf(totals, METRICS)).filter((line) => line.includes('idp_up'));

  it('is what the last call of any worker says, as long as there is the provider', async () => {
    const configs = ['a', 'b', 'c'].map(configOf);
    const totals = new Totals(METRICS, configs);
    const workers = [worker(METRICS, configs), worker(METRICS, configs)] as const;
    for (const id of [0, 1]) totals.joined(id);
    const call = (of: 0 | 1, provider: string, status: number | null) => {
      now.time += 1;
      workers[of].idps.called(provider, status);
      for (const [id, { tally }] of workers.entries()) totals.add(id, sent(tally.take()));
    };
    assert.deepEqual(await pageOf(totals), []);
    call(0, 'a', 200);
    call(1, 'b', 503);
    assert.deepEqual(await pageOf(totals), ['akprox_idp_up{provider="a"} 1', 'akprox_idp_up{provider="b"} 0']);
    call(1, 'a', null);
    call(0, 'b', 404);
    assert.deepEqual(await pageOf(totals), ['akprox_idp_up{provider="a"} 0', 'akprox_idp_up{provider="b"} 1']);
    for (const [id, { tally }] of workers.entries()) {
      tally.update(updateApplications(null, [configOf('b')]));
      totals.add(id, sent(tally.take()));
    }
    assert.deepEqual(await pageOf(totals), ['akprox_idp_up{provider="b"} 1']);
  });
});
