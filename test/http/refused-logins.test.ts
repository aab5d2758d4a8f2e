// The identity provider sends the browser back with an error: a page that says so, with and without a login that it is about, and
// never a login that begins by itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SignJWT } from 'jose';
import { pino } from 'pino';
import { callback } from '../../src/http/callback.js';
import { start } from '../../src/http/start.js';
import { runStep } from '../../src/http/steps.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, createLogins, headerOf, stepRequest } from '../kit/checks.js';
import { goodClaims, type TestClientOptions, testClient } from '../oidc/setup.js';

const ISSUER = 'https://idp.company.tld';
const APP = 'https://whoami.company.tld';

function setup(level: string, oidc: TestClientOptions['oidc'] = {}, answers: Record<string, () => Response> = {}) {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level, serializers: { err: String } }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const application = makeApplication();
  const checks = createChecks([application]);
  checks.clock.time = Date.now();
  const client = testClient(ISSUER, {
    oidc,
    fetch: async (input) =>
      answers[new URL(String(input)).pathname]?.() ??
      Response.json({
        issuer: ISSUER,
        authorization_endpoint: `${ISSUER}/authorize`,
        token_endpoint: `${ISSUER}/token`,
        pushed_authorization_request_endpoint: `${ISSUER}/par`,
        jwks_uri: `${ISSUER}/jwks`,
      }),
  });
  const { context } = createLogins(checks, client, log);
  const callBack = (query: string, cookies: readonly string[] = []) =>
    runStep(callback, context, stepRequest(`${APP}/akprox/callback?${query}`, cookies), application);
  const begin = () => runStep(start, context, stepRequest(`${APP}/akprox/start?rd=/deep`), application);
  return { lines, callBack, begin };
}

for (const [query, status, code] of [
  ['error=access_denied', 403, 'login_denied'],
  ['error=invalid_request&error_description=Missing+parameter%3A+code_challenge', 400, 'login_refused'],
  ['error=made_up', 400, 'login_refused'],
  ['error=server_error&state=', 400, 'login_refused'],
] as const) {
  test(`without a state, ${query}: a page of ${status} that waits for the person`, async () => {
    const { callBack, lines } = setup('info');
    const reply = await callBack(query);
    assert.equal(reply.status, status);
    assert.match(reply.body, new RegExp(`<dd>${code}</dd>`));
    assert.match(reply.body, /<a href="https:\/\/whoami\.company\.tld\/akprox\/start">/);
    assert.deepEqual([...headerOf(reply, 'Location'), ...headerOf(reply, 'Refresh')], []);
    assert.doesNotMatch(reply.body, /http-equiv|code_challenge/i);
    assert.match(String(lines[0]?.['err']), /the identity provider answered \w+ and named no login/);
    assert.doesNotMatch(JSON.stringify(lines), /code_challenge|made_up/);
  });
}

test('with the state of a login, what is demanded is named in the log', async () => {
  const { callBack, begin, lines } = setup('info');
  const begun = await begin();
  const state = new URL(headerOf(begun, 'Location')[0] ?? '').searchParams.get('state');
  const cookies = headerOf(begun, 'Set-Cookie').map((cookie) => cookie.split(';')[0] ?? '');
  const said = encodeURIComponent('Pushed Authorization Request is only allowed.');
  const reply = await callBack(`error=invalid_request&error_description=${said}&state=${state}`, cookies);
  assert.equal(reply.status, 502);
  assert.match(
    JSON.stringify(lines),
    /invalid_request \(it demands a pushed authorization request \(PAR\): set oidc\.par/,
  );
  assert.doesNotMatch(JSON.stringify(lines) + reply.body, /only allowed/);
});

test('what the identity provider says is in the log at debug level, in one printable line', async () => {
  const { callBack, lines } = setup('debug');
  await callBack(
    `error=invalid_scope&error_description=${encodeURIComponent(`no scope\nof \u001b[1mthat ${'x'.repeat(999)}`)}`,
  );
  const said = String(lines.find(({ description }) => description !== undefined)?.['description']);
  assert.match(said, /^no scope of {1,2}\[1mthat x+$/);
  assert.ok(said.length <= 200);
});

test('a pushed request that cannot be made: a page of 502 that waits for the person, and no attempt', async () => {
  const { begin, lines } = setup('info', { par: true }, { '/par': () => new Response('', { status: 503 }) });
  const reply = await begin();
  assert.equal(reply.status, 502);
  assert.match(reply.body, /<dd>idp_failed</);
  assert.deepEqual([...headerOf(reply, 'Set-Cookie'), ...headerOf(reply, 'Location')], []);
  assert.match(JSON.stringify(lines), /pushed authorization request endpoint answered 503/);
});

test('one that is made: the browser gets the reference, and the attempt is in its cookie', async () => {
  const answer = () => Response.json({ request_uri: 'urn:made-up', expires_in: 60 }, { status: 201 });
  const { begin } = setup('info', { par: true }, { '/par': answer });
  const reply = await begin();
  assert.deepEqual(headerOf(reply, 'Location'), [`${ISSUER}/authorize?request_uri=urn%3Amade-up&client_id=app`]);
  assert.equal(headerOf(reply, 'Set-Cookie').length, 1);
});

test('a login that is not what acr_values asks for: a page of 403 that names the setting, and so does the log', async () => {
  const secret = 'client-secret-of-more-than-thirty-two-bytes';
  const hmac = { client_secret: secret, id_token_signed_response_alg: 'HS256' } as const;
  let idToken = '';
  const { begin, callBack, lines } = setup(
    'info',
    { ...hmac, authorization_params: { acr_values: 'gold' } },
    { '/token': () => Response.json({ access_token: 'a', token_type: 'Bearer', id_token: idToken }) },
  );
  const begun = await begin();
  const params = new URL(headerOf(begun, 'Location')[0] ?? '').searchParams;
  const claims = { ...goodClaims(ISSUER), nonce: params.get('nonce'), acr: 'bronze' };
  idToken = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret));
  const cookies = headerOf(begun, 'Set-Cookie').map((cookie) => cookie.split(';')[0] ?? '');
  const reply = await callBack(`code=c&state=${params.get('state')}`, cookies);
  assert.equal(reply.status, 403);
  assert.match(reply.body, /acr_values or max_age in oidc\.authorization_params/);
  assert.match(JSON.stringify(lines), /another acr than was asked for \(acr_values in oidc\.authorization_params\)/);
});
