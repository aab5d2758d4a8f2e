// What node:http does to bytes when an answer does not go out at once, and what its callers have to see to. Found by test/fuzz/.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { headerOf, Wire } from '../kit/wire.js';
import { ACCOUNTS, APP, startWorld, type World } from '../kit/world.js';

const NAME = 'Žofie 名';
let world: World;
let cookie: string;

before(async () => {
  world = await startWorld({
    idp: { accounts: { alice: { ...ACCOUNTS.alice, name: NAME } } },
    config: { workers: 1, listen: { compat: '127.0.0.1:0' } },
  });
  const browser = world.browser();
  await browser.logIn(`${APP}/`, 'alice');
  cookie = (await browser.cookies(`${APP}/`)).find((pair) => pair.startsWith('authentik_proxy_')) ?? '';
});
after(() => world?.[Symbol.asyncDispose]());

const compat = (): string => world.daemon.compat ?? assert.fail('the compat listener is not there');
const check = (...fields: string[]): string =>
  `GET /akprox/auth/nginx HTTP/1.1\r\nHost: whoami.localhost:8080\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;

describe('the compat listener', () => {
  for (const [what, fields] of [
    ['no body', []],
    ['a body that does not come', ['Content-Length: 5']],
  ] as const) {
    it(`${what}: names above ASCII are UTF-8 once`, async () => {
      const wire = await Wire.open(compat());
      try {
        wire.send(check(`Cookie: ${cookie}`, ...fields));
        const answer = await wire.next(false);
        assert.equal(answer?.status, 200);
        const name = answer && headerOf(answer, 'x-authentik-name');
        assert.equal(Buffer.from(name ?? '', 'latin1').toString('utf8'), NAME);
      } finally {
        wire.close();
      }
    });
  }

  it('keeps an answer together that waits behind another one and behind its own 100 Continue', async () => {
    const wire = await Wire.open(compat());
    try {
      const start = 'GET /akprox/start HTTP/1.1\r\nHost: whoami.localhost:8080\r\n\r\n';
      const nothing = 'GET /akprox/nothing HTTP/1.1\r\nHost: whoami.localhost:8080\r\nExpect: 100-continue\r\n\r\n';
      wire.send(start + nothing);
      assert.equal((await wire.next(false))?.status, 302);
      assert.equal((await wire.next(false))?.status, 100);
      const answer = await wire.next(false);
      assert.equal(answer?.status, 404);
      assert.match(answer?.body ?? '', /^<!doctype html>[\s\S]*<dd>not_found<\/dd>[\s\S]*<\/html>\n$/);
    } finally {
      wire.close();
    }
  });
});
