import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { SignJWT } from 'jose';
import { beginLogin, endSessionUrl, finishLogin } from '../../src/oidc/flow.js';
import { verifyLogoutToken } from '../../src/oidc/logout-token.js';
import { createBrowser } from '../kit/browser.js';
import type { Idp } from '../kit/idp.js';
import { failsWith, goodClaims, REDIRECT_URI, SECRET, seconds, startTestIdp, testClient } from './setup.js';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
let idp: Idp;
before(async () => {
  idp = await startTestIdp();
});
after(() => idp.close());

const claims = (changed: Record<string, unknown> = {}) =>
  goodClaims(idp.issuer, { sid: 's', exp: seconds() + 120, jti: 'j', events: { [EVENT]: {} }, ...changed });

const verify = async (token: string) => verifyLogoutToken(testClient(idp.issuer), token, { now: Date.now });

test('good ones', async () => {
  const iat = seconds();
  const good = { ok: true, sub: 'alice', sid: 's', jti: 'j', iat };
  assert.deepEqual(await verify(await idp.sign(claims({ iat }))), good);
  for (const typ of ['logout+jwt', 'JWT', 'application/logout+jwt', 'LOGOUT+JWT']) {
    assert.deepEqual(await verify(await idp.sign(claims({ iat }), { typ })), good, typ);
  }
  assert.deepEqual(await verify(await idp.sign(claims({ iat, sub: undefined }))), { ...good, sub: '' });
  assert.deepEqual(await verify(await idp.sign(claims({ iat, sid: undefined, exp: undefined }))), { ...good, sid: '' });
  assert.equal((await verify(await idp.sign(claims({ iat: seconds() - 290 })))).ok, true);
});

const refused: [string, string, Record<string, unknown>, Record<string, unknown>?][] = [
  ['an access token by its type', 'typ', {}, { typ: 'at+jwt' }],
  ['another issuer', 'iss', { iss: 'https://evil.tld' }],
  ['another client', 'aud', { aud: 'other' }],
  ['expired', 'exp', { exp: 1 }],
  ['no iat', 'iat', { iat: undefined }],
  ['old', 'iat', { iat: 1, exp: undefined }],
  ['of the future', 'iat', { iat: 9_999_999_999 }],
  ['no jti', 'jti', { jti: undefined }],
  ['no events: an ID token', 'events', { events: undefined }],
  ['other events', 'events', { events: { other: {} } }],
  ['an event that is no object', 'events', { events: { [EVENT]: true } }],
  ['events as a list', 'events', { events: [EVENT] }],
  ['a nonce', 'nonce', { nonce: 'n' }],
  ['an empty nonce', 'nonce', { nonce: '' }],
  ['neither sub nor sid', 'subject', { sub: undefined, sid: undefined }],
  ['a sid that is no string', 'subject', { sid: 7 }],
];
for (const [name, reason, changed, header] of refused) {
  test(`refused: ${name}`, async () => {
    assert.deepEqual(await verify(await idp.sign(claims(changed), header)), { ok: false, reason });
  });
}

test('refused: another algorithm, a foreign signature', async () => {
  const hmac = await new SignJWT(claims()).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET));
  assert.deepEqual(await verify(hmac), { ok: false, reason: 'alg' });
  const token = await idp.sign(claims());
  const changed = [
    token.split('.')[0],
    (await idp.sign(claims({ sub: 'bob' }))).split('.')[1],
    token.split('.')[2],
  ].join('.');
  assert.deepEqual(await verify(changed), { ok: false, reason: 'signature' });
});

test("a provider that is down is not the token's fault", async () => {
  const client = testClient(idp.issuer, { fetch: () => Promise.reject(new TypeError('fetch failed')) });
  const token = await idp.sign(claims());
  await assert.rejects(verifyLogoutToken(client, token, { now: Date.now }), failsWith('idp_unreachable', /./));
});

test('the one that a real provider sends', async (t) => {
  const bodies: string[] = [];
  const receiver = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    bodies.push(body);
    res.end();
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const uri = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/backchannel_logout`;
  const bye = 'http://app.localhost/';
  const app = {
    client_id: 'app',
    client_secret: SECRET,
    redirect_uris: [REDIRECT_URI],
    post_logout_redirect_uris: [bye],
  };
  const real = await startTestIdp({
    clients: [{ ...app, backchannel_logout_uri: uri, backchannel_logout_session_required: true }],
  });
  t.after(async () => {
    receiver.close();
    await real.close();
  });

  const client = testClient(real.issuer);
  const browser = createBrowser();
  const login = await beginLogin(client, randomBytes);
  const back = await browser.logIn(login.url, 'alice', (url) => url.startsWith(REDIRECT_URI));
  const params = new URL(back.location ?? '').searchParams;
  const { idToken, claims: who } = await finishLogin(
    client,
    { code: params.get('code') ?? '', iss: params.get('iss') ?? '' },
    login,
  );
  const url = (await endSessionUrl(client, { idToken, postLogoutRedirectUri: bye, state: 's' })) ?? '';
  const end = await browser.follow(await browser.get(url), (to) => to.startsWith(bye));
  assert.equal(end.location, `${bye}?state=s`);

  const token = new URLSearchParams(bodies[0]).get('logout_token') ?? '';
  const result = await verifyLogoutToken(client, token, { now: Date.now });
  assert.ok(result.ok);
  assert.deepEqual([result.sub, result.sid], ['alice', who.sid]);
});
