// What a connection of HTTP/2 may do, and how long it lives. nghttp2 bounds what arrives faster than it can be read (streams, header
// blocks, CONTINUATION frames, resets, answers that nobody fetches); here are the bounds that take time, by one sweep over all
// connections: one that asks nothing ends, one that chatters ends, and an old one is asked to go, so that clients spread over the
// workers again. Connections end by GOAWAY, first with the highest stream there can be: what a client sends until it has read that is
// answered (RFC 9113 §6.8). So does one that does too much: it is a proxy's, and one of those whom the proxy asks for can make it take
// back request after request; what the others ask is answered all the same.
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Timers } from '../infra/timers.js';
import type { Peer } from './http2-request.js';

const SWEEP_MS = 5_000;
/** Sweeps without a request after which a connection ends: 2 min for one that has asked, longer than proxies keep theirs; 10 s for one that has not. */
const IDLE_SWEEPS = 25;
const SILENT_SWEEPS = 2;
/**
 * Connections of a worker that ask nothing for now, beyond which those that have been silent for longest end: each takes some 90 KiB. A fleet of a thousand
 * proxies keeps one or two each; who opens more than that wants memory, and the others stay connected.
 */
const MOST_IDLE = 1_024;
/** Sweeps after which a connection is asked to go: 5 to 10 min, so that those of a fleet do not go together. */
const AGE_SWEEPS = 60;
/** SETTINGS frames between two sweeps. Proxies send a handful a minute. */
const MOST_SETTINGS = 100;
/** PING frames between two sweeps. Go sends one behind a request that it takes back: more than those. */
const MOST_PINGS = 1_000;
/** Requests between two sweeps that a client takes back, beyond which its connection ends; nghttp2's own bound is above it, at 1000 and 33 a second. */
const MOST_RESETS = 800;
/** Beyond so many times as much, a connection is cut off: its client has read that it ends, or does not want to. */
const CUT_OFF = 2;
const RESETS_FORGOTTEN = 150;
/**
 * Sweeps without the answer to a PING after which a connection ends. Node.js neither reads nor ends one that nghttp2 has given up, not
 * even when the client has closed it, and says nothing.
 */
const UNANSWERED_SWEEPS = 2;
/** How long a client has to read that its connection ends, in milliseconds. */
const NOTICE_MS = 500;
/**
 * How many checks a connection may have in flight at first: what Go takes for granted before it has read our word, so that nothing that
 * it sends is refused (RFC 9113 §6.5.2).
 */
export const MOST_STREAMS_AT_FIRST = 100;
/**
 * And as soon as the client has read that and has not had more for a while, because those would be refused. A client opens its next connection
 * when so many are in flight, and the next connection is another worker's: with many, one worker has all of a proxy's load while the
 * others have nothing to do. bench/streams.ts shows it.
 */
const MOST_STREAMS = 16;
/**
 * Streams in flight of all connections with more than that, beyond which further ones of theirs are refused: a client that fetches no answers
 * leaves each of them open, some 15 KiB, on as many connections as it likes.
 */
const MOST_OF_ALL = 4_096;
const HIGHEST_STREAM = 2 ** 31 - 1;
const { NGHTTP2_NO_ERROR, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_REFUSED_STREAM } = constants;

/** Streams in flight of all connections that may still have `MOST_STREAMS_AT_FIRST`. */
interface Total {
  open: number;
}

export interface Http2SessionsOptions {
  readonly timers: Timers;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

export class Http2Connection implements Peer {
  readonly session: ServerHttp2Session;
  /** Since the last sweep. */
  wasUsed = false;
  private pings = 0;
  private settings = 0;
  unused = IDLE_SWEEPS - SILENT_SWEEPS;
  age = 0;
  isLeaving = false;
  /** Sweeps since a PING that has not been answered. */
  private unanswered = 0;
  private resets = 0;
  /** Whether the client has read our first SETTINGS, and whether it has been told `MOST_STREAMS`. */
  hasRead = false;
  isBounded = false;
  /** Streams in flight, and the most of them since the last sweep and in the time before that; counted until it is bounded. */
  private open = 0;
  private peak = 0;
  private peakBefore = 0;
  private address: string | null = null;
  private readonly onEnd: (this: ServerHttp2Stream) => void;
  private readonly total: Total;
  private readonly askToGo: () => void;

  constructor(session: ServerHttp2Session, total: Total, askToGo: (connection: Http2Connection) => void) {
    this.session = session;
    this.total = total;
    this.askToGo = () => askToGo(this);
    const ended = (stream: ServerHttp2Stream): void => this.ended(stream);
    this.onEnd = function onEnd() {
      ended(this);
    };
  }

  /** HOT PATH. A request has come. False: it has been refused, and can be asked again (RFC 9113 §8.7). */
  use(stream: ServerHttp2Stream): boolean {
    this.wasUsed = true;
    stream.on('close', this.onEnd);
    if (this.isBounded) return true;
    this.open += 1;
    this.total.open += 1;
    this.peak = Math.max(this.peak, this.open);
    if (this.total.open <= MOST_OF_ALL || this.open <= MOST_STREAMS) return true;
    stream.close(NGHTTP2_REFUSED_STREAM);
    return false;
  }

  private ended({ rstCode }: ServerHttp2Stream): void {
    if (rstCode > 0 && rstCode !== NGHTTP2_REFUSED_STREAM) this.wasReset();
    if (this.isBounded) return;
    this.open -= 1;
    this.total.open -= 1;
    if (this.open === 0) this.bound();
  }

  private wasReset(): void {
    this.resets += 1;
    this.bear(this.resets, MOST_RESETS);
  }

  pinged(): void {
    this.pings += 1;
    this.bear(this.pings, MOST_PINGS);
  }

  wasSet(): void {
    this.settings += 1;
    this.bear(this.settings, MOST_SETTINGS);
  }

  private bear(times: number, most: number): void {
    if (times > CUT_OFF * most) this.session.destroy(undefined, NGHTTP2_ENHANCE_YOUR_CALM);
    else if (times > most) this.askToGo();
  }

  /** At a moment without requests, and one with no more of them in sight: whoever asks nothing yet may be about to ask much at once. */
  private bound(): void {
    if (this.isBounded || !this.hasRead || this.session.destroyed) return;
    if (Math.max(this.peak, this.peakBefore) > MOST_STREAMS) return;
    this.isBounded = true;
    this.session.settings({ maxConcurrentStreams: MOST_STREAMS });
  }

  /** False when the connection is there no more, as far as can be told. */
  sweep(): boolean {
    this.pings = 0;
    this.settings = 0;
    this.resets = Math.max(0, this.resets - RESETS_FORGOTTEN);
    this.unused = this.wasUsed ? 0 : this.unused + 1;
    this.wasUsed = false;
    this.age += 1;
    this.peakBefore = this.peak;
    this.peak = this.open;
    return this.unused === 0 || this.answers();
  }

  private answers(): boolean {
    if (this.unanswered > 0) return ++this.unanswered <= UNANSWERED_SWEEPS;
    if (this.session.destroyed) return true;
    this.unanswered = 1;
    this.session.ping((error) => {
      if (error === null) this.unanswered = 0;
    });
    return true;
  }

  peer(): string {
    this.address ??= this.session.destroyed ? '' : (this.session.socket.remoteAddress ?? '');
    return this.address;
  }
}

export class Http2Sessions {
  private readonly options: Http2SessionsOptions;
  private readonly connections = new Set<Http2Connection>();
  private readonly total: Total = { open: 0 };
  private whenEmpty: (() => void) | null = null;
  private isDraining = false;
  private sweeps: (() => void) | null = null;

  constructor(options: Http2SessionsOptions) {
    this.options = options;
  }

  add(session: ServerHttp2Session): Http2Connection {
    const connection = new Http2Connection(session, this.total, (one) => this.leave(one));
    connection.age = -Math.floor(AGE_SWEEPS * this.options.random());
    // Not before it has read the first: what it sends until then is refused by the number that it has not read yet.
    session.once('localSettings', () => {
      connection.hasRead = true;
    });
    session.on('ping', () => connection.pinged());
    session.on('remoteSettings', () => connection.wasSet());
    session.once('close', () => {
      this.connections.delete(connection);
      if (this.connections.size === 0) this.whenEmpty?.();
    });
    this.connections.add(connection);
    if (this.isDraining) this.leave(connection);
    this.sweeps ??= this.options.timers.after(SWEEP_MS, () => this.sweep());
    return connection;
  }

  private sweep(): void {
    for (const connection of this.connections) this.look(connection);
    this.boundIdle();
    this.sweeps = this.connections.size === 0 ? null : this.options.timers.after(SWEEP_MS, () => this.sweep());
  }

  private look(connection: Http2Connection): void {
    if (!connection.sweep()) connection.session.destroy();
    else if (connection.unused >= IDLE_SWEEPS) this.end(connection);
    else if (connection.age >= AGE_SWEEPS) this.leave(connection);
  }

  private boundIdle(): void {
    if (this.connections.size <= MOST_IDLE) return;
    const idle = [...this.connections].filter(({ unused }) => unused > 0);
    idle.sort((a, b) => b.unused - a.unused);
    for (const connection of idle.slice(0, Math.max(0, idle.length - MOST_IDLE))) this.end(connection);
  }

  private end(connection: Http2Connection): void {
    // It has had its notice, and has streams that are never answered, or never read.
    if (connection.isLeaving) connection.session.destroy();
    else this.leave(connection);
  }

  private leave(connection: Http2Connection): void {
    if (connection.isLeaving) return;
    connection.isLeaving = true;
    const { session } = connection;
    if (session.destroyed) return;
    session.goaway(NGHTTP2_NO_ERROR, HIGHEST_STREAM);
    this.options.timers.after(NOTICE_MS, () => {
      if (!session.destroyed) session.close();
    });
  }

  /** Resolves when the last of them has had its answers and is closed. */
  drain(): Promise<void> {
    this.isDraining = true;
    for (const connection of this.connections) this.leave(connection);
    return new Promise((resolve) => {
      if (this.connections.size === 0) resolve();
      else this.whenEmpty = resolve;
    });
  }
}
