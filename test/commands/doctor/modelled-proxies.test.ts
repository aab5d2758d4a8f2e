// The doctor behind models of the proxies that cannot be started on every machine: broken copies of their files are named, good ones pass.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Report } from '../../../src/commands/doctor/collector.js';
import type { FindingCode } from '../../../src/commands/doctor/findings.js';
import { createBrowser } from '../../kit/browser.js';
import { type Daemon, startDaemon, testProvider } from '../../kit/daemon.js';
import { startIdp } from '../../kit/idp.js';
import { APP } from '../../kit/real-proxy.js';
import { startWhoami } from '../../kit/whoami.js';
import { ACCOUNTS, clientFor } from '../../kit/world.js';
import { type Breakage, ENVOY, TRAEFIK } from './breakages.js';
import { assertFound, diagnose } from './diagnose.js';
import { type ModelledName, readSettings, startModel } from './model-proxy.js';

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
  let daemon: Daemon;
  let application: Awaited<ReturnType<typeof startWhoami>>;
  let idp: Awaited<ReturnType<typeof startIdp>>;
  before(async () => {
    idp = await startIdp({ clients: [clientFor('whoami', APP)], accounts: ACCOUNTS });
    const provider = testProvider(idp.issuer, { external_host: APP, skip_path_regex: ['^/public/'] });
    daemon = await startDaemon({ workers: 1, providers: [provider] });
    application = await startWhoami({ port: 0 });
  });
  after(async () => {
    await application?.close();
    await daemon?.[Symbol.asyncDispose]();
    await idp?.close();
  });

  async function diagnosed(name: ModelledName, edits: Breakage['edits']): Promise<Report> {
    const places = { outpost: daemon.http, application: `http://127.0.0.1:${application.port}` };
    const model = await startModel(name, readSettings(name, edits), places);
    const connect = (url: URL) =>
      url.hostname.endsWith('.company.tld') ? { host: '127.0.0.1', port: model.port } : undefined;
    try {
      return await diagnose({ port: model.port, daemon, browser: () => createBrowser({ connect }) });
    } finally {
      await model.close();
    }
  }

  for (const name of ['traefik', 'envoy', 'ingress-nginx'] as const) {
    // ingress-nginx redirects scripts too: that is how auth-signin works, and the doctor says so.
    const usual: FindingCode[] = name === 'ingress-nginx' ? ['xhr_redirected'] : [];
    it(`${name}: finds nothing in the good configuration`, async () => {
      const { findings } = await diagnosed(name, []);
      assert.deepEqual([...new Set(findings.map(({ code }) => code))], usual);
    });
    for (const breakage of BREAKAGES[name]) {
      it(`${name}, ${breakage.what}: ${breakage.code}`, async () =>
        assertFound(await diagnosed(name, breakage.edits), breakage, usual));
    }
  }
});
