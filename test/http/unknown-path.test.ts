// A proxy that does not say which path was asked for: nothing is public then, whatever the allow-list says (contract §2.1).
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DIALECTS, dialectOfQuery } from '../../src/http/dialects.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, requestOf } from '../kit/checks.js';

const application = makeApplication({ skip_path_regex: ['^/$', '/'] });
const HOST = ['host', 'whoami.company.tld'] as const;

const ASKED = [
  { dialect: 'envoy', path: '/akprox/auth', query: 'envoy' },
  { dialect: 'envoy', path: '/akprox/auth', query: 'envoy&x=/' },
  { dialect: 'envoy', path: '/akprox/auth/envoy', query: undefined },
  { dialect: 'envoy', path: '/outpost.goauthentik.io/auth/envoy', query: 'x' },
  { dialect: 'nginx', path: '/akprox/auth', query: undefined },
  { dialect: 'nginx', path: '/akprox/auth/nginx', query: 'x' },
] as const;

describe('a check that does not tell the path', () => {
  for (const { dialect, path, query } of ASKED) {
    it(`${path}${query === undefined ? '' : `?${query}`} is a challenge to strangers and lets a session pass`, async () => {
      const checks = createChecks([application]);
      const asked = DIALECTS[path.endsWith('/auth') ? dialectOfQuery(query).name : dialect];
      assert.equal(asked.name, dialect);
      const line = { path, ...(query === undefined ? {} : { query }) };
      assert.equal((await checks.decide(requestOf([HOST], line), asked)).kind, 'challenge');
      const cookie = await checks.signIn(application);
      const session = requestOf([HOST, ['cookie', `${application.cookieName}=${cookie}`]], line);
      assert.equal((await checks.decide(session, asked)).kind, 'allow');
    });
  }

  it('below P/auth/envoy/ the path is told, and what is public passes', async () => {
    const checks = createChecks([application]);
    for (const path of ['/akprox/auth/envoy/', '/akprox/auth/envoy/a']) {
      assert.equal((await checks.decide(requestOf([HOST], { path }), DIALECTS.envoy)).kind, 'allow', path);
    }
  });
});
