// Attacks on HTTP/2 of the public kind: each ends its own connection, or costs it nothing, and everybody else is answered meanwhile.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Daemon, request, startDaemon, testProvider } from '../kit/daemon.js';
import { Http2Client } from '../kit/http2-client.js';
import {
  ACK,
  block,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  type Frame,
  FrameWire,
  frame,
  GOAWAY,
  HEADERS,
  PING,
  PING_REQUEST,
  RST_STREAM,
  SETTINGS,
} from '../kit/http2-frames.js';

let daemon: Daemon;
let other: Http2Client;
before(async () => {
  daemon = await startDaemon({
    workers: 1,
    providers: [testProvider('http://127.0.0.1:1')],
    listen: { https: '127.0.0.1:0' },
  });
  other = await Http2Client.open(origin());
});
after(async () => {
  other?.close();
  await daemon?.[Symbol.asyncDispose]();
});

const origin = (): string => daemon.https ?? assert.fail();

/** Somebody else, who was there before. */
async function othersAreServed(): Promise<void> {
  const { answer } = other.ask({ method: 'GET', path: '/akprox/ping', headers: {} });
  assert.equal((await answer).status, 204);
  assert.equal((await request(`${daemon.http}/akprox/ping`)).status, 204);
}

const isAnswer = ({ type }: { type: number }): boolean => type === HEADERS;
const CANCEL = Buffer.from([0, 0, 0, 8]);

/** A step that waits for its body. */
const LOGOUT = block({
  ...{ ':method': 'POST', ':scheme': 'https', ':path': '/akprox/backchannel_logout' },
  ':authority': 'whoami.localhost:8080',
});

/** Far behind those of the flood. */
const LAST = 1_000_001;

/** Sends so many; then a request, which nobody must answer any more. */
async function floods(times: number, make: (i: number) => Buffer): Promise<void> {
  const wire = await FrameWire.open(origin());
  try {
    for (let i = 0; i < times && !wire.socket.destroyed; i += 100) {
      wire.send(...Array.from({ length: Math.min(100, times - i) }, (_, j) => make(i + j)));
      if (i % 2_000 === 0) await othersAreServed();
      await new Promise(setImmediate);
    }
    wire.send(frame(HEADERS, END_STREAM | END_HEADERS, LAST, PING_REQUEST));
    const end = await wire.next((got) => got.type === GOAWAY || (isAnswer(got) && got.stream === LAST));
    assert.notEqual(end?.type, HEADERS, 'it is answered as if nothing were');
    // Not only said: what is not closed takes memory.
    await wire.closed();
  } finally {
    wire.close();
  }
  await othersAreServed();
}

describe('a connection ends that', () => {
  it('resets each of its requests (rapid reset, CVE-2023-44487)', () =>
    floods(20_000, (i) =>
      Buffer.concat([
        frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, PING_REQUEST),
        frame(RST_STREAM, 0, 2 * i + 1, CANCEL),
      ]),
    ));

  it('sends PING after PING', () => floods(20_000, () => frame(PING, 0, 0, Buffer.alloc(8))));

  it('sends SETTINGS after SETTINGS', () => floods(20_000, () => frame(SETTINGS, 0, 0)));

  it('sends a head in more CONTINUATION frames than anybody needs (CVE-2024-27983)', () =>
    floods(50, (i) => {
      if (i === 0) return frame(HEADERS, END_STREAM, 1, PING_REQUEST);
      return frame(CONTINUATION, i === 49 ? END_HEADERS : 0, 1, block({ [`x-${i}`]: 'y'.repeat(100) }));
    }));

  it('speaks no HTTP/2', async () => {
    const wire = await FrameWire.open(origin());
    wire.send(frame(DATA, 0, 0, Buffer.from('x')));
    await wire.next(({ type }) => type === GOAWAY);
    wire.close();
    await othersAreServed();
  });
});

describe('somebody else on the same connection, which is a proxy’s,', () => {
  for (const [what, make] of [
    [
      'more requests are taken back than may be',
      (stream: number) =>
        Buffer.concat([
          frame(HEADERS, END_STREAM | END_HEADERS, stream, PING_REQUEST),
          frame(RST_STREAM, 0, stream, CANCEL),
        ]),
    ],
    ['more PING frames are sent than may be', () => frame(PING, 0, 0, Buffer.alloc(8))],
  ] as const) {
    it(`is answered while ${what}`, async () => {
      const wire = await FrameWire.open(origin());
      try {
        wire.send(frame(HEADERS, END_HEADERS, 1, LOGOUT));
        let end: Frame | null | undefined;
        const told = wire
          .next(({ type }) => type === GOAWAY)
          .then((got) => {
            end = got;
          });
        // As much at once as is read at once, until the other side has had enough.
        for (let round = 0; end === undefined; round += 1) {
          const mark = Buffer.from(`round ${round}`.padEnd(8).slice(-8));
          const flood = Array.from({ length: 50 }, (_, i) => make(100 * round + 2 * i + 3));
          wire.send(...flood, frame(PING, 0, 0, mark));
          await Promise.race([told, wire.next(({ type, payload }) => type === PING && payload.equals(mark))]);
        }
        assert.equal(end?.payload.readUInt32BE(4), 0, 'NO_ERROR: what is in flight goes on');
        wire.send(frame(DATA, END_STREAM, 1, Buffer.from('x=y')));
        assert.ok(await wire.next((got) => isAnswer(got) && got.stream === 1));
        await wire.closed();
      } finally {
        wire.close();
      }
      await othersAreServed();
    });
  }
});

describe('a stream', () => {
  it('whose body never comes is answered, and then given up', async () => {
    const wire = await FrameWire.open(origin());
    try {
      wire.send(frame(HEADERS, END_HEADERS, 1, PING_REQUEST));
      assert.ok(await wire.next(isAnswer));
      const reset = await wire.next(({ type, stream }) => type === RST_STREAM && stream === 1);
      assert.equal(reset?.payload.readUInt32BE(0), 0, 'NO_ERROR: the answer was complete (RFC 9113 §8.1)');
      wire.send(frame(HEADERS, END_STREAM | END_HEADERS, 3, PING_REQUEST));
      assert.ok(await wire.next((got) => isAnswer(got) && got.stream === 3));
    } finally {
      wire.close();
    }
  });

  for (const acknowledged of [false, true]) {
    it(`with a head that is too large is refused, ${acknowledged ? 'by nghttp2' : 'also before our bounds were acknowledged'}`, async () => {
      const wire = await FrameWire.open(origin());
      try {
        await wire.next(({ type, flags }) => type === SETTINGS && (flags & ACK) === 0);
        if (acknowledged) wire.send(frame(SETTINGS, ACK, 0));
        const large = Buffer.concat(Array.from({ length: 140 }, (_, i) => block({ [`x-${i}`]: 'y'.repeat(100) })));
        wire.send(
          frame(HEADERS, END_STREAM, 1, PING_REQUEST),
          ...Array.from({ length: 5 }, () => frame(CONTINUATION, 0, 1, large)),
          frame(CONTINUATION, END_HEADERS, 1),
        );
        const end = await wire.next(({ type, stream }) => (type === HEADERS || type === RST_STREAM) && stream === 1);
        if (acknowledged) assert.equal(end?.payload.readUInt32BE(0), 11, 'ENHANCE_YOUR_CALM');
        // A literal `:status` (RFC 7541 §6.2.1).
        else assert.deepEqual(end?.payload.subarray(0, 5), Buffer.from('\x48\x03431'));
        wire.send(frame(HEADERS, END_STREAM | END_HEADERS, 3, PING_REQUEST));
        assert.ok(await wire.next((got) => isAnswer(got) && got.stream === 3));
      } finally {
        wire.close();
      }
    });
  }

  it('beyond those that a connection may have is refused, and the connection goes on', async () => {
    const wire = await FrameWire.open(origin());
    try {
      // The second SETTINGS come when we have acknowledged the first, and have asked something.
      await wire.next(({ type, flags }) => type === SETTINGS && (flags & ACK) === 0);
      wire.send(frame(SETTINGS, ACK, 0), frame(HEADERS, END_STREAM | END_HEADERS, 1, PING_REQUEST));
      const second = await wire.next(({ type, flags }) => type === SETTINGS && (flags & ACK) === 0);
      assert.deepEqual([...(second?.payload ?? [])], [0, 3, 0, 0, 0, 16]);
      // Bodies that do not come: each of them is open.
      wire.send(...Array.from({ length: 40 }, (_, i) => frame(HEADERS, END_HEADERS, 2 * i + 3, LOGOUT)));
      const refused = await wire.next(({ type }) => type === RST_STREAM);
      assert.equal(refused?.payload.readUInt32BE(0), 7, 'REFUSED_STREAM: it can be asked again');
      assert.equal(refused?.stream, 35);
      wire.send(...Array.from({ length: 16 }, (_, i) => frame(DATA, END_STREAM, 2 * i + 3, Buffer.from('x=y'))));
      for (let i = 0; i < 16; i += 1) assert.ok(await wire.next((got) => isAnswer(got) && got.stream === 2 * i + 3));
    } finally {
      wire.close();
    }
  });
});

describe('afterwards', () => {
  it('no worker was lost, and nothing unexpected happened', async () => {
    await othersAreServed();
    assert.equal(await daemon.metric('akprox_worker_restarts_total'), 0);
    assert.deepEqual(
      daemon.lines.filter(({ level }) => level === 'error'),
      [],
    );
  });
});
