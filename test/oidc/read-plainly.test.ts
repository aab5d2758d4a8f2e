// The discovery document as a worker reads it at its start.
import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { test } from 'node:test';
import { readPlainly } from '../../src/oidc/read-plainly.js';
import { listenLocally } from '../kit/listening.js';
import { failsWith } from './setup.js';

const read = readPlainly(undefined, 'oidc.ca');

async function answering(t: { after(close: () => unknown): void }, answer: RequestListener): Promise<string> {
  const server = await listenLocally(createServer(answer));
  t.after(() => server.close());
  return `http://127.0.0.1:${server.port}/document`;
}

test('as it stands there: status and text, no redirect is followed', async (t) => {
  const url = await answering(t, (req, res) => {
    if (req.url !== '/document') assert.fail('it was followed');
    assert.equal(req.headers.accept, 'application/json');
    res.writeHead(302, { Location: '/elsewhere' }).end('{"ä":1}');
  });
  assert.deepEqual(await read(url), { status: 302, text: '{"ä":1}' });
});

test('an answer of more than 1 MiB is refused', async (t) => {
  const url = await answering(t, (_, res) => res.end(Buffer.alloc(1_048_577)));
  await assert.rejects(read(url), failsWith('idp_rejected', /more than 1 MiB/));
});

test('an answer that breaks off, and nobody there', async (t) => {
  const url = await answering(t, (_, res) => {
    res.writeHead(200, { 'Content-Length': 10 });
    res.write('{', () => res.destroy());
  });
  await assert.rejects(read(url), failsWith('idp_unreachable', /no answer from the identity provider at http:/));
  await assert.rejects(read('http://127.0.0.1:1/'), failsWith('idp_unreachable', /at http:\/\/127\.0\.0\.1:1/));
});
