// The keys of the signed assertion: one for the fleet, kept sealed, replaced with an overlap, through outages and losses of the store.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { pino } from 'pino';
import { readClaims } from '../../src/application/claims.js';
import { AssertionKeys, KEY_OVERLAP, KEY_PERIOD } from '../../src/session/assertion-keys.js';
import { signAssertion } from '../../src/session/sign-assertion.js';
import { makeApplication } from '../kit/application.js';
import { MemoryStore } from '../kit/memory-store.js';

const log = pino({ level: 'silent' });
const application = makeApplication({ headers: { assertion: true } });
const claims = readClaims({ sub: 'a1', email: 'alice@example.com', preferred_username: 'alice', groups: ['staff'] });
const MINUTE = 60_000;
const START = 700 * KEY_PERIOD + 10 * KEY_OVERLAP;

let now = START;
let store: MemoryStore;

function worker(): AssertionKeys {
  return new AssertionKeys({ values: store.values, now: () => now, monotonic: () => now, log });
}
const sign = (keys: AssertionKeys, at = application) => signAssertion(keys, at, claims, now);
const kidOf = async (keys: AssertionKeys, at = application) => decodeProtectedHeader(await sign(keys, at)).kid;
const kidsOf = async (keys: AssertionKeys) => (await keys.published(application)).map(({ kid }) => kid);

async function verify(keys: AssertionKeys, assertion: string): Promise<Record<string, unknown>> {
  const { payload } = await jwtVerify(assertion, createLocalJWKSet({ keys: await keys.published(application) }), {
    algorithms: ['EdDSA'],
    issuer: 'https://whoami.company.tld/akprox',
    audience: 'https://whoami.company.tld',
    currentDate: new Date(now),
  });
  return payload;
}

describe('the keys of the signed assertion', () => {
  beforeEach(() => {
    now = START;
    store = new MemoryStore(() => now);
  });

  it('sign who is signed in, for five minutes', async () => {
    const keys = worker();
    assert.deepEqual(await verify(keys, await sign(keys)), {
      iss: 'https://whoami.company.tld/akprox',
      aud: 'https://whoami.company.tld',
      sub: 'a1',
      email: 'alice@example.com',
      preferred_username: 'alice',
      groups: ['staff'],
      iat: START / 1_000,
      exp: START / 1_000 + 300,
    });
    const [key] = await keys.published(application);
    assert.deepEqual(Object.keys(key ?? {}).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x']);
  });

  it('name the login host as the audience of a whole domain', async () => {
    const domain = makeApplication({
      mode: 'forward_domain',
      external_host: 'https://login.company.tld',
      cookie_domain: 'company.tld',
      headers: { assertion: true },
    });
    const assertion = await sign(worker(), domain);
    const { aud, iss } = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString());
    assert.deepEqual([aud, iss], ['https://login.company.tld', 'https://login.company.tld/akprox']);
  });

  it('sign nothing for an application that wants no assertion, and make no key for it', async () => {
    assert.equal(await sign(worker(), makeApplication()), '');
    assert.equal(store.shared.size, 0);
  });

  it('are the same for all workers, even when all of them need the first one at once', async () => {
    const fleet = Array.from({ length: 5 }, worker);
    const assertions = await Promise.all(fleet.map((keys) => sign(keys)));
    assert.equal(new Set(assertions.map((assertion) => decodeProtectedHeader(assertion).kid)).size, 1);
    for (const keys of fleet) for (const assertion of assertions) await verify(keys, assertion);
  });

  it('are other ones at another application and under another secret', async () => {
    const kids = [
      application,
      makeApplication({ headers: { assertion: true }, name: 'other' }),
      makeApplication({ headers: { assertion: true }, cookie_secret: 'another secret, as long as it has to be' }),
    ].map((at) => kidOf(worker(), at));
    assert.equal(new Set(await Promise.all(kids)).size, 3);
  });

  it('lie sealed in the store', async () => {
    await sign(worker());
    assert.equal(store.shared.size, 1);
    for (const { value } of store.shared.values())
      assert.doesNotMatch(Buffer.from(value, 'base64url').toString('latin1'), /OKP|Ed25519|"d"/);
  });

  it('rotate: published a day before they sign, and for a day after they have signed the last', async () => {
    const keys = worker();
    const first = await kidOf(keys);
    assert.deepEqual(await kidsOf(keys), [first]);
    const end = 701 * KEY_PERIOD;
    now = end - KEY_OVERLAP;
    const [former, next] = await kidsOf(keys);
    assert.equal(former, first);
    assert.ok(next !== undefined && next !== first);
    now = end - 1;
    const last = await sign(keys);
    assert.equal(decodeProtectedHeader(last).kid, first);
    now = end;
    assert.equal(await kidOf(keys), next);
    await verify(worker(), last);
    now = end + KEY_OVERLAP - 1;
    assert.deepEqual(await kidsOf(keys), [first, next]);
    now = end + KEY_OVERLAP;
    assert.deepEqual(await kidsOf(keys), [next]);
  });

  it('go on through an outage of the store; a worker that has none yet says that the store is away', async () => {
    const keys = worker();
    const kid = await kidOf(keys);
    store.down = true;
    now += 10 * MINUTE;
    assert.equal(await kidOf(keys), kid);
    await assert.rejects(sign(worker()), { code: 'store_unavailable' });
    store.down = false;
    now += MINUTE;
    assert.equal(await kidOf(keys), kid);
  });

  it('that are known are published, even if the store is away when the next one should be', async () => {
    const keys = worker();
    const kid = await kidOf(keys);
    now = 701 * KEY_PERIOD - KEY_OVERLAP;
    store.down = true;
    assert.deepEqual(await kidsOf(keys), [kid]);
    store.down = false;
    now += MINUTE;
    assert.equal((await kidsOf(keys)).length, 2);
  });

  it('come back into a store that has lost them', async () => {
    const keys = worker();
    const kid = await kidOf(keys);
    store.shared.clear();
    now += MINUTE;
    assert.equal(await kidOf(keys), kid);
    assert.equal(await kidOf(worker()), kid);
  });

  it('give way to the one that another worker made meanwhile, and stay published', async () => {
    const keys = worker();
    const mine = await kidOf(keys);
    store.shared.clear();
    const theirs = await kidOf(worker());
    assert.notEqual(theirs, mine);
    now += MINUTE;
    assert.equal(await kidOf(keys), theirs);
    assert.deepEqual(await kidsOf(keys), [theirs, mine]);
  });

  it('are made anew where the store has something that is none', async () => {
    await sign(worker());
    for (const entry of store.shared.values()) entry.value = 'bm8ga2V5';
    const keys = worker();
    await verify(worker(), await sign(keys));
  });
});
