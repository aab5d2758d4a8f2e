// What the audit writes of an event, whom it names, and what it holds back.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { type AuditEvent, createAudit, personOf, writeEnded } from '../../src/session/audit.js';
import { indexHash } from '../../src/session/session-keys.js';
import { makeApplication } from '../kit/application.js';

const application = makeApplication();
const alice = personOf(application, { sub: 'alice', preferredUsername: 'Alice' });
const login: AuditEvent = {
  audit: 'login',
  result: 'succeeded',
  provider: 'whoami',
  ...alice,
  session: 'abcdefghijklmnop',
  by: () => ({ client: '203.0.113.9', requestId: 'r1' }),
};

function refusedLogin(reason: string): AuditEvent {
  return { audit: 'login', result: 'failed', provider: 'whoami', reason };
}

function denial(subject: string): AuditEvent {
  return { audit: 'access_denied', reason: 'forbidden', provider: 'whoami', subject, user: '', session: '', host: 'h' };
}

function open(audit: 'subject' | 'user' | 'none' = 'subject', level = 'info') {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level, base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
  const state = { audit, time: 0 };
  const { write } = createAudit({ log, monotonic: () => state.time, mode: () => state.audit });
  return { lines, state, write, ended: { write } };
}

describe('a line of the audit', () => {
  it('says who, where and by which request, the subject as the hash that the store has', () => {
    const { lines, write } = open();
    write(login);
    assert.deepEqual(lines, [
      {
        level: 30,
        audit: 'login',
        result: 'succeeded',
        provider: 'whoami',
        subject: indexHash(application, 'sub', 'alice'),
        session: 'abcdefgh',
        client: '203.0.113.9',
        request_id: 'r1',
        msg: 'signed in',
      },
    ]);
  });

  it('has the user name with log.audit: user, and is not there with none, from the next event on', () => {
    const { lines, state, write } = open('user');
    write(login);
    state.audit = 'none';
    write(login);
    state.audit = 'subject';
    write(login);
    assert.deepEqual(
      lines.map(({ user }) => user),
      ['Alice', undefined],
    );
  });

  it('is there whatever log.level says', () => {
    const { lines, write } = open('subject', 'error');
    write(login);
    assert.equal(lines.length, 1);
  });

  it('asks who it was only when it is written', () => {
    const { write } = open('none');
    write({ ...login, by: () => assert.fail() } as AuditEvent);
  });
});

describe('what anybody can cause', () => {
  it('is written thirty times a minute for each reason, and the next line says how often it was not', () => {
    const { lines, state, write } = open();
    for (let i = 0; i < 100; i += 1) write(refusedLogin('login_unknown'));
    assert.equal(lines.length, 30);
    write(refusedLogin('token_invalid'));
    assert.equal(lines.length, 31);
    state.time = 60_000;
    write(refusedLogin('login_unknown'));
    assert.equal(lines.at(-1)?.['held'], 70);
    assert.equal(lines.length, 32);
  });

  it('is a denial once a minute for each person', () => {
    const { lines, state, write } = open();
    for (let i = 0; i < 3; i += 1) for (const subject of ['a', 'b']) write(denial(subject));
    assert.deepEqual(
      lines.map(({ subject }) => subject),
      ['a', 'b'],
    );
    state.time = 60_000;
    write(denial('a'));
    assert.equal(lines.at(-1)?.['held'], 4);
  });

  it('holds back no login and no end of a session', () => {
    const { lines, write } = open();
    for (let i = 0; i < 100; i += 1) write(login);
    assert.equal(lines.length, 100);
  });
});

describe('sessions that end together', () => {
  const ended = { provider: 'whoami', subject: 'hash', user: '', reason: 'operator' } as const;
  const keys = (count: number) => Array.from({ length: count }, (_, i) => `key-${i}`);

  it('have a line each', () => {
    const { lines, ended: audit } = open();
    writeEnded(audit, ended, keys(3));
    assert.deepEqual(
      lines.map(({ session, sessions, reason }) => [session, sessions, reason]),
      keys(3).map((key) => [key, undefined, 'operator']),
    );
  });

  it('have one for all when they are more than a hundred, here or in all', () => {
    const { lines, ended: audit } = open();
    writeEnded(audit, ended, keys(101));
    writeEnded(audit, ended, keys(2), 4_000);
    assert.deepEqual(
      lines.map(({ session, sessions }) => [session, sessions]),
      [
        [undefined, 101],
        [undefined, 4_000],
      ],
    );
  });
});
