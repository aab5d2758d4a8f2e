// node:http with no logic, answering what the outpost answers: what a forward-auth server written the usual way starts from.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Recorded } from '../scenarios.js';

const answers = JSON.parse(process.argv[2] ?? '{}') as Record<string, Recorded>;

const server = createServer((req, res) => {
  const answer = answers[req.url ?? ''];
  if (answer === undefined) {
    res.writeHead(404).end();
    return;
  }
  res.writeHead(answer.status, [...answer.headers.flat(), 'Content-Length', String(Buffer.byteLength(answer.body))]);
  res.end(answer.body);
});

server.listen(0, '127.0.0.1', () => process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`));
process.on('disconnect', () => process.exit(0));
