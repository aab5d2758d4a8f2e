import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Application } from '../../src/application/application.js';
import { ATTEMPT_LIFETIME, type Attempt, findAttempt, saveAttempt } from '../../src/http/attempt.js';
import { Snapshot } from '../../src/http/exchange.js';
import { makeApplication } from '../kit/application.js';

const NOW = 1_700_000_000_000;
const attempt = (state: string, startedAt = NOW): Attempt => ({
  state,
  nonce: 'n',
  codeVerifier: 'v',
  target: 'https://whoami.company.tld/',
  startedAt,
});

function withCookies(...cookies: string[]): Snapshot {
  return Snapshot.of(
    {
      get: () => '',
      getHeader: () => '',
      forEach: (visit) => cookies.length > 0 && visit('cookie', cookies.join('; ')),
      getMethod: () => 'get',
      getUrl: () => '/',
      getQuery: () => '',
    },
    '127.0.0.1',
  );
}

const pair = (setCookie: string | undefined): string => (setCookie ?? '').split(';')[0] ?? '';
const save = (application: Application, one: Attempt): string =>
  pair(saveAttempt(application, one, withCookies(), one.startedAt)[0]);

describe('a login attempt', () => {
  const application = makeApplication();

  it('is found by its state, in the browser that began it, for ten minutes', () => {
    const browser = withCookies(save(application, attempt('s1')));
    assert.deepEqual(findAttempt(application, 's1', browser, NOW + ATTEMPT_LIFETIME - 1), attempt('s1'));
    assert.equal(findAttempt(application, 's1', browser, NOW + ATTEMPT_LIFETIME), 'expired');
    assert.equal(findAttempt(application, 's2', browser, NOW), null);
    assert.equal(findAttempt(application, 's1', withCookies(), NOW), null);
  });

  it('does not count at another provider', () => {
    const browser = withCookies(save(application, attempt('s1')));
    assert.equal(findAttempt(makeApplication({ name: 'other' }), 's1', browser, NOW), null);
  });

  it('says nothing about itself in its cookie', () => {
    assert.doesNotMatch(
      Buffer.from(save(application, attempt('s1')).split('=')[1] ?? '', 'base64url').toString('latin1'),
      /company|state/,
    );
  });

  it('pushes out expired and unreadable ones, and the oldest of more than five', () => {
    const cookies = [1, 2, 3, 4, 5].map((n) => save(application, attempt(`s${n}`, NOW + n)));
    const expired = save(application, attempt('old', NOW - ATTEMPT_LIFETIME));
    const junk = `${application.attemptCookiePrefix}junk=xyz`;
    const [added, ...removed] = saveAttempt(
      application,
      attempt('s6', NOW + 6),
      withCookies(...cookies, expired, junk),
      NOW + 6,
    );
    assert.match(added ?? '', /Max-Age=600; HttpOnly; Secure; SameSite=Lax$/);
    const names = (list: readonly string[]): string[] => list.map((text) => text.split('=')[0] ?? '').sort();
    assert.deepEqual(names(removed), names([cookies[0] ?? '', expired, junk]));
    for (const text of removed) assert.match(text, /Max-Age=0/);
  });
});
