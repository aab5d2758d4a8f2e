// The floor: uWebSockets.js with no logic at all. `/empty` answers an empty 200; the other paths answer the same bytes as
// the outpost, headers of a 200 in one block as the outpost writes them. Started by target.ts with the answers as argument.
import * as uWS from 'uWebSockets.js';
import type { Recorded } from '../scenarios.js';

(uWS as unknown as { _cfg(option: string): void })._cfg('silent');

const answers = JSON.parse(process.argv[2] ?? '{}') as Record<string, Recorded>;
const app = uWS.App();

app.any('/empty', (res) => {
  res.endWithoutBody(0, false);
});

for (const [path, { status, headers, body }] of Object.entries(answers)) {
  const [first = ['Cache-Control', 'no-store'], ...rest] = headers;
  const text = [first[1], ...rest.map(([name, value]) => `${name}: ${value}`)].join('\r\n');
  const block = new Uint8Array(Buffer.from(text, 'latin1')).buffer;
  app.any(path, (res) => {
    if (status !== 200) res.writeStatus(status === 302 ? '302 Found' : String(status));
    res.writeHeader(first[0], block);
    if (body === '') res.endWithoutBody(0, false);
    else res.end(body, false);
  });
}

app.listen('127.0.0.1', 0, (socket) => {
  if (!socket) process.exit(1);
  process.stdout.write(`port ${uWS.us_socket_local_port(socket)}\n`);
});
process.on('disconnect', () => process.exit(0));
