// The files that HTTPS needs: where the root file system cannot be written, and when they vanish under a running daemon.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { connect } from 'node:tls';
import { generate } from 'selfsigned';
import { openSelfSigned } from '../../src/cluster/self-signed.js';
import { createLog } from '../../src/infra/log.js';
import { makePrivateDirectory } from '../../src/infra/private-directory.js';
import { configOf } from '../kit/application.js';
import { type Daemon, request, startDaemon, testProvider } from '../kit/daemon.js';

const providers = [testProvider('http://127.0.0.1:9')];

async function nameShown(daemon: Daemon, servername: string): Promise<string> {
  const { hostname: host, port } = new URL(daemon.https ?? '');
  const socket = connect({ host, port: Number(port), servername, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const name = String(socket.getPeerCertificate().subject.CN);
  socket.destroy();
  return name;
}

/** Kills the one worker and waits for its successor. */
async function replaceWorker(daemon: Daemon): Promise<void> {
  const ready = daemon.lines.filter(({ msg }) => msg === 'worker ready');
  process.kill(Number(ready.at(-1)?.['worker_pid']), 'SIGKILL');
  await daemon.waitFor((line) => line.msg === 'worker ready' && !ready.includes(line));
}

describe('a temporary directory that cannot be written', () => {
  it('costs nothing where there is memory, or the directory of the store', async () => {
    const env = { TMPDIR: '/proc/nothing' };
    await using daemon = await startDaemon({ workers: 1, providers, listen: { https: '127.0.0.1:0' } }, { env });
    assert.equal((await request(`${daemon.http}/akprox/ping`)).status, 204);
    assert.equal(await nameShown(daemon, 'one.localhost'), 'akprox self-signed');
    assert.ok(!daemon.lines.some(({ level }) => level === 'error'));
  });

  it('switches HTTPS off, with a line that says what to do, where nothing else takes a file', async () => {
    const lines: string[] = [];
    const log = createLog('info', 'test', { write: (line: string) => void lines.push(line) });
    const config = configOf({ store: { kind: 'embedded', path: '/proc/nowhere' } });
    assert.equal(await openSelfSigned(config, log, ['/proc/nothing']), null);
    assert.match(lines.join(''), /HTTPS is off: .*set TMPDIR/);
    assert.equal(lines.length, 1);
  });
});

describe('makePrivateDirectory', () => {
  it('takes the first parent that takes a file, for this user alone, and leaves nothing in the others', () => {
    const parent = mkdtempSync(join(tmpdir(), 'akprox-test-'));
    try {
      writeFileSync(join(parent, 'file'), '');
      const made = makePrivateDirectory('akprox-tls-', ['/proc/nothing', join(parent, 'file'), parent, '/dev/shm']);
      assert.equal(join(made, '..'), parent);
      assert.equal(statSync(made).mode & 0o777, 0o700);
      assert.deepEqual(readdirSync(made), []);
      assert.throws(() => makePrivateDirectory('akprox-tls-', ['/proc/nothing']), /ENOENT/);
    } finally {
      rmSync(parent, { recursive: true, force: true });
    }
  });
});

describe('files that vanish under a running daemon', () => {
  it('keep no worker from taking the place of another', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
    try {
      const temporary = join(directory, 'tmp');
      mkdirSync(temporary);
      const pems = await generate([{ name: 'commonName', value: 'one' }], { keyType: 'ec' });
      const tls = { cert: join(directory, 'one.pem'), key: join(directory, 'one-key.pem') };
      const write = () => {
        writeFileSync(tls.cert, pems.cert);
        writeFileSync(tls.key, pems.private);
      };
      write();
      const one = testProvider('http://127.0.0.1:9', { name: 'one', external_host: 'https://one.localhost', tls });
      await using daemon = await startDaemon(
        { workers: 1, providers: [one], listen: { https: '127.0.0.1:0' } },
        { env: { TMPDIR: temporary } },
      );
      assert.equal(await nameShown(daemon, 'one.localhost'), 'one');

      // What tidies up temporary directories; and a renewal that removes before it writes.
      for (const name of readdirSync(temporary)) rmSync(join(temporary, name), { recursive: true });
      rmSync(tls.cert);
      await replaceWorker(daemon);
      assert.equal((await request(`${daemon.http}/akprox/ping`)).status, 204);
      assert.equal(await nameShown(daemon, 'one.localhost'), 'akprox self-signed');
      assert.ok(
        daemon.lines.some(
          ({ msg, host }) => msg.startsWith('a certificate cannot be used') && host === 'one.localhost',
        ),
      );
      assert.equal(readdirSync(temporary).length, 1);

      write();
      await replaceWorker(daemon);
      assert.equal(await nameShown(daemon, 'one.localhost'), 'one');
      assert.equal(await daemon.stop(), 0);
      assert.deepEqual(readdirSync(temporary), []);
      assert.ok(existsSync(tls.cert));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
