// nginx, one worker, `return 200` with the outpost's headers from its configuration: the yardstick of the budget.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childrenOf } from '../processes.js';
import type { Recorded } from '../scenarios.js';
import { pathOf, type Target } from './target.js';

/** It listens on `unixSocket` too. */
export async function startNginx(
  answers: ReadonlyMap<string, Recorded>,
): Promise<Target & { readonly unixSocket: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-bench-nginx-'));
  const port = await freePort();
  const allowed = [...answers].filter(([, answer]) => answer.status === 200);
  writeFileSync(join(directory, 'nginx.conf'), configuration(directory, port, allowed));
  const child = spawn('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  const origin = `http://127.0.0.1:${port}`;
  await untilUp(origin, exited);
  return {
    name: 'nginx',
    title: 'nginx, return 200',
    only: allowed.map(([scenario]) => scenario),
    url: (scenario) => origin + pathOf(scenario),
    answers: 'exact',
    pids: childrenOf(child.pid ?? 0),
    unixSocket: socketIn(directory),
    close: async () => {
      child.kill('SIGTERM');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function socketIn(directory: string): string {
  return join(directory, 'nginx.sock');
}

function configuration(directory: string, port: number, answers: readonly (readonly [string, Recorded])[]): string {
  const locations = answers.map(([scenario, { headers }]) => {
    const lines = headers.map(([name, value]) => `add_header ${name} '${value.replaceAll("'", "\\'")}';`);
    return `location = ${pathOf(scenario)} { ${lines.join(' ')} return 200; }`;
  });
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${directory}/${kind};`)
    .join(' ');
  return `daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off; default_type ''; server_tokens off; keepalive_requests 1000000000; ${paths}
  server { listen 127.0.0.1:${port} backlog=4096; listen unix:${socketIn(directory)} backlog=4096; ${locations.join('\n')} }
}
`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function untilUp(origin: string, exited: Promise<unknown>): Promise<void> {
  let gone = false;
  void exited.then(() => {
    gone = true;
  });
  for (let attempt = 0; attempt < 100 && !gone; attempt += 1) {
    try {
      await fetch(origin);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error('nginx did not start');
}
