// The files of certificates: when they vanish under a running daemon, and where authentik's go; and HTTPS without any.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { connect } from 'node:tls';
import { generate } from 'selfsigned';
import { makePrivateDirectory } from '../../src/infra/private-directory.js';
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

describe('a file system that cannot be written', () => {
  it('costs nothing: a self-signed certificate is no file', async () => {
    const env = { TMPDIR: '/proc/nothing' };
    await using daemon = await startDaemon({ workers: 1, providers, listen: { https: '127.0.0.1:0' } }, { env });
    assert.equal((await request(`${daemon.http}/akprox/ping`)).status, 204);
    assert.equal(await nameShown(daemon, 'one.localhost'), 'akprox self-signed');
    assert.ok(!daemon.lines.some(({ level }) => level === 'error'));
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
      const pems = await generate([{ name: 'commonName', value: 'one' }], { keyType: 'ec' });
      const tls = { cert: join(directory, 'one.pem'), key: join(directory, 'one-key.pem') };
      const write = () => {
        writeFileSync(tls.cert, pems.cert);
        writeFileSync(tls.key, pems.private);
      };
      write();
      const one = testProvider('http://127.0.0.1:9', { name: 'one', external_host: 'https://one.localhost', tls });
      await using daemon = await startDaemon({ workers: 1, providers: [one], listen: { https: '127.0.0.1:0' } });
      assert.equal(await nameShown(daemon, 'one.localhost'), 'one');

      // A renewal that removes before it writes.
      rmSync(tls.cert);
      await replaceWorker(daemon);
      assert.equal((await request(`${daemon.http}/akprox/ping`)).status, 204);
      assert.equal(await nameShown(daemon, 'one.localhost'), 'akprox self-signed');
      assert.ok(
        daemon.lines.some(
          ({ msg, host }) => msg.startsWith('a certificate cannot be used') && host === 'one.localhost',
        ),
      );

      write();
      await replaceWorker(daemon);
      assert.equal(await nameShown(daemon, 'one.localhost'), 'one');
      assert.equal(await daemon.stop(), 0);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
