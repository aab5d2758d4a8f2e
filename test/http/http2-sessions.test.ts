// How long a connection of HTTP/2 lives, by a clock of the test's own and sessions that only note what is asked of them.
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { describe, it } from 'node:test';
import { type Http2Connection, Http2Sessions } from '../../src/http/http2-sessions.js';

class FakeSession extends EventEmitter {
  readonly done: string[] = [];
  destroyed = false;
  settings({ maxConcurrentStreams }: { maxConcurrentStreams: number }): void {
    this.done.push(`settings ${maxConcurrentStreams}`);
  }
  goaway(code: number, last: number): void {
    this.done.push(`goaway ${code} ${last}`);
  }
  close(): void {
    this.done.push('close');
  }
  /** Whether a PING is answered. */
  isThere = true;
  ping(answered: (error: Error | null) => void): boolean {
    if (this.isThere) answered(null);
    return true;
  }
  destroy(_: undefined, code?: number): void {
    this.done.push(`destroy ${code ?? ''}`.trim());
    this.destroyed = true;
    this.emit('close');
  }
}

class FakeTimers {
  private time = 0;
  private waiting: { at: number; work: () => void }[] = [];
  after(ms: number, work: () => void): () => void {
    const entry = { at: this.time + ms, work };
    this.waiting.push(entry);
    return () => {
      this.waiting = this.waiting.filter((other) => other !== entry);
    };
  }
  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.waiting.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.time = next.at;
      this.waiting = this.waiting.filter((other) => other !== next);
      next.work();
    }
    this.time = end;
  }
}

const LEAVES = ['goaway 0 2147483647', 'close'];
/** Longer than a client needs to read that its connection ends. */
const NOTICE = 1_000;

function start(random = 0): {
  readonly timers: FakeTimers;
  readonly sessions: Http2Sessions;
  connect(): { session: FakeSession; connection: Http2Connection };
} {
  const timers = new FakeTimers();
  const sessions = new Http2Sessions({ timers, random: () => random });
  const connect = () => {
    const session = new FakeSession();
    return { session, connection: sessions.add(session as unknown as ServerHttp2Session) };
  };
  return { timers, sessions, connect };
}

describe('a connection of HTTP/2', () => {
  it('that asks nothing ends after 10 s, and one that has asked after two minutes', () => {
    const { timers, connect } = start();
    const silent = connect();
    const idle = connect();
    idle.connection.wasUsed = true;
    timers.pass(9_000);
    assert.deepEqual(silent.session.done, []);
    timers.pass(1_000 + NOTICE);
    assert.deepEqual(silent.session.done, LEAVES);
    timers.pass(109_000);
    assert.deepEqual(idle.session.done, []);
    timers.pass(10_000 + NOTICE);
    assert.deepEqual(idle.session.done, LEAVES);
  });

  it('that is used ends after 5 to 10 minutes, each at another time', () => {
    for (const [random, seconds] of [
      [0, 300],
      [0.999, 595],
    ] as const) {
      const { timers, connect } = start(random);
      const { session, connection } = connect();
      for (let second = 0; second < seconds - 1; second += 1) {
        connection.wasUsed = true;
        timers.pass(1_000);
      }
      assert.deepEqual(session.done, [], `${random}`);
      connection.wasUsed = true;
      timers.pass(1_000 + NOTICE);
      assert.deepEqual(session.done, LEAVES, `${random}`);
    }
  });

  it('that is one of more than 1024 idle ones ends when it has been idle for longest, and those that ask stay', () => {
    const { timers, connect } = start();
    const asked = Array.from({ length: 1_026 }, connect);
    for (const { connection } of asked) connection.wasUsed = true;
    timers.pass(5_000);
    for (const { connection } of asked.slice(0, -4)) connection.wasUsed = true;
    const busy = connect();
    busy.connection.wasUsed = true;
    timers.pass(5_000 + NOTICE);
    const left = () => asked.filter(({ session }) => session.done.length > 0).length;
    assert.equal(left(), 0);
    busy.connection.wasUsed = true;
    timers.pass(5_000);
    assert.deepEqual(
      asked.map(({ session }) => session.done.length > 0),
      asked.map((_, i) => i >= asked.length - 4 && i < asked.length - 2),
    );
    assert.deepEqual(busy.session.done, []);
    // Two that have had their notice and are there still.
    busy.connection.wasUsed = true;
    timers.pass(5_000);
    assert.deepEqual(asked.at(-3)?.session.done, [...LEAVES, 'destroy']);
    assert.equal(left(), 2);
  });

  it('that has had its notice and never ends is cut off', () => {
    const { timers, connect } = start();
    const { session } = connect();
    timers.pass(60_000);
    assert.deepEqual(session.done, [...LEAVES, 'destroy']);
  });

  it('that answers no PING any more ends, and one that does goes on until it has been idle for long', () => {
    const { timers, connect } = start();
    const [dead, idle] = [connect(), connect()];
    dead.session.isThere = false;
    for (const { connection } of [dead, idle]) connection.wasUsed = true;
    // Used in the first 5 s, asked after 5 s more, and given up 10 s behind that.
    timers.pass(19_000);
    assert.deepEqual(dead.session.done, []);
    timers.pass(1_000);
    assert.deepEqual(dead.session.done, ['destroy']);
    assert.deepEqual(idle.session.done, []);
  });

  it('that takes back 800 requests in 5 s goes on, with more it is asked to go, and cut off with twice as many (rapid reset, CVE-2023-44487)', () => {
    const { timers, connect } = start();
    const { session, connection } = connect();
    const reset = (times: number): void => {
      for (let i = 0; i < times; i += 1) {
        const stream = Object.assign(new EventEmitter(), { rstCode: 8 });
        connection.use(stream as unknown as ServerHttp2Stream);
        stream.emit('close');
      }
    };
    reset(800);
    timers.pass(5_000);
    reset(150);
    assert.deepEqual(session.done, []);
    reset(1);
    assert.deepEqual(session.done, LEAVES.slice(0, 1));
    reset(799);
    timers.pass(NOTICE);
    assert.deepEqual(session.done, LEAVES);
    reset(1);
    assert.deepEqual(session.done, [...LEAVES, 'destroy 11']);
  });

  for (const [event, most] of [
    ['ping', 1_000],
    ['remoteSettings', 100],
  ] as const) {
    it(`that sends ${most} ${event} frames in 5 s goes on, with more it is asked to go, and cut off with twice as many`, () => {
      const { timers, connect } = start();
      const { session, connection } = connect();
      for (let round = 0; round < 3; round += 1) {
        for (let i = 0; i < most; i += 1) session.emit(event);
        connection.wasUsed = true;
        timers.pass(5_000);
      }
      assert.deepEqual(session.done, []);
      for (let i = 0; i < most + 1; i += 1) session.emit(event);
      assert.deepEqual(session.done, LEAVES.slice(0, 1));
      for (let i = 0; i < most; i += 1) session.emit(event);
      assert.deepEqual(session.done, [...LEAVES.slice(0, 1), 'destroy 11']);
    });
  }

  /** So many streams that come at once and end one after the other. */
  const ask = (connection: Http2Connection, times: number): void => {
    const streams = Array.from({ length: times }, () => new EventEmitter());
    for (const stream of streams) connection.use(stream as unknown as ServerHttp2Stream);
    for (const stream of streams) stream.emit('close');
  };

  it('is told of 16 streams behind its first requests, once it has read of 100', () => {
    const { connect } = start();
    const { session, connection } = connect();
    ask(connection, 3);
    assert.deepEqual(session.done, []);
    session.emit('localSettings');
    // It has asked nothing since, and may be about to ask much at once.
    assert.deepEqual(session.done, []);
    ask(connection, 16);
    ask(connection, 16);
    session.emit('localSettings');
    assert.deepEqual(session.done, ['settings 16']);
  });

  it('is not told of them while it has more in flight now and then: those would be refused', () => {
    const { timers, connect } = start();
    const { session, connection } = connect();
    session.emit('localSettings');
    ask(connection, 17);
    ask(connection, 1);
    timers.pass(5_000);
    ask(connection, 1);
    assert.deepEqual(session.done, []);
    timers.pass(5_000);
    ask(connection, 1);
    assert.deepEqual(session.done, ['settings 16']);
  });
});

describe('more streams in flight than a worker keeps', () => {
  class FakeStream extends EventEmitter {
    rstCode = 0;
    close(code = 0): void {
      this.rstCode = code;
      this.emit('close');
    }
  }

  it('are refused where a connection has more than 16 of them, and can be asked again', () => {
    const { connect } = start();
    const ask = ({ connection }: { connection: Http2Connection }): FakeStream | null => {
      const stream = new FakeStream();
      const taken = connection.use(stream as unknown as ServerHttp2Stream);
      assert.equal(stream.rstCode, taken ? 0 : 7, 'REFUSED_STREAM');
      return taken ? stream : null;
    };
    // Nobody fetches their answers.
    const hoarders = Array.from({ length: 41 }, () =>
      Array.from(
        { length: 100 },
        (
          (one) => () =>
            ask(one)
        )(connect()),
      ),
    );
    const kept = hoarders.flat().filter((stream) => stream !== null);
    assert.equal(kept.length, 4_096);

    const other = connect();
    const few = Array.from({ length: 16 }, () => ask(other));
    assert.ok(few.every((stream) => stream !== null));
    // A proxy asks again and again: none of that counts as taken back.
    for (let i = 0; i < 1_000; i += 1) assert.equal(ask(other), null);
    assert.deepEqual(other.session.done, []);
    for (const stream of kept.slice(0, 100)) stream?.close();
    assert.ok(ask(other) !== null);
  });
});

describe('a drain', () => {
  it('asks every connection to go, new ones too, and is over with the last', async () => {
    const { timers, sessions, connect } = start();
    const first = connect();
    let over = false;
    const drained = sessions.drain().then(() => {
      over = true;
    });
    const second = connect();
    timers.pass(NOTICE);
    for (const { session } of [first, second]) assert.deepEqual(session.done, LEAVES);
    first.session.destroy(undefined);
    await new Promise(setImmediate);
    assert.equal(over, false);
    second.session.destroy(undefined);
    await drained;
  });

  it('is over at once where there is no connection', () => start().sessions.drain());
});
