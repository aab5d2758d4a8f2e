// The websocket against the fake core, with time that the test lets pass: hello, back-off, both kinds of session end, and
// everything that core might say and should not.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { USER_AGENT } from '../../src/authentik/api.js';
import { type CoreSocket, type CoreSocketOptions, connectCore } from '../../src/authentik/socket.js';
import type { FakeCoreOptions } from '../kit/fake-core.js';
import { createTestLog, createTestTimers, createWaiter, startTestCore } from './setup.js';

const INSTANCE = '0f8fad5b-d9cb-469f-a165-70867728950e';

async function startTest(options: Partial<FakeCoreOptions> = {}) {
  const core = await startTestCore(options);
  const waiter = createWaiter();
  const timers = createTestTimers(waiter);
  const log = createTestLog(waiter);
  const heard: string[] = [];
  const hear = (text: string): void => {
    heard.push(text);
    waiter.changed();
  };
  const connect = (overrides: Partial<CoreSocketOptions> = {}): CoreSocket =>
    connectCore({
      host: core.url,
      token: core.token,
      insecure: false,
      outpostPk: core.outpostPk,
      instanceId: INSTANCE,
      hello: { version: '1.2.3', uuid: INSTANCE, hostname: 'here', buildHash: '' },
      timers,
      random: () => 0,
      monotonic: timers.now,
      log,
      onTrigger: () => hear('trigger'),
      onSessionEnd: (sid) => hear(`end ${sid}`),
      onConnected: (again) => hear(again ? 'connected again' : 'connected'),
      ...overrides,
    });
  return { core, timers, log, heard, connect, until: waiter.until };
}

describe('the websocket', () => {
  let test: Awaited<ReturnType<typeof startTest>>;
  let socket: CoreSocket | null = null;
  beforeEach(async () => {
    test = await startTest();
  });
  afterEach(async () => {
    socket?.close();
    await test.core.close();
  });

  it('says who it is, at once and every ten seconds', async () => {
    const { core, timers } = test;
    socket = test.connect();
    await core.until(() => core.frames.length === 1);
    assert.deepEqual(core.frames[0], {
      instruction: 1,
      args: { version: '1.2.3', uuid: INSTANCE, hostname: 'here', buildHash: '' },
    });
    const [handshake] = core.handshakes;
    assert.equal(handshake?.path, `/ws/outpost/${core.outpostPk}/?instance_uuid=${INSTANCE}&attempt=0`);
    assert.equal(handshake.headers.authorization, `Bearer ${core.token}`);
    assert.equal(handshake.headers['user-agent'], USER_AGENT);
    await test.until(() => timers.waits().length === 1);
    assert.deepEqual(timers.waits(), [10_000]);
    timers.pass(9_999);
    assert.equal(core.frames.length, 1);
    timers.pass(1);
    await core.until(() => core.frames.length === 2);
    assert.equal(socket.connected, true);
  });

  it('hears of changes and of both kinds of session end', async () => {
    const { core } = test;
    socket = test.connect();
    await test.until(() => test.heard.includes('connected'));
    core.trigger();
    core.endSession('abc');
    core.endSession('def', 'provider_specific');
    await test.until(() => test.heard.length === 4);
    assert.deepEqual(test.heard, ['connected', 'trigger', 'end abc', 'end def']);
  });

  it('ignores what makes no sense, and says so once a minute', async () => {
    const { core, log, timers } = test;
    let later = 0;
    socket = test.connect({ monotonic: () => timers.now() + later });
    await test.until(() => test.heard.includes('connected'));
    for (const text of [
      'not json',
      '',
      'null',
      '[]',
      '{}',
      '{"instruction":"2"}',
      '{"instruction":2.5}',
      '{"instruction":3,"args":null}',
      '{"instruction":3,"args":{"sub_type":"other","session_id":"x"}}',
      '{"instruction":4,"args":{"session_id":7}}',
      '{"instruction":4,"args":{"session_id":""}}',
      '{"instruction":4}',
      '{"instruction":99,"args":{}}',
    ])
      core.say(text);
    core.trigger();
    await test.until(() => test.heard.includes('trigger'));
    assert.deepEqual(test.heard, ['connected', 'trigger']);
    const complaints = () => log.texts('warn').filter((text) => text.includes('cannot be read'));
    assert.equal(complaints().length, 1);
    later = 60_000;
    core.say('still not json');
    await test.until(() => complaints().length === 2);
    assert.equal(socket.connected, true);
  });

  it('takes a trigger whose args are null', async () => {
    socket = test.connect();
    await test.until(() => test.heard.includes('connected'));
    test.core.say('{"instruction":2,"args":null}');
    await test.until(() => test.heard.includes('trigger'));
  });

  it('tries again after 1, 2, 4 … 300 s, and from the start after a success', async () => {
    const { core, log, timers } = test;
    core.fail({ path: /^\/ws\//, status: 503 });
    socket = test.connect();
    const delays: number[] = [];
    for (let i = 1; i <= 11; i += 1) {
      await test.until(() => timers.waits().length === 1);
      delays.push(...timers.waits());
      if (i < 11) timers.pass(timers.waits()[0] ?? 0);
    }
    assert.deepEqual(
      delays,
      [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((seconds) => seconds * 1_000),
    );
    assert.match(log.all(), /refused with 503/);
    core.fail(null);
    timers.pass(300_000);
    await test.until(() => test.heard.includes('connected'));
    assert.match(core.handshakes[0]?.path ?? '', /&attempt=11$/);
    core.dropConnections();
    await test.until(() => timers.waits().includes(1_000));
    assert.equal(socket.connected, false);
    timers.pass(1_000);
    await test.until(() => test.heard.includes('connected again'));
  });

  it('spreads the replicas', async () => {
    test.core.fail({ path: /^\/ws\// });
    socket = test.connect({ random: () => 1 });
    await test.until(() => test.timers.waits().length === 1);
    assert.deepEqual(test.timers.waits(), [750]);
  });

  it('names the token when core refuses it, and never shows it', async () => {
    const { core, log } = test;
    socket = test.connect({ token: 'top-secret' });
    await test.until(() => log.texts('warn').length === 1);
    assert.match(log.all(), /refused with 403: AUTHENTIK_TOKEN/);
    assert.doesNotMatch(log.all(), /top-secret/);
    assert.equal(core.connections(), 0);
  });

  it('gives up a connection over which nothing comes any more', async () => {
    const { core, timers } = test;
    socket = test.connect();
    await test.until(() => test.heard.includes('connected'));
    await core.until(() => core.frames.length === 1);
    // Within one tick nothing can arrive: four hellos in a row find only silence.
    timers.pass(40_000);
    await test.until(() => test.log.texts('warn').length === 1);
    assert.match(test.log.all(), /silent/);
  });

  it('says goodbye, and does not come back', async () => {
    const { core, timers } = test;
    socket = test.connect();
    await core.until(() => core.frames.length === 1);
    socket.close();
    await core.until(() => core.closes.length === 1);
    assert.deepEqual(core.closes, [1000]);
    timers.pass(1_000_000);
    assert.equal(core.handshakes.length, 1);
    assert.deepEqual(test.log.texts('warn'), []);
  });

  it('can be closed while it waits', async () => {
    test.core.fail({ path: /^\/ws\// });
    socket = test.connect();
    await test.until(() => test.timers.waits().length === 1);
    socket.close();
    assert.deepEqual(test.timers.waits(), []);
  });
});

describe('the websocket below a path', () => {
  it('is where the API is', async () => {
    const test = await startTest({ basePath: '/auth' });
    const socket = test.connect();
    await test.until(() => test.heard.includes('connected'));
    assert.match(test.core.handshakes[0]?.path ?? '', /^\/auth\/ws\/outpost\//);
    socket.close();
    await test.core.close();
  });
});
