// The files of certificates: when they vanish under a running daemon, and where authentik's go; and HTTPS without any.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { connect } from 'node:tls';
import { generate } from 'selfsigned';
import { Certificates } from '../../src/cluster/certificates.js';
import { FileWatch } from '../../src/cluster/file-watch.js';
import { makePrivateDirectory } from '../../src/infra/private-directory.js';
import { makeApplication } from '../kit/application.js';
import { type Daemon, request, startDaemon, testProvider } from '../kit/daemon.js';

const EC = { keyType: 'ec' } as const;
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

describe('Certificates', () => {
  it('keeps what it had of a name whose files are gone or do not fit each other, and takes the others', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
    try {
      const pems = await Promise.all([1, 2, 3].map((i) => generate([{ name: 'commonName', value: `${i}` }], EC)));
      const write = (name: string, cert: number, key: number) => {
        const files = { cert: join(directory, `${name}.pem`), key: join(directory, `${name}-key.pem`) };
        writeFileSync(files.cert, pems[cert]?.cert ?? '');
        writeFileSync(files.key, pems[key]?.private ?? '');
        return files;
      };
      const own = write('own', 0, 0);
      const [one, two] = ['one', 'two'].map((name) =>
        makeApplication({ name, external_host: `https://${name}.example`, tls: write(name, 0, 0) }),
      );
      assert.ok(one && two);
      const fallbacks: string[] = [];
      const certificates = new Certificates({
        selfSigned: { cert: 'self-signed', key: '' },
        setFallback: ({ cert }) => fallbacks.push(cert),
      });
      const apply = (applications = [one, two], tls: typeof own | undefined = own): string[] => {
        const bad: string[] = [];
        certificates.apply(applications, tls, (name) => bad.push(name));
        return bad;
      };
      assert.deepEqual(apply(), []);
      const [first, second] = ['ONE.example', 'two.example'].map((name) => certificates.contextOf(name));
      assert.ok(first && second);
      assert.equal(certificates.contextOf('three.example'), undefined);
      assert.deepEqual(fallbacks, [pems[0]?.cert]);

      assert.deepEqual(apply(), []);
      assert.equal(certificates.contextOf('one.example'), first);
      assert.equal(fallbacks.length, 1);

      write('one', 1, 1);
      write('two', 1, 2);
      write('own', 1, 2);
      assert.deepEqual(apply(), ['two.example', 'the setting listen.tls']);
      assert.notEqual(certificates.contextOf('one.example'), first);
      assert.equal(certificates.contextOf('two.example'), second);
      assert.equal(fallbacks.length, 1);

      write('own', 2, 2);
      rmSync(join(directory, 'two.pem'));
      assert.deepEqual(apply(), ['two.example']);
      assert.equal(certificates.contextOf('two.example'), second);
      assert.deepEqual(fallbacks.slice(1), [pems[2]?.cert]);

      certificates.apply([one], undefined, () => assert.fail());
      assert.equal(certificates.contextOf('two.example'), undefined);
      assert.deepEqual(fallbacks.slice(2), ['self-signed']);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('FileWatch', () => {
  /** What changes a file of the pair, again and again until it is seen: the first look at a file only remembers it. */
  async function sees(own: { cert: string; key: string }, change: () => void): Promise<void> {
    let seen = (): void => {};
    const changed = new Promise<void>((resolve) => {
      seen = resolve;
    });
    const timers = {
      after: (_: number, work: () => void) => {
        setImmediate(work);
        return () => {};
      },
    };
    const watch = new FileWatch({ interval: 5, timers, changed: seen });
    watch.update(new Set([own.cert, own.key]));
    const again = setInterval(change, 20);
    try {
      await changed;
    } finally {
      clearInterval(again);
      watch.close();
    }
  }

  it('sees a file that is written anew, one that goes or comes back, and a link that leads elsewhere', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
    try {
      const path = (name: string): string => join(directory, name);
      const own = { cert: path('own.crt'), key: path('own.key') };
      let times = 0;
      for (const file of [own.cert, own.key]) {
        writeFileSync(file, '');
        await sees(own, () => {
          times += 1;
          writeFileSync(file, 'x'.repeat(times));
        });
        await sees(own, () => (existsSync(file) ? rmSync(file) : writeFileSync(file, '')));
      }
      // As Kubernetes mounts a secret: the file is a link into a directory that is exchanged.
      for (const version of ['1', '2']) {
        mkdirSync(path(version));
        for (const file of ['tls.crt', 'tls.key']) writeFileSync(path(`${version}/${file}`), 'as long as the other');
      }
      symlinkSync('1', path('data'));
      for (const file of ['tls.crt', 'tls.key']) symlinkSync(`data/${file}`, path(file));
      await sees({ cert: path('tls.crt'), key: path('tls.key') }, () => {
        times += 1;
        symlinkSync(String((times % 2) + 1), path('next'));
        renameSync(path('next'), path('data'));
      });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
