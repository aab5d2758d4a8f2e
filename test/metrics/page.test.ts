// The metrics page as text: what workers report, added up, and what it costs to make.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CHECK_RESULTS } from '../../src/application/application.js';
import { Buckets, trimmed } from '../../src/infra/buckets.js';
import { REQUEST_BOUNDS } from '../../src/metrics/check-timing.js';
import { escapeLabel, histogramText } from '../../src/metrics/exposition.js';
import { type MetricFacts, MetricsPage } from '../../src/metrics/page.js';
import {
  asDeparted,
  EMPTY_REPORT,
  forgetOldest,
  mergeReports,
  REMEMBERED,
  type WorkerReport,
} from '../../src/metrics/report.js';
import { LAG_BOUNDS } from '../../src/session/revocation.js';
import { costInYardsticks } from '../kit/cost.js';
import { documentedMetrics } from './metrics-table.js';

const FACTS: MetricFacts = {
  workers: 8,
  workersWanted: 8,
  restarts: 1,
  version: '1.2.3',
  checkResults: CHECK_RESULTS,
  outpost: null,
};
const PROVIDERS = 1_000;
const WORKERS = 8;

function busyReport(): WorkerReport {
  const duration = new Buckets(REQUEST_BOUNDS);
  duration.observe(0.003, 17);
  const names = Array.from({ length: PROVIDERS }, (_, i) => `app-${i}`);
  return {
    ...EMPTY_REPORT,
    checks: names.map((name) => [name, CHECK_RESULTS.map((_, i) => 1_000_000 + i)]),
    requests: names.flatMap((name) =>
      ['GET', 'POST'].map(
        (method) => [`${name}.company.tld`, method, duration.sum, ...trimmed(duration).counts] as const,
      ),
    ),
  };
}

async function renderMetrics(report: WorkerReport, facts: MetricFacts): Promise<string> {
  return (await new MetricsPage().render(report, facts)).toString();
}

function seriesValue(page: string, series: string): number {
  const line = page.split('\n').find((text) => text.startsWith(`${series} `));
  assert.ok(line, `${series} is not on the page`);
  return Number(line.slice(series.length + 1));
}

describe('the metrics page', () => {
  it('adds up what workers count, zeros included', async () => {
    const one: WorkerReport = { ...EMPTY_REPORT, checks: [['whoami', [3, 0, 2, 0, 0, 0, 0, 0]]] };
    const idle: WorkerReport = { ...EMPTY_REPORT, checks: [['whoami', []]] };
    const page = await renderMetrics(mergeReports([idle, one, one]), FACTS);
    assert.equal(seriesValue(page, 'akprox_checks_total{provider="whoami",result="allowed"}'), 6);
    assert.equal(seriesValue(page, 'akprox_checks_total{provider="whoami",result="challenged"}'), 4);
    assert.equal(seriesValue(page, 'akprox_checks_total{provider="whoami",result="invalid"}'), 0);
    assert.equal(seriesValue(page, 'akprox_workers'), 8);
  });

  it("has the official outpost's gauges only when authentik manages it, in seconds", async () => {
    assert.doesNotMatch(await renderMetrics(EMPTY_REPORT, FACTS), /authentik_outpost_(info|connection|last_update)/);
    const outpost = { name: 'a "b"', uuid: 'u-1', connected: false, lastUpdate: 1_700_000_000_500 };
    const page = await renderMetrics(EMPTY_REPORT, { ...FACTS, outpost });
    const who = 'outpost_name="a \\"b\\"",outpost_type="proxy",uuid="u-1"';
    assert.equal(seriesValue(page, `authentik_outpost_info{${who},version="1.2.3",build=""}`), 1);
    assert.equal(seriesValue(page, `authentik_outpost_last_update{${who},version="1.2.3",build=""}`), 1_700_000_000.5);
    assert.equal(seriesValue(page, `authentik_outpost_connection{${who}}`), 0);
    const before = await renderMetrics(EMPTY_REPORT, { ...FACTS, outpost: { ...outpost, lastUpdate: null } });
    assert.doesNotMatch(before, /authentik_outpost_last_update/);
  });

  it('has exactly the metrics of the table in docs/metrics.md', async () => {
    const outpost = { name: 'o', uuid: 'u', connected: true, lastUpdate: 1 };
    const page = await renderMetrics(EMPTY_REPORT, { ...FACTS, outpost });
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

  it('escapes label values', () => {
    assert.equal(escapeLabel('a\\b"c\nd'), 'a\\\\b\\"c\\nd');
    assert.equal(escapeLabel('whoami'), 'whoami');
  });

  it('writes a histogram with cumulative buckets, also of nothing', () => {
    const buckets = new Buckets([0.1, 1]);
    buckets.observe(0.1);
    buckets.observe(0.5, 10);
    buckets.observe(7);
    const text = histogramText('x', 'X.', [0.1, 1], [{ labels: 'op="a"', counts: buckets }]);
    assert.deepEqual(text.trim().split('\n').slice(2), [
      'x_bucket{op="a",le="0.1"} 1',
      'x_bucket{op="a",le="1"} 11',
      'x_bucket{op="a",le="+Inf"} 12',
      'x_sum{op="a"} 12.1',
      'x_count{op="a"} 12',
    ]);
    const empty = histogramText('x', 'X.', LAG_BOUNDS, [{ labels: '', counts: mergeReports([]).lag }]);
    assert.match(empty, /x_bucket\{le="\+Inf"\} 0\n/);
  });

  it('writes the requests of thousands of hosts as any histogram, scrape after scrape', async () => {
    const metrics = new MetricsPage();
    const rows = (factor: number): WorkerReport['requests'] => [
      ['a"b.tld', 'GET', 0.25 * factor, 3 * factor, 0, 12_345 * factor],
      ['ü.tld', 'POST', 0, 0],
      ['c.tld', 'GET', 7, ...REQUEST_BOUNDS.map(() => 1), 999_999_999_999 * factor],
    ];
    for (const requests of [rows(1), rows(2), rows(2).slice(1), rows(3)]) {
      const page = (await metrics.render({ ...EMPTY_REPORT, requests }, FACTS)).toString();
      const name = 'authentik_outpost_proxy_request_duration_seconds';
      const series = requests.map(([host, method, sum, ...counts]) => ({
        labels: `outpost_name="akprox",method="${method}",host="${escapeLabel(host)}",type="app"`,
        counts: { counts, sum },
      }));
      const expected = histogramText(name, 'Proxy request latencies in seconds', REQUEST_BOUNDS, series);
      assert.ok(page.endsWith(expected), page.slice(-expected.length));
    }
  });

  it(`of ${PROVIDERS} providers and ${WORKERS} workers costs little more than reading what the workers say`, async () => {
    const message = JSON.stringify(busyReport());
    const read = () => Array.from({ length: WORKERS }, () => JSON.parse(message) as WorkerReport);
    const metrics = new MetricsPage();
    const ratio = await costInYardsticks(async () => {
      const page = await metrics.render(mergeReports(read()), FACTS);
      assert.equal(
        seriesValue(page.toString(), 'akprox_checks_total{provider="app-999",result="allowed"}'),
        WORKERS * 1_000_000,
      );
    }, read);
    assert.ok(ratio < 6, `${ratio.toFixed(1)} times as much`);
  });
});

describe('counters', () => {
  const report: WorkerReport = {
    ...EMPTY_REPORT,
    checks: [
      ['gone', [5]],
      ['here', [7]],
    ],
    cache: { hits: 4, misses: 3, evictions: 2, bytes: 100, entries: 9 },
  };

  it('of a dead worker stay, its cache does not', () => {
    const { checks, cache } = asDeparted(report, new Set(['here']));
    assert.deepEqual(checks, report.checks);
    assert.deepEqual(cache, { hits: 4, misses: 3, evictions: 2, bytes: 0, entries: 0 });
  });

  it('of providers that are no more are kept up to a limit, the newest', () => {
    const former = Array.from({ length: REMEMBERED + 10 }, (_, i) => [`old-${i}`, [1]] as const);
    const { checks } = asDeparted({ ...report, checks: [...former, ['here', [7]]] }, new Set(['here']));
    assert.equal(checks.length, REMEMBERED + 1);
    assert.equal(checks[0]?.[0], 'old-10');
    const map = new Map<string, unknown>([...former, ['here', 1]]);
    forgetOldest(map, new Set(['here']));
    assert.equal(map.size, REMEMBERED + 1);
    assert.ok(map.has('here') && !map.has('old-9') && map.has('old-10'));
  });
});
