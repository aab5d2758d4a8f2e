// The metrics page as text: what workers report, added up, and what it costs to make.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CHECK_RESULTS } from '../../src/application/application.js';
import { Buckets } from '../../src/infra/buckets.js';
import { METRICS } from '../../src/metrics/catalogue.js';
import { REQUEST_BOUNDS } from '../../src/metrics/check-timing.js';
import type { Counts, Row } from '../../src/metrics/metric.js';
import { MetricsPage } from '../../src/metrics/page.js';
import { escapeLabel, SeriesText } from '../../src/metrics/series-text.js';
import { type Series, Totals } from '../../src/metrics/totals.js';
import { makeApplication } from '../kit/application.js';
import { costInYardsticks } from '../kit/cost.js';
import { assertMarked } from '../kit/marked.js';
import { FACTS } from './facts.js';
import { histogramText } from './histogram-text.js';
import { documentedMetrics, metricsTable } from './metrics-table.js';

const PROVIDERS = 1_000;
const WORKERS = 8;
const REQUESTS = 'authentik_outpost_proxy_request_duration_seconds';

function busyCounts(): Counts {
  const names = Array.from({ length: PROVIDERS }, (_, i) => `app-${i}`);
  return [
    ['akprox_checks_total', names.map((name): Row => [[name], CHECK_RESULTS.map((_, i) => 1_000_000 + i)])],
    [
      REQUESTS,
      names.flatMap((name) =>
        ['GET', 'POST'].map(
          (method): Row => [
            [method, name],
            [0.051, 17],
          ],
        ),
      ),
    ],
  ];
}

/** The page of these counts, each of a worker of its own. */
async function pageOf(counts: readonly Counts[], facts = FACTS): Promise<string> {
  const totals = new Totals(METRICS, [makeApplication().config]);
  counts.forEach((told, worker) => {
    totals.joined(worker);
    totals.add(worker, told);
  });
  return (await new MetricsPage(METRICS).render(totals, facts)).toString();
}

function seriesValue(page: string, series: string): number {
  const line = page.split('\n').find((text) => text.startsWith(`${series} `));
  assert.ok(line, `${series} is not on the page`);
  return Number(line.slice(series.length + 1));
}

describe('the metrics page', () => {
  it('adds up what workers count, zeros included', async () => {
    const one: Counts = [['akprox_checks_total', [[['whoami'], [3, 0, 2, 0, 0, 0, 0, 0]]]]];
    const page = await pageOf([[], one, one]);
    assert.equal(seriesValue(page, 'akprox_checks_total{provider="whoami",result="allowed"}'), 6);
    assert.equal(seriesValue(page, 'akprox_checks_total{provider="whoami",result="challenged"}'), 4);
    assert.equal(seriesValue(page, 'akprox_checks_total{provider="whoami",result="invalid"}'), 0);
    assert.equal(seriesValue(page, 'akprox_workers'), 8);
    assert.equal(seriesValue(await pageOf([]), 'akprox_checks_total{provider="whoami",result="allowed"}'), 0);
  });

  it('says nothing of processes where the kernel does not, and of certificates where there are none', async () => {
    const page = await pageOf([], { ...FACTS, processes: null, certificates: [], reloaded: false });
    assert.doesNotMatch(page, /^(process_|akprox_certificate)/m);
    assert.equal(seriesValue(page, 'akprox_config_last_reload_successful'), 0);
    const whole = await pageOf([]);
    const name = 'akprox_certificate_expiry_seconds{name="whoami.company.tld"}';
    assert.equal(seriesValue(whole, name), 1_800_000_000.5);
    assert.equal(seriesValue(whole, 'process_cpu_seconds_total'), 1.5);
    assert.equal(seriesValue(whole, 'akprox_build_info{version="1.2.3",node="v20.1.0",engine="uWebSockets.js"}'), 1);
  });

  it("has the official outpost's gauges only when authentik manages it, in seconds", async () => {
    assert.doesNotMatch(await pageOf([]), /authentik_outpost_(info|connection|last_update)/);
    const outpost = { name: 'a "b"', uuid: 'u-1', connected: false, lastUpdate: 1_700_000_000_500 };
    const page = await pageOf([], { ...FACTS, outpost });
    const who = 'outpost_name="a \\"b\\"",outpost_type="proxy",uuid="u-1"';
    assert.equal(seriesValue(page, `authentik_outpost_info{${who},version="1.2.3",build=""}`), 1);
    assert.equal(seriesValue(page, `authentik_outpost_last_update{${who},version="1.2.3",build=""}`), 1_700_000_000.5);
    assert.equal(seriesValue(page, `authentik_outpost_connection{${who}}`), 0);
    const before = await pageOf([], { ...FACTS, outpost: { ...outpost, lastUpdate: null } });
    assert.doesNotMatch(before, /authentik_outpost_last_update/);
  });

  it('has exactly the metrics of the table in docs/metrics.md', async () => {
    const outpost = { name: 'o', uuid: 'u', connected: true, lastUpdate: 1 };
    const page = await pageOf([], { ...FACTS, outpost });
    const exposed = [...page.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$/gm)].map(([, name, help, type]) => ({
      name: name ?? '',
      type,
      help,
    }));
    const table = documentedMetrics().map(({ name, type, help }) => ({ name, type, help }));
    assert.deepEqual(
      table,
      exposed.sort((one, other) => (one.name < other.name ? -1 : 1)),
    );
  });

  it('is described in docs/metrics.md by the table that the code has', () => {
    const command = 'UPDATE_DOCS=1 npx tsx --test test/metrics/page.test.ts';
    const update = process.env['UPDATE_DOCS'] === '1';
    assertMarked(new URL('../../docs/metrics.md', import.meta.url), 'metrics', metricsTable(METRICS), update, command);
  });

  it('escapes label values', () => {
    assert.equal(escapeLabel('a\\b"c\nd'), 'a\\\\b\\"c\\nd');
    assert.equal(escapeLabel('whoami'), 'whoami');
  });

  it('writes a histogram with cumulative buckets, also of nothing', () => {
    const buckets = new Buckets([0.1, 1]);
    buckets.observe(0.1);
    buckets.observe(0.5, 10);
    buckets.observe(7);
    const x = { name: 'x', type: 'histogram', help: 'X.', labels: ['op'], bounds: [0.1, 1], take: () => [] } as const;
    const text = new SeriesText(x).render([[['a'], buckets.take()]], FACTS).toString();
    assert.deepEqual(text.trim().split('\n').slice(2), [
      'x_bucket{op="a",le="0.1"} 1',
      'x_bucket{op="a",le="1"} 11',
      'x_bucket{op="a",le="+Inf"} 12',
      'x_sum{op="a"} 12.1',
      'x_count{op="a"} 12',
    ]);
    const empty = new SeriesText({ ...x, labels: [] }).render([[[], buckets.take()]], FACTS).toString();
    assert.match(empty, /x_bucket\{le="\+Inf"\} 0\n/);
    assert.match(empty, /x_sum 0\nx_count 0\n$/);
  });

  it('writes the requests of thousands of hosts as any histogram, scrape after scrape', () => {
    const metric = METRICS.find(({ name }) => name === REQUESTS);
    assert.ok(metric?.type === 'histogram');
    const text = new SeriesText(metric);
    const first: Series = [
      ['GET', 'a"b.tld'],
      [0.25, 3, 0, 12_345],
    ];
    const second: Series = [
      ['POST', 'ü.tld'],
      [0, 0],
    ];
    const third: Series = [
      ['GET', 'c.tld'],
      [7, ...REQUEST_BOUNDS.map(() => 1), 999_999_999_999],
    ];
    const named = { ...FACTS, outpost: { name: 'o"p', uuid: '', connected: true, lastUpdate: null } };
    for (const [all, facts, outpost] of [
      [[first, second, third], FACTS, 'akprox'],
      [[first, second, third], FACTS, 'akprox'],
      [[second, third], FACTS, 'akprox'],
      [[second, third], named, 'o\\"p'],
      [[first, third], named, 'o\\"p'],
    ] as const) {
      for (const [, numbers] of all) numbers.splice(0, numbers.length, ...numbers.map((number) => number * 2));
      const series = all.map(([[method = '', host = ''], [sum = 0, ...counts]]) => ({
        labels: `outpost_name="${outpost}",method="${method}",host="${escapeLabel(host)}",type="app"`,
        counts,
        sum,
      }));
      const expected = histogramText(REQUESTS, 'Proxy request latencies in seconds', REQUEST_BOUNDS, series);
      assert.equal(text.render(all, facts).toString(), expected);
    }
  });

  it(`of ${PROVIDERS} providers and ${WORKERS} workers costs little more than reading what the workers say`, async () => {
    const message = JSON.stringify(busyCounts());
    const read = () => Array.from({ length: WORKERS }, () => JSON.parse(message) as Counts);
    const page = new MetricsPage(METRICS);
    const totals = new Totals(METRICS, []);
    let scrapes = 0;
    const ratio = await costInYardsticks(async () => {
      scrapes += 1;
      for (const counts of read()) totals.add(1, counts);
      const text = (await page.render(totals, FACTS)).toString();
      assert.equal(
        seriesValue(text, 'akprox_checks_total{provider="app-999",result="allowed"}'),
        scrapes * WORKERS * 1_000_000,
      );
    }, read);
    assert.ok(ratio < 6, `${ratio.toFixed(1)} times as much`);
  });
});
