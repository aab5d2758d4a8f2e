// A real Prometheus scrapes the real daemon: everything that is exposed is stored, and every query of deploy/monitoring
// finds something.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { generate } from 'selfsigned';
import { parse } from 'yaml';
import { type Daemon, request, startDaemon, traefikCheck } from '../kit/daemon.js';
import { type FakeCore, startFakeCore } from '../kit/fake-core.js';
import { describeWith } from '../kit/needs.js';
import { type Prometheus, prometheusMissing, startPrometheus } from '../kit/prometheus-server.js';
import { until } from '../kit/until.js';
import { ACCOUNTS, startFront } from '../kit/world.js';
import { documentedMetrics } from './metrics-table.js';

const APP = 'http://whoami.localhost:8080';
const MONITORING = fileURLToPath(new URL('../../deploy/monitoring/', import.meta.url));
const missing = prometheusMissing();

/** A comparison is true of nobody while all is well: what is compared must be there all the same. */
const COMPARISON = /\s(==|>|<)\s[0-9.]+$/;

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

function dashboardQueries(): string[] {
  const { panels } = JSON.parse(readFileSync(`${MONITORING}dashboard.json`, 'utf8')) as Dashboard;
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
}

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

function alertRules(): Rules['groups'][number]['rules'] {
  return (parse(readFileSync(`${MONITORING}alerts.yml`, 'utf8')) as Rules).groups.flatMap(({ rules }) => rules);
}

function promtool(args: readonly string[], input = ''): void {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: MONITORING, input, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  assert.equal(stderr, '');
}

describe('deploy/monitoring', () => {
  it('explains every alert', () => {
    const text = readFileSync(`${MONITORING}README.md`, 'utf8');
    const rows = [...text.matchAll(/^\| `(Akprox\w+)` \|/gm)].map(([, name]) => name);
    assert.deepEqual(
      rows,
      alertRules().map(({ alert }) => alert),
    );
  });

  it('has rules that promtool takes and that fire when they should', { skip: missing ?? false }, () => {
    promtool(['check', 'rules', 'alerts.yml']);
    promtool(['test', 'rules', 'alerts.test.yml']);
  });
});

describeWith(missing, 'a real Prometheus', () => {
  let core: FakeCore;
  let daemon: Daemon;
  let prometheus: Prometheus;
  let directory = '';

  before(async () => {
    core = await startFakeCore({ accounts: ACCOUNTS, providers: [{ name: 'whoami', external_host: APP }] });
    directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
    const pems = await generate([{ name: 'commonName', value: 'akprox' }], {
      keyType: 'ec',
      notAfterDate: new Date(Date.now() + 90 * 86_400_000),
    });
    const tls = { cert: join(directory, 'tls.pem'), key: join(directory, 'tls-key.pem') };
    writeFileSync(tls.cert, pems.cert);
    writeFileSync(tls.key, pems.private);
    daemon = await startDaemon(
      { listen: { https: '127.0.0.1:0', tls } },
      { env: { AUTHENTIK_HOST: core.url, AUTHENTIK_TOKEN: core.token } },
    );
    await daemon.waitFor((line) => line.msg === 'connected to authentik');
    prometheus = await startPrometheus(new URL(daemon.metrics).host, `${MONITORING}alerts.yml`);
    // Counters that appear at their first event are scraped before and after it.
    await traffic();
    const scraped = async (): Promise<number> =>
      Number((await prometheus.query('sum(akprox_checks_total{result="allowed"})'))[0]?.value[1] ?? 0);
    await until(async () => (await scraped()) > 0);
    const first = await scraped();
    await traffic();
    await until(async () => (await scraped()) > first);
    await until(async () => Number((await prometheus.query('count_over_time(akprox_workers[1m])'))[0]?.value[1]) > 4);
  });

  after(async () => {
    await prometheus?.stop();
    await daemon?.[Symbol.asyncDispose]();
    await core?.close();
    if (directory !== '') rmSync(directory, { recursive: true });
  });

  /** A refused token, a login, checks enough for the sample of the cached ones, and a sign-out that the other worker hears of. */
  async function traffic(): Promise<void> {
    assert.equal((await traefikCheck(daemon.http, `${APP}/`, { headers: { Authorization: 'Bearer x' } })).status, 401);
    const front = await startFront(daemon.http);
    const browser = front.browser();
    assert.equal((await browser.logIn(`${APP}/`, 'alice')).status, 200);
    const cookie = (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_')) ?? '';
    for (let i = 0; i < 300; i += 1) assert.equal((await traefikCheck(daemon.http, `${APP}/`, { cookie })).status, 200);
    await request(`${daemon.http}/outpost.goauthentik.io/sign_out`, {
      headers: { Host: 'whoami.localhost:8080', Cookie: cookie },
    });
    await front.close();
  }

  it('takes the page, and promtool finds nothing to say about it', async () => {
    assert.deepEqual(await prometheus.target().then(({ health, lastError }) => ({ health, lastError })), {
      health: 'up',
      lastError: '',
    });
    const { body, headers } = await request(`${daemon.metrics}/metrics`);
    assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    promtool(['check', 'metrics'], body);
  });

  it('has every metric of the table in docs/metrics.md, with its labels', async () => {
    const ofEveryScrape = ['__name__', 'instance', 'job'];
    for (const { name, type, labels } of documentedMetrics()) {
      const [sample] = await prometheus.query(type === 'histogram' ? `${name}_count` : name);
      assert.ok(sample, name);
      const own = Object.keys(sample.metric).filter((label) => !ofEveryScrape.includes(label));
      // Prometheus has no label with an empty value.
      const wanted = labels.filter((label) => label !== 'build');
      assert.deepEqual(own.sort(), wanted, name);
    }
  });

  it('counts the cached checks in the sample of their durations', async () => {
    const [timed] = await prometheus.query('sum(akprox_check_duration_seconds_count)');
    const [counted] = await prometheus.query('sum(akprox_checks_total)');
    const ratio = Number(timed?.value[1]) / Number(counted?.value[1]);
    assert.ok(ratio > 0.5 && ratio < 1.5, String(ratio));
  });

  it('answers every query of the dashboard', async () => {
    const queries = dashboardQueries();
    assert.ok(queries.length > 15);
    const empty: string[] = [];
    for (const query of queries) {
      const asked = query.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*');
      if ((await prometheus.query(asked)).length === 0) empty.push(query);
    }
    assert.deepEqual(empty, []);
  });

  it('has something to compare in every alert, and none fires', async () => {
    const empty: string[] = [];
    for (const { alert, expr } of alertRules()) {
      assert.match(expr, COMPARISON, alert);
      if ((await prometheus.query(expr.replace(COMPARISON, ''))).length === 0) empty.push(alert);
    }
    assert.deepEqual(empty, []);
    assert.deepEqual(await prometheus.query('ALERTS{alertstate="firing"}'), []);
  });

  it('sees no counter fall when a worker dies', async () => {
    const total = async (): Promise<number> => daemon.metric('akprox_checks_total');
    const before = await total();
    const pid = daemon.lines.find((line) => line.msg === 'worker ready')?.['worker_pid'];
    process.kill(Number(pid), 'SIGKILL');
    await daemon.waitFor((line) => line.msg === 'a worker died');
    assert.equal(await total(), before);
    await until(async () => (await daemon.metric('akprox_workers')) === 2);
    assert.equal(await total(), before);
  });
});
