// HTTPS: a self-signed certificate until a provider has its own, chosen by SNI, and a new one after SIGHUP.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { connect } from 'node:tls';
import { generate } from 'selfsigned';
import { request, startDaemon, testProvider } from '../kit/daemon.js';

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
