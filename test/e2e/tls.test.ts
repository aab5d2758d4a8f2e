// HTTPS: a self-signed certificate until the listener or a provider has its own, chosen by SNI, and a new one while it runs: no
// connection is cut.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { connect } from 'node:tls';
import { generate } from 'selfsigned';
import { type Daemon, request, startDaemon, testProvider } from '../kit/daemon.js';
import { Http2Client } from '../kit/http2-client.js';
import { until } from '../kit/until.js';
import { Wire } from '../kit/wire.js';

/** Common name of the certificate for a server name, and the answer to one check over that connection. */
async function ask(url: string, servername: string): Promise<{ name: string; answer: string }> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), servername, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const name = String(socket.getPeerCertificate().subject.CN);
  socket.write(`GET /akprox/auth/nginx HTTP/1.1\r\nHost: ${servername}\r\nConnection: close\r\n\r\n`);
  let answer = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    answer += chunk.toString();
    if (answer.includes('\r\n\r\n')) break;
  }
  socket.destroy();
  return { name, answer };
}

async function certificate(directory: string, file: string, name: string): Promise<{ cert: string; key: string }> {
  const pems = await generate([{ name: 'commonName', value: name }], { keyType: 'ec' });
  const paths = { cert: join(directory, `${file}.pem`), key: join(directory, `${file}-key.pem`) };
  writeFileSync(paths.cert, pems.cert);
  writeFileSync(paths.key, pems.private);
  return paths;
}

describe('the HTTPS listener', () => {
  it('is self-signed, serves a provider its certificate by SNI, and takes a new one at SIGHUP', async () => {
    const providers = (tls?: unknown) => [
      testProvider('http://127.0.0.1:9', {
        name: 'one',
        external_host: 'https://one.localhost',
        ...(tls ? { tls } : {}),
      }),
      testProvider('http://127.0.0.1:9', { name: 'two', external_host: 'https://two.localhost' }),
    ];
    await using daemon = await startDaemon({ workers: 1, listen: { https: '127.0.0.1:0' }, providers: providers() });
    assert.ok(daemon.https);
    assert.equal((await ask(daemon.https, 'one.localhost')).name, 'akprox self-signed');

    const reload = async (tls: unknown): Promise<void> => {
      const before = daemon.lines.length;
      daemon.writeConfig({
        store: { kind: 'embedded', path: join(daemon.directory, 'data') },
        providers: providers(tls),
      });
      daemon.child.kill('SIGHUP');
      await daemon.waitFor(
        (line) => line.msg === 'the configuration was changed' && daemon.lines.indexOf(line) >= before,
      );
      await daemon.metric('akprox_workers');
    };
    await reload(await certificate(daemon.directory, 'first', 'first'));
    const first = await ask(daemon.https, 'one.localhost');
    assert.equal(first.name, 'first');
    assert.match(first.answer, /^HTTP\/1\.1 401 /);
    assert.match(first.answer, /Location: https:\/\/one\.localhost\/akprox\/start/);
    const other = await ask(daemon.https, 'two.localhost');
    assert.equal(other.name, 'akprox self-signed');
    assert.match(other.answer, /^HTTP\/1\.1 401 /);

    await reload(await certificate(daemon.directory, 'second', 'second'));
    assert.equal((await ask(daemon.https, 'one.localhost')).name, 'second');
    assert.match((await ask(daemon.https, 'one.localhost')).answer, /^HTTP\/1\.1 401 /);

    await reload(undefined);
    assert.equal((await ask(daemon.https, 'one.localhost')).name, 'akprox self-signed');
    assert.equal((await request(`${daemon.http}/akprox/ping`)).status, 204);
  });
});

/** Common name of the certificate, and what was agreed on; `servername` '' for a client that names nobody. */
async function shown(
  url: string,
  servername = '',
  ALPNProtocols?: string[],
): Promise<{ name: string; protocol: string | false | null }> {
  const { hostname: host, port } = new URL(url);
  const options = { host, port: Number(port), servername, rejectUnauthorized: false };
  const socket = connect({ ...options, ...(ALPNProtocols && { ALPNProtocols }) });
  await once(socket, 'secureConnect');
  const name = String(socket.getPeerCertificate().subject.CN);
  socket.destroy();
  return { name, protocol: socket.alpnProtocol };
}

describe('the certificate of the listener', () => {
  /** Two files of a certificate may be seen one after the other, so the configuration may be changed once more than was asked for. */
  const shows = (url: string, servername: string, name: string): Promise<unknown> =>
    until(async () => (await shown(url, servername)).name === name);

  it('is shown to whoever names nobody, changes while it runs, and no connection is cut', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
    try {
      const own = await certificate(directory, 'own', 'first');
      const other = await certificate(directory, 'other', 'other');
      const one = { name: 'one', external_host: 'https://one.localhost' };
      const write = (daemon: Daemon, tls: unknown, providerTls?: unknown): void =>
        daemon.writeConfig({
          store: { kind: 'embedded', path: join(daemon.directory, 'data') },
          listen: { tls },
          providers: [testProvider('http://127.0.0.1:9', { ...one, ...(providerTls ? { tls: providerTls } : {}) })],
        });
      await using daemon = await startDaemon({
        workers: 1,
        listen: { https: '127.0.0.1:0', tls: own },
        providers: [testProvider('http://127.0.0.1:9', one)],
      });
      const url = daemon.https ?? assert.fail();
      for (const servername of ['', 'one.localhost', 'outpost.internal'])
        assert.equal((await shown(url, servername)).name, 'first', servername);

      const http2 = await Http2Client.open(url);
      const http1 = await Wire.open(url);
      const stillServed = async (): Promise<void> => {
        const { answer } = http2.ask({ method: 'GET', path: '/akprox/ping', headers: {} });
        assert.equal((await answer).status, 204);
        http1.send('GET /akprox/ping HTTP/1.1\r\nHost: x\r\n\r\n');
        assert.equal((await http1.next())?.status, 204);
      };
      await stillServed();

      // Renewed, and nobody says so: both files of it.
      await certificate(directory, 'own', 'second');
      await daemon.waitFor((line) => line.msg === 'the file of a certificate has changed');
      await shows(url, '', 'second');
      await stillServed();

      // One for a name, and another one for all others.
      write(daemon, other, own);
      daemon.child.kill('SIGHUP');
      await shows(url, '', 'other');
      assert.equal((await shown(url, 'ONE.localhost')).name, 'second');
      await stillServed();

      write(daemon, undefined);
      daemon.child.kill('SIGHUP');
      await shows(url, '', 'akprox self-signed');
      await stillServed();
      http2.close();
      http1.close();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('speaks HTTP/2 where the client does, else HTTP/1.1', async () => {
    await using daemon = await startDaemon({
      workers: 1,
      listen: { https: '127.0.0.1:0' },
      providers: [testProvider('http://127.0.0.1:9')],
    });
    const url = daemon.https ?? assert.fail();
    assert.equal((await shown(url, '', ['http/1.1', 'h2'])).protocol, 'h2');
    assert.equal((await shown(url, '', ['http/1.1'])).protocol, 'http/1.1');
    assert.equal((await shown(url)).protocol, false);
    await assert.rejects(shown(url, '', ['spdy/3']));
  });
});

describe('the end of the daemon', () => {
  it('is told to connections of HTTP/2, which have what is in flight answered first, and close', async () => {
    await using daemon = await startDaemon({
      workers: 2,
      listen: { https: '127.0.0.1:0' },
      providers: [testProvider('http://127.0.0.1:9')],
    });
    const url = daemon.https ?? assert.fail();
    const [idle, busy] = await Promise.all([Http2Client.open(url), Http2Client.open(url)]);
    const ended = [idle, busy].map(({ session }) => once(session, 'close'));
    const told = [idle, busy].map(({ session }) => once(session, 'goaway'));
    const logout = { method: 'POST', path: '/akprox/backchannel_logout', headers: { Host: 'whoami.localhost:8080' } };
    const { stream, answer } = busy.ask(logout, null);
    // Behind it on the connection: once it is answered, that has come too.
    const { answer: behind } = busy.ask({ method: 'GET', path: '/akprox/ping', headers: {} });
    assert.equal((await behind).status, 204);

    const exit = daemon.stop();
    await Promise.all(told);
    stream.end('no_token=x');
    assert.equal((await answer).status, 400);
    await Promise.all(ended);
    assert.equal(await exit, 0);
  });
});
