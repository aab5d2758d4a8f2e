// A real Traefik with a route for each way to ask, and nginx as the application behind all of them. Traefik has a core to itself;
// everything else is on the others.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { request } from '../test/kit/daemon.js';
import { endsWithTest } from '../test/kit/ends-with-test.js';
import { freePorts } from '../test/kit/ports.js';
import { findProxy } from '../test/kit/real-proxy.js';

/** Options of `forwardAuth`; null: a route without a check. */
export type Asking = Readonly<Record<string, unknown>> | null;

export interface TraefikScene {
  readonly pid: number;
  url(route: string): string;
  /** Connections that the application has accepted so far, this question's own among them. */
  applicationAccepts(): Promise<number>;
  close(): Promise<void>;
}

/** The application says in this header who Traefik says is asking. */
export const SEEN = 'x-seen';
const PATIENCE_MS = 30_000;

/** Why there can be none; null when there can. */
export function traefikMissing(): string | null {
  if (findProxy('traefik') === null) return 'Traefik is not installed (TRAEFIK_BIN names one)';
  return findProxy('nginx') === null ? 'nginx is not installed' : null;
}

/** `routes`: by name, which is the first part of the path. */
export async function startTraefik(
  routes: ReadonlyMap<string, Asking>,
  cpus: { readonly proxy: string | null; readonly others: string | null },
): Promise<TraefikScene> {
  const [traefik, nginx] = [findProxy('traefik'), findProxy('nginx')];
  if (traefik === null || nginx === null) throw new Error(traefikMissing() ?? '');
  const directory = mkdtempSync(join(tmpdir(), 'akprox-bench-traefik-'));
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    for (const child of children) {
      const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
      child.kill('SIGKILL');
      await exited;
    }
    rmSync(directory, { recursive: true, force: true });
  };
  const start = (pinned: string | null, program: string, ...args: string[]): ChildProcess => {
    const [first = '', ...rest] = pinned === null ? [program, ...args] : ['taskset', '-c', pinned, program, ...args];
    const child = endsWithTest(spawn(first, rest, { stdio: ['ignore', 'ignore', 'inherit'] }));
    children.push(child);
    return child;
  };
  try {
    const [web = 0, application = 0] = await freePorts(2);
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    start(cpus.others, nginx, '-e', 'stderr', '-c', file('nginx.conf', applicationFile(directory, application)));
    const dynamic = file('dynamic.yaml', stringify(dynamicFile(routes, application)));
    // It counts its cores when it starts, so it is pinned before.
    const proxy = start(
      cpus.proxy,
      traefik,
      `--entryPoints.web.address=127.0.0.1:${web}`,
      `--providers.file.filename=${dynamic}`,
      '--log.level=FATAL',
      '--global.checkNewVersion=false',
      '--global.sendAnonymousUsage=false',
    );
    const scene: TraefikScene = {
      pid: proxy.pid ?? 0,
      url: (route) => `http://127.0.0.1:${web}/${route}/`,
      applicationAccepts: async () => accepted((await request(`http://127.0.0.1:${application}/nginx-status`)).body),
      close,
    };
    const isThere = (): Promise<boolean> =>
      Promise.all([scene.applicationAccepts(), ...[...routes.keys()].map((route) => request(scene.url(route)))]).then(
        ([, ...answers]) => answers.every(({ status }) => status !== 404),
        () => false,
      );
    const end = performance.now() + PATIENCE_MS;
    while (!(await isThere())) {
      if (children.some(({ exitCode }) => exitCode !== null)) throw new Error('Traefik or nginx has ended');
      if (performance.now() > end) throw new Error(`Traefik does not serve its routes within ${PATIENCE_MS / 1_000} s`);
      await pause(50);
    }
    return scene;
  } catch (error) {
    await close();
    throw error;
  }
}

export function applicationFile(directory: string, port: number): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${directory}/${kind};`)
    .join(' ');
  return `daemon off; master_process off; pid ${directory}/nginx.pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off; default_type text/plain; keepalive_requests 1000000000; keepalive_timeout 600s; ${paths}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /nginx-status { stub_status; }
    location / { add_header ${SEEN} $http_x_auth_username; return 200 "the application\\n"; }
  }
}
`;
}

function dynamicFile(routes: ReadonlyMap<string, Asking>, application: number): object {
  const asked = [...routes].filter(([, asking]) => asking !== null);
  return {
    http: {
      ...(asked.length > 0 && {
        middlewares: Object.fromEntries(asked.map(([name, asking]) => [name, { forwardAuth: asking }])),
      }),
      routers: Object.fromEntries(
        [...routes].map(([name, asking]) => [
          name,
          {
            rule: `PathPrefix(\`/${name}/\`)`,
            entryPoints: ['web'],
            ...(asking !== null && { middlewares: [name] }),
            service: 'application',
          },
        ]),
      ),
      services: { application: { loadBalancer: { servers: [{ url: `http://127.0.0.1:${application}` }] } } },
    },
  };
}

/** `accepts` of nginx's stub_status: the first of three numbers. */
export function accepted(status: string): number {
  const count = /accepts handled requests\s+(\d+) /.exec(status)?.[1];
  if (count === undefined) throw new Error(`no count of connections in ${JSON.stringify(status)}`);
  return Number(count);
}
