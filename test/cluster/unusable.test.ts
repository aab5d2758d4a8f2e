// Workers that cannot be loaded: the daemon ends, or goes on with those that it has, and says the truth about it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { copyApp, injected } from '../kit/app-copy.js';
import { type LogLine, request, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { endsWithTest } from '../kit/ends-with-test.js';
import { ENGINE } from '../kit/on-node-http.js';
import { until } from '../kit/until.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const LISTENER = `dist/http/${ENGINE === 'uWebSockets.js' ? '' : 'node-'}server.js`;
const providers = [testProvider('http://127.0.0.1:9')];

/** A daemon that is expected to end by itself. */
async function runToEnd(main: string, prepare: (directory: string) => Record<string, string> = () => ({})) {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
  const file = join(directory, 'akprox.yaml');
  const listen = { http: '127.0.0.1:0', https: null, metrics: '127.0.0.1:0' };
  const store = { kind: 'embedded', path: join(directory, 'data') };
  writeFileSync(file, stringify({ workers: 2, listen, store, providers }));
  const child = endsWithTest(
    spawn(process.execPath, [main], {
      env: { PATH: process.env['PATH'], AKPROX_CONFIG: file, ...prepare(directory) },
      stdio: ['ignore', 'pipe', 'ignore'],
      // A daemon that stays is what this is about.
      timeout: 60_000,
      killSignal: 'SIGKILL',
    }),
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  rmSync(directory, { recursive: true, force: true });
  const lines = output.split('\n').filter((line) => line !== '');
  return { code, errors: lines.map((line) => JSON.parse(line) as LogLine).filter(({ level }) => level === 'error') };
}

describe('a daemon whose first workers cannot be loaded', { concurrency: false }, () => {
  const cases: readonly {
    readonly what: string;
    readonly says: RegExp;
    readonly prepare?: (directory: string) => Record<string, string>;
    readonly damage?: (directory: string) => void;
    readonly withBinary?: boolean;
  }[] = [
    {
      what: 'the binary of uWebSockets.js is damaged',
      withBinary: false,
      damage: (directory) => {
        const { platform, arch, versions } = process;
        const name = `uws_${platform}_${arch}_${versions.modules}.node`;
        mkdirSync(join(directory, 'node_modules/uWebSockets.js/dist/bin'), { recursive: true });
        writeFileSync(join(directory, 'node_modules/uWebSockets.js/dist/bin', name), 'no machine code');
      },
      says: /uWebSockets\.js cannot be loaded, .*install the packages again \(npm ci\): .*uws_\w+\.node: (?:file too short|invalid ELF header)/,
    },
    {
      what: 'a file is damaged',
      damage: (directory) => {
        const file = join(directory, LISTENER);
        const whole = readFileSync(file, 'utf8');
        writeFileSync(file, whole.slice(0, whole.length / 2));
      },
      says: /files are incomplete or damaged: install akprox again/,
    },
    {
      what: 'a file is missing',
      damage: (directory) => rmSync(join(directory, LISTENER)),
      says: /Cannot find module .*server\.js.*install akprox again/,
    },
    {
      what: 'the file with which a worker begins is missing',
      damage: (directory) => rmSync(join(directory, 'dist/cluster/start-worker.js')),
      says: /ended before it was ready \(exit code 1\).*Node\.js 20, 22 or 24/,
    },
    {
      what: 'a module throws before ours are loaded',
      prepare: (directory) => injected(directory, "throw new Error('injected');"),
      says: /ended before it was ready \(exit code 1\).*Node\.js 20, 22 or 24/,
    },
    {
      what: 'native code aborts',
      prepare: (directory) => injected(directory, 'process.abort();'),
      says: /ended before it was ready \(SIGABRT\).*Node\.js 20, 22 or 24/,
    },
  ];
  for (const { what, says, prepare, damage, withBinary } of cases) {
    it(`ends with one line and exit code 1: ${what}`, async () => {
      const app = copyApp({ withBinary: withBinary ?? true });
      try {
        damage?.(app.directory);
        const { code, errors } = await runToEnd(app.main, prepare);
        assert.equal(errors.length, 1, JSON.stringify(errors));
        assert.match(String(errors[0]?.msg), /^akprox cannot start: [^\n]+$/);
        assert.match(String(errors[0]?.msg), says);
        assert.equal(errors[0]?.['code'], 'worker_unusable');
        assert.equal(code, 1);
      } finally {
        app.remove();
      }
    });
  }
});

describe('files that are damaged under a running daemon', () => {
  it('keep replacements away; the others go on, and the probes say what is true', async () => {
    const app = copyApp();
    try {
      await using daemon = await startDaemon({ workers: 2, providers }, { main: app.main });
      const file = join(app.directory, LISTENER);
      const whole = readFileSync(file);
      const ready = (): number[] =>
        daemon.lines.filter(({ msg }) => msg === 'worker ready').map((line) => Number(line['worker_pid']));
      const status = async (path: string) => (await request(`${daemon.metrics}${path}`)).status;
      const health = () => {
        // The file of the configuration says port 0.
        const config = join(daemon.directory, 'health.yaml');
        writeFileSync(config, stringify({ listen: { metrics: new URL(daemon.metrics).host } }));
        const env = { PATH: process.env['PATH'], AKPROX_CONFIG: config };
        return spawnSync(process.execPath, [MAIN, 'healthcheck'], { env, encoding: 'utf8' });
      };
      const [first = 0, second = 0] = ready();

      writeFileSync(file, 'export {');
      process.kill(first, 'SIGKILL');
      const refused = await daemon.waitFor(({ msg }) => msg.startsWith('a worker died before it was ready'));
      assert.match(refused.msg, /files are incomplete or damaged: install akprox again/);
      assert.equal(refused['ready'], 1);
      assert.equal((await traefikCheck(daemon.http, 'http://whoami.localhost:8080/')).status, 302);
      assert.deepEqual([await status('/livez'), await status('/readyz')], [200, 200]);
      assert.equal(health().status, 0);
      assert.equal(await daemon.metric('akprox_workers'), 1);
      assert.equal(await daemon.metric('akprox_workers_wanted'), 2);

      writeFileSync(file, whole);
      await until(async () => (await daemon.metric('akprox_workers')) === 2);
      const third = ready()[2] ?? 0;

      writeFileSync(file, 'export {');
      process.kill(second, 'SIGKILL');
      process.kill(third, 'SIGKILL');
      await until(async () => (await status('/readyz')) === 503);
      await until(async () => (await status('/livez')) === 503);
      const { status: code, stderr } = health();
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^unhealthy: .*\/livez answered 503: no worker has been ready for \d+ s; the log says why\n$/,
      );
      assert.equal(await daemon.metric('akprox_workers'), 0);
      assert.equal(daemon.child.exitCode, null);
      assert.equal(await daemon.stop(), 0);
    } finally {
      app.remove();
    }
  });
});
