// Which way a revocation goes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clearCacheOnceStoreAnswers, createWorkerChannel } from '../../src/cluster/worker-channel.js';
import type { Revocation, SharedChannel } from '../../src/session/revocation.js';

const gone: Revocation = { keys: ['key'], source: 'sign_out', at: 0 };
const refused: Revocation = { ...gone, refusedUntil: 1 };

describe("a worker's channel of revocations", () => {
  it('goes through the primary when there is no Redis', () => {
    const sent: Revocation[] = [];
    const channel = createWorkerChannel(null, (revocation) => sent.push(revocation));
    channel.publish(gone);
    channel.publish(refused);
    assert.deepEqual(sent, [gone, refused]);
  });

  it('goes through Redis, and through the primary too when the store could not delete', () => {
    const published: Revocation[] = [];
    const sent: Revocation[] = [];
    const redis = {
      publish: (revocation: Revocation) => published.push(revocation),
      subscribe: () => {},
    } as unknown as SharedChannel;
    const channel = createWorkerChannel(redis, (revocation) => sent.push(revocation));
    channel.publish(gone);
    channel.publish(refused);
    assert.deepEqual([published, sent], [[gone, refused], [refused]]);
  });

  it('hands on what comes from either side', () => {
    const fromRedis: ((revocation: Revocation) => void)[] = [];
    const redis = {
      publish: () => {},
      subscribe: (handler: (revocation: Revocation) => void) => fromRedis.push(handler),
    } as unknown as SharedChannel;
    const received: Revocation[] = [];
    const channel = createWorkerChannel(redis, () => {});
    channel.subscribe((revocation) => received.push(revocation));
    channel.receive(gone);
    for (const handler of fromRedis) handler(refused);
    assert.deepEqual(received, [gone, refused]);
  });
});

describe('a cache that may have missed revocations', () => {
  it('is kept while the store does not answer, and cleared when it does', async () => {
    let failures = 2;
    let cleared = 0;
    const store = {
      get: async () => {
        assert.equal(cleared, 0);
        failures -= 1;
        if (failures >= 0) throw new Error('down');
        return null;
      },
    };
    const sessions = {
      clear: () => {
        cleared += 1;
      },
    };
    const timers = {
      after: (_ms: number, work: () => void) => {
        queueMicrotask(work);
        return () => {};
      },
    };
    await clearCacheOnceStoreAnswers(store, sessions, timers);
    assert.equal(cleared, 1);
  });
});
