// Where the doctor thinks that a browser sends a cookie, against tough-cookie, which is one's jar.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CookieJar } from 'tough-cookie';
import { reaches, readSetCookie } from '../../../src/commands/doctor/set-cookie.js';

function jarSends(line: string, from: URL, to: URL): boolean {
  const jar = new CookieJar();
  jar.setCookieSync(line, from.href, { ignoreError: true });
  return jar.getCookieStringSync(to.href) !== '';
}

const from = (path: string): URL => new URL(`https://auth.company.tld${path}`);

describe('the path of a cookie', () => {
  const cases: [path: string, asked: string, sent: boolean][] = [
    ['/app', '/app', true],
    ['/app', '/app/', true],
    ['/app', '/app/page', true],
    ['/app', '/application', false],
    ['/app', '/ap', false],
    ['/app', '/', false],
    ['/app/', '/app/page', true],
    ['/app/', '/app', false],
    ['/', '/anything', true],
    ['relative', '/akprox/x', true],
    ['relative', '/elsewhere', false],
    ['', '/akprox/sign_out', true],
    ['', '/akproxy', false],
  ];
  for (const [path, asked, sent] of cases) {
    it(`${path || 'none'} ${sent ? 'leads' : 'does not lead'} to ${asked}`, () => {
      const line = `a=b; Path=${path}`;
      assert.equal(reaches(readSetCookie(line), from('/akprox/start'), from(asked)), sent);
      assert.equal(jarSends(line, from('/akprox/start'), from(asked)), sent);
    });
  }

  it('counts as it does for tough-cookie', () => {
    const path = fc
      .array(fc.constantFrom('/', 'a', 'app', '/app'), { maxLength: 4 })
      .map((parts) => `/${parts.join('')}`);
    fc.assert(
      fc.property(fc.option(path, { nil: '' }), path, path, (own, page, asked) => {
        const line = `a=b; Path=${own}`;
        assert.equal(reaches(readSetCookie(line), from(page), from(asked)), jarSends(line, from(page), from(asked)));
      }),
    );
  });
});
