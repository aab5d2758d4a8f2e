// In-band, as a table: dialect × step × what the step answers. Nothing that a step answers lets a request pass: its 2xx would.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CHECK_RESULTS } from '../../src/application/application.js';
import type { InBandStep } from '../../src/application/own-paths.js';
import { DIALECTS, type Dialect } from '../../src/http/dialects.js';
import { json, type Reply, redirect, type Snapshot } from '../../src/http/exchange.js';
import { makeApplication } from '../kit/application.js';
import { createChecks } from '../kit/checks.js';
import { answerTo, type Browser, proxyAsks } from '../kit/proxy-asks.js';

const APP = 'https://whoami.company.tld';
const application = makeApplication({ skip_path_regex: ['^/akprox/', '^/public/'] });
const relaying = Object.values(DIALECTS).filter(({ name }) => name !== 'nginx');

interface Ran {
  readonly step: InBandStep;
  readonly request: Snapshot;
}

/** `reply`: what every step answers. */
async function ask(dialect: Dialect, url: string, reply: Reply, browser: Browser = {}, signedIn = false) {
  application.checks.fill(0);
  const ran: Ran[] = [];
  const checks = createChecks([application], {
    inBand: async (step, request) => {
      ran.push({ step, request });
      return reply;
    },
  });
  const cookie = `${application.cookieName}=${await checks.signIn(application)}`;
  const headers: Browser['headers'] = [...(browser.headers ?? []), ...(signedIn ? [['cookie', cookie] as const] : [])];
  const decision = await checks.decide(proxyAsks(dialect, url, { ...browser, headers }), dialect);
  return { ran, decision, answer: answerTo(decision, dialect) };
}

const STEPS: Readonly<Record<string, InBandStep>> = {
  '/akprox/start': 'start',
  '/akprox/start?rd=%2Fx': 'start',
  '/akprox/callback?code=c&state=s': 'callback',
  '/akprox/sign_out': 'sign_out',
  '/akprox/signed_out': 'signed_out',
  '/akprox/signed_out?state=x': 'signed_out',
  '/outpost.goauthentik.io/start': 'start',
  '/outpost.goauthentik.io/callback?code=c': 'callback',
  '/outpost.goauthentik.io/sign_out?rd=%2F': 'sign_out',
  '/?X-authentik-auth-callback=true&code=c': 'callback',
  '/any/page?a=b&X-authentik-auth-callback=TRUE': 'callback',
  '/public/?X-authentik-logout=true': 'sign_out',
};

const LOOK_ALIKES = [
  '/akprox/starts',
  '/akprox/start/',
  '/akprox/START',
  '/x/akprox/start',
  '/outpost_goauthentik.io/start',
  '/akprox/userinfo',
  '/akprox/signed_out/',
  '/akprox/frontchannel_logout?iss=x&sid=y',
  '/akprox/backchannel_logout',
  '/akprox/jwks.json',
  '/page?X-authentik-logout=false',
  '/page?x-authentik-logout=true',
  '/X-authentik-logout=true',
];

const STATUSES = [200, 201, 204, 226, 299, 302, 303, 400, 401, 403, 413, 500, 503];

for (const dialect of relaying) {
  describe(dialect.name, () => {
    for (const [target, step] of Object.entries(STEPS)) {
      it(`${target} runs ${step}, whoever asks`, async () => {
        for (const signedIn of [false, true]) {
          const { ran, decision, answer } = await ask(
            dialect,
            APP + target,
            redirect('https://idp.company.tld/', ['a=b']),
            { method: 'POST' },
            signedIn,
          );
          const [path, query = ''] = target.split('?');
          assert.deepEqual(
            ran.map(({ step: name, request: { method, path: p, query: q } }) => [name, method, p, q]),
            [[step, 'POST', path, query]],
          );
          assert.equal(decision.kind, 'in_band');
          assert.equal(answer.status, 302);
          assert.deepEqual(answer.headers, redirect('https://idp.company.tld/', ['a=b']).headers);
          assert.equal(application.checks[CHECK_RESULTS.indexOf('in_band')], 1);
        }
      });
    }

    for (const status of STATUSES) {
      it(`a step that answers ${status} lets nobody pass`, async () => {
        const reply = json(status, { status });
        for (const signedIn of [false, true]) {
          const { answer } = await ask(dialect, `${APP}/akprox/sign_out`, reply, {}, signedIn);
          assert.deepEqual(answer, { ...reply, status: status < 300 ? 401 : status });
        }
      });
    }

    it('what only looks like a step of ours runs none', async () => {
      for (const target of LOOK_ALIKES) {
        const { ran, decision } = await ask(dialect, APP + target, json(200, {}));
        assert.deepEqual(ran, [], target);
        assert.equal(decision.kind, target.startsWith('/akprox/') ? 'allow' : 'challenge', target);
        const signedIn = await ask(dialect, APP + target, json(200, {}), {}, true);
        assert.deepEqual(signedIn.ran, [], target);
        assert.equal(signedIn.decision.kind, 'allow', target);
      }
    });

    it('headers that came twice are refused before a step runs', async () => {
      const name = dialect.name === 'envoy' ? 'host' : 'x-forwarded-host';
      const browser = { headers: [[name, 'whoami.company.tld']] as const };
      const { ran, answer } = await ask(dialect, `${APP}/akprox/start`, json(200, {}), browser);
      assert.deepEqual(ran, []);
      assert.equal(answer.status, 400);
    });
  });
}

describe('nginx', () => {
  it('relays nothing, so nothing runs: a step of ours is a page like any other', async () => {
    for (const target of Object.keys(STEPS)) {
      const { ran, decision } = await ask(DIALECTS.nginx, `${APP}${target}`, json(200, {}));
      assert.deepEqual(ran, [], target);
      const isPublic = target.startsWith('/akprox/') || target.startsWith('/public/');
      assert.equal(decision.kind, isPublic ? 'allow' : 'challenge', target);
    }
  });
});
