// Summaries of sessions: what a login and a renewal write, what opens them, and what does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createApplication } from '../../src/application/application.js';
import { readClaims } from '../../src/application/claims.js';
import type { RenewalAnswer } from '../../src/session/renewal.js';
import type { Session } from '../../src/session/session.js';
import { openSummary, sealSummary, summariesOf } from '../../src/session/summary.js';
import { configOf } from '../kit/application.js';
import { testProvider } from '../kit/daemon.js';
import { MemoryStore } from '../kit/memory-store.js';
import { makeSessions } from '../kit/sessions.js';

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const ISSUER = 'https://idp.company.tld';

const { providers } = configOf({
  providers: [
    testProvider(ISSUER),
    testProvider(ISSUER, { name: 'wiki', external_host: 'http://wiki.localhost:8080' }),
  ],
});
const [application, wiki] = providers.map((provider) => createApplication(provider));
assert.ok(application && wiki);

const SESSION: Session = {
  provider: application.id,
  claims: readClaims({ sub: 'alice' }),
  createdAt: NOW,
  renewedAt: NOW,
  expiresAt: NOW + HOUR,
  endsAt: NOW + 10 * HOUR,
  idToken: '',
  jwt: '',
  refreshToken: 'first',
  loginState: '',
  loginTarget: '',
  device: { browser: 'Firefox, Linux', client: '203.0.113.7' },
};

test('a summary opens for its own session at its own application, and says nothing to whoever has the store', () => {
  const sealed = sealSummary(application, 'key', SESSION);
  assert.deepEqual(openSummary(application, 'key', sealed), {
    createdAt: NOW,
    renewedAt: NOW,
    device: SESSION.device,
  });
  assert.equal(openSummary(application, 'another key', sealed), null);
  assert.equal(openSummary(wiki, 'key', sealed), null);
  assert.equal(openSummary(application, 'key', sealed.subarray(0, -1)), null);
  for (const word of ['Firefox', '203.0.113.7', String(NOW)]) assert.ok(!sealed.includes(word));
});

test('login and renewal write it; who is listed are live sessions of one person, the newest first', async () => {
  let time = NOW;
  const store = new MemoryStore(() => time);
  const answer: RenewalAnswer = {
    kind: 'renewed',
    claims: SESSION.claims,
    idToken: '',
    jwt: '',
    expiresAt: NOW + 3 * HOUR,
    refreshToken: 'second',
  };
  const sessions = makeSessions(store, { now: () => time, monotonic: () => time, redeem: async () => answer });
  const list = async () =>
    (await summariesOf(store, application, 'alice', 10)).map(({ expiresAt, about }) => ({ expiresAt, about }));

  const cookie = await sessions.create(application, SESSION);
  const { device: _, ...former } = SESSION;
  await sessions.create(application, { ...former, createdAt: NOW - HOUR });
  await sessions.create(application, { ...SESSION, claims: readClaims({ sub: 'bob' }) });
  const older = { expiresAt: NOW + 10 * HOUR, about: { createdAt: NOW - HOUR, renewedAt: NOW, device: null } };
  const { device } = SESSION;
  assert.deepEqual(await list(), [
    { expiresAt: NOW + 10 * HOUR, about: { createdAt: NOW, renewedAt: NOW, device } },
    older,
  ]);

  time = NOW + HOUR + 1;
  assert.equal((await sessions.readRenewed(cookie, application))?.refreshToken, 'second');
  assert.deepEqual(await list(), [
    { expiresAt: NOW + application.config.session.lifetime, about: { createdAt: NOW, renewedAt: time, device } },
    older,
  ]);
});

test('what a version wrote that kept no summary is listed without one', async () => {
  const store = new MemoryStore(() => NOW);
  await makeSessions(store, { now: () => NOW }).create(application, SESSION);
  const entries = [...store.entries.values()];
  store.listSummaries = async () => entries.map(({ key, expiresAt }) => ({ key, expiresAt, summary: null }));
  const [listed] = await summariesOf(store, application, 'alice', 10);
  assert.deepEqual(listed, { key: entries[0]?.key, expiresAt: NOW + 10 * HOUR, about: null });
});
