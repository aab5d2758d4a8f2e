// Which steps and checks leave a line in the audit, and what it says.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readClaims } from '../../src/application/claims.js';
import { callback } from '../../src/http/callback.js';
import type { CheckContext } from '../../src/http/check.js';
import { frontchannelLogout } from '../../src/http/frontchannel-logout.js';
import { signOut } from '../../src/http/sign-out.js';
import { start } from '../../src/http/start.js';
import { runStep, type Step } from '../../src/http/steps.js';
import { AkproxError } from '../../src/infra/errors.js';
import { type AuditEvent, personOf } from '../../src/session/audit.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, createLogins, stepRequest, traefikRequest } from '../kit/checks.js';
import { testClient } from '../oidc/setup.js';

const ISSUER = 'https://idp.company.tld';
const APP = 'https://whoami.company.tld';
const application = makeApplication({ access: { groups: ['staff'] } });
const ALICE = personOf(application, { sub: 'alice', preferredUsername: 'alice' });
const FROM: [string, string][] = [
  ['x-forwarded-for', '203.0.113.9'],
  ['x-request-id', 'id\u00e9 1'],
];

function open(headerAuth?: CheckContext['headerAuth']) {
  const events: Record<string, unknown>[] = [];
  const audit = {
    write: ({ by, ...event }: AuditEvent) => {
      events.push({ ...event, ...(by && { from: by() }) });
    },
  };
  const checks = createChecks([application], { audit, ...(headerAuth && { headerAuth }) }, { audit });
  const client = testClient(ISSUER, {
    fetch: async () => {
      throw new Error('nobody there');
    },
  });
  const context = { ...createLogins(checks, client).context, audit };
  const run = (step: Step, path: string, cookies: string[] = []) =>
    runStep(step, context, stepRequest(APP + path, cookies, FROM), application);
  const check = (headers: [string, string][]) => checks.decide(traefikRequest(`${APP}/`, [...FROM, ...headers]));
  return { events, checks, run, check };
}

const from = { client: '203.0.113.9', requestId: 'id??1' };

describe('the audit of a check', () => {
  it('has somebody who may not pass, from the store and from the cache, and nobody else', async () => {
    const { events, checks, check } = open();
    const cookie: [string, string] = ['cookie', `${application.cookieName}=${await checks.signIn(application)}`];
    const elsewhere = checks.decide(traefikRequest(`${APP}/`, [...FROM, cookie]), undefined, checks.elsewhere);
    assert.equal((await elsewhere).kind, 'forbidden');
    assert.equal((await check([cookie])).kind, 'forbidden');
    await check([]);
    const [key] = [...checks.store.entries.keys()];
    const denied = { audit: 'access_denied', reason: 'forbidden', provider: 'whoami', host: 'whoami.company.tld' };
    const line = { ...denied, ...ALICE, session: key, from };
    assert.deepEqual(events, [line, line]);
  });

  it('has credentials that are refused, and somebody whom they name and who may not pass', async () => {
    const bearer: [string, string] = ['authorization', 'Bearer secret'];
    const refused = open(async () => ({ kind: 'refused', reason: 'wrong_password' }));
    await refused.check([bearer]);
    const barred = open(async () => ({ kind: 'forbidden', user: 'x', sub: 'alice', preferredUsername: 'alice' }));
    await barred.check([bearer]);
    assert.deepEqual(
      [...refused.events, ...barred.events].map((event) => [event['audit'], event['reason'], event['scheme'] ?? '']),
      [
        ['credentials_refused', 'wrong_password', 'bearer'],
        ['access_denied', 'forbidden', ''],
      ],
    );
    assert.equal(barred.events[0]?.['subject'], ALICE.subject);
    assert.doesNotMatch(JSON.stringify([refused.events, barred.events]), /secret/);
  });
});

describe('the audit of steps', () => {
  it('has a login that fails, wherever it does', async () => {
    const { events, run } = open();
    await run(start, '/akprox/start');
    await run(callback, '/akprox/callback');
    await run(callback, '/akprox/callback?code=c&state=unknown');
    await run(callback, '/akprox/callback?error=access_denied');
    assert.deepEqual(
      events.map(({ audit, result, reason }) => [audit, result, reason]),
      [
        ['login', 'failed', 'idp_unreachable'],
        ['login', 'failed', 'request_invalid'],
        ['login', 'failed', 'login_unknown'],
        ['login', 'denied', 'login_denied'],
      ],
    );
  });

  it('has a sign-out, and what ends with it', async () => {
    const { events, checks, run } = open();
    const cookies = [await checks.signIn(application), await checks.signIn(application)];
    const [one, other] = [...checks.store.entries.keys()];
    await run(signOut, '/akprox/sign_out', [`${application.cookieName}=${cookies[0]}`]);
    await run(signOut, '/akprox/sign_out', [`${application.cookieName}=${cookies[0]}`]);
    await run(signOut, '/akprox/sign_out');
    const about = { provider: 'whoami', ...ALICE, from };
    assert.deepEqual(events, [
      { ...about, audit: 'sign_out', result: 'deleted', session: one },
      { ...about, audit: 'session_ended', reason: 'sign_out', session: other },
    ]);
  });

  it('has a sign-out that the store could not complete', async () => {
    const { events, checks, run } = open();
    const cookie = await checks.signIn(application);
    checks.store.readOnly = true;
    await run(signOut, '/akprox/sign_out', [`${application.cookieName}=${cookie}`]);
    assert.deepEqual(
      events.map(({ audit, result, subject }) => [audit, result, subject]),
      [['sign_out', 'refused_from_now_on', ALICE.subject]],
    );
  });

  it('has whose sessions a front-channel logout ended, although it names none', async () => {
    const { events, checks, run } = open();
    await checks.signIn(application, { sid: 's1' });
    const query = (sid: string) => `/akprox/frontchannel_logout?iss=${encodeURIComponent(ISSUER)}&sid=${sid}`;
    await run(frontchannelLogout, query('nobodys'));
    await run(frontchannelLogout, query('s1'));
    assert.deepEqual(
      events.map(({ audit, reason, subject }) => [audit, reason, subject]),
      [['session_ended', 'frontchannel', ALICE.subject]],
    );
  });

  it('has a session whose place another one took', async () => {
    const { events, checks } = open();
    const old = await checks.signIn(application);
    await checks.sessions.replaced(old, application);
    await checks.sessions.replaced(old, application);
    assert.deepEqual(
      events.map(({ audit, reason, subject }) => [audit, reason, subject]),
      [['session_ended', 'replaced', ALICE.subject]],
    );
  });

  it('says so when the store fails while it ends them', async () => {
    const { events, checks } = open();
    await checks.signIn(application);
    checks.store.readOnly = true;
    await assert.rejects(checks.sessions.endSubject(application, 'alice', 'backchannel'), AkproxError);
    assert.deepEqual(
      events.map(({ audit, sessions, incomplete }) => [audit, sessions, incomplete]),
      [['session_ended', 1, true]],
    );
  });
});

describe('a session that begins', () => {
  it('is known by what a check will say of it', async () => {
    const { checks } = open();
    const begin = async (groups: string[]) => {
      const session = { provider: application.id, createdAt: 0, renewedAt: 0, expiresAt: checks.clock.time + 60_000 };
      const rest = { idToken: '', jwt: '', refreshToken: null, loginState: '', loginTarget: '' };
      const claims = readClaims({ sub: 'alice', groups });
      return (await checks.sessions.begin(application, { ...session, ...rest, claims })).kind;
    };
    assert.deepEqual([await begin(['staff']), await begin([])], ['allow', 'forbidden']);
  });
});
