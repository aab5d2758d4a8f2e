// A real OpenTelemetry collector for a test: takes spans over OTLP/HTTP and prints them, from where they are read again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endsWithTest } from './ends-with-test.js';
import { freePort } from './ports.js';
import { until } from './until.js';

export interface CollectedSpan {
  readonly traceId: string;
  /** '' for the first of its trace. */
  readonly parentId: string;
  readonly id: string;
  readonly name: string;
  readonly failed: boolean;
  readonly facts: Readonly<Record<string, string>>;
}

export interface Collector {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string;
  spans(): CollectedSpan[];
  /** All that it has printed: resources and attributes too. */
  output(): string;
  stop(): Promise<void>;
}

export function collectorMissing(): string | null {
  return process.env['OTELCOL_BIN'] ? null : 'OTELCOL_BIN names no OpenTelemetry collector (.ci/tools.sh builds one)';
}

export async function startCollector(): Promise<Collector> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-otelcol-'));
  const endpoint = `127.0.0.1:${await freePort()}`;
  const config = join(directory, 'collector.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      receivers: { otlp: { protocols: { http: { endpoint } } } },
      exporters: { debug: { verbosity: 'detailed' } },
      service: {
        telemetry: { metrics: { level: 'none' } },
        pipelines: { traces: { receivers: ['otlp'], exporters: ['debug'] } },
      },
    }),
  );
  const child = endsWithTest(
    spawn(process.env['OTELCOL_BIN'] ?? '', ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] }),
  );
  const exited = once(child, 'exit');
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await until(() => {
    assertRuns(child.exitCode, output);
    return output.includes('Everything is ready');
  });
  return {
    url: `http://${endpoint}`,
    spans: () =>
      output
        .split(/^Span #\d+\n/m)
        .slice(1)
        .map(readSpan),
    output: () => output,
    async stop() {
      child.kill('SIGKILL');
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function assertRuns(exitCode: number | null, output: string): void {
  if (exitCode !== null) throw new Error(`the collector has ended:\n${output}`);
}

/** `printed`: from its first line on, with what is printed behind it. */
function readSpan(printed: string): CollectedSpan {
  const [text = ''] = printed.split(/^(?:ResourceSpans|ScopeSpans|\t\{)/m);
  const field = (name: string): string => new RegExp(`^    ${name} *: (.*)$`, 'm').exec(text)?.[1] ?? '';
  const facts = [...text.matchAll(/^ {5}-> ([\w.]+): \w+\((.*)\)$/gm)].map(([, key = '', value = '']) => [key, value]);
  return {
    traceId: field('Trace ID'),
    parentId: field('Parent ID'),
    id: field('ID'),
    name: field('Name'),
    failed: field('Status code') === 'Error',
    facts: Object.fromEntries(facts),
  };
}
