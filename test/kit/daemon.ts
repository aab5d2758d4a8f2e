// A real outpost for a test: the built daemon as a child process with real workers, on ports of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { endsWithTest, groupEndsWithTest } from './ends-with-test.js';
import { PATIENCE_MS } from './until.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface LogLine {
  readonly msg: string;
  readonly level: string;
  readonly [key: string]: unknown;
}

export interface Daemon {
  readonly child: ChildProcess;
  readonly directory: string;
  readonly configPath: string;
  /** Where it is a unix socket, `unix:/PATH`. */
  readonly http: string;
  readonly https: string | null;
  readonly compat: string | null;
  readonly metrics: string;
  /** Every line that it has logged. */
  readonly lines: readonly LogLine[];
  /** What it wrote that is no line of the log, on both streams. */
  stray(): string;
  /** Resolves with the first line, past or future, that fits. */
  waitFor(fits: (line: LogLine) => boolean): Promise<LogLine>;
  writeConfig(config: unknown): void;
  /** The value of one metric, summed over its labels; `filter` is a part of the label text. */
  metric(name: string, filter?: string): Promise<number>;
  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
  /** Stops it and starts it anew with the same configuration and store, on the same ports. */
  restart(how?: NodeJS.Signals): Promise<Daemon>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type ConfigInput = Record<string, unknown> & { listen?: Record<string, unknown> };

/** Starts the daemon; rejects with its output when it exits before it listens. */
export async function startDaemon(
  config: ConfigInput,
  options: {
    directory?: string;
    env?: Record<string, string>;
    main?: string;
    command?: readonly [string, ...string[]];
    /** It may have successors, which end with the test too. */
    succeeds?: boolean;
  } = {},
): Promise<Daemon> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'akprox-test-'));
  const configPath = join(directory, 'akprox.yaml');
  const writeConfig = (value: unknown): void => writeFileSync(configPath, stringify(value));
  const full = {
    workers: 2,
    store: { kind: 'embedded', path: join(directory, 'data') },
    ...config,
    listen: { http: '127.0.0.1:0', https: null, metrics: '127.0.0.1:0', ...config.listen },
  };
  writeConfig(full);
  const [program, ...args] = options.command ?? [process.execPath, options.main ?? MAIN];
  const child = endsWithTest(
    spawn(program, args, {
      env: { PATH: process.env['PATH'], AKPROX_CONFIG: configPath, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: options.succeeds === true,
    }),
  );
  const endGroup = options.succeeds ? groupEndsWithTest(child) : null;
  const lines: LogLine[] = [];
  let stray = '';
  const waiting = new Set<(line: LogLine) => void>();
  const exited = once(child, 'exit');
  /** Nobody writes lines any more. */
  const over = options.succeeds ? once(child.stdout, 'close') : exited;
  createInterface({ input: child.stdout }).on('line', (text) => {
    try {
      const line = JSON.parse(text) as LogLine;
      lines.push(line);
      for (const offer of waiting) offer(line);
    } catch {
      stray += `${text}\n`;
    }
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stray += chunk.toString();
  });
  const output = (): string => lines.map((line) => JSON.stringify(line)).join('\n') + stray;

  const waitFor = (fits: (line: LogLine) => boolean): Promise<LogLine> => {
    const past = lines.find(fits);
    if (past) return Promise.resolve(past);
    return new Promise((resolve, reject) => {
      const offer = (line: LogLine): void => {
        if (!fits(line)) return;
        waiting.delete(offer);
        resolve(line);
      };
      waiting.add(offer);
      void over.then(() => waiting.delete(offer) && reject(new Error(`the daemon ended first:\n${output()}`)));
    });
  };

  const listening = await waitFor((line) => line.msg === 'listening');
  const url = (scheme: string, address: unknown): string | null =>
    typeof address === 'string' ? (address.startsWith('unix:') ? address : `${scheme}://${address}`) : null;
  const httpUrl = url('http', listening['http']) ?? '';
  const metricsUrl = url('http', listening['metrics']) ?? '';
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
    return child.exitCode;
  };
  return {
    child,
    directory,
    configPath,
    http: httpUrl,
    https: url('https', listening['https']),
    compat: url('http', listening['compat']),
    metrics: metricsUrl,
    lines,
    stray: () => stray,
    waitFor,
    writeConfig,
    metric: async (name, filter = '') => {
      const { body } = await request(`${metricsUrl}/metrics`);
      return body
        .split('\n')
        .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(filter))
        .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
    },
    stop: () => stop(),
    kill: async () => {
      await stop('SIGKILL');
    },
    restart: async (how = 'SIGTERM') => {
      await stop(how);
      const { http: h, https: s, compat: c } = listening as unknown as Record<string, unknown>;
      const m = metricsUrl.slice('http://'.length);
      const again = { ...full, listen: { ...full.listen, http: h, https: s, compat: c, metrics: m } };
      // The system gave these ports, and may have lent one to somebody's connection in the meantime.
      for (const deadline = performance.now() + PATIENCE_MS; ; ) {
        try {
          return await startDaemon(again, { ...options, directory });
        } catch (error) {
          if (!/on that port|the port is taken/.test(String(error)) || performance.now() > deadline) throw error;
        }
      }
    },
    async [Symbol.asyncDispose]() {
      if (endGroup === null) await stop('SIGKILL');
      endGroup?.();
      await over;
      if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: string;
}

/** One request on a connection of its own. An array value sends the header that many times. */
export function request(
  url: string,
  options: { method?: string; headers?: Record<string, string | string[]>; body?: string; agent?: http.Agent } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = http.request(
      url,
      {
        method: options.method ?? 'GET',
        headers: options.headers,
        agent: options.agent ?? false,
        timeout: PATIENCE_MS,
      },
      (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () =>
          resolve({
            status: res.statusCode ?? 0,
            headers: res.headers,
            rawHeaders: res.rawHeaders,
            body: Buffer.concat(chunks).toString(),
          }),
        );
        res.on('error', reject);
      },
    );
    req.on('timeout', () => req.destroy(new Error(`no answer in ${PATIENCE_MS} ms: ${url}`)));
    req.on('error', reject);
    req.end(options.body);
  });
}

/** A check as Traefik asks it. */
export function traefikCheck(
  outpost: string,
  url: string,
  options: { cookie?: string; method?: string; headers?: Record<string, string | string[]>; agent?: http.Agent } = {},
): Promise<Answer> {
  const { protocol, host, pathname, search } = new URL(url);
  return request(`${outpost}/akprox/auth/traefik`, {
    headers: {
      'X-Forwarded-Proto': protocol.slice(0, -1),
      'X-Forwarded-Host': host,
      'X-Forwarded-Uri': pathname + search,
      'X-Forwarded-Method': options.method ?? 'GET',
      'X-Forwarded-For': '203.0.113.9',
      ...(options.cookie ? { Cookie: options.cookie } : {}),
      ...options.headers,
    },
    ...(options.agent ? { agent: options.agent } : {}),
  });
}

/** The cookie secret of every provider that `testProvider` makes. */
export const SECRET = 'test-secret-test-secret-test-secret-0123456789';

export function testProvider(issuer: string, overrides: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: 'whoami',
    mode: 'forward_single',
    external_host: 'http://whoami.localhost:8080',
    cookie_secret: SECRET,
    oidc: { issuer, client_id: 'whoami', client_secret: 'whoami-client-secret' },
    ...overrides,
  };
}
