// Whoever can set a cookie for a parent domain can put cookies under our name in front of ours. They lock nobody out, let nobody
// in and cost a bounded number of MACs, whatever they are: rubbish, forged, or sessions that the attacker had himself.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { findCookie, findTickets } from '../../src/http/cookies.js';
import { issueTicket, TICKET_LENGTH } from '../../src/session/ticket.js';
import { makeApplication } from '../kit/application.js';
import { type Checks, createChecks, traefikRequest } from '../kit/checks.js';

const application = makeApplication({ access: { groups: ['staff'] } });
const URL_ = 'https://whoami.company.tld/';
const name = application.cookieName;
const STAFF = { groups: ['staff'] };

type Plant = (checks: Checks, count: number) => Promise<string[]>;
const times = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

/** Distinct values of a ticket's length. */
const PLANTS: Record<string, Plant> = {
  'rubbish of the right length': async (_, count) => times(count, (i) => String(i).padStart(TICKET_LENGTH, 'x')),
  'forged MACs': async (_, count) => times(count, () => `${randomBytes(32).toString('base64url')}.${'A'.repeat(43)}`),
  'ended sessions of the attacker': async (_, count) => times(count, () => issueTicket(application).cookie),
  'live sessions of somebody who may not pass': async (checks, count) =>
    Promise.all(times(count, (i) => checks.signIn(application, { sub: `mallory${i}`, groups: ['guests'] }))),
};

const LAYOUTS: Record<string, (cookies: readonly string[]) => [string, string][]> = {
  'one line': (cookies) => [['cookie', cookies.join('; ')]],
  'a line each': (cookies) => cookies.map((cookie) => ['cookie', cookie]),
  'lines joined with a comma': (cookies) => [['cookie', cookies.join(', ')]],
};

describe('cookies planted in front of the real one', () => {
  for (const [what, plant] of Object.entries(PLANTS)) {
    for (const [layout, lines] of Object.entries(LAYOUTS)) {
      it(`${what}, ${layout}: lock nobody out, cached or not`, async () => {
        for (const count of [0, 1, 15, 16, 17, 100, 180]) {
          const checks = createChecks([application]);
          const planted = await plant(checks, count);
          const real = await checks.signIn(application, STAFF);
          const req = traefikRequest(URL_, lines([...planted, real].map((value) => `${name}=${value}`)));
          assert.equal((await checks.decide(req)).kind, 'allow', `${count}, cached`);
          assert.equal((await checks.decide(req, undefined, checks.elsewhere)).kind, 'allow', `${count}, not cached`);
          checks.store.down = true;
          assert.equal((await checks.decide(req)).kind, 'allow', `${count}, cached, no store`);
        }
      });

      it(`${what}, ${layout}: let nobody in by themselves`, async () => {
        const checks = createChecks([application]);
        const planted = await plant(checks, 40);
        const req = traefikRequest(URL_, lines(planted.map((value) => `${name}=${value}`)));
        for (const context of [checks.context, checks.elsewhere]) {
          const { kind } = await checks.decide(req, undefined, context);
          assert.ok(kind === 'challenge' || kind === 'forbidden', kind);
        }
      });
    }
  }

  it('that are cached are found however many there are; MACs are computed for 256 at most', async () => {
    const checks = createChecks([application]);
    const real = await checks.signIn(application, STAFF);
    const rubbish = await (PLANTS['forged MACs'] as Plant)(checks, 5_000);
    let macs = 0;
    const ticket = application.keys.ticket;
    const mac = ticket.mac.bind(ticket);
    ticket.mac = (text) => {
      macs += 1;
      return mac(text);
    };
    try {
      const cookies = rubbish.map((value) => `${name}=${value}`);
      assert.equal((await checks.decide(traefikRequest(URL_, [['cookie', cookies.join('; ')]]))).kind, 'challenge');
      assert.equal(macs, 256);
      cookies.push(`${name}=${real}`);
      assert.equal((await checks.decide(traefikRequest(URL_, [['cookie', cookies.join('; ')]]))).kind, 'allow');
      assert.equal(macs, 256);
    } finally {
      ticket.mac = mac;
    }
  });

  it('whose sessions have ended are asked about once, all at the same time', async () => {
    const checks = createChecks([application]);
    const ended = await (PLANTS['ended sessions of the attacker'] as Plant)(checks, 100);
    const real = await checks.signIn(application, STAFF);
    const req = traefikRequest(URL_, [['cookie', [...ended, real].map((value) => `${name}=${value}`).join('; ')]]);
    let open = (): void => {};
    checks.store.gate = new Promise((done) => (open = done));
    const deciding = checks.decide(req, undefined, checks.elsewhere);
    assert.equal(checks.store.reads, 101);
    open();
    assert.equal((await deciding).kind, 'allow');
    assert.equal((await checks.decide(req, undefined, checks.elsewhere)).kind, 'allow');
    assert.equal(checks.store.reads, 101);
  });

  it('while the store is down: 503 for whoever may be signed in, never a login', async () => {
    const checks = createChecks([application]);
    const barred = await checks.signIn(application, { groups: ['guests'] });
    const { cookie } = issueTicket(application);
    checks.store.down = true;
    const req = traefikRequest(URL_, [['cookie', `${name}=${barred}; ${name}=${cookie}`]]);
    assert.equal((await checks.decide(req)).kind, 'unavailable');
  });
});

describe('cookies that a proxy joined with a comma', () => {
  const value = issueTicket(application).cookie;
  const needle = application.cookieNeedle;
  const pair = fc.tuple(
    fc.string({ unit: fc.constantFrom(...'abc_'), minLength: 1, maxLength: 8 }),
    fc.string({ unit: fc.constantFrom(...'xyz=.-"'), maxLength: 12 }),
  );

  it('are read as if joined with a semicolon', () => {
    fc.assert(
      fc.property(fc.array(pair, { maxLength: 6 }), fc.nat(6), (pairs, at) => {
        const cookies = pairs.map(([key, text]) => `${key}=${text}`);
        cookies.splice(at, 0, needle + value);
        assert.deepEqual(findTickets([cookies.join('; ')], needle), [value]);
        assert.deepEqual(findTickets([cookies.join(', ')], needle), [value]);
      }),
    );
  });

  it('take the place of no cookie of the plain reading, and are no cookie inside a value', () => {
    const other = issueTicket(application).cookie;
    for (const [header, expected] of [
      [`q=1, ${needle}${other}; ${needle}${value}`, [value]],
      [`${needle}${value}; q=1, ${needle}${other}`, [value]],
      [`${needle}${other}, b=2; ${needle}${value}`, [value]],
      [`q=1,${needle}${other}`, []],
      [`q=1 ${needle}${other}`, []],
      [`q="${needle}${other}"`, []],
      [`${needle}${other} x`, []],
      [`${needle}${other}x, b=1`, []],
      [`${needle}${value} ; b=1`, [value]],
      [`b=1;${needle}${value}`, [value]],
      [`b=1;\t ${needle}${value}`, [value]],
    ] as const)
      assert.deepEqual(findTickets([header], needle), expected, header);
  });

  it('are left to the slow half of the check: the hit reads plain cookies only', () => {
    assert.equal(findCookie(`a=1, ${needle}${value}`, needle), '');
    assert.equal(findCookie(`a=1 ${needle}${value}`, needle), '');
    assert.equal(findCookie(`a=1; ${needle}${value}`, needle), value);
    assert.equal(findCookie(`a=1;${needle}${value}; b=2`, needle), value);
    assert.equal(findCookie(`q=1, ${needle}x; ${needle}${value}`, needle), value);
  });
});
