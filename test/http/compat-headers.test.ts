// Node.js drops what stands behind its limit of headers without a word: no header of a check may hide there.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Daemon, request, startDaemon, testProvider } from '../kit/daemon.js';

const HOST = 'whoami.localhost:8080';
let daemon: Daemon;

before(async () => {
  daemon = await startDaemon({
    workers: 1,
    listen: { compat: '127.0.0.1:0' },
    providers: [testProvider('http://127.0.0.1:1', { skip_path_regex: ['^/public/'] })],
  });
});
after(() => daemon?.[Symbol.asyncDispose]());

/** As a proxy asks that appends the host to what the client sent, with headers of the client's between them. */
async function ask(between: number, ...hosts: string[]): Promise<number> {
  const [first = '', ...rest] = hosts;
  const filler = Array.from({ length: between }, (_, i) => [`A${i}`, '1']);
  const lines = [
    ['Host', 'akprox:9000'],
    ['X-Forwarded-Host', first],
    ['X-Forwarded-Uri', '/public/'],
    ['X-Forwarded-Method', 'GET'],
    ...filler,
    ...rest.map((host) => ['X-Forwarded-Host', host]),
  ];
  // As a list, so that the order stays.
  const headers = lines.flat() as unknown as Record<string, string>;
  return (await request(`${daemon.compat}/akprox/auth/traefik`, { headers })).status;
}

describe('the compat listener', () => {
  it('answers a check with many headers', async () => {
    assert.equal(await ask(150, HOST), 200);
  });

  for (const between of [0, 150, 195, 196, 197, 230, 500]) {
    it(`refuses a second X-Forwarded-Host behind ${between} other headers`, async () => {
      const status = await ask(between, HOST, 'other.localhost:8080');
      assert.ok(status === 400 || status === 431, `${status}`);
    });
  }
});
