// Requests as no proxy frames them: what is done to the bytes of a good one. What a parser may take for a second request asks
// for what is not public, so that whatever it is taken for, a 2xx is wrong.
import { nothing } from './oracle.js';
import type { Random } from './random.js';
import type { Fuzzed } from './wire.js';
import type { FuzzWorld } from './world.js';

/** The bytes of a request whose head, with the empty line behind it, is `head`. */
type Damage = (head: string, r: Random) => string;

const SMUGGLED =
  'GET /akprox/auth/traefik HTTP/1.1\r\nHost: whoami.localhost:8080\r\nX-Forwarded-Host: whoami.localhost:8080\r\nX-Forwarded-Uri: /private\r\nX-Forwarded-Method: GET\r\n\r\n';

/** A field more, in front of the others. */
const field = (text: string) => (head: string) => head.replace('\r\n', () => `\r\n${text}\r\n`);
const withBody = (fields: string, body: string) => (head: string) => field(fields)(head) + body;
const requestLine = (change: (line: string, r: Random) => string) => (head: string, r: Random) => {
  const end = head.indexOf('\r\n');
  return change(head.slice(0, end), r) + head.slice(end);
};

const ODD: readonly Damage[] = [
  withBody('Content-Length: 0\r\nTransfer-Encoding: chunked', `0\r\n\r\n${SMUGGLED}`),
  withBody('Transfer-Encoding: chunked\r\nContent-Length: 4', `0\r\n\r\n${SMUGGLED}`),
  withBody('Content-Length: 5\r\nContent-Length: 0', `hello${SMUGGLED}`),
  withBody('Content-Length: 0, 5', `hello${SMUGGLED}`),
  ...['abc', '-1', '+5', '5 5', '0x5', '5;', '99999999999999999999', '1e1', '5,5', '５'].map((length) =>
    withBody(`Content-Length: ${Buffer.from(length).toString('latin1')}`, `hello${SMUGGLED}`),
  ),
  ...[
    'xchunked',
    'chunked, identity',
    'identity',
    'gzip, chunked',
    '\tchunked',
    'CHUNKED',
    'chunked\r\nTransfer-Encoding: x',
  ].map((coding) => withBody(`Transfer-Encoding: ${coding}`, `0\r\n\r\n${SMUGGLED}`)),
  ...[
    'zz\r\n',
    '-1\r\n',
    'FFFFFFFFFFFFFFFFF\r\n',
    '0x5\r\nhello\r\n0\r\n\r\n',
    ' 5\r\nhello\r\n0\r\n\r\n',
    '5\nhello\n0\n\n',
  ].map((chunks) => withBody('Transfer-Encoding: chunked', chunks + SMUGGLED)),
  field('Host: evil.example'),
  field('Host:'),
  (head) => field('Accept: */*')(head).replace(/\r\nHost: [^\r]*/, ''),
  (head, r) => field(Array.from({ length: 110 + r.below(300) }, (_, i) => `X-${i}: ${i}`).join('\r\n'))(head),
  (head, r) => field(`X-Huge: ${'h'.repeat(66_000 + r.below(100_000))}`)(head),
  requestLine((line, r) => line.replace(' ', ` /${'u'.repeat(66_000 + r.below(100_000))}`)),
  requestLine((line) => line.replace(' /', ' http://whoami.localhost:8080/')),
  requestLine((line) => line.replace(' /', ' //evil.example/')),
  requestLine((line) => line.replace(' /', ' /\x00')),
  requestLine((line) => line.replace(' /', ' /\xff\xfe')),
  requestLine((line) => line.replace(' /', '  /')),
  requestLine((line) => line.replace(' /', '\t/')),
  requestLine((line) => line.replace(' /', ' *')),
  requestLine((line) => line.replace(/^\S+/, '')),
  requestLine((line) => line.replace(/^\S+/, 'G\x00T')),
  requestLine((line) => line.replace(/^\S+/, 'G\xc9T')),
  requestLine((line, r) => line.replace(/^\S+/, r.text(300))),
  requestLine((line) => line.replace(/^\S+/, 'CONNECT')),
  requestLine((line) => line.replace(/HTTP\/1\.1$/, 'http/1.1')),
  requestLine((line) => line.replace(/HTTP\/1\.1$/, 'HTTP/1.2')),
  requestLine((line) => line.replace(/HTTP\/1\.1$/, 'HTTP/2.0')),
  requestLine((line) => line.replace(/HTTP\/1\.1$/, 'HTTP/11')),
  requestLine((line) => `${line} x`),
  (head) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${head}`,
  (head) => ` ${head}`,
];

/** uWebSockets.js takes these for a head that goes on, and ends the connection when nothing has come for some seconds. */
const MUTE: readonly Damage[] = [
  field('X-A: 1\r\n folded: 2'),
  field('X-A: 1\r\n\tContent-Length: 5'),
  field('X-A : 1'),
  field('Content-Length : 5'),
  field(' X-A: 1'),
  field('no colon'),
  field(': no name'),
  field('X-\x00A: 1'),
  field('X-A: 1\x00 2'),
  field('X-A: 1\x0b\x7f\x01'),
  field('X-\xe9: 1'),
  field('X A: 1'),
  field('X-A: 1\rX-B: 2'),
  field('X-A: 1\nX-B: 2'),
  requestLine((line) => line.replace(/ HTTP\/1\.1$/, '')),
  (head) => `\r\n\r\n${head}`,
  withBody('Transfer-Encoding: chunked', `5;a=b\r\nhello\r\n0\r\n\r\n${SMUGGLED}`),
  withBody('Transfer-Encoding: chunked\x0b', `0\r\n\r\n${SMUGGLED}`),
];

/** Of these the end does not come, or a parser may still wait for it. */
const UNFINISHED: readonly Damage[] = [
  (head, r) => head.slice(0, r.below(head.length)),
  (head) => head.replaceAll('\r\n', '\n'),
  (head) => head.replaceAll('\r\n', '\r'),
  (_head, r) => r.bytes(1 + r.below(2_000)),
  // A ClientHello's first bytes, on whichever listener.
  (_head, r) => `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${r.bytes(32)}`,
  withBody('Content-Length: 500', 'hello'),
  withBody('Content-Length: 5', ''),
  withBody('Transfer-Encoding: chunked', '5\r\nhel'),
  withBody('Transfer-Encoding: chunked', ''),
  withBody('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\nX-Trailer: 1\r\n'),
  (_head, r) => '\r\n'.repeat(1 + r.below(50)),
];

/** Anything may become of these, also what was nearly there. */
const CHANGED: readonly Damage[] = [
  (head, r) => {
    const at = r.below(head.length);
    return `${head.slice(0, at)}${String.fromCharCode(head.charCodeAt(at) ^ (1 << r.below(8)))}${head.slice(at + 1)}`;
  },
  (head, r) => {
    const at = r.below(head.length);
    return head.slice(0, at) + r.bytes(1 + r.below(20)) + head.slice(at);
  },
];

/** Whole and allowed; some servers end the connection with the answer. */
const LAST: readonly Damage[] = [
  withBody('Content-Length: 5', 'hello'),
  (head, r) => {
    const size = r.below(200_000);
    return field(`Content-Length: ${size}`)(head) + 'b'.repeat(size);
  },
  withBody('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'),
  (head, r) => {
    const size = r.below(100_000);
    return `${field('Transfer-Encoding: chunked')(head)}${size.toString(16)}\r\n${'c'.repeat(size)}\r\n0\r\n\r\n`;
  },
  withBody('Expect: 100-continue\r\nContent-Length: 5', 'hello'),
  field('Expect: 100-continue'),
  field('Expect: the-unexpected'),
  field('Connection: close'),
  field(
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13',
  ),
  field('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA'),
  requestLine((line) => line.replace(/HTTP\/1\.1$/, 'HTTP/1.0')),
  (head) =>
    requestLine((line) => line.replace(/HTTP\/1\.1$/, 'HTTP/1.0'))(field('Connection: keep-alive')(head), NO_RANDOM),
];
const NO_RANDOM = {} as Random;

const KINDS: readonly (readonly [Fuzzed['framing'], readonly Damage[]])[] = [
  ['odd', ODD],
  ['odd', ODD],
  ['unfinished', MUTE],
  ['unfinished', UNFINISHED],
  ['unfinished', CHANGED],
  ['last', LAST],
];

/** The request with its framing damaged. It ends its connection, or the fuzzer does. */
export function damage(r: Random, world: FuzzWorld, request: Fuzzed): Fuzzed {
  const kinds = KINDS.filter(
    ([, list]) => (list !== CHANGED || request.fragile === 'no') && (list !== ODD || request.fragile !== 'field'),
  );
  const [framing, ways] = r.pick(kinds);
  const at = r.below(ways.length);
  // To what is no HEAD any more a body may be answered.
  const whole = framing === 'last' ? request.bytes : request.bytes.replace(/^HEAD /, 'GET ');
  const end = whole.indexOf('\r\n\r\n') + 4;
  // A length that was there would be a second one.
  const head = whole.slice(0, end).replace(/\r\nContent-Length: [^\r]*/g, '');
  const bytes = ways[at]?.(head, r) ?? head;
  // The bytes may say something else now, but nobody comes in who was not to come in, and a reader may have seen less.
  const rule = {
    ...nothing(world.sites),
    sessions: request.rule.sessions,
    open: request.rule.open,
    faults: [505, ...request.rule.faults],
  };
  const step = request.rule.step === undefined ? {} : { step: request.rule.step };
  const what = `${framing} ${KINDS.findIndex(([, list]) => list === ways)}/${at}, ${request.what}`;
  const bodiless = framing === 'last' && request.bodiless;
  return { ...request, bytes, what, bodiless, rule: { ...rule, ...step }, framing, waits: true };
}
