// The doctor behind models of the proxies that cannot be started on every machine: broken copies of their files are named, good ones pass.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { FindingCode } from '../../../src/commands/doctor/findings.js';
import { type Breakage, ENVOY, TRAEFIK } from './breakages.js';
import { assertFound } from './diagnose.js';
import { type ModelClinic, startModelClinic } from './model-clinic.js';
import type { ModelledName } from './model-proxy.js';

const BREAKAGES: Record<ModelledName, readonly Breakage[]> = {
  traefik: TRAEFIK.filter(({ only }) => only !== 'real'),
  envoy: ENVOY.filter(({ only }) => only !== 'real'),
  'ingress-nginx': [
    {
      what: 'no auth-url',
      edits: [['nginx.ingress.kubernetes.io/auth-url', 'nginx.ingress.kubernetes.io/no-auth-url']],
      code: 'not_protected',
      alongside: ['identity_header_survives', 'identity_missing'],
    },
    {
      what: 'a wrong path of the check',
      edits: [['/akprox/auth/nginx', '/akprox/auth/nothing']],
      code: 'check_failed',
    },
    {
      what: 'no auth-signin',
      edits: [['nginx.ingress.kubernetes.io/auth-signin', 'nginx.ingress.kubernetes.io/no-auth-signin']],
      code: 'denied_without_login',
    },
    {
      what: 'auth-signin is the portal',
      edits: [['https://whoami.company.tld/akprox/start', 'https://portal.company.tld/']],
      code: 'redirected_elsewhere',
    },
    {
      what: 'the check is routed',
      edits: [['/auth) { return 404; }', '/nothing) { return 404; }']],
      code: 'check_open',
    },
    { what: 'no Ingress for /akprox/', edits: [['path: /akprox/', 'path: /nothing/']], code: 'login_loop' },
    {
      what: 'a name missing in auth-response-headers',
      edits: [['X-Auth-Username,', '']],
      code: 'identity_header_survives',
      alongside: ['identity_missing'],
    },
  ],
};

describe('doctor behind models', () => {
  let clinic: ModelClinic;
  before(async () => {
    clinic = await startModelClinic();
  });
  after(() => clinic?.[Symbol.asyncDispose]());

  for (const name of ['traefik', 'envoy', 'ingress-nginx'] as const) {
    // ingress-nginx redirects scripts too: that is how auth-signin works, and the doctor says so.
    const usual: FindingCode[] = name === 'ingress-nginx' ? ['xhr_redirected'] : [];
    it(`${name}: finds nothing in the good configuration`, async () => {
      const { findings } = await clinic.diagnosed(name, []);
      assert.deepEqual([...new Set(findings.map(({ code }) => code))], usual);
    });
    for (const breakage of BREAKAGES[name]) {
      it(`${name}, ${breakage.what}: ${breakage.code}`, async () =>
        assertFound(await clinic.diagnosed(name, breakage.edits), breakage, usual));
    }
  }
});
