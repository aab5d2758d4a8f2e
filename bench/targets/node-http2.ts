// node:http2 with no logic, answering what the outpost answers: what a check over HTTP/2 costs before anybody has looked at it.
// Started by target.ts with the answers as argument.
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { generate } from 'selfsigned';
import type { Recorded } from '../scenarios.js';

const answers = JSON.parse(process.argv[2] ?? '{}') as Record<string, Recorded>;
const heads = new Map(
  Object.entries(answers).map(([path, { status, headers, body }]) => [
    path,
    {
      ':status': status,
      'content-length': Buffer.byteLength(body),
      ...Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    },
  ]),
);
const END = { endStream: true };

const { cert, private: key } = await generate([{ name: 'commonName', value: 'bench' }], {
  keyType: 'ec',
  curve: 'P-256',
});
const server = createSecureServer({ cert, key });
server.on('stream', (stream, headers) => {
  stream.respond(heads.get(headers[':path'] ?? '') ?? { ':status': 404 }, END);
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`));
process.on('disconnect', () => process.exit(0));
