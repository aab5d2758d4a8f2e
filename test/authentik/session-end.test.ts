// A session end from core: at every provider of authentik, and again while the store is down.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endAuthentikSessions, type SessionEndOptions } from '../../src/authentik/session-end.js';
import { createTestLog, createTestTimers, createWaiter } from './setup.js';

type Named = SessionEndOptions['providers'][number];

const provider = (name: string, managed = true): Named =>
  ({ id: name, name, config: managed ? { authentik: { pk: 1 } } : {} }) as unknown as Named;

describe('a session end from core', () => {
  it('reaches the providers of authentik and no other', async () => {
    const asked: unknown[] = [];
    await endAuthentikSessions({
      sid: 'sid-1',
      providers: [provider('a'), provider('from the file', false), provider('b')],
      sessions: { endSid: async (one, sid, source) => asked.push([one.name, sid, source]) },
      timers: createTestTimers(),
      log: createTestLog(),
    });
    assert.deepEqual(asked, [
      ['a', 'sid-1', 'authentik'],
      ['b', 'sid-1', 'authentik'],
    ]);
  });

  it('is tried again, where it failed, until the store has taken it', async () => {
    const waiter = createWaiter();
    const timers = createTestTimers(waiter);
    const asked: string[] = [];
    let down = 2;
    const done = endAuthentikSessions({
      sid: 'sid-1',
      providers: [provider('a'), provider('b')],
      sessions: {
        endSid: async (one) => {
          asked.push(one.name);
          if (one.name === 'b' && down-- > 0) throw new Error('down');
          return 1;
        },
      },
      timers,
      log: createTestLog(),
    });
    await waiter.until(() => timers.waits().includes(1_000));
    timers.pass(1_000);
    await waiter.until(() => timers.waits().includes(2_000));
    timers.pass(2_000);
    await done;
    assert.deepEqual(asked, ['a', 'b', 'b', 'b']);
  });
});
