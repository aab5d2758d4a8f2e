// What a browser is told of our cookies, and that what removes one is told alike: by other attributes it would keep it.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { saveAttempt } from '../../src/http/attempt.js';
import { sessionCookie } from '../../src/http/cookies.js';
import { Snapshot } from '../../src/http/exchange.js';
import { makeApplication } from '../kit/application.js';

const LAX = 'HttpOnly; Secure; SameSite=Lax';
for (const [what, overrides, path, attributes] of [
  ['by default', {}, 'Path=/', LAX],
  ['without https', { external_host: 'http://whoami.company.tld' }, 'Path=/', 'HttpOnly; SameSite=Lax'],
  [
    'of a domain',
    { mode: 'forward_domain', external_host: 'https://login.company.tld', cookie_domain: 'company.tld' },
    'Path=/; Domain=company.tld',
    LAX,
  ],
  ['in frames', { cookie: { same_site: 'none', partitioned: false } }, 'Path=/', 'HttpOnly; Secure; SameSite=None'],
  [
    'in frames of one site',
    { cookie: { same_site: 'none', partitioned: true } },
    'Path=/',
    'HttpOnly; Secure; SameSite=None; Partitioned',
  ],
] as const) {
  it(`${what}: ${attributes}`, () => {
    const application = makeApplication(overrides);
    const name = application.cookieName;
    assert.equal(sessionCookie(application, 'value', 60), `${name}=value; ${path}; Max-Age=60; ${attributes}`);
    assert.equal(sessionCookie(application, '', 60), `${name}=; ${path}; Max-Age=0; ${attributes}`);
    const attempt = { state: 's', nonce: 'n', codeVerifier: 'v', target: 'https://whoami.company.tld/', startedAt: 0 };
    const unreadable = `${application.attemptCookiePrefix}old=x`;
    const request = {
      get: () => '',
      getHeader: () => '',
      forEach: (visit: (name: string, value: string) => unknown) => visit('cookie', unreadable),
      getMethod: () => 'get',
      getUrl: () => '/',
      getQuery: () => '',
    };
    const cookies = saveAttempt(application, attempt, Snapshot.of(request, '127.0.0.1'), 0);
    assert.equal(cookies.length, 2);
    for (const cookie of cookies) assert.ok(cookie.endsWith(`; ${attributes}`), cookie);
  });
}
