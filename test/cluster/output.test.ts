// Standard output: NDJSON and nothing else, and none of its faults are the daemon's.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { generate } from 'selfsigned';
import { stringify } from 'yaml';
import { request, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { endsWithTest } from '../kit/ends-with-test.js';
import { freePorts } from '../kit/ports.js';
import { until } from '../kit/until.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const APP = 'http://whoami.localhost:8080';

describe('standard output', () => {
  it('has lines for a person where it is a terminal, of the workers too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
    const config = join(directory, 'akprox.yaml');
    const listen = { http: '127.0.0.1:0', https: null, metrics: '127.0.0.1:0' };
    const store = { kind: 'embedded', path: join(directory, 'data') };
    const providers = [testProvider('http://127.0.0.1:9')];
    writeFileSync(config, stringify({ workers: 1, listen, store, log: { checks: 'denied' }, providers }));
    // Of util-linux: what it runs has a terminal.
    const child = endsWithTest(
      spawn('script', ['-qefc', `exec '${process.execPath}' '${MAIN}'`, '/dev/null'], {
        env: { PATH: process.env['PATH'], AKPROX_CONFIG: config },
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
    let shown = '';
    child.stdout.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
    });
    try {
      const listening = /^\d\d:\d\d:\d\d\.\d{3} INFO {2}primary\/(\d+) listening http=(\S+) /m;
      await until(() => listening.test(shown));
      const [, pid = '', http = ''] = listening.exec(shown) ?? [];
      await traefikCheck(`http://${http}`, `${APP}/a%20b`);
      await until(() => /INFO {2}worker\/\d+ check denied provider=whoami /.test(shown));
      assert.doesNotMatch(shown, /^\{/m);
      const ended = once(child, 'exit');
      process.kill(Number(pid), 'SIGTERM');
      await ended;
    } finally {
      child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('is NDJSON, with certificates and names too', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
    const providers = await Promise.all(
      ['one', 'two'].map(async (name) => {
        const pems = await generate([{ name: 'commonName', value: name }], { keyType: 'ec' });
        const tls = { cert: join(directory, `${name}.pem`), key: join(directory, `${name}-key.pem`) };
        writeFileSync(tls.cert, pems.cert);
        writeFileSync(tls.key, pems.private);
        return testProvider('http://127.0.0.1:9', { name, external_host: `https://${name}.localhost`, tls });
      }),
    );
    try {
      await using daemon = await startDaemon({ workers: 2, listen: { https: '127.0.0.1:0' }, providers });
      const { hostname: host, port } = new URL(daemon.https ?? '');
      const names = new Set<string>();
      for (const servername of ['one.localhost', 'two.localhost', 'three.localhost']) {
        const socket = connect({ host, port: Number(port), servername, rejectUnauthorized: false });
        await once(socket, 'secureConnect');
        names.add(String(socket.getPeerCertificate().subject.CN));
        socket.write(`GET /akprox/ping HTTP/1.1\r\nHost: ${servername}\r\n\r\n`);
        await once(socket, 'data');
        socket.destroy();
      }
      assert.deepEqual(names, new Set(['one', 'two', 'akprox self-signed']));
      assert.equal(await daemon.stop(), 0);
      // The workers' lines come through it too.
      assert.ok(daemon.lines.some(({ name }) => name === 'worker'));
      assert.equal(daemon.stray(), '');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('a standard output that takes nothing', () => {
  const cases = {
    'a full disk': () => openSync('/dev/full', 'w'),
    'a pipe whose reader is gone': 'destroy',
    'a pipe that nobody reads': 'pause',
  } as const;
  for (const [what, how] of Object.entries(cases)) {
    it(`neither ends the daemon nor keeps it from ending: ${what}`, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
      const [http, metrics] = await freePorts(2);
      const config = join(directory, 'akprox.yaml');
      const listen = { http: `127.0.0.1:${http}`, https: null, metrics: `127.0.0.1:${metrics}` };
      const store = { kind: 'embedded', path: join(directory, 'data') };
      const providers = [testProvider('http://127.0.0.1:9')];
      writeFileSync(config, stringify({ workers: 2, listen, store, providers, log: { checks: 'all' } }));
      const child = endsWithTest(
        spawn(process.execPath, [MAIN], {
          env: { PATH: process.env['PATH'], AKPROX_CONFIG: config },
          stdio: ['ignore', typeof how === 'string' ? 'pipe' : how(), 'ignore'],
        }),
      );
      if (how === 'destroy') child.stdout?.destroy();
      if (how === 'pause') child.stdout?.pause();
      try {
        const workers = async (): Promise<number> => {
          const { body } = await request(`http://127.0.0.1:${metrics}/metrics`);
          return Number(/^akprox_workers (\d+)$/m.exec(body)?.[1]);
        };
        const checks = async (): Promise<void> => {
          // More lines than a pipe holds.
          for (let round = 0; round < 40; round += 1) {
            const asked = Array.from({ length: 20 }, () => traefikCheck(`http://127.0.0.1:${http}`, `${APP}/`));
            for (const { status } of await Promise.all(asked)) assert.equal(status, 302);
          }
        };
        await until(async () => (await workers()) === 2);
        await checks();
        assert.equal(await workers(), 2);
        assert.equal(child.exitCode, null);
        child.kill('SIGTERM');
        const [code] = (await once(child, 'exit')) as [number | null];
        assert.equal(code, 0);
      } finally {
        child.kill('SIGKILL');
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
});
