// Every answer, at the socket: method × listener × what is asked × keep-alive, close or pipelined × with a body or without. Whatever is
// asked and however, it is answered, the answer is framed to the byte, HEAD is GET without a body (RFC 9110 §9.3.2), and the
// connection is usable afterwards or closes as it was said.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Daemon, testProvider } from '../kit/daemon.js';
import { Http2Client } from '../kit/http2-client.js';
import { ENGINE, startOnNodeHttp } from '../kit/on-node-http.js';
import { headerOf, Wire, type WireAnswer } from '../kit/wire.js';
import { APP, clientFor, startWorld, type World } from '../kit/world.js';

const HOST = 'whoami.localhost:8080';
const LOGIN_HOST = 'login.company.localhost:8080';
const ON_NODE = 'http on node:http';
type Listener = 'http' | 'https' | 'compat' | typeof ON_NODE;
const isOnUws = (listener: Listener): boolean => listener === 'http' && ENGINE === 'uWebSockets.js';
const LISTENERS: readonly Listener[] = ['http', 'https', 'compat', ...(isOnUws('http') ? ([ON_NODE] as const) : [])];
/** node:http knows a list of methods and refuses the others. */
const METHODS = (listener: Listener): readonly string[] => (isOnUws(listener) ? ANY_METHODS : KNOWN_METHODS);
const KNOWN_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND'];
const ANY_METHODS = [...KNOWN_METHODS, 'BREW', 'head'];

interface Asked {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number | ((method: string) => number);
  /** Somebody else has to be asked first: uWebSockets.js then closes a connection on which more requests come (RFC 9112 §9.3.2). */
  readonly waits?: true;
}

let world: World;
/** Null where `listen.http` is on node:http anyway. */
let onNode: Daemon | null = null;
let cookies: { alice: string; bob: string };

before(async () => {
  world = await startWorld({
    provider: { skip_path_regex: ['^/public/'], intercept_header_auth: true },
    idp: { clients: [clientFor('whoami', APP)] },
    others: (issuer) => [
      testProvider(issuer, {
        ...{ name: 'domain', mode: 'forward_domain', cookie_domain: 'company.localhost' },
        external_host: `http://${LOGIN_HOST}`,
      }),
      // Nobody listens there.
      testProvider('http://127.0.0.1:1', { name: 'down', external_host: 'http://down.localhost:8080' }),
    ],
    config: { workers: 1, listen: { compat: '127.0.0.1:0', https: '127.0.0.1:0' } },
  });
  const cookieOf = async (user: string): Promise<string> => {
    const browser = world.browser();
    await browser.logIn(`${APP}/`, user);
    return (await browser.cookies(`${APP}/`)).find((cookie) => cookie.startsWith('authentik_proxy_')) ?? '';
  };
  cookies = { alice: await cookieOf('alice'), bob: await cookieOf('bob') };
  if (isOnUws('http')) onNode = await startOnNodeHttp(world.daemon, 1);
});
after(async () => {
  await onNode?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

const originOf = (listener: Listener): string =>
  (listener === ON_NODE ? onNode?.http : world.daemon[listener]) ?? assert.fail(`${listener} does not listen`);

function forwarded(uri: string, more: Readonly<Record<string, string>> = {}, host = HOST): Asked['headers'] {
  const family = { Proto: 'http', Host: host, Uri: uri, Method: 'GET' };
  const headers = Object.fromEntries(Object.entries(family).map(([name, value]) => [`X-Forwarded-${name}`, value]));
  return { Host: 'outpost', ...headers, ...more };
}

const SCRIPT = { 'Sec-Fetch-Mode': 'cors' };
const TRAEFIK = '/akprox/auth/traefik';
const NGINX = '/akprox/auth/nginx';
const WANTS_BODY: readonly string[] = ['backchannel_logout', 'sessions'];
const CASES: Readonly<Record<string, () => Asked>> = {
  allowed: () => ({ path: TRAEFIK, headers: forwarded('/', { Cookie: cookies.alice }), status: 200 }),
  'allowed, nginx': () => ({ path: NGINX, headers: { Host: HOST, Cookie: cookies.alice }, status: 200 }),
  'allowed, envoy': () => ({
    path: '/akprox/auth/envoy/page',
    headers: { Host: HOST, Cookie: cookies.alice },
    status: 200,
  }),
  public: () => ({ path: TRAEFIK, headers: forwarded('/public/x'), status: 200 }),
  'challenged navigation': () => ({ path: TRAEFIK, headers: forwarded('/x?y=z'), status: 302 }),
  'challenged script': () => ({ path: TRAEFIK, headers: forwarded('/x', SCRIPT), status: 401 }),
  'challenged, nginx': () => ({ path: NGINX, headers: { Host: HOST }, status: 401 }),
  'challenged, envoy': () => ({
    path: '/akprox/auth/envoy/x',
    headers: { Host: HOST },
    status: (method) => (['GET', 'HEAD', 'head'].includes(method) ? 302 : 401),
  }),
  'forbidden page': () => ({ path: TRAEFIK, headers: forwarded('/', { Cookie: cookies.bob }), status: 403 }),
  'forbidden script': () => ({
    path: TRAEFIK,
    headers: forwarded('/', { Cookie: cookies.bob, ...SCRIPT }),
    status: 403,
  }),
  'forbidden, nginx': () => ({ path: NGINX, headers: { Host: HOST, Cookie: cookies.bob }, status: 403 }),
  refused: () => ({
    path: TRAEFIK,
    headers: forwarded('/', { Authorization: 'Bearer nobodys' }),
    status: 401,
    waits: true,
  }),
  unavailable: () => ({
    path: TRAEFIK,
    headers: forwarded('/', { Authorization: 'Bearer nobodys' }, 'down.localhost:8080'),
    status: 503,
    waits: true,
  }),
  'no application': () => ({ path: NGINX, headers: { Host: 'nobody.example' }, status: 400 }),
  'invalid check': () => ({ path: TRAEFIK, headers: { Host: 'outpost' }, status: 400 }),
  'start, in-band': () => ({ path: TRAEFIK, headers: forwarded('/akprox/start'), status: 302, waits: true }),
  'callback, in-band': () => ({ path: TRAEFIK, headers: forwarded('/akprox/callback'), status: 400, waits: true }),
  'sign_out, in-band': () => ({ path: TRAEFIK, headers: forwarded('/akprox/sign_out'), status: 302, waits: true }),
  'signed_out, in-band': () => ({ path: TRAEFIK, headers: forwarded('/akprox/signed_out'), status: 401, waits: true }),
  start: () => ({ path: '/akprox/start?rd=/', headers: { Host: HOST }, status: 302, waits: true }),
  callback: () => ({ path: '/akprox/callback?code=x&state=y', headers: { Host: HOST }, status: 400, waits: true }),
  sign_out: () => ({ path: '/akprox/sign_out', headers: { Host: HOST }, status: 302, waits: true }),
  signed_out: () => ({ path: '/akprox/signed_out?state=x', headers: { Host: HOST }, status: 200, waits: true }),
  'signed_out of somebody who is signed in': () => ({
    path: '/akprox/signed_out',
    headers: { Host: HOST, Cookie: cookies.alice },
    status: 200,
    waits: true,
  }),
  frontchannel_logout: () => ({
    path: `/akprox/frontchannel_logout?iss=${encodeURIComponent(world.idp.issuer)}&sid=nobodys`,
    headers: { Host: HOST },
    status: 200,
    waits: true,
  }),
  'frontchannel_logout of another issuer': () => ({
    path: '/akprox/frontchannel_logout?iss=x&sid=y',
    headers: { Host: HOST },
    status: 400,
  }),
  'page of the login host': () => ({ path: '/', headers: { Host: LOGIN_HOST }, status: 200 }),
  'no page of another host': () => ({ path: '/', headers: { Host: HOST }, status: 404 }),
  sessions: () => ({
    path: '/akprox/sessions',
    headers: { Host: HOST, Cookie: cookies.alice },
    status: (method) => (method === 'POST' ? 403 : 200),
    waits: true,
  }),
  'sessions of nobody': () => ({
    path: '/akprox/sessions',
    headers: { Host: HOST },
    status: (method) => (['GET', 'HEAD', 'head'].includes(method) ? 302 : 401),
  }),
  'sessions at another host of a domain': () => ({
    path: '/akprox/sessions',
    headers: { Host: 'app.company.localhost:8080' },
    status: 302,
  }),
  userinfo: () => ({
    path: '/akprox/userinfo',
    headers: { Host: HOST, Cookie: cookies.alice },
    status: 200,
    waits: true,
  }),
  'userinfo of nobody': () => ({ path: '/akprox/userinfo', headers: { Host: HOST }, status: 401 }),
  backchannel_logout: () => ({
    path: '/akprox/backchannel_logout',
    headers: { Host: HOST },
    status: (method) => (method === 'POST' ? 400 : 405),
  }),
  ping: () => ({ path: '/akprox/ping', headers: { Host: 'anybody' }, status: 204 }),
  'nothing there': () => ({ path: '/akprox/nothing', headers: { Host: HOST }, status: 404 }),
  'nothing there, a script': () => ({ path: '/akprox/nothing', headers: { Host: HOST, ...SCRIPT }, status: 404 }),
  'a step of no application': () => ({ path: '/akprox/start', headers: { Host: 'nobody.example' }, status: 400 }),
};

const PING = 'GET /akprox/ping HTTP/1.1\r\nHost: x\r\n\r\n';

function text(method: string, { path, headers }: Asked, more: readonly string[] = [], body = ''): string {
  const lines = [...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), ...more];
  return `${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

function expectStatus(answer: WireAnswer | null, method: string, asked: Asked, what: string): WireAnswer {
  assert.ok(answer, `${what}: no answer`);
  const { status } = asked;
  assert.equal(answer.status, typeof status === 'number' ? status : status(method), what);
  if (answer.status !== 204) assert.ok(headerOf(answer, 'date'), `${what}: no Date (RFC 9110 §6.6.1)`);
  return answer;
}

const saysClose = (answer: WireAnswer): boolean => headerOf(answer, 'connection')?.toLowerCase() === 'close';

/** Names, and the length; values differ from one login attempt to the next. The outpost may end any connection of its own accord. */
function shape(answer: WireAnswer): unknown {
  const names = answer.headers.map(([name]) => name).filter((name) => name !== 'connection' && name !== 'keep-alive');
  return { status: answer.status, names: names.sort(), length: headerOf(answer, 'content-length') };
}

/** A connection that is opened anew when the outpost has closed it, as it may when it says so. */
class Client {
  private readonly origin: string;
  private wire: Wire | null = null;

  constructor(origin: string) {
    this.origin = origin;
  }

  async ask(request: string, head: boolean): Promise<WireAnswer | null> {
    this.wire ??= await Wire.open(this.origin);
    this.wire.send(request);
    const answer = await this.wire.next(head);
    if (answer !== null && saysClose(answer)) {
      await this.wire.closed();
      this.wire = null;
    }
    return answer;
  }

  close(): void {
    this.wire?.close();
  }
}

for (const listener of LISTENERS) {
  describe(listener, () => {
    for (const [name, make] of Object.entries(CASES)) {
      it(`${name}: one connection for every method, HEAD as GET`, async () => {
        const asked = make();
        const client = new Client(originOf(listener));
        try {
          const shapes = new Map<string, unknown>();
          for (const method of METHODS(listener)) {
            const head = method === 'HEAD';
            const answer = await client.ask(text(method, asked), head);
            shapes.set(method, shape(expectStatus(answer, method, asked, method)));
          }
          assert.deepEqual(shapes.get('HEAD'), shapes.get('GET'));
          assert.equal((await client.ask(PING, false))?.status, 204);
        } finally {
          client.close();
        }
      });

      it(`${name}: closes when it is asked to`, async () => {
        const asked = make();
        await Promise.all(
          METHODS(listener).map(async (method) => {
            const wire = await Wire.open(originOf(listener));
            wire.send(text(method, asked, ['Connection: close']));
            expectStatus(await wire.next(method === 'HEAD'), method, asked, method);
            await wire.closed();
          }),
        );
      });

      it(`${name}: three at once are answered in order`, async () => {
        const asked = make();
        await Promise.all(
          METHODS(listener).map(async (method) => {
            const wire = await Wire.open(originOf(listener));
            try {
              wire.send(text(method, asked).repeat(3) + PING);
              for (let i = 0; i < 3; i += 1) {
                const answer = await wire.next(method === 'HEAD');
                if (answer === null && asked.waits && isOnUws(listener)) return;
                if (saysClose(expectStatus(answer, method, asked, `${method}, no. ${i}`))) return;
              }
              const ping = await wire.next();
              assert.ok(ping?.status === 204 || (ping === null && asked.waits && isOnUws(listener)));
            } finally {
              wire.close();
            }
          }),
        );
      });

      it(`${name}: a body that has come is thrown away, and the connection can be used again`, async () => {
        const asked = make();
        const framings = [
          { headers: ['Content-Length: 12'], body: 'a=b&c=d&e=fg' },
          { headers: ['Transfer-Encoding: chunked'], body: '5\r\na=b&c\r\n3\r\n=de\r\n0\r\n\r\n' },
          { headers: ['Expect: 100-continue', 'Content-Length: 12'], body: 'a=b&c=d&e=fg' },
        ];
        for (const { headers, body } of framings) {
          await Promise.all(
            METHODS(listener).map(async (method) => {
              const wire = await Wire.open(originOf(listener));
              try {
                wire.send(text(method, asked, headers, body));
                const head = method === 'HEAD';
                let answer = await wire.next(head);
                if (answer?.status === 100) answer = await wire.next(head);
                if (saysClose(expectStatus(answer, method, asked, `${method}, ${headers}`))) return wire.closed();
                wire.send(PING);
                assert.equal((await wire.next())?.status, 204, `${method}, ${headers}`);
              } finally {
                wire.close();
              }
            }),
          );
        }
      });

      it(`${name}: a body that has not come is not waited for, and its connection closes when it has`, async () => {
        const asked = make();
        const framings = [
          { header: 'Content-Length: 12', body: 'a=b&c=d&e=fg' },
          { header: 'Transfer-Encoding: chunked', body: '5\r\na=b&c\r\n3\r\n=de\r\n0\r\n\r\n' },
        ];
        // The steps that want their body wait for it.
        const methods = METHODS(listener).filter((method) => !WANTS_BODY.includes(name) || method !== 'POST');
        for (const { header, body } of framings) {
          await Promise.all(
            methods.map(async (method) => {
              const wire = await Wire.open(originOf(listener));
              wire.send(text(method, asked, [header]));
              const answer = expectStatus(await wire.next(method === 'HEAD'), method, asked, `${method}, ${header}`);
              // uWebSockets.js reads what is chunked behind an allowed check by itself.
              if (saysClose(answer)) {
                wire.send(`${body}${PING}`);
                await wire.closed();
              } else {
                assert.ok(answer.status === 200 && header.startsWith('Transfer'), `${method}, ${header}: kept open`);
                wire.send(`${body}${PING}`);
                assert.equal((await wire.next())?.status, 204);
                wire.close();
              }
            }),
          );
        }
      });
    }
  });
}

describe('https, HTTP/2', () => {
  let http2: Http2Client;
  before(async () => {
    http2 = await Http2Client.open(originOf('https'));
  });
  after(() => http2?.close());

  for (const [name, make] of Object.entries(CASES)) {
    it(`${name}: every method at once over one connection, as over HTTP/1.1`, async () => {
      const asked = make();
      const client = new Client(originOf('http'));
      try {
        const methods = METHODS('http');
        const streams = methods.map((method) => http2.ask({ method, ...asked }).answer);
        for (const [i, method] of methods.entries()) {
          const answer = expectStatus((await streams[i]) ?? null, method, asked, method);
          const sameOverHttp1 = expectStatus(
            await client.ask(text(method, asked), method === 'HEAD'),
            method,
            asked,
            method,
          );
          assert.deepEqual(shape(answer), shape(sameOverHttp1), method);
          if (method === 'HEAD') assert.equal(answer.body, '');
          else if (answer.status !== 204)
            assert.equal(String(Buffer.byteLength(answer.body)), headerOf(answer, 'content-length'), method);
        }
      } finally {
        client.close();
      }
    });

    it(`${name}: a body that has come is thrown away`, async () => {
      const asked = make();
      await Promise.all(
        ANY_METHODS.map(async (method) => {
          const { answer, closed } = http2.ask({ method, ...asked }, 'a=b&c=d&e=fg');
          expectStatus(await answer, method, asked, method);
          assert.equal(await closed, 0, method);
        }),
      );
    });

    it(`${name}: a body that has not come is not waited for, and its stream ends when it has`, async () => {
      const asked = make();
      // The one step that wants its body waits for it.
      const methods = ANY_METHODS.filter((method) => !WANTS_BODY.includes(name) || method !== 'POST');
      await Promise.all(
        methods.map(async (method) => {
          const { stream, answer, closed } = http2.ask({ method, ...asked }, null);
          expectStatus(await answer, method, asked, method);
          stream.end('a=b&c=d&e=fg');
          assert.equal(await closed, 0, method);
        }),
      );
      await http2.caughtUp();
    });
  }

  it('needed one connection for all of it', () => {
    assert.equal(http2.session.closed, false);
    assert.equal(http2.session.destroyed, false);
  });
});

describe('afterwards', () => {
  it('no worker was lost and nothing unexpected happened', async () => {
    for (const daemon of [world.daemon, ...(onNode === null ? [] : [onNode])]) {
      assert.equal(await daemon.metric('akprox_worker_restarts_total'), 0);
      assert.deepEqual(
        daemon.lines.filter((line) => line.msg === 'an unexpected error'),
        [],
      );
    }
  });
});
