// What fails inside of us, over HTTP/2 and over HTTP/1.1 behind TLS: 500 and a line in the log, never a 2xx, a hang or the end of somebody
// else's request.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { generate } from 'selfsigned';
import { createHttpsServer, type HttpsServer } from '../../src/http/https-server.js';
import type { RequestContext } from '../../src/http/router.js';
import { CheckTiming } from '../../src/metrics/check-timing.js';
import { Http2Client } from '../kit/http2-client.js';
import { Wire } from '../kit/wire.js';

const FAULT = new Error('a fault of ours');
let https: HttpsServer;
let origin: string;
const errors: unknown[] = [];
let context: () => RequestContext;

before(async () => {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'x' }], { keyType: 'ec' });
  https = createHttpsServer({
    context: () => context(),
    timing: new CheckTiming(),
    logCheck: () => assert.fail(),
    onError: (error) => errors.push(error),
    maxHeaderBytes: 65_536,
    fallback: { cert, key },
    contextOf: () => undefined,
    mostIdle: 2,
  });
  await once(https.server.listen(0, '127.0.0.1'), 'listening');
  origin = `https://127.0.0.1:${(https.server.address() as AddressInfo).port}`;
});
after(() => https?.drain(0));

const throws = (): never => {
  throw FAULT;
};
/** One that fails as soon as anything of it is looked at. */
const broken = new Proxy({} as RequestContext, { get: throws });
const FAULTS: readonly (readonly [string, () => RequestContext])[] = [
  ['before the check', throws],
  ['in the check', () => broken],
];

for (const [where, made] of FAULTS) {
  describe(`a fault ${where}`, () => {
    before(() => {
      context = made;
      errors.length = 0;
    });

    for (const path of ['/akprox/auth/traefik', '/akprox/auth/envoy/x', '/akprox/start', '/']) {
      it(`${path} is 500, and the connection goes on`, async () => {
        const client = await Http2Client.open(origin);
        const wire = await Wire.open(origin);
        try {
          for (const method of ['GET', 'HEAD', 'POST']) {
            errors.length = 0;
            const { answer, closed } = client.ask({ method, path, headers: {} }, method === 'POST' ? 'a=b' : '');
            assert.equal((await answer).status, 500, method);
            assert.equal(await closed, 0);
            wire.send(`${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
            assert.equal((await wire.next(method === 'HEAD'))?.status, 500, method);
            assert.deepEqual(errors, [FAULT, FAULT]);
          }
        } finally {
          client.close();
          wire.close();
        }
      });
    }
  });
}

describe('connections of HTTP/1.1 that wait for their next request', () => {
  it('are so many and no more: the one that has waited for longest ends', async () => {
    context = throws;
    const wires: Wire[] = [];
    const ask = async (wire: Wire): Promise<number | undefined> => {
      wire.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      return (await wire.next())?.status;
    };
    try {
      for (let i = 0; i < 3; i += 1) {
        const wire = await Wire.open(origin);
        wires.push(wire);
        if (i < 2) assert.equal(await ask(wire), 500);
      }
      const [first, second, third] = wires;
      assert.ok(first && second && third);
      // Since then the second has waited for longest.
      assert.equal(await ask(first), 500);
      assert.equal(await ask(third), 500);
      assert.equal(await second.next(), null);
      assert.equal(await ask(first), 500);
      assert.equal(await ask(third), 500);
    } finally {
      for (const wire of wires) wire.close();
    }
  });
});

describe('a drain', () => {
  it('resolves when the last connection has closed', async () => {
    const client = await Http2Client.open(origin);
    const goaway = once(client.session, 'goaway');
    const closed = once(client.session, 'close');
    const drained = https.drain(0);
    await goaway;
    await Promise.all([closed, drained]);
    assert.equal(https.server.listening, false);
  });
});
