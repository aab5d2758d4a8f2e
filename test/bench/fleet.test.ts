// The model of a fleet, and the pages that quote what was saved. `UPDATE_DOCS=1 npx tsx --test test/bench/fleet.test.ts` rewrites README.md
// and docs/capacity.md.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { type Fleet, type FleetCosts, mostWithPorts, need } from '../../bench/fleet-model.js';
import { costsOf, fleetOf, fleetTables, sizesOf } from '../../bench/fleet-page.js';
import { result } from '../../bench/report.js';
import { newestThroughTraefik, save, withFleets, withTraefik } from '../../bench/saved.js';
import { SCENARIO } from '../../bench/traefik-cells.js';
import { makeCell, SETTINGS } from './cells.js';

const COSTS: FleetCosts = {
  outpost: { http: 50, https: 40 },
  traefik: { http: 200, https: 100 },
  opened: { http: 0.8, https: 0 },
  session: 1_000,
  stored: 2_500,
};
const FLEET: Fleet = {
  traefiks: 100,
  rate: 500,
  users: 86_400,
  active: 4_500,
  signOuts: 2,
  workersPerNode: 2,
  load: 0.5,
  least: 2,
};

test('nodes follow from the cores, and everything else from the workers', () => {
  const { checks, cores, nodes, workers, ...rest } = need(FLEET, COSTS, 'https');
  assert.deepEqual([checks, cores, nodes, workers], [50_000, 2, 2, 4]);
  assert.deepEqual(rest, {
    traefikCores: 0.05,
    opened: 0,
    ports: 0,
    cacheBytes: 4 * 4_500 * 1_000,
    redisBytes: 86_400 * 2_500,
    redisConnections: 2 * 5,
    reads: 400,
    heartbeats: 4,
    revocations: 2,
    deliveries: 8,
  });
  assert.equal(need({ ...FLEET, traefiks: 1_000 }, COSTS, 'https').nodes, 20);
  assert.equal(need({ ...FLEET, traefiks: 1, least: 3 }, COSTS, 'https').nodes, 3);
});

test('no session is read more often than it is asked for', () => {
  assert.equal(need({ ...FLEET, traefiks: 1, rate: 10 }, COSTS, 'https').reads, 10);
});

test('over HTTP a Traefik runs out of ports', () => {
  const { opened, ports } = need(FLEET, COSTS, 'http');
  assert.deepEqual([opened, ports], [400, 24_000]);
  assert.equal(Math.round(mostWithPorts(0.8)), 588);
  assert.equal(mostWithPorts(0), Number.POSITIVE_INFINITY);
  assert.match(fleetTables(COSTS, { rate: 1_000 }), /\*\*48 000, out of ports\*\*/);
  assert.match(fleetTables(COSTS), /at most 588 checks a second over HTTP \(no bound over HTTPS\)/);
});

test('users grow with the fleet unless they are told', () => {
  assert.equal(fleetOf(10).users, 10 * fleetOf(1).users);
  assert.equal(fleetOf(10, { users: 7 }).users, 7);
});

test('the sizes are those of deploy/sizing.md', () => {
  const { session, stored } = sizesOf(readFileSync(new URL('../../deploy/sizing.md', import.meta.url), 'utf8'));
  assert.ok(session > 500 && session < stored);
  assert.throws(() => sizesOf('| A session in Redis | none |'), /no row/);
});

const cell = (name: string, cpu: number, proxyCpu: number, opened: number) => {
  const made = makeCell({ cpu: [cpu] });
  const samples = made.samples.map((sample) => ({ ...sample, proxyCpu, opened }));
  return { ...made, scenario: SCENARIO, target: { ...made.target, name }, samples };
};

test('costs come from a result through Traefik, and a check costs Traefik what it adds to a request', () => {
  const cells = [cell('none', 0, 80, 0), cell('akprox-http', 50, 280, 0.8), cell('akprox-https', 40, 180, 0)];
  const outcome = result(cells, SETTINGS, { commit: 'abc', dirty: false });
  assert.deepEqual(costsOf(outcome, { session: 1_000, stored: 2_500 }), COSTS);
  assert.throws(() => costsOf({ cells: outcome.cells.slice(1) }, COSTS), /no none/);
});

test('README.md and docs/capacity.md quote the newest saved result through Traefik', () => {
  for (const [file, quote] of [
    ['../../README.md', withTraefik],
    ['../../docs/capacity.md', withFleets],
  ] as const) {
    const page = new URL(file, import.meta.url);
    const text = readFileSync(page, 'utf8');
    const wanted = quote(text);
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, wanted);
    else assert.equal(text, wanted, 'run UPDATE_DOCS=1 npx tsx --test test/bench/fleet.test.ts');
  }
});

test('a result through Traefik is kept, quoted with its commit and verdicts, and with nothing else of its run', () => {
  const directory = mkdtempSync(`${tmpdir()}/akprox-results-`);
  try {
    const page = '<!-- traefik:begin --><!-- traefik:end --><!-- fleets:begin --><!-- fleets:end -->';
    assert.match(withTraefik(page, directory), /No result/);
    assert.match(withFleets(page, directory), /No result/);
    const cells = [cell('none', 0, 80, 0), cell('akprox-http', 50, 280, 0.8), cell('akprox-https', 40, 180, 0)];
    const rows = [
      { title: 'through Traefik: requests', limit: 1.6, atLeast: true, rounds: [1.7, 1.8] },
      { title: 'something else', limit: 1, rounds: [1] },
    ];
    save(
      result([...cells, makeCell({ cpu: [4] })], SETTINGS, { commit: 'abcabcabcabc', dirty: false }, rows),
      directory,
    );
    assert.equal(newestThroughTraefik(directory)?.outcome.rows?.length, 2);
    assert.match(
      withTraefik(page, directory),
      /\| through Traefik: requests \| ≥ 1\.6 \| 1\.75 \| 1\.70 to 1\.80 \| met \|/,
    );
    assert.match(withTraefik(page, directory), /commit abcabcabcabc/);
    assert.doesNotMatch(withTraefik(page, directory), /something else|signed in/);
    assert.match(withFleets(page, directory), /Measured at commit abcabcabcabc/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
