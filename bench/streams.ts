// node --import tsx bench/streams.ts [--seconds 5]: how a real Traefik's checks over HTTP/2 spread over two workers, for as many clients of
// its own (wrk) as may be waiting at once. TRAEFIK_BIN names it; nginx is the application.
import { execFile } from 'node:child_process';
import { parseArgs, promisify } from 'node:util';
import { APP } from '../test/kit/world.js';
import { connectionsOf } from './connections.js';
import { cpuMicros } from './processes.js';
import { CHECK_PATH } from './scenarios.js';
import { buildIfStale, startOutpost } from './targets/akprox.js';
import { startTraefik, traefikMissing } from './traefik-scene.js';

const CLIENTS = [8, 64];
const run = promisify(execFile);
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' } } });
const missing = traefikMissing();
if (missing !== null) throw new Error(missing);

buildIfStale();
const outpost = await startOutpost(2, { config: { listen: { https: '127.0.0.1:0' } } });
const https = outpost.world.daemon.https ?? '';
const asking = {
  address: https + CHECK_PATH,
  tls: { insecureSkipVerify: true },
  authResponseHeaders: ['X-Auth-Username'],
};
const scene = await startTraefik(new Map([['all', asking]]), { proxy: null, others: null });
try {
  const headers = { Host: new URL(APP).host, Cookie: outpost.session };
  const url = scene.url('all');
  for (const clients of CLIENTS) {
    const before = outpost.pids.map((pid) => cpuMicros([pid]) ?? 0);
    const args = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const { stdout } = await run('wrk', ['-t1', `-c${clients}`, `-d${values.seconds}s`, '--latency', ...args, url]);
    if (/Non-2xx/.test(stdout)) throw new Error(stdout);
    const answered = Number(/(\d+) requests in/.exec(stdout)?.[1] ?? 0);
    const used = outpost.pids.map((pid, i) => (cpuMicros([pid]) ?? 0) - (before[i] ?? 0));
    const all = used.reduce((sum, micros) => sum + micros, 0);
    const port = Number(new URL(https).port);
    const connections = outpost.pids.reduce((sum, pid) => sum + connectionsOf(pid, port).own.size, 0);
    process.stdout.write(
      `${String(clients).padStart(3)} clients: ${Math.round(answered / Number(values.seconds))} checks/s, ${(all / answered).toFixed(1)} µs each, over ${connections} connection${connections === 1 ? '' : 's'}, by the workers ${used.map((micros) => `${Math.round((100 * micros) / all)} %`).join(' and ')}, p99 ${/99%\s+(\S+)/.exec(stdout)?.[1]}\n`,
    );
  }
} finally {
  await scene.close();
  await outpost.close();
}
