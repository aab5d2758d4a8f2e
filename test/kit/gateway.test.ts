// The gateway of the tests is itself tested: against an outpost that records what it was asked, by Traefik's rules.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { request } from './daemon.js';
import { type Gateway, startGateway } from './gateway.js';
import { startWhoami, type Whoami } from './whoami.js';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string[]>>;
  readonly body: string;
}

type Handler = (req: IncomingMessage, res: ServerResponse) => void;

async function recorder(port = 0): Promise<{ server: Server; origin: string; seen: Seen[]; answer: Handler }> {
  const state = { seen: [] as Seen[], answer: ((_req, res) => res.end()) as Handler };
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      state.seen.push({
        method: req.method ?? '',
        url: req.url ?? '',
        headers: req.headersDistinct as Record<string, string[]>,
        body: Buffer.concat(chunks).toString(),
      });
      state.answer(req, res);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(state, { server, origin });
}

/** Sends bytes as they are and gives all that comes back. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    answer += chunk;
  });
  socket.write(text, 'latin1');
  await once(socket, 'close');
  return answer;
}

describe('the gateway', () => {
  let outpost: Awaited<ReturnType<typeof recorder>>;
  let backend: Awaited<ReturnType<typeof recorder>>;
  let gateway: Gateway;
  let url: string;
  const allow: Handler = (_req, res) => {
    res.writeHead(200, { 'Content-Length': 0 });
    res.end();
  };

  before(async () => {
    outpost = await recorder();
    backend = await recorder();
    gateway = await startGateway({
      port: 0,
      outpost: outpost.origin,
      backend: backend.origin,
      routeOutpostPaths: false,
    });
    url = `http://127.0.0.1:${gateway.port}`;
  });
  after(async () => {
    await gateway.close();
    for (const { server } of [outpost, backend]) {
      server.close();
      server.closeAllConnections();
    }
  });
  beforeEach(() => {
    outpost.seen.length = 0;
    backend.seen.length = 0;
    outpost.answer = allow;
    backend.answer = allow;
  });

  const asked = (): Seen => outpost.seen[0] ?? assert.fail('the outpost was not asked');
  const passed = (): Seen => backend.seen[0] ?? assert.fail('nothing reached the application');

  it('asks with GET and no body, and names what the browser asked for', async () => {
    await request(`${url}/a%2Fb?x=1&x=2`, {
      method: 'POST',
      headers: { Host: 'app.localhost:8080', 'Content-Type': 'text/plain', Cookie: 'a=1' },
      body: 'secret',
    });
    const { method, url: path, headers, body } = asked();
    assert.equal(method, 'GET');
    assert.equal(path, '/akprox/auth/traefik');
    assert.equal(body, '');
    assert.equal(headers['content-length'], undefined);
    assert.deepEqual(headers['host'], [new URL(outpost.origin).host]);
    assert.deepEqual(headers['x-forwarded-method'], ['POST']);
    assert.deepEqual(headers['x-forwarded-proto'], ['http']);
    assert.deepEqual(headers['x-forwarded-host'], ['app.localhost:8080']);
    assert.deepEqual(headers['x-forwarded-uri'], ['/a%2Fb?x=1&x=2']);
    assert.deepEqual(headers['x-forwarded-for'], ['127.0.0.1']);
    assert.deepEqual(headers['content-type'], ['text/plain']);
    assert.deepEqual(headers['cookie'], ['a=1']);
    assert.equal(passed().method, 'POST');
    assert.equal(passed().url, '/a%2Fb?x=1&x=2');
    assert.equal(passed().body, 'secret');
    assert.deepEqual(passed().headers['host'], ['app.localhost:8080']);
  });

  it('overwrites what the client says about the request, in every spelling', async () => {
    await request(`${url}/real`, {
      headers: {
        'X-Forwarded-Host': ['evil', 'eviler'],
        'X-Forwarded-Uri': '/public/',
        'X-Forwarded-Method': 'OPTIONS',
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-For': '1.2.3.4',
        X_Forwarded_Host: 'evil',
        'X-Forwarded-Prefix': '/evil',
        'X-Real-Ip': '1.2.3.4',
      },
    });
    for (const { headers } of [asked(), passed()]) {
      assert.deepEqual(headers['x-forwarded-host'], [`127.0.0.1:${gateway.port}`]);
      assert.deepEqual(headers['x-forwarded-for'], ['127.0.0.1']);
      assert.deepEqual(headers['x-real-ip'], ['127.0.0.1']);
      assert.equal(headers['x_forwarded_host'], undefined);
      assert.equal(headers['x-forwarded-prefix'], undefined);
    }
    assert.deepEqual(asked().headers['x-forwarded-uri'], ['/real']);
    assert.deepEqual(asked().headers['x-forwarded-method'], ['GET']);
    assert.equal(passed().headers['x-forwarded-uri'], undefined);
  });

  it('copies the other headers, but none of the hop-by-hop ones', async () => {
    await raw(
      gateway.port,
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Secret, Upgrade\r\nX-Secret: 1\r\nUpgrade: websocket\r\nTE: trailers\r\n' +
        'Sec-WebSocket-Key: k\r\nX-Two: 1\r\nX-Two: 2\r\nX-Original-URL: http://other/\r\nProxy-Authorization: p\r\n\r\n',
    );
    for (const { headers } of [asked(), passed()]) {
      for (const name of ['x-secret', 'upgrade', 'te']) assert.equal(headers[name], undefined, name);
      assert.deepEqual(headers['x-two'], ['1', '2']);
      assert.deepEqual(headers['sec-websocket-key'], ['k']);
      assert.deepEqual(headers['x-original-url'], ['http://other/']);
      assert.deepEqual(headers['proxy-authorization'], ['p']);
    }
  });

  it('relays a denial whole', async () => {
    outpost.answer = (_req, res) => {
      res.writeHead(403, [
        ...['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Proxy-Authenticate', 'Basic', 'X-Why', 'no'],
        ...['Connection', 'close', 'Keep-Alive', 'timeout=1', 'Content-Length', '6'],
      ]);
      res.end('denied');
    };
    const answer = await request(`${url}/`);
    assert.equal(answer.status, 403);
    assert.equal(answer.body, 'denied');
    assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(answer.headers['x-why'], 'no');
    assert.equal(answer.headers['proxy-authenticate'], 'Basic');
    assert.notEqual(answer.headers['keep-alive'], 'timeout=1');
    assert.equal(backend.seen.length, 0);
  });

  it('follows no redirect', async () => {
    outpost.answer = (_req, res) => {
      res.writeHead(302, { Location: 'http://idp.localhost/?a=1', 'Content-Length': 0 });
      res.end();
    };
    const answer = await request(`${url}/`);
    assert.equal(answer.status, 302);
    assert.equal(answer.headers.location, 'http://idp.localhost/?a=1');
    assert.equal(outpost.seen.length, 1);
    assert.equal(backend.seen.length, 0);
    outpost.answer = (_req, res) => {
      res.writeHead(302, { Location: '/login', 'Content-Length': 0 });
      res.end();
    };
    assert.equal((await request(`${url}/`)).headers.location, `${outpost.origin}/login`, 'as Traefik resolves it');
  });

  it('takes the identity headers from the outpost and from nobody else', async () => {
    outpost.answer = (_req, res) => {
      res.writeHead(200, [
        ...['X-Auth-Username', 'alice', 'X-Auth-Groups', 'a', 'X-Auth-Groups', 'b', 'X-authentik-name', ''],
        ...['Set-Cookie', 's=1', 'X-Other', 'kept back', 'Content-Length', '0'],
      ]);
      res.end();
    };
    const answer = await request(`${url}/`, {
      headers: {
        'X-Auth-Username': ['root', 'admin'],
        X_Auth_Username: 'root',
        'X-Auth_Username': 'root',
        'X.Auth.Username': 'root',
        'X~Auth!Username': 'root',
        'X-Authentik-Email': 'root@example.com',
        'X-authentik-jwt': 'forged',
        'X-Akprox-Assertion': 'forged',
        'X-Mine': '1',
      },
    });
    const { headers } = passed();
    assert.deepEqual(headers['x-auth-username'], ['alice']);
    assert.deepEqual(headers['x-auth-groups'], ['a', 'b']);
    assert.deepEqual(headers['x-authentik-name'], ['']);
    assert.deepEqual(headers['x-mine'], ['1']);
    for (const name of [
      'x_auth_username',
      'x-auth_username',
      'x.auth.username',
      'x~auth!username',
      'x-authentik-email',
      'x-authentik-jwt',
      'x-akprox-assertion',
    ])
      assert.equal(headers[name], undefined, name);
    assert.equal(headers['x-other'], undefined);
    assert.equal(answer.headers['set-cookie'], undefined);
    assert.equal(answer.headers['x-auth-username'], undefined);
  });

  it('passes bodies of every framing, and the answer with all its cookies', async () => {
    backend.answer = (_req, res) => {
      res.writeHead(201, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b="2"; Priority=High']);
      res.end('done');
    };
    const answer = await raw(
      gateway.port,
      'PUT /file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    );
    assert.match(answer, /^HTTP\/1\.1 201 /);
    assert.match(answer, /Set-Cookie: a=1\r\nSet-Cookie: b="2"; Priority=High\r\n/);
    assert.equal(passed().body, 'abc');
    await request(`${url}/`, { method: 'POST' });
    assert.deepEqual(backend.seen[1]?.headers['content-length'], ['0']);
    assert.equal(backend.seen[1]?.headers['transfer-encoding'], undefined);
  });

  it('asks over kept connections', async () => {
    const sockets = new Set<unknown>();
    outpost.answer = (req, res) => {
      sockets.add(req.socket);
      allow(req, res);
    };
    for (let i = 0; i < 5; i += 1) await request(`${url}/${i}`);
    assert.equal(sockets.size, 1);
  });

  it('lets nothing through that is not a path, or that the outpost does not answer', async () => {
    for (const target of ['*', 'http://other/', '/a#b'])
      assert.match(
        await raw(gateway.port, `OPTIONS ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`),
        / 400 /,
      );
    outpost.answer = (req) => req.socket.destroy();
    assert.equal((await request(`${url}/`)).status, 500);
    assert.equal(backend.seen.length, 0);
  });
});

describe('the gateway with the paths of the outpost routed to it', () => {
  it('sends them there without asking, with the host of the browser', async () => {
    const outpost = await recorder();
    const gateway = await startGateway({
      port: 0,
      outpost: () => outpost.origin,
      backend: 'http://127.0.0.1:1',
      routeOutpostPaths: true,
    });
    for (const path of ['/akprox/start?rd=/', '/outpost.goauthentik.io/ping']) {
      await request(`http://127.0.0.1:${gateway.port}${path}`, { headers: { Host: 'app.localhost:8080' } });
      const seen = outpost.seen.pop();
      assert.equal(seen?.url, path);
      assert.deepEqual(seen?.headers['host'], ['app.localhost:8080']);
      assert.deepEqual(seen?.headers['x-forwarded-host'], ['app.localhost:8080']);
    }
    await request(`http://127.0.0.1:${gateway.port}/akproxy`);
    assert.equal(outpost.seen.pop()?.url, '/akprox/auth/traefik');
    await gateway.close();
    outpost.server.close();
    outpost.server.closeAllConnections();
  });
});

describe('whoami', () => {
  let app: Whoami;
  before(async () => {
    app = await startWhoami({ port: 0 });
  });
  after(() => app.close());

  it('shows the request, escaped, with who it is first', async () => {
    const { body, headers } = await request(`http://127.0.0.1:${app.port}/%3Cscript`, {
      headers: { 'X-Evil': '<script>alert(1)</script>', 'X-Auth-Username': Buffer.from('Zoë').toString('latin1') },
    });
    assert.equal(headers['content-type'], 'text/html; charset=utf-8');
    assert.ok(!body.includes('<script>'));
    assert.ok(body.includes('&#60;script&#62;'));
    assert.ok(body.includes('Zoë'));
    assert.ok(body.indexOf('x-auth-username') < body.indexOf('x-evil'));
    assert.ok(body.includes('href="/akprox/sign_out"'));
  });

  it('answers a program with JSON or plain text', async () => {
    const url = `http://127.0.0.1:${app.port}/x?y`;
    const json = await request(url, { headers: { Accept: 'application/json', 'X-Two': ['1', '2'] } });
    const seen = JSON.parse(json.body) as { method: string; url: string; headers: Record<string, string> };
    assert.deepEqual([seen.method, seen.url, seen.headers['x-two']], ['GET', '/x?y', '1, 2']);
    assert.match((await request(url, { headers: { Accept: 'text/plain' } })).body, /^GET \/x\?y\n/);
  });
});
