// node --import tsx bench/through-proxies.ts [--rounds 5] [--requests 5000]: whether Envoy (ENVOY_BIN) and Caddy ask cheaper over HTTP/2, with the
// files of deploy/proxies: CPU of proxy and outpost for a request, over http:// and over https://, in rounds that take turns (h2load).
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { freePort } from '../test/kit/ports.js';
import {
  APP,
  findProxy,
  proxyMissing,
  type RealWorld,
  startRealWorld,
  startSurroundings,
} from '../test/kit/real-proxy.js';
import { installed, pinning } from './options.js';
import { median } from './percentiles.js';
import { childrenOf, cpuMicros, pin } from './processes.js';
import { buildIfStale } from './targets/akprox.js';
import { applicationFile } from './traefik-scene.js';

const CLIENTS = [8, 64];
const WAYS = ['http', 'ca'] as const;
const TITLES = { http: 'http://', ca: 'https://, HTTP/2' };

interface Sample {
  readonly proxy: number;
  readonly outpost: number;
}

const run = promisify(execFile);
const { values } = parseArgs({
  options: { requests: { type: 'string', default: '5000' }, rounds: { type: 'string', default: '5' } },
});
const nginx = findProxy('nginx');
if (nginx === null || !installed('h2load'))
  throw new Error('nginx or h2load (Debian: nghttp2-client) is not installed');
const { serverCpus, loadCpus } = pinning();

buildIfStale();
const directory = mkdtempSync(join(tmpdir(), 'akprox-bench-proxies-'));
const applicationPort = await freePort();
const conf = join(directory, 'nginx.conf');
writeFileSync(conf, applicationFile(directory, applicationPort));
const application: ChildProcess = spawn(nginx, ['-e', 'stderr', '-c', conf], { stdio: 'inherit' });
const around = await startSurroundings('single', {
  application: { port: applicationPort, seen: [], close: async () => {} },
  certified: true,
});
try {
  const workers = childrenOf(around.daemon.child.pid ?? 0);
  pin(workers, serverCpus);
  for (const name of ['envoy', 'caddy'] as const) {
    if (proxyMissing(name) === null) await compare(name, workers);
    else process.stdout.write(`${proxyMissing(name)}\n`);
  }
} finally {
  await around[Symbol.asyncDispose]();
  application.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
}

async function compare(name: 'envoy' | 'caddy', workers: readonly number[]): Promise<void> {
  const worlds: { way: (typeof WAYS)[number]; world: RealWorld; cookie: string }[] = [];
  try {
    for (const way of WAYS) {
      const world = await startRealWorld(name, 'single', { around, variant: way, direct: true });
      const browser = world.browser();
      await browser.logIn(`${APP}/`, 'alice');
      pin([world.pid], serverCpus);
      worlds.push({ way, world, cookie: await browser.jar.getCookieString(`${APP}/`) });
    }
    for (const clients of CLIENTS) {
      const samples = { http: [] as Sample[], ca: [] as Sample[] };
      for (const { world, cookie } of worlds) await load(world, cookie, clients, workers);
      for (let round = 0; round < Number(values.rounds); round += 1) {
        for (const { way, world, cookie } of round % 2 === 0 ? worlds : worlds.toReversed())
          samples[way].push(await load(world, cookie, clients, workers));
      }
      for (const way of WAYS) {
        const of = (pick: (sample: Sample) => number): string => {
          const all = samples[way].map(pick);
          return `${median(all).toFixed(1)} µs (${Math.min(...all).toFixed(1)} to ${Math.max(...all).toFixed(1)})`;
        };
        process.stdout.write(
          `${name.padEnd(6)} ${String(clients).padStart(2)} clients, ${TITLES[way].padEnd(16)} proxy ${of(({ proxy }) => proxy)}, outpost ${of(({ outpost }) => outpost)}\n`,
        );
      }
    }
  } finally {
    for (const { world } of worlds) await world[Symbol.asyncDispose]();
  }
}

async function load(world: RealWorld, cookie: string, clients: number, workers: readonly number[]): Promise<Sample> {
  const used = (): [proxy: number, outpost: number] => [cpuMicros([world.pid]) ?? 0, cpuMicros(workers) ?? 0];
  const before = used();
  const shape = ['--h1', '-t1', `-c${clients}`, '-m1', `-n${values.requests}`, `--connect-to=127.0.0.1:${world.port}`];
  const args = ['h2load', ...shape, '-H', `Cookie: ${cookie}`, `${APP}/`];
  const [program = '', ...rest] = loadCpus === null ? args : ['taskset', '-c', loadCpus, ...args];
  const { stdout } = await run(program, rest);
  const after = used();
  const answered = Number(/status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx/.exec(stdout)?.[1] ?? 0);
  if (answered !== Number(values.requests)) throw new Error(stdout);
  const [proxy = 0, outpost = 0] = after.map((value, i) => (value - (before[i] ?? 0)) / answered);
  return { proxy, outpost };
}
