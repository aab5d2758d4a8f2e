// OIDC Front-Channel Logout 1.0: the identity provider's page frames ours. Whoever knows no `sid` ends nothing.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { frontchannelLogout } from '../../src/http/frontchannel-logout.js';
import { runStep } from '../../src/http/steps.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, createLogins, headerOf, stepRequest } from '../kit/checks.js';
import { testClient } from '../oidc/setup.js';

const ISSUER = 'https://idp.company.tld/realms/company';
const oidc = { issuer: ISSUER, client_id: 'whoami', client_secret: 'whoami-client-secret' };
const application = makeApplication({ oidc });
const other = makeApplication({ name: 'other', external_host: 'https://other.company.tld', oidc });

async function setUp() {
  const checks = createChecks([application, other]);
  const { context } = createLogins(checks, testClient(ISSUER));
  const tickets = {
    alice: await checks.signIn(application, { sub: 'alice', sid: 'one' }),
    again: await checks.signIn(application, { sub: 'alice', sid: 'one' }),
    phone: await checks.signIn(application, { sub: 'alice', sid: 'two' }),
    bob: await checks.signIn(application, { sub: 'bob' }),
  };
  const elsewhere = await checks.signIn(other, { sub: 'alice', sid: 'one' });
  return {
    checks,
    ask: (query: string) =>
      runStep(
        frontchannelLogout,
        context,
        stepRequest(`https://whoami.company.tld/akprox/frontchannel_logout${query}`),
        application,
      ),
    signedIn: async () => {
      const found: string[] = [];
      for (const [name, ticket] of Object.entries(tickets))
        if ((await checks.sessions.load(ticket, application)).kind === 'allow') found.push(name);
      if ((await checks.sessions.load(elsewhere, other)).kind === 'allow') found.push('elsewhere');
      return found;
    },
  };
}

const EVERYBODY = ['alice', 'again', 'phone', 'bob', 'elsewhere'];
const query = (iss: string, sid: string): string => `?${new URLSearchParams({ iss, sid })}`;

describe('P/frontchannel_logout', () => {
  it('ends the sessions with that sid, and no other', async () => {
    const world = await setUp();
    const reply = await world.ask(query(ISSUER, 'one'));
    assert.equal(reply.status, 200);
    assert.equal(reply.body, '');
    assert.deepEqual(headerOf(reply, 'Cache-Control'), ['no-store']);
    assert.match(headerOf(reply, 'Content-Security-Policy').join(), /frame-ancestors https:\/\/idp\.company\.tld$/);
    assert.deepEqual(headerOf(reply, 'Set-Cookie'), []);
    assert.deepEqual(await world.signedIn(), ['phone', 'bob', 'elsewhere']);
    assert.equal(world.checks.sessions.revocations.get('frontchannel'), 2);
  });

  for (const [name, asked] of [
    ['nothing', ''],
    ['no sid', `?iss=${encodeURIComponent(ISSUER)}`],
    ['an empty sid', query(ISSUER, '')],
    ['two', `${query(ISSUER, 'one')}&sid=two`],
    ['two issuers', `${query(ISSUER, 'one')}&iss=x`],
    ['no issuer', '?sid=one'],
    ['another issuer', query('https://idp.company.tld', 'one')],
    ['the issuer with a slash more', query(`${ISSUER}/`, 'one')],
  ] as const) {
    it(`ends nothing by ${name}`, async () => {
      const world = await setUp();
      const reply = await world.ask(asked);
      assert.equal(reply.status, 400);
      assert.equal(reply.body, '');
      assert.match(headerOf(reply, 'Content-Security-Policy').join(), /frame-ancestors https:\/\/idp\.company\.tld$/);
      assert.deepEqual(await world.signedIn(), EVERYBODY);
    });
  }

  it('tells a stranger nothing, and costs the store no write', async () => {
    const world = await setUp();
    const right = await world.ask(query(ISSUER, 'two'));
    world.checks.store.readOnly = true;
    for (const sid of ['', 'ONE', 'one ', 'none', 'x'.repeat(5_000)].slice(1))
      assert.deepEqual(await world.ask(query(ISSUER, sid)), right);
    assert.deepEqual(await world.signedIn(), ['alice', 'again', 'bob', 'elsewhere']);
  });

  it('says that it could not when the store is down', async () => {
    const world = await setUp();
    world.checks.store.down = true;
    assert.equal((await world.ask(query(ISSUER, 'one'))).status, 503);
  });
});
