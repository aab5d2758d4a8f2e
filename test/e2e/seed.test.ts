// The documentation that operators of the akprox era follow, exercised as written: its nginx server block behind a real
// nginx (HTTP/1.0, through listen.compat), its ingress annotations and its Traefik labels with what those proxies send.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Browser, createBrowser } from '../kit/browser.js';
import { type Daemon, request, startDaemon, testProvider } from '../kit/daemon.js';
import { endsWithTest } from '../kit/ends-with-test.js';
import { type Idp, startIdp } from '../kit/idp.js';
import { describeWith } from '../kit/needs.js';
import { freePort } from '../kit/ports.js';
import { until } from '../kit/until.js';
import { startWhoami, type Whoami } from '../kit/whoami.js';
import { ACCOUNTS, clientFor } from '../kit/world.js';

const NGINX = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path));
const missing = NGINX === undefined ? 'nginx is not installed' : null;

const APP = 'http://whoami.localhost';

interface Seed {
  readonly idp: Idp;
  readonly daemon: Daemon;
  readonly app: Whoami;
}

async function start(): Promise<Seed> {
  const idp = await startIdp({ clients: [clientFor('whoami', APP)], accounts: ACCOUNTS });
  const providers = [testProvider(idp.issuer, { external_host: APP, access: { groups: ['staff'] } })];
  const daemon = await startDaemon({ listen: { compat: '127.0.0.1:0' }, providers });
  return { idp, daemon, app: await startWhoami({ port: 0 }) };
}

async function stop({ idp, daemon, app }: Seed): Promise<void> {
  await app.close();
  await daemon[Symbol.asyncDispose]();
  await idp.close();
}

/** The seed's block. Changed: where it listens (it has TLS on 443), and the two places that it asks to be filled in. */
function seedBlock(port: number, application: string, outpost: string): string {
  return `server {
listen 127.0.0.1:${port};
server_name _;
proxy_buffers 8 16k;
proxy_buffer_size 32k;
fastcgi_buffers 16 16k;
fastcgi_buffer_size 32k;
location / {
proxy_pass ${application};
auth_request /akprox/auth;
error_page 401 = @akprox_signin;
auth_request_set $username $upstream_http_x_auth_username;
auth_request_set $email $upstream_http_X_Forwarded_Email;
proxy_set_header X-Auth-Username $username;
proxy_set_header X-Forwarded-Email $email;
}
location /akprox {
proxy_pass ${outpost}/akprox;
proxy_set_header Host $host;
add_header Set-Cookie $auth_cookie;
auth_request_set $auth_cookie $upstream_http_set_cookie;
}
location @akprox_signin {
internal;
add_header Set-Cookie $auth_cookie;
return 302 /akprox/start?rd=$request_uri;
}
}`;
}

describeWith(missing, "the seed's nginx server block", () => {
  let seed: Seed;
  let port: number;
  let ended: Promise<unknown>;
  let nginx: ReturnType<typeof spawn>;
  const directory = mkdtempSync(join(tmpdir(), 'akprox-nginx-'));
  const browser = (): Browser =>
    createBrowser({ connect: (url) => (url.port === '' ? { host: '127.0.0.1', port } : undefined) });

  before(async () => {
    seed = await start();
    port = await freePort();
    assert.ok(seed.daemon.compat);
    mkdirSync(join(directory, 'tmp'));
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${directory}/tmp/${kind};`)
      .join('\n');
    const block = seedBlock(port, `http://127.0.0.1:${seed.app.port}`, seed.daemon.compat);
    writeFileSync(
      join(directory, 'nginx.conf'),
      `daemon off;\nworker_processes 1;\npid ${directory}/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n${temp}\n${block}\n}\n`,
    );
    nginx = endsWithTest(
      spawn(NGINX ?? '', ['-p', directory, '-c', join(directory, 'nginx.conf')], {
        stdio: ['ignore', 'ignore', 'inherit'],
      }),
      'SIGTERM',
    );
    ended = once(nginx, 'exit');
    await until(() => accepts(port));
  });
  after(async () => {
    nginx.kill('SIGTERM');
    await ended;
    await stop(seed);
    rmSync(directory, { recursive: true, force: true });
  });

  it('sends an anonymous browser to the login and brings it back to the page, query and all', async () => {
    const page = await browser().logIn(`${APP}/page?x=1&y=2`, 'alice');
    assert.equal(page.status, 200);
    assert.equal(page.url, `${APP}/page?x=1&y=2`);
  });

  it('gives the application its two headers, not those of the client, also for a POST', async () => {
    const alice = browser();
    await alice.logIn(`${APP}/`, 'alice');
    for (const method of ['GET', 'POST']) {
      const forged = { Accept: 'application/json', 'X-Auth-Username': 'root', 'X-Forwarded-Email': 'root@evil' };
      const answer = await alice.request(method, `${APP}/api`, forged, method === 'POST' ? 'abc' : '');
      assert.equal(answer.status, 200, method);
      const { headers } = JSON.parse(answer.body) as { headers: Record<string, string> };
      assert.equal(headers['x-auth-username'], 'alice');
      assert.equal(headers['x-forwarded-email'], 'alice@example.com');
    }
  });

  it('keeps bob out with 403, and signs alice out', async () => {
    assert.equal((await browser().logIn(`${APP}/`, 'bob')).status, 403);
    const alice = browser();
    await alice.logIn(`${APP}/`, 'alice');
    const end = await alice.get(`${APP}/akprox/sign_out`);
    assert.equal(end.status, 302);
    assert.match((await alice.get(`${APP}/`)).location ?? '', /\/akprox\/start\?rd=\/$/);
  });
});

/** Whether something listens there. */
async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const open = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  });
  socket.destroy();
  return open;
}

describe("the seed's ingress annotations and Traefik labels", () => {
  let seed: Seed;
  let cookie: string;
  const host = 'whoami.localhost';
  before(async () => {
    seed = await start();
    const { port } = new URL(seed.daemon.http);
    const alice = createBrowser({
      connect: (url) => (url.port === '' ? { host: '127.0.0.1', port: Number(port) } : undefined),
    });
    await alice.logIn(`${APP}/akprox/start`, 'alice', (url) => url === `${APP}/`);
    cookie = (await alice.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_')) ?? '';
    assert.notEqual(cookie, '');
  });
  after(() => stop(seed));

  /** What ingress-nginx sends for `auth-url: https://HOST/akprox/auth?nginx` with the seed's auth-snippet. */
  const ingress = (uri: string, more: Record<string, string> = {}) =>
    request(`${seed.daemon.http}/akprox/auth?nginx`, {
      headers: {
        Host: host,
        'X-Request-ID': 'f00',
        'X-Original-URL': `http://${host}${uri}`,
        'X-Original-Method': 'GET',
        'X-Sent-From': 'nginx-ingress-controller',
        'X-Real-IP': '203.0.113.9',
        'X-Forwarded-For': '203.0.113.9',
        'X-Auth-Request-Redirect': uri,
        'X-Forwarded-Host': host,
        ...more,
      },
    });

  it('ingress: 401 with nothing in it, then a login from its half-encoded and its escaped rd', async () => {
    const anonymous = await ingress('/a?b=1');
    assert.deepEqual([anonymous.status, anonymous.body, anonymous.headers['set-cookie']], [401, '', undefined]);
    for (const rd of ['%2Fa%3Fb%3D1', `http://${host}%2Fa%3Fb%3D1`]) {
      const { port } = new URL(seed.daemon.http);
      const browser = createBrowser({
        connect: (url) => (url.port === '' ? { host: '127.0.0.1', port: Number(port) } : undefined),
      });
      // The application is not there, only the outpost: the last redirect says where the login leads.
      const back = await browser.logIn(`${APP}/akprox/start?rd=${rd}`, 'alice', (url) =>
        url.startsWith(`${APP}/akprox/callback`),
      );
      assert.equal((await browser.get(back.location ?? '')).location, `${APP}/a?b=1`);
    }
  });

  it('ingress: every header of auth-response-headers on an allowed request', async () => {
    const allowed = await ingress('/', { Cookie: cookie });
    assert.equal(allowed.status, 200);
    for (const name of [
      'X-Auth-Username',
      'X-Forwarded-Email',
      'X-Forwarded-Preferred-Username',
      'X-Forwarded-User',
      'X-Auth-Groups',
    ]) {
      assert.ok(allowed.headers[name.toLowerCase()], name);
    }
  });

  /** What Traefik sends for `address: …/akprox/auth?traefik`, `trustForwardHeader: true`. */
  const traefik = (uri: string, more: Record<string, string> = {}) =>
    request(`${seed.daemon.http}/akprox/auth?traefik`, {
      headers: {
        'Accept-Encoding': 'gzip',
        'X-Forwarded-Method': 'GET',
        'X-Forwarded-Proto': 'http',
        'X-Forwarded-Host': host,
        'X-Forwarded-Uri': uri,
        'X-Forwarded-For': '203.0.113.9, 10.0.0.1',
        'X-Forwarded-Port': '80',
        'X-Forwarded-Server': 'traefik-0',
        'X-Real-Ip': '203.0.113.9',
        ...more,
      },
    });

  it('Traefik: a redirect for a browser, every header of authResponseHeaders but Set-Cookie for a session', async () => {
    const anonymous = await traefik('/a?b=1');
    assert.equal(anonymous.status, 302);
    assert.equal(anonymous.headers.location, `${APP}/akprox/start?rd=${encodeURIComponent(`${APP}/a?b=1`)}`);
    const allowed = await traefik('/a?b=1', { Cookie: cookie });
    assert.equal(allowed.status, 200);
    assert.equal(allowed.headers['set-cookie'], undefined);
    for (const name of [
      'X-Auth-Username',
      'X-Auth-Groups',
      'X-Forwarded-Email',
      'X-Forwarded-Preferred-Username',
      'X-Forwarded-User',
    ]) {
      assert.ok(allowed.headers[name.toLowerCase()], name);
    }
  });

  it('Traefik: a WebSocket handshake is answered like any request', async () => {
    const upgrade = {
      'X-Forwarded-Proto': 'ws',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version': '13',
      'Sec-Fetch-Mode': 'websocket',
    };
    assert.equal((await traefik('/socket', { ...upgrade, Cookie: cookie })).status, 200);
    assert.equal((await traefik('/socket', upgrade)).status, 401);
  });
});
