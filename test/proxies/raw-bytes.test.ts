// uWebSockets.js takes every byte above ASCII off both ends of a header value (where `char` is signed, as on x86). Behind every
// proxy, a stranger must get nothing of the application but what the allow-list names, whatever bytes the URL and the host end in.
// The application takes raw bytes, as those in Python, PHP, Go and Ruby do; Node.js itself would answer 400.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { listenLocally } from '../kit/listening.js';
import { describeWith } from '../kit/needs.js';
import { ENGINE } from '../kit/on-node-http.js';
import {
  APP,
  type Application,
  type Mode,
  type ProxyName,
  proxyMissing,
  type RealWorld,
  type Seen,
  type Surroundings,
  startRealWorld,
  startSurroundings,
} from '../kit/real-proxy.js';

const HOST = new URL(APP).host;
const UTF8 = Buffer.from('日本語').toString('latin1');

/** Latin-1: a character is a byte. */
const HOSTILE = [
  `/wiki/${UTF8}`,
  '/wiki/\xe9\xff',
  '/wiki/\x80',
  `/wiki/${UTF8}?x`,
  `/wiki/${UTF8}/..`,
  '/wiki\xe9/',
  '/\xe9wiki/',
  '\xe9/wiki/',
];
/** In a domain the query is compared too. */
const HOSTILE_QUERIES = ['/wiki/?\xe9\xff', `/wiki/?${UTF8}=1`];
const HOSTILE_HOSTS = [`${HOST}\xe9`, `\xe9${HOST}`, `\xff${HOST}\xff`, 'open.company.tld\xe9'];

const REFUSAL = '  if ($request_uri ~ "[^\\x21-\\x7e]") { return 400; }\n';
const BRACKETS = '"<$scheme://$host$request_uri>"';
const BARE = '$scheme://$host$request_uri';
/** What single.conf and domain.conf have against it; each alone is enough. */
const WITHOUT: readonly (readonly [what: string, edits: readonly (readonly [string, string])[], opens: boolean])[] = [
  ['without the refusal', [[REFUSAL, '']], false],
  ['without the brackets', [[BRACKETS, BARE]], false],
  [
    'with neither',
    [
      [REFUSAL, ''],
      [BRACKETS, BARE],
    ],
    true,
  ],
];

for (const mode of ['single', 'domain'] as const) {
  describe(`raw bytes, ${mode}`, () => {
    let around: Surroundings;
    before(async () => {
      const allowList = mode === 'single' ? ['^/$', '^/wiki/$'] : [`^${APP}/$`, `^${APP}/wiki/$`];
      around = await startSurroundings(mode, { application: await startRawApplication(), allowList });
    });
    after(() => around?.[Symbol.asyncDispose]());

    for (const name of ['nginx', 'caddy', 'haproxy', 'traefik', 'envoy'] as const) {
      describeWith(proxyMissing(name), `behind ${name}`, () => cases(name, mode, () => around));
    }
    for (const [what, edits, opens] of WITHOUT) {
      // Where `char` is not signed, as on ARM, uWebSockets.js trims nothing, and node:http never does.
      const isTrimmed = ENGINE === 'uWebSockets.js' && process.arch === 'x64';
      const unsigned = opens && !isTrimmed ? 'nothing is trimmed here' : null;
      describeWith(proxyMissing('nginx') ?? unsigned, `behind nginx ${what}`, () => {
        it(opens ? 'a stranger gets what is not public: so they are needed' : 'a stranger gets nothing', async () => {
          await using world = await startRealWorld('nginx', mode, { edits, around });
          for (const target of [`/wiki/${UTF8}`, '/\xe9\xff']) {
            assert.deepEqual((await reached(world, target)).urls, opens ? [target] : []);
          }
        });
      });
    }
  });
}

function cases(name: ProxyName, mode: Mode, around: () => Surroundings): void {
  let world: RealWorld;
  before(async () => {
    world = await startRealWorld(name, mode, { around: around() });
  });
  after(() => world?.[Symbol.asyncDispose]());

  it('the allow-list lets a stranger through, and nothing beside it', async () => {
    assert.deepEqual(await reached(world, '/wiki/'), { status: 200, urls: ['/wiki/'] });
    assert.deepEqual(await reached(world, '/wiki/x'), { status: 302, urls: [] });
  });

  for (const target of mode === 'single' ? HOSTILE : [...HOSTILE, ...HOSTILE_QUERIES]) {
    it(`a stranger does not get ${JSON.stringify(target)}`, async () => {
      const { status, urls } = await reached(world, target);
      assert.deepEqual(urls, [], String(status));
      if (name === 'nginx') assert.equal(status, 400);
    });
  }

  for (const host of HOSTILE_HOSTS) {
    it(`nor anything of the host ${JSON.stringify(host)}`, async () => {
      const { status, urls } = await reached(world, '/wiki/', host);
      assert.deepEqual(urls, [], String(status));
    });
  }
}

/** A navigation with no cookie: the status, 0 for no answer, and what the application was asked for (latin-1). */
async function reached(world: RealWorld, target: string, host = HOST): Promise<{ status: number; urls: string[] }> {
  const before = world.seen.length;
  const socket = await world.connect();
  const closed = once(socket, 'close');
  let answer = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1');
  });
  const head = `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n`;
  socket.write(Buffer.from(head, 'latin1'));
  await closed;
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
  return { status, urls: world.seen.slice(before).map(({ url }) => url) };
}

async function startRawApplication(): Promise<Application> {
  const seen: Seen[] = [];
  const server = createServer((socket) => {
    let head = '';
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const [method = '', url = ''] = head.split(' ');
      seen.push({ method, url, headers: [], bodyBytes: 0 });
      head = '';
      socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 11\r\n\r\nAPPLICATION');
    });
  });
  return { ...(await listenLocally(server)), seen };
}
