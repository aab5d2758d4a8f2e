// What a check reads from header values, at the socket: X-Original-URL bare and between brackets, an X-Original-URI that an outer
// proxy wrote, and values that lose bytes at their ends (uWebSockets.js takes everything above ASCII off both, where `char` is
// signed). The same request has the same answer whether its session is cached or not.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Answer, request, testProvider } from '../kit/daemon.js';
import { APP, clientFor, startWorld, type World } from '../kit/world.js';

const { host: HOST } = new URL(APP);
const OTHER = 'http://other.localhost:8080';
const PREFLIGHT = { Origin: 'http://x', 'Access-Control-Request-Method': 'GET' };
let world: World;
let alice: string;
let listeners: string[];

before(async () => {
  world = await startWorld({
    provider: { skip_path_regex: ['^/$', '^/wiki/$'] },
    idp: { clients: [clientFor('whoami', APP), clientFor('other', OTHER)] },
    others: (issuer) => [
      testProvider(issuer, {
        name: 'other',
        external_host: OTHER,
        allow_preflight: true,
        oidc: { issuer, client_id: 'other', client_secret: 'other-client-secret' },
      }),
    ],
    // One worker: what it has cached, it has cached.
    config: { workers: 1, listen: { compat: '127.0.0.1:0' } },
  });
  listeners = [world.daemon.http, world.daemon.compat ?? assert.fail()];
  const browser = world.browser();
  await browser.logIn(`${APP}/private`, 'alice');
  alice = (await browser.cookies(`${APP}/`)).find((cookie) => cookie.startsWith('authentik_proxy_')) ?? assert.fail();
});
after(() => world?.[Symbol.asyncDispose]());

type Headers = Readonly<Record<string, string>>;

const nginx = (headers: Headers, listener = world.daemon.http): Promise<Answer> =>
  request(`${listener}/akprox/auth/nginx`, { headers: { Host: HOST, ...headers } });

describe('X-Original-URL', () => {
  const forms: readonly (readonly [url: string, status: 200 | 400])[] = [
    [`${APP}/x`, 200],
    [`<${APP}/x>`, 200],
    [`<${APP}/x?y=<z>>`, 200],
    [APP, 200],
    [`<${APP}>`, 200],
    [`HTTP://${HOST}/x`, 200],
    [`<WS://${HOST}/x>`, 200],
    [`://${HOST}/x`, 400],
    [`<://${HOST}/x>`, 400],
    [`//${HOST}/x`, 400],
    [`ftp://${HOST}/x`, 400],
    [`x${APP}/x`, 400],
    [`<${APP}/x`, 400],
    [`<${APP}`, 400],
    [`<<${APP}/x>>`, 400],
    ['<>', 400],
    ['<', 400],
    ['/x', 400],
  ];
  for (const [url, status] of forms) {
    it(`${url}: ${status}, cached or not, on every listener`, async () => {
      for (const listener of listeners) {
        assert.equal((await nginx({ 'X-Original-URL': `${APP}/x`, Cookie: alice }, listener)).status, 200);
        const cached = await nginx({ 'X-Original-URL': url, Cookie: alice }, listener);
        assert.equal(cached.status, status, cached.body);
        // Behind another cookie of the same name, a session is looked up off the fast path.
        const twice = `${alice.slice(0, alice.indexOf('='))}=${'a'.repeat(3)}; ${alice}`;
        assert.equal((await nginx({ 'X-Original-URL': url, Cookie: twice }, listener)).status, status);
        const stranger = await nginx({ 'X-Original-URL': url }, listener);
        assert.equal(stranger.status === 400, status === 400, stranger.body);
      }
    });
  }

  it('between brackets means what it means without them', async () => {
    for (const path of ['/x', '/x?y=%20', '/wiki/', '/a%2fb', '/>', '/x<y']) {
      const bare = await nginx({ 'X-Original-URL': APP + path });
      const bracketed = await nginx({ 'X-Original-URL': `<${APP}${path}>` });
      assert.deepEqual([bracketed.status, bracketed.headers.location], [bare.status, bare.headers.location], path);
    }
  });

  it('between brackets must not name another application than Host either', async () => {
    assert.equal((await nginx({ 'X-Original-URL': `<${OTHER}/x>`, Cookie: alice })).status, 400);
    assert.equal((await nginx({ 'X-Original-URL': `<${APP}/x>`, 'X-Original-URI': '/y' })).status, 400);
    assert.equal((await nginx({ 'X-Original-URL': `<${APP}/x>`, 'X-Original-URI': '/x', Cookie: alice })).status, 200);
  });
});

describe('an X-Original-URI that is the target of the check itself', () => {
  for (const target of ['/akprox/auth/nginx', '/akprox/auth?nginx', '/outpost.goauthentik.io/auth/nginx?a=b']) {
    const ask = (headers: Headers, listener: string): Promise<Answer> =>
      request(listener + target, { headers: { Host: HOST, 'X-Original-URI': target, ...headers } });

    it(`${target} is an outer proxy's, and is ignored`, async () => {
      for (const listener of listeners) {
        for (const url of [`${APP}/x`, `<${APP}/x>`]) {
          assert.equal((await ask({ 'X-Original-URL': url, Cookie: alice }, listener)).status, 200);
          const stranger = await ask({ 'X-Original-URL': url }, listener);
          assert.equal(stranger.status, 401);
          assert.equal(new URL(stranger.headers.location ?? '').searchParams.get('rd'), `${APP}/x`);
        }
      }
    });

    it(`${target} alone says nothing: the path is unknown, and on no allow-list`, async () => {
      for (const listener of listeners) {
        assert.equal((await ask({}, listener)).status, 401);
        assert.equal((await ask({ Cookie: alice }, listener)).status, 200);
      }
    });
  }

  it('any other still has to agree', async () => {
    for (const uri of [
      '/akprox/auth/nginx/',
      '/akprox/auth',
      '/akprox/auth/nginx?x',
      '/outpost.goauthentik.io/auth/nginx',
    ])
      assert.equal(
        (await nginx({ 'X-Original-URL': `${APP}/x`, 'X-Original-URI': uri, Cookie: alice })).status,
        400,
        uri,
      );
  });
});

it('where only Host is sent, the path is unknown, and on no allow-list', async () => {
  assert.equal((await nginx({})).status, 401);
  assert.equal((await nginx({ 'X-Original-URI': '/wiki/' })).status, 200);
});

// For each value that a dialect reads: can a stranger gain by bytes that are lost at its ends? The proxies that are named are those
// that would pass them on; test/proxies/raw-bytes.test.ts asks the real ones.
describe('bytes that are lost at the ends of a value', () => {
  const ENDS = ['\xe9', '\x80\xff', '日本語'.replace(/./g, (sign) => Buffer.from(sign).toString('latin1'))];
  const traefik = (headers: Headers): Promise<Answer> =>
    request(`${world.daemon.http}/akprox/auth/traefik`, {
      headers: {
        'X-Forwarded-Proto': 'http',
        'X-Forwarded-Host': HOST,
        'X-Forwarded-Uri': '/wiki/x',
        'X-Forwarded-Method': 'GET',
        ...headers,
      },
    });
  const original = { 'X-Original-URL': `<${APP}/wiki/x>`, 'X-Original-Method': 'GET' };

  // A 2xx of these would be a hole.
  const closed: readonly (readonly [what: string, ask: (end: string) => Promise<Answer>])[] = [
    ['X-Original-URL between brackets: seen', (end) => nginx({ 'X-Original-URL': `<${APP}/wiki/${end}>` })],
    ['the same in front of the path', (end) => nginx({ 'X-Original-URL': `<${APP}${end}/wiki/>` })],
    ['X-Original-URL: the host is inside', (end) => nginx({ 'X-Original-URL': `<http://${HOST}${end}/wiki/>` })],
    ['X-Original-URL, bare: the host is inside', (end) => nginx({ 'X-Original-URL': `http://${HOST}${end}/wiki/` })],
    ['X-Original-URL, bare: bytes inside the path', (end) => nginx({ 'X-Original-URL': `${APP}/${end}/wiki/` })],
    [
      'X-Original-Method: it opens nothing here',
      (end) => nginx({ ...original, ...PREFLIGHT, 'X-Original-Method': `OPTIONS${end}` }),
    ],
    ['Host: the rules are those of the host without them', (end) => nginx({ ...original, Host: HOST + end })],
    ['X-Forwarded-Host: the same', (end) => traefik({ 'X-Forwarded-Host': end + HOST + end })],
    [
      'X-Forwarded-Method: nothing that OPTIONS itself would not open',
      (end) => traefik({ ...PREFLIGHT, 'X-Forwarded-Method': `OPTIONS${end}` }),
    ],
    ['X-Forwarded-Proto', (end) => traefik({ 'X-Forwarded-Proto': `https${end}` })],
    ['X-Forwarded-Uri: bytes inside the path', (end) => traefik({ 'X-Forwarded-Uri': `/${end}/wiki/` })],
    ['X-Forwarded-Uri: not the path of the allow-list', (end) => traefik({ 'X-Forwarded-Uri': `/wiki/x${end}` })],
    [
      'Cookie: the name alone is no session',
      (end) => traefik({ Cookie: `${alice.slice(0, alice.indexOf('=') + 1)}${end}` }),
    ],
    ['Cookie: nor is a ticket that was cut', (end) => traefik({ Cookie: alice.slice(0, -1) + end })],
    ['Authorization: nothing is left of it', (end) => traefik({ Authorization: end })],
    ['Authorization: credentials of nobody', (end) => traefik({ Authorization: `Bearer ${end}` })],
    [
      'Envoy asks in the request line, which loses nothing',
      (end) => request(`${world.daemon.http}/akprox/auth/envoy/wiki/x`, { headers: { Host: HOST + end } }),
    ],
  ];
  for (const [what, ask] of closed) {
    it(what, async () => {
      for (const end of ENDS) {
        const answer = await ask(end);
        assert.ok([302, 400, 401, 404].includes(answer.status), `${answer.status} ${answer.body}`);
        assert.ok(!(answer.headers.location ?? '').includes('//other'), answer.headers.location);
      }
    });
  }

  it('rd, asked for in-band: what is left is judged like any other', async () => {
    for (const end of ENDS) {
      for (const rd of [`${APP}/x${end}`, `http://evil.example/${end}`, end]) {
        const answer = await traefik({ 'X-Forwarded-Uri': `/akprox/start?rd=${rd}` });
        assert.equal(answer.status, 302);
        assert.ok(answer.headers.location?.startsWith(world.idp.issuer), answer.headers.location);
      }
    }
  });

  it('Cookie: who brings the ticket is who it was given to', async () => {
    for (const end of ENDS) assert.ok([200, 302].includes((await traefik({ Cookie: alice + end })).status));
  });

  it('the listener for HTTP/1.0 loses nothing: a bare X-Original-URL is seen whole there', async () => {
    for (const end of ENDS) {
      const answer = await nginx({ 'X-Original-URL': `${APP}/wiki/${end}` }, world.daemon.compat ?? assert.fail());
      assert.equal(answer.status, 401);
    }
  });
});
