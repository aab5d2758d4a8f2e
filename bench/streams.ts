// node --import tsx bench/streams.ts [--seconds 5]: how a real Traefik's checks over HTTP/2 spread over two workers, for as many clients of
// its own (wrk) as may be waiting at once. TRAEFIK_BIN names it; nginx is the application.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { request } from '../test/kit/daemon.js';
import { freePorts } from '../test/kit/ports.js';
import { findProxy } from '../test/kit/real-proxy.js';
import { APP } from '../test/kit/world.js';
import { connectionsOf } from './connections.js';
import { cpuMicros } from './processes.js';
import { CHECK_PATH } from './scenarios.js';
import { buildIfStale, startOutpost } from './targets/akprox.js';

const CLIENTS = [8, 64];
const run = promisify(execFile);
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '5' } } });
const [traefik, nginx] = [findProxy('traefik'), findProxy('nginx')];
if (traefik === null || nginx === null) throw new Error('traefik (TRAEFIK_BIN) or nginx is not installed');

buildIfStale();
const directory = mkdtempSync(join(tmpdir(), 'akprox-streams-'));
const outpost = await startOutpost(2, { config: { listen: { https: '127.0.0.1:0' } } });
const https = outpost.world.daemon.https ?? '';
const [web = 0, application = 0] = await freePorts(2);
const file = (name: string, text: string): string => {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
};
const nginxFile = file(
  'nginx.conf',
  `daemon off; master_process off; pid ${directory}/nginx.pid; error_log stderr crit; events {}
http { access_log off; server { listen 127.0.0.1:${application}; location / { return 200 ok; } } }`,
);
const dynamic = file(
  'dynamic.yaml',
  `http:
  middlewares: { check: { forwardAuth: { address: '${https}${CHECK_PATH}', tls: { insecureSkipVerify: true }, authResponseHeaders: [X-Auth-Username] } } }
  routers: { all: { rule: 'PathPrefix(\`/\`)', middlewares: [check], service: application } }
  services: { application: { loadBalancer: { servers: [{ url: 'http://127.0.0.1:${application}' }] } } }
`,
);
const traefikFile = file(
  'traefik.yaml',
  `entryPoints: { web: { address: '127.0.0.1:${web}' } }
providers: { file: { filename: ${dynamic} } }
log: { level: FATAL }
global: { checkNewVersion: false, sendAnonymousUsage: false }
`,
);
const children = [
  spawn(nginx, ['-e', 'stderr', '-c', nginxFile], { stdio: 'inherit' }),
  spawn(traefik, [`--configFile=${traefikFile}`], { stdio: 'inherit' }),
];
try {
  const headers = { Host: new URL(APP).host, Cookie: outpost.session };
  const url = `http://127.0.0.1:${web}/`;
  const isReady = (): Promise<boolean> =>
    request(url, { headers }).then(
      ({ status }) => status === 200,
      () => false,
    );
  while (!(await isReady())) await pause(100);
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
  for (const child of children) child.kill('SIGKILL');
  await outpost.close();
  rmSync(directory, { recursive: true, force: true });
}
