// A real Prometheus for a test, that scrapes one daemon every half second and has the alert rules of deploy/monitoring.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { request } from './daemon.js';
import { endsWithTest } from './ends-with-test.js';
import { freePort } from './ports.js';

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** Unix seconds, and the value as text. */
  readonly value: readonly [number, string];
}

export interface Prometheus {
  query(expression: string): Promise<readonly Sample[]>;
  /** Health of the target, and what went wrong with the last scrape. */
  target(): Promise<{ health: string; lastError: string }>;
  stop(): Promise<void>;
}

/** Null when it is on this machine. */
export function prometheusMissing(): string | null {
  const missing = ['prometheus', 'promtool'].filter((name) => spawnSync(name, ['--version']).status !== 0);
  return missing.length === 0 ? null : `${missing.join(' and ')} not installed`;
}

/** `target`: `host:port` of a metrics listener. */
export async function startPrometheus(target: string, rules: string): Promise<Prometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-prometheus-'));
  const port = await freePort();
  const config = join(directory, 'prometheus.yml');
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: '500ms', evaluation_interval: '500ms' },
      rule_files: [rules],
      scrape_configs: [{ job_name: 'akprox', static_configs: [{ targets: [target] }] }],
    }),
  );
  const child = endsWithTest(
    spawn(
      'prometheus',
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    ),
  );
  const exited = once(child, 'exit');
  let output = '';
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      output += `${line}\n`;
      if (line.includes('Server is ready to receive web requests')) resolve();
    });
    void exited.then(() => reject(new Error(`prometheus ended:\n${output}`)));
  });
  await ready;
  const ask = async <T>(path: string): Promise<T> => {
    const { body } = await request(`http://127.0.0.1:${port}/api/v1/${path}`);
    const answer = JSON.parse(body) as { status: string; error?: string; data: T };
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  };
  return {
    query: async (expression) =>
      (await ask<{ result: Sample[] }>(`query?query=${encodeURIComponent(expression)}`)).result,
    target: async () => {
      const { activeTargets } = await ask<{ activeTargets: { health: string; lastError: string }[] }>('targets');
      return activeTargets[0] ?? { health: 'none', lastError: '' };
    },
    async stop() {
      child.kill('SIGKILL');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
