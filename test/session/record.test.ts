// Records: what a check may be answered with out of the store without a look at the session, and what makes it look.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Application } from '../../src/application/application.js';
import { readClaims } from '../../src/application/claims.js';
import { blockHeaders } from '../../src/application/identity.js';
import { seal, unseal } from '../../src/infra/seal.js';
import { openRecord, sealRecord } from '../../src/session/record.js';
import type { Session } from '../../src/session/session.js';
import { recordKey } from '../../src/session/session-keys.js';
import { Sessions } from '../../src/session/sessions.js';
import { issueTicket, type Ticket, verifyTicket } from '../../src/session/ticket.js';
import { makeApplication } from '../kit/application.js';
import { MemoryStore } from '../kit/memory-store.js';

const NOW = 1_000_000;
const HOUR = 3_600_000;
const application = makeApplication({ access: { groups: ['staff'] } });

function session(overrides: Partial<Session> = {}, claims: Record<string, unknown> = {}): Session {
  return {
    provider: application.id,
    claims: readClaims({ sub: 'alice', sid: 's1', email: 'alice@example.com', groups: ['staff'], ...claims }),
    createdAt: NOW,
    renewedAt: NOW,
    expiresAt: NOW + HOUR,
    idToken: 'id-token',
    jwt: '',
    refreshToken: null,
    loginState: '',
    loginTarget: '',
    ...overrides,
  };
}

const ticket = (): Ticket => issueTicket(application).ticket;
const headersOf = (block: ArrayBuffer): Record<string, string> => Object.fromEntries(blockHeaders(block));

/** A worker that has nothing cached, over a store that has this one record. */
function workerOver(record: Uint8Array, key: string, now = () => NOW) {
  const store = new MemoryStore(now);
  const expiresAt = NOW + 100 * HOUR;
  store.entries.set(key, {
    key,
    value: record,
    expiresAt,
    subject: 'x',
    sid: '',
    provider: 'x',
    summary: new Uint8Array(),
  });
  const lines: string[] = [];
  const say = (_: unknown, text: string): void => {
    lines.push(text);
  };
  const log = { debug: say, info: say, warn: say, error: say };
  const sessions = new Sessions({
    store,
    channel: { publish: () => {}, subscribe: () => {} },
    cache: { max_bytes: 1_000_000, max_age: 60_000, stale_max: 300_000 },
    now,
    monotonic: () => now() + 77,
    random: () => 0.5,
    log,
  });
  return { sessions, store, lines };
}

/** As `sealRecord` writes one, with parts of any kind. */
function assemble(
  at: Application,
  { id }: Ticket,
  block: Uint8Array,
  terms: Uint8Array,
  json: string,
  length = block.length,
) {
  const head = Buffer.of(2, 0, 0, 0, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, seal(recordKey(at, id), '', Buffer.concat([block, terms, Buffer.from(json)]))]);
}

/** What is in a record. */
function partsOf(at: Application, { id }: Ticket, record: Buffer): { block: Buffer; terms: Buffer; json: string } {
  const plain = unseal(recordKey(at, id), '', record.subarray(5)) ?? assert.fail('it does not open');
  const end = record.readUInt32BE(1);
  return {
    block: plain.subarray(0, end),
    terms: plain.subarray(end, end + 36),
    json: plain.toString('utf8', end + 36),
  };
}

const openAnswer = (at: Application, mine: Ticket, record: Uint8Array, now: number) =>
  openRecord(at, mine, record)?.rendered(at, now) ?? null;
const openSession = (at: Application, mine: Ticket, record: Uint8Array) =>
  openRecord(at, mine, record)?.session(at) ?? null;

/** `record` with another application's headers, so that the session has to be looked at. */
function withoutAnswer(mine: Ticket, record: Buffer): Uint8Array {
  const { block, terms, json } = partsOf(application, mine, record);
  terms.fill(1, 0, 16);
  return assemble(application, mine, block, terms, json);
}

/** `record` without its session, so that its answer is all that there is. */
function withoutSession(mine: Ticket, record: Buffer): Uint8Array {
  const { block, terms } = partsOf(application, mine, record);
  return assemble(application, mine, block, terms, '');
}

describe('a record', () => {
  it('answers a check with its headers alone', async () => {
    const { ticket, cookie } = issueTicket(application);
    const record = sealRecord(application, ticket, session());
    const { sessions } = workerOver(withoutSession(ticket, record), ticket.key);
    const entry = await sessions.load(cookie, application);
    assert.equal(entry.kind, 'allow');
    assert.equal(sessions.peek(cookie, application, NOW), entry);
    assert.equal(
      headersOf('block' in entry ? entry.block : new ArrayBuffer(0))['X-Auth-Username'],
      'alice@example.com',
    );
    assert.equal(await sessions.read(cookie, application), null);
  });

  for (const [what, made] of [
    ['not renewable', session()],
    ['renewable', session({ refreshToken: 'r', endsAt: NOW + 8 * HOUR })],
    [
      'about to be renewed',
      session({ refreshToken: 'r', expiresAt: NOW + 1_500, endsAt: NOW + 8 * HOUR, renewedAt: NOW }),
    ],
    ['of a token that outlives it', session({ refreshToken: 'r', expiresAt: NOW + HOUR, endsAt: NOW + HOUR })],
    ['over in a second', session({ expiresAt: NOW + 1_000 })],
  ] as const) {
    it(`is cached as if its session had been looked at: ${what}`, async () => {
      const { ticket, cookie } = issueTicket(application);
      const record = sealRecord(application, ticket, made);
      const fast = await workerOver(withoutSession(ticket, record), ticket.key).sessions.load(cookie, application);
      const slow = await workerOver(withoutAnswer(ticket, record), ticket.key).sessions.load(cookie, application);
      assert.equal(fast.kind, 'allow');
      assert.deepEqual(fast, slow);
      assert.ok('block' in fast && 'block' in slow && Buffer.from(fast.block).equals(Buffer.from(slow.block)));
    });
  }

  it('keeps the bytes of its headers and nothing else in memory', () => {
    const mine = ticket();
    const answer = openAnswer(application, mine, sealRecord(application, mine, session()), NOW);
    assert.ok(answer !== null);
    assert.equal(Buffer.from(answer.block).toString().includes('id-token'), false);
    assert.match(Buffer.from(answer.block).toString(), /^no-store\r\n.*X-authentik-meta-version: \S+$/s);
  });

  for (const [what, made, until] of [
    ['its end', session(), NOW + HOUR],
    ['the end of the session', session({ endsAt: NOW + 1_000 }), NOW + 1_000],
    ['when it wants to be renewed', session({ refreshToken: 'r', endsAt: NOW + 8 * HOUR }), NOW + HOUR - 120_000],
  ] as const) {
    it(`answers until ${what}, and not from then on`, () => {
      const mine = ticket();
      const record = sealRecord(application, mine, made);
      assert.notEqual(openAnswer(application, mine, record, until - 1), null);
      assert.equal(openAnswer(application, mine, record, until), null);
      assert.notEqual(openSession(application, mine, record), null);
    });
  }

  for (const [what, at, made] of [
    ['an assertion has to be signed', makeApplication({ headers: { assertion: true } }), session()],
    ['somebody may not pass', application, session({}, { groups: ['guests'] })],
    [
      'the headers are too large',
      makeApplication({ headers: { max_bytes: 4_096 } }),
      session({}, { name: 'n'.repeat(5_000) }),
    ],
    ['a header cannot be sent', application, session({}, { name: 'a\nb' })],
    ['a renewal is under way', application, session({ takenAt: NOW })],
    ['a renewal has failed', application, session({ failedAt: NOW - 5_000 })],
  ] as const) {
    it(`has to be looked at when ${what}`, () => {
      const mine = issueTicket(at).ticket;
      const record = sealRecord(at, mine, made);
      assert.equal(openAnswer(at, mine, record, NOW), null);
      assert.deepEqual(openSession(at, mine, record)?.claims, made.claims);
    });
  }

  it('is looked at when the configuration or the version is another one', async () => {
    const { ticket, cookie } = issueTicket(application);
    const record = sealRecord(application, ticket, session());
    const load = async (at: Application): Promise<unknown> => {
      assert.notEqual(verifyTicket(at, cookie), null, 'the cookie counts there too');
      assert.equal(openAnswer(at, ticket, record, NOW), null);
      return workerOver(record, ticket.key).sessions.load(cookie, at);
    };
    const kindAt = async (overrides: Record<string, unknown>) =>
      ((await load(makeApplication(overrides))) as { kind: string }).kind;
    assert.equal(await kindAt({ access: { groups: ['owners'] } }), 'forbidden');
    assert.equal(
      await kindAt({ access: { groups: ['staff'] }, headers: { max_bytes: 4_096 }, display_name: 'n' }),
      'allow',
    );
    const families = { access: { groups: ['staff'] }, headers: { families: ['akprox'] } };
    const { block } = (await load(makeApplication(families))) as { block: ArrayBuffer };
    assert.equal('X-authentik-username' in headersOf(block), false);
    assert.equal('X-Auth-Username' in headersOf(block), true);
    const later = { ...application, rendering: Buffer.alloc(16, 1) };
    assert.equal(((await load(later)) as { kind: string }).kind, 'allow');
    assert.notEqual(openAnswer(makeApplication({ access: { groups: ['staff'] } }), ticket, record, NOW), null);
  });

  it('does not open for another cookie or at another application', async () => {
    const mine = ticket();
    const record = sealRecord(application, mine, session());
    const other = issueTicket(application);
    assert.equal(openAnswer(application, other.ticket, record, NOW), null);
    assert.equal(openSession(application, other.ticket, record), null);
    // Whoever writes to the store moves alice's record to the name of their own.
    const { sessions, store } = workerOver(record, other.ticket.key);
    assert.equal((await sessions.load(other.cookie, application)).kind, 'none');
    assert.equal(store.entries.size, 0);
    // Even one that verifies the same cookies, and renders alike.
    const foreign = { ...application, id: 'file:foreign' };
    assert.equal(openAnswer(foreign, mine, record, NOW), null);
    assert.equal(openSession(foreign, mine, record), null);
    const { block, terms, json } = partsOf(application, mine, record);
    const of = (provider: string): Session | null =>
      openSession(application, mine, assemble(application, mine, block, terms, json.replace(application.id, provider)));
    assert.equal(of('file:foreign'), null);
    assert.notEqual(of(application.id), null);
  });

  it('opens as it was written or not at all, whichever byte is changed and wherever it is cut off', () => {
    const mine = ticket();
    const record = sealRecord(application, mine, session());
    for (let i = 0; i < record.length; i += 1) {
      const changed = Buffer.from(record);
      changed[i] = (changed[i] ?? 0) ^ 1;
      for (const bytes of [changed, record.subarray(0, i)]) {
        assert.equal(openAnswer(application, mine, bytes, NOW), null);
        assert.equal(openSession(application, mine, bytes), null);
      }
    }
  });

  it('answers with the block that it says, and with no more or less of it', () => {
    const mine = ticket();
    const { block, terms, json } = partsOf(application, mine, sealRecord(application, mine, session()));
    const tried = (length: number, parts: Uint8Array = block, said: Uint8Array = terms) =>
      openAnswer(application, mine, assemble(application, mine, parts, said, json, length), NOW);
    assert.notEqual(tried(block.length), null);
    for (const length of [0, 1, block.length - 1, block.length + 1, 2 ** 32 - 1]) assert.equal(tried(length), null);
    // The terms in front, so that they are found where a shorter block would end.
    const shorter = Buffer.concat([block.subarray(0, 100), terms, block.subarray(100)]);
    assert.equal(tried(100, shorter), null);
  });

  it('of the first format is read as ever', async () => {
    // Written by the version before, for the id of 32 bytes 0x07.
    const id = Buffer.alloc(32, 7).toString('base64url');
    const cookie = `${id}.${application.keys.ticket.mac(id)}`;
    const first = verifyTicket(application, cookie);
    assert.ok(first !== null);
    const { sessions, store } = workerOver(Buffer.from(FIRST_FORMAT, 'base64'), first.key);
    const entry = await sessions.load(cookie, application);
    assert.equal(entry.kind, 'allow');
    assert.equal(
      headersOf('block' in entry ? entry.block : new ArrayBuffer(0))['X-Auth-Username'],
      'alice@example.com',
    );
    assert.equal((await sessions.read(cookie, application))?.session.expiresAt, NOW + HOUR);
    assert.equal(store.entries.size, 1);
    assert.equal(openAnswer(application, first, Buffer.from(FIRST_FORMAT, 'base64'), NOW), null);
    const elsewhere = { ...application, id: 'file:foreign' };
    assert.equal(openSession(elsewhere, first, Buffer.from(FIRST_FORMAT, 'base64')), null);
  });

  it('of a later version is none, and stays', async () => {
    const { ticket, cookie } = issueTicket(application);
    const record = Uint8Array.from(sealRecord(application, ticket, session()));
    record[0] = 3;
    const { sessions, store, lines } = workerOver(record, ticket.key);
    assert.equal((await sessions.load(cookie, application)).kind, 'none');
    assert.equal(await sessions.read(cookie, application), null);
    assert.equal(store.entries.size, 1);
    assert.ok(lines.some((text) => text.includes('later version')));
  });

  it('that holds nothing is none, and is removed', async () => {
    for (const bytes of [[], [0], [1], [2], [2, 0, 0, 0, 0], [2, 255, 255, 255, 255, 1]]) {
      const { ticket, cookie } = issueTicket(application);
      const { sessions, store } = workerOver(Uint8Array.from(bytes), ticket.key);
      assert.equal((await sessions.load(cookie, application)).kind, 'none');
      assert.equal(store.entries.size, 0);
    }
  });
});

const FIRST_FORMAT =
  'AQkJCQkJCQkJCQkJCUD0jePYOX3xW0d0AfIkZ36w0/MGoVxo1vWvmIR02MlaT5FGQdTjggzC4Y+neVQv3x//r67sDEumdGTBwjvY7OIXgUO/co+S89gqVSDt+srFe2ap7JbBUZNWPNTNTP/24tOFNWMrbCy1c8y3t3LKDMMH1mDXKltCfR1T6R1mqID+tDnevPA9p6eCVH8QAGgUnJt7nTHR7kGobEIENKtkju2JiDmK/U0dvQUZRZZOlVYzY9TqwYEe5BxmHywbW2u8/+3sEysDJEZ8iJQnWT/Bpub/hQbqkqTUswHXyYWmcsKoGH0tp+xaS2fyZev3G8UXt45JS7D1fu0lEImPoocokYSy1oNdfDMHqMWEZUJWGTDAX0M7+xCbeg/Z9RL3SeFY1JLQ1ydzcOUAtAi59elQGCM3ocV+xKulwFYrF6Zc83QTa56NAN/Qt/701t755gkt8nJm0raaMvctkRgkT9/OF7lp1S0K9wUoGPcU3cFnhC+fxEp7maFxRA==';
