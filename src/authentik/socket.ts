// The websocket to authentik core: says that we are alive, and is told of changes and of sessions that ended. It reconnects
// for ever; a message that cannot be read is dropped, never a reason to stop.
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import WebSocket, { type ClientOptions } from 'ws';
import { createBackoff } from '../infra/backoff.js';
import { explain } from '../infra/errors.js';
import { type OutgoingProxies, proxyFor } from '../infra/outgoing-proxy.js';
import { createRateGate } from '../infra/rate-gate.js';
import type { Timers } from '../infra/timers.js';
import { isTlsFault } from '../infra/tls-fault.js';
import { tunnelTo } from '../infra/tunnel.js';
import { isRecord } from '../infra/untyped.js';
import { USER_AGENT } from './api.js';

export interface CoreSocketOptions {
  readonly host: string;
  readonly token: string;
  readonly insecure: boolean;
  readonly proxies?: OutgoingProxies | undefined;
  readonly outpostPk: string;
  /** UUID of this process. */
  readonly instanceId: string;
  /** `args` of the hello message. */
  readonly hello: Readonly<Record<string, unknown>>;
  readonly timers: Timers;
  /** 0 to 1. */
  readonly random: () => number;
  readonly monotonic: () => number;
  readonly log: SourceLog;
  onTrigger(): void;
  onSessionEnd(sid: string): void;
  /** `again`: it had been connected before, so messages may have been missed. */
  onConnected(again: boolean): void;
}

/** The part of a pino logger that this room uses. */
export interface SourceLog {
  debug(facts: object, text: string): void;
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
  error(facts: object, text: string): void;
}

export interface CoreSocket {
  readonly connected: boolean;
  close(): void;
}

/** authentik's instructions, by their number on the wire. */
const HELLO = 1;
const TRIGGER_UPDATE = 2;
const PROVIDER_SPECIFIC = 3;
const SESSION_END = 4;

const HANDSHAKE_TIMEOUT = 10_000;
/** core forgets an instance that has been silent for 15 s. */
const HELLO_EVERY = 10_000;
/** Hellos without any sign of life before the connection counts as dead. */
const SILENT_HELLOS = 3;
const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 300_000;
/** A line about messages that cannot be read is written this often. */
const MALFORMED_EVERY = 60_000;
const MOST_BYTES = 1_048_576;

export function connectCore(options: CoreSocketOptions): CoreSocket {
  const { timers, log } = options;
  let socket: WebSocket | null = null;
  let connected = false;
  let ever = false;
  let closed = false;
  let attempt = 0;
  const backoff = createBackoff({ first: FIRST_DELAY, longest: LONGEST_DELAY, jitter: 1 / 4, random: options.random });
  const malformed = createRateGate({ period: MALFORMED_EVERY, most: 1, monotonic: options.monotonic });
  let cancelRetry = (): void => {};
  let cancelHello = (): void => {};

  function connect(): void {
    if (closed) return;
    const current = new WebSocket(socketUrl(options, attempt), {
      headers: { Authorization: `Bearer ${options.token}`, 'User-Agent': USER_AGENT },
      handshakeTimeout: HANDSHAKE_TIMEOUT,
      followRedirects: false,
      maxPayload: MOST_BYTES,
      perMessageDeflate: false,
      rejectUnauthorized: !options.insecure,
      ...byProxy(options),
    });
    socket = current;
    attempt += 1;
    let silent = 0;
    let reason = 'authentik closed it';

    const sayHello = (): void => {
      if (current.readyState !== WebSocket.OPEN) return;
      if (silent >= SILENT_HELLOS) {
        reason = 'authentik has been silent';
        current.terminate();
        return;
      }
      silent += 1;
      current.send(JSON.stringify({ instruction: HELLO, args: options.hello }));
      // Any server answers a ping (RFC 6455 §5.5.3), so silence means that nobody is there.
      current.ping();
      cancelHello = timers.after(HELLO_EVERY, sayHello);
    };

    current.on('open', () => {
      connected = true;
      backoff.reset();
      sayHello();
      log.info({ attempt }, 'connected to authentik');
      options.onConnected(ever);
      ever = true;
    });
    current.on('pong', () => {
      silent = 0;
    });
    current.on('message', (data, binary) => {
      silent = 0;
      if (!closed) receive(binary ? '' : String(data));
    });
    current.on('error', (error) => {
      reason = reasonOf(error);
    });
    // `close` comes after every error too, so this is the one place that tries again.
    current.on('close', (code) => {
      cancelHello();
      connected = false;
      if (closed) return;
      const wait = backoff.next();
      log.warn(
        { reason, code, retry_in_ms: wait },
        'no live connection to authentik; changes are polled for meanwhile',
      );
      cancelRetry = timers.after(wait, connect);
    });
  }

  function receive(text: string): void {
    const message = parse(text);
    if (message === null) {
      if (!malformed.admit('')) return;
      log.warn({ bytes: text.length }, 'authentik sent a websocket message that cannot be read; ignored');
      return;
    }
    const { instruction, args } = message;
    if (instruction === TRIGGER_UPDATE) options.onTrigger();
    const ended = instruction === SESSION_END || (instruction === PROVIDER_SPECIFIC && args['sub_type'] === 'logout');
    const sid = args['session_id'];
    if (ended && typeof sid === 'string' && sid !== '' && sid.length <= 255) options.onSessionEnd(sid);
  }

  connect();
  return {
    get connected() {
      return connected;
    },
    close() {
      closed = true;
      cancelRetry();
      cancelHello();
      if (socket?.readyState === WebSocket.OPEN) socket.close(1000);
      else socket?.terminate();
    },
  };
}

/** How `ws` is to connect when there is a proxy. */
function byProxy({ host, insecure, proxies }: CoreSocketOptions): Pick<ClientOptions, 'createConnection'> {
  const url = new URL(host);
  const proxy = proxyFor(url, proxies);
  if (proxy === '') return {};
  const secure = url.protocol === 'https:';
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const connect = async (): Promise<Duplex> => {
    const socket = await tunnelTo(url.hostname, url.port || (secure ? '443' : '80'), proxy);
    const servername = isIP(name) === 0 ? name : '';
    return secure ? connectTls({ socket, servername, host: name, rejectUnauthorized: !insecure }) : socket;
  };
  return {
    // Node.js waits for what is called back; its types know of that in `Agent` alone.
    createConnection: ((_: unknown, done: (error: Error | null, socket?: Duplex) => void) => {
      connect().then(
        (socket) => done(null, socket),
        (error: Error) => done(error),
      );
    }) as unknown as NonNullable<ClientOptions['createConnection']>,
  };
}

function socketUrl({ host, outpostPk, instanceId }: CoreSocketOptions, attempt: number): string {
  const query = new URLSearchParams({ instance_uuid: instanceId, attempt: String(attempt) });
  // The slash before the query is required by newer cores.
  return `${host.replace(/^http/i, 'ws')}/ws/outpost/${encodeURIComponent(outpostPk)}/?${query}`;
}

/** Null for anything but `{"instruction": <integer>, …}`; `args` may be null or absent. */
function parse(text: string): { instruction: number; args: Record<string, unknown> } | null {
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value)) return null;
    const instruction = value['instruction'];
    if (typeof instruction !== 'number' || !Number.isInteger(instruction)) return null;
    return { instruction, args: isRecord(value['args']) ? value['args'] : {} };
  } catch {
    return null;
  }
}

function reasonOf(error: Error): string {
  const status = /^Unexpected server response: (\d{3})$/.exec(error.message)?.[1];
  if (status === '401' || status === '403') return `refused with ${status}: AUTHENTIK_TOKEN is wrong or has expired`;
  if (status !== undefined) return `refused with ${status}`;
  return isTlsFault(error) ? `TLS failed (AUTHENTIK_INSECURE): ${explain(error)}` : explain(error);
}
