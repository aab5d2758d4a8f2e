// node --import tsx bench/scrape.ts [--providers 1000] [--workers 8]: what a scrape costs when every provider is in use, and
// what checks notice of it. Exit code 1: the median of the scrapes is 50 ms or more.
//
// First every application is asked for on many connections, so that every worker has something to say of each. Then the page
// is fetched again and again while nothing else happens, and then a few checks at a time run, with scrapes and without.
import { once } from 'node:events';
import { Agent, createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { request, startDaemon, testProvider, traefikCheck } from '../test/kit/daemon.js';
import { progressLine } from './session.js';
import { buildIfStale } from './targets/akprox.js';

const BOUND_MS = 50;
const SCRAPES = 40;
/** Milliseconds between two scrapes; Prometheus asks every 15 seconds. */
const PAUSE = 250;
const CONNECTIONS = 48;
/** Requests on a connection that wait for their answers at a time. */
const PIPELINE = 50;
/** Until the page has this share of the series that it can have. */
const ENOUGH = 0.99;
const METHODS = ['GET', 'POST'];
const CHECK_SECONDS = 8;

const { values } = parseArgs({
  options: { providers: { type: 'string', default: '1000' }, workers: { type: 'string', default: '8' } },
});
const [providers, workers] = [Number(values.providers), Number(values.workers)];
if (!(providers > 1) || !(workers > 0)) throw new Error('--providers is a number above 1, --workers one above 0');

const progress = progressLine();
buildIfStale();
// Every worker asks for the discovery document of every provider at its start: a real provider would be busy for minutes.
const issuer = createServer((req, res) => {
  const own = `http://${req.headers.host}`;
  const urls = { authorization_endpoint: `${own}/authorize`, token_endpoint: `${own}/token`, jwks_uri: `${own}/jwks` };
  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify({ issuer: own, ...urls, id_token_signing_alg_values_supported: ['RS256'] }));
}).listen(0, '127.0.0.1');
await once(issuer, 'listening');
const hosts = Array.from({ length: providers }, (_, i) => `app-${i}.company.tld`);
await using daemon = await startDaemon({
  workers,
  providers: hosts.map((host, i) =>
    testProvider(`http://127.0.0.1:${(issuer.address() as AddressInfo).port}`, {
      name: `app-${i}`,
      external_host: `https://${host}`,
    }),
  ),
});
const address = new URL(daemon.http);

/** Asks for every application with every method once, on a connection of its own. */
async function askForAll(): Promise<void> {
  const socket = connect({ host: address.hostname, port: Number(address.port), noDelay: true });
  const all = METHODS.flatMap((method) =>
    hosts.map(
      (host) =>
        `GET /akprox/auth/traefik HTTP/1.1\r\nHost: o\r\nX-Forwarded-Host: ${host}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Uri: /\r\nX-Forwarded-Method: ${method}\r\n\r\n`,
    ),
  );
  let answers = 0;
  // Now and then an outpost with several workers closes a connection, so that they stay balanced.
  const closed = once(socket, 'close');
  socket.on('data', (chunk: Buffer) => {
    for (let at = chunk.indexOf('HTTP/1.1 '); at !== -1; at = chunk.indexOf('HTTP/1.1 ', at + 1)) answers += 1;
  });
  for (let i = 0; i < all.length; i += PIPELINE) {
    const batch = all.slice(i, i + PIPELINE);
    socket.write(batch.join(''));
    // An answer that is split between two reads is not counted: one short is as good as all.
    while (answers < i + batch.length - 1 - i / PIPELINE) {
      await Promise.race([once(socket, 'data'), closed]);
      if (socket.destroyed) return;
    }
  }
  socket.destroy();
}

async function scrape(): Promise<{ ms: number; page: string }> {
  const started = performance.now();
  const { body, status } = await request(`${daemon.metrics}/metrics`);
  if (status !== 200) throw new Error(`/metrics answered ${status}`);
  return { ms: performance.now() - started, page: body };
}

const seriesOf = (page: string): number =>
  page.split('\n').filter((line) => line.includes('_count{outpost_name')).length;

for (let round = 1; ; round += 1) {
  await Promise.all(Array.from({ length: CONNECTIONS }, askForAll));
  const have = seriesOf((await scrape()).page) / (hosts.length * METHODS.length);
  progress(`round ${round}: ${(have * 100).toFixed(0)} % of the series`);
  if (have >= ENOUGH) break;
}
progress('');

const quiet: number[] = [];
let page = '';
for (let i = 0; i < SCRAPES; i += 1) {
  const scraped = await scrape();
  quiet.push(scraped.ms);
  page = scraped.page;
  await delay(PAUSE);
}

/** Latencies in ms of checks one after the other on a few connections. */
async function checks(scrapes: boolean): Promise<number[]> {
  const latencies: number[] = [];
  const until = performance.now() + CHECK_SECONDS * 1_000;
  let going = true;
  const scraping = (async () => {
    while (scrapes && going) {
      await scrape();
      await delay(PAUSE);
    }
  })();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (performance.now() < until) {
        const started = performance.now();
        await traefikCheck(daemon.http, `https://${hosts[1]}/`, { agent });
        latencies.push(performance.now() - started);
        await delay(4);
      }
      agent.destroy();
    }),
  );
  going = false;
  await scraping;
  return latencies;
}

const without = await checks(false);
const during = await checks(true);

const of = (sorted: readonly number[], share: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(1);
const line = (name: string, list: number[]): string => {
  const sorted = list.toSorted((a, b) => a - b);
  return `${name.padEnd(34)} ${String(list.length).padStart(6)}   ${of(sorted, 0.5)} / ${of(sorted, 0.99)} / ${of(sorted, 1)}`;
};
console.log(
  `${providers} providers, ${workers} workers, ${seriesOf(page)} histograms, page ${(page.length / 1_048_576).toFixed(1)} MiB; Node ${process.version}`,
);
console.log('                                        of   ms: p50 / p99 / max');
console.log(line('scrapes, nothing else', quiet));
console.log(line('checks, no scrapes', without));
console.log(line(`checks, a scrape each ${PAUSE} ms`, during));
const median = Number(
  of(
    quiet.toSorted((a, b) => a - b),
    0.5,
  ),
);
const ok = median < BOUND_MS;
console.log(`${ok ? 'ok  ' : 'FAIL'} scrape: ${median.toFixed(1)} ms, budget < ${BOUND_MS} ms`);
process.exitCode = ok ? 0 : 1;
issuer.close();
issuer.closeAllConnections();
