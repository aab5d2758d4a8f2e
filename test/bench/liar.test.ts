// No figure for a target that lies: in its probe, under load only, or now and then.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { makeCells, measure } from '../../bench/measure.js';
import { readOptions } from '../../bench/options.js';
import { result, table } from '../../bench/report.js';
import type { Scenario } from '../../bench/scenarios.js';
import { peerTarget } from '../../bench/targets/target.js';
import { SETTINGS } from './cells.js';

const SCENARIO: Scenario = {
  name: 'signed-in',
  title: 'signed in, cached',
  reconnect: false,
  headers: (session) => ({ Cookie: session }),
  fault: ({ status, headers }) => {
    if (status !== 200) return `status ${status} instead of 200`;
    return headers['x-auth-username'] === 'alice' ? null : 'not alice';
  },
};

const RIGHT = new Map([['signed-in', { status: 200, headers: [], body: '' }]]);

async function measured(answer: RequestListener): Promise<{ fault: string | null; samples: number; shown: string }> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const settings = { ...SETTINGS, generator: 'autocannon' as const, connections: 2, rounds: 1, loadCpus: null };
    const cells = makeCells([SCENARIO], [peerTarget({ name: 'peer', url })], 'a=b');
    await measure(cells, RIGHT, settings, () => {}, 1);
    const shown = table(result(cells, settings, { commit: 'none', dirty: false }));
    return { fault: cells[0]?.fault ?? null, samples: cells[0]?.samples.length ?? 0, shown };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const allow: RequestListener = (_req, res) => {
  res.writeHead(200, { 'X-Auth-Username': 'alice', 'Content-Length': 0 }).end();
};

test('a peer that answers as it must has figures', async () => {
  const { fault, samples, shown } = await measured(allow);
  assert.equal(fault, null);
  assert.equal(samples, 1);
  assert.match(shown, /peer +\d+/);
});

test('a peer with the wrong header has none', async () => {
  const { fault, samples, shown } = await measured((_req, res) => {
    res.writeHead(200, { 'X-Auth-Username': 'mallory', 'Content-Length': 0 }).end();
  });
  assert.match(fault ?? '', /not alice/);
  assert.equal(samples, 0);
  assert.match(shown, /peer +no figures: the probe was answered with not alice/);
});

test('a peer that answers one check in a hundred with another status has none', async () => {
  let asked = 0;
  const { fault, samples } = await measured((req, res) => {
    asked += 1;
    if (asked % 100 === 50) res.writeHead(204).end();
    else allow(req, res);
  });
  // The probe behind the run may be the one in a hundred.
  assert.match(fault ?? '', /answers with status 204, 200 expected|the probe was answered with status 204/);
  assert.equal(samples, 0);
});

test('a peer that sends fewer headers under load than when it is probed has none', async () => {
  let asked = 0;
  const { fault, samples } = await measured((req, res) => {
    asked += 1;
    if (asked === 1) allow(req, res);
    else res.writeHead(200, { 'Content-Length': 0 }).end();
  });
  assert.match(fault ?? '', /not alice|bytes on average/);
  assert.equal(samples, 0);
});

test('--peer takes a name and a URL', () => {
  const { peers } = readOptions(['--peer', 'official=http://127.0.0.1:9000/outpost.goauthentik.io/auth/traefik?a=b']);
  assert.deepEqual(peers, [{ name: 'official', url: 'http://127.0.0.1:9000/outpost.goauthentik.io/auth/traefik?a=b' }]);
  assert.throws(() => readOptions(['--peer', 'http://127.0.0.1']), /NAME=URL/);
});
