// What must hold behind every proxy, asked of the real one with the configuration that operators copy.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, it } from 'node:test';
import { WebSocket } from 'ws';
import { identityHeaderNames } from '../../src/application/identity.js';
import type { Answer, Browser } from '../kit/browser.js';
import { describeWith } from '../kit/needs.js';
import {
  APP,
  LOGIN,
  type Mode,
  type ProxyName,
  proxyMissing,
  type RealWorld,
  startRealWorld,
} from '../kit/real-proxy.js';

const XHR = { Accept: 'application/json', 'Sec-Fetch-Mode': 'cors' };
const NAMES = identityHeaderNames(['akprox', 'authentik'], false, false).map((name) => name.toLowerCase());
const CHECKS = 20;
export const MODES = ['single', 'domain'] as const;

/** As itself, and in the spellings that a proxy may make it of. */
const CHECKS_ASKED = ['/akprox', '/outpost.goauthentik.io'].flatMap((prefix) => [
  ...['', '?nginx', '/', '/nginx', '/traefik', '/caddy?caddy', '/envoy', '/envoy/', '/envoy/public/'].map(
    (end) => `${prefix}/auth${end}`,
  ),
  ...[`/${prefix}/auth/nginx`, `${prefix}//auth/nginx`, `${prefix}/./auth/nginx`, `${prefix}/x/../auth/nginx`],
  ...[`${prefix}/%61uth/nginx`, `${prefix}/auth%2Fnginx`, `${prefix}%2Fauth/nginx`, `${prefix}/auth;x/nginx`],
]);

interface Traits {
  /** Whether a denial is relayed with its body; nginx writes its own. */
  readonly relaysBodies: boolean;
  /** How it answers when the outpost cannot be reached. */
  readonly whenDown: number;
}

export function describeProxy(name: ProxyName, traits: Traits): void {
  for (const mode of MODES) {
    describeWith(proxyMissing(name), `${name}, ${mode}`, () => cases(`${name}, ${mode}`, name, mode, traits));
  }
}

/** Of an answer that says how long it is. */
function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n');
  const [, length] = /^content-length: (\d+)/im.exec(answer.slice(0, end + 1)) ?? [];
  return end !== -1 && length !== undefined && Buffer.byteLength(answer.slice(end + 4)) >= Number(length);
}

/** `options`: asked when the tests begin. */
export function cases(
  title: string,
  name: ProxyName,
  mode: Mode,
  traits: Traits,
  options: () => Parameters<typeof startRealWorld>[2] = () => ({}),
): void {
  const loginOrigin = mode === 'single' ? APP : LOGIN;
  let world: RealWorld;
  let alice: Browser;
  before(async () => {
    world = await startRealWorld(name, mode, options());
    alice = world.browser();
    const page = await alice.logIn(`${APP}/`, 'alice');
    assert.equal(page.status, 200, page.body);
  });
  after(() => world?.[Symbol.asyncDispose]());

  /** The application must not hear of what the action asks for. */
  async function unseen<T>(action: () => Promise<T>): Promise<T> {
    const requests = world.seen.length;
    const result = await action();
    assert.deepEqual(world.seen.slice(requests), [], 'the application was asked');
    return result;
  }

  it('sends an anonymous navigation to the login and creates nothing', async () => {
    const answer = await unseen(() => world.browser().get(`${APP}/page?x=1&y=%2F`));
    assert.equal(answer.status, 302);
    assert.equal(answer.location, `${loginOrigin}/akprox/start?rd=${encodeURIComponent(`${APP}/page?x=1&y=%2F`)}`);
    assert.equal(answer.headers['set-cookie'], undefined);
  });

  it('answers an anonymous XHR with 401', async () => {
    const answer = await unseen(() => world.browser().get(`${APP}/api`, XHR));
    assert.equal(answer.status, 401);
    if (traits.relaysBodies) assert.match(answer.body, /login_required/);
  });

  it('brings a login to the page that was asked for', async () => {
    const page = await world.browser().logIn(`${APP}/page?x=1&y=%2F`, 'alice');
    assert.equal(page.status, 200);
    assert.equal(page.url, `${APP}/page?x=1&y=%2F`);
    assert.equal(world.seen.at(-1)?.url, '/page?x=1&y=%2F');
  });

  it('lets nobody ask the check: a script on a page would read what only the application is told', async () => {
    const cookie = await alice.jar.getCookieString(`${APP}/`);
    const hosts = mode === 'single' ? [APP] : [APP, LOGIN];
    for (const host of hosts.map((origin) => new URL(origin).host)) {
      for (const path of CHECKS_ASKED) {
        const answer = await raw([`GET ${path} HTTP/1.1`, `Host: ${host}`, `Cookie: ${cookie}`, 'Connection: close']);
        const [head = ''] = answer.split('\r\n\r\n');
        assert.match(head, /^HTTP\/1\.1 [234]/, `${host}${path}: ${answer}`);
        const told = NAMES.filter((header) => new RegExp(`^${header}:`, 'im').test(head));
        assert.deepEqual(told, [], `${host}${path}: ${head}`);
        // Only where the application answers it (Traefik), guarded as any of its pages.
        if (/^HTTP\/1\.1 2/.test(head))
          assert.equal(world.seen.at(-1)?.headers.find(([name]) => name === 'host')?.[1], host);
        const script = await raw([
          `GET ${path} HTTP/1.1`,
          `Host: ${host}`,
          'Sec-Fetch-Mode: cors',
          'Connection: close',
        ]);
        assert.match(script, /^HTTP\/1\.1 [34]/, `${host}${path}: ${script}`);
        assert.doesNotMatch(script, /request_invalid|^location: .*\/start/im, `${host}${path}`);
      }
    }
    // What is beside it is there.
    for (const prefix of ['/akprox', '/outpost.goauthentik.io']) {
      assert.equal((await alice.get(`${APP}${prefix}/userinfo`)).status, 200);
    }
  });

  it('gives the application every identity header, once', async () => {
    const headers = headersOf(await alice.get(`${APP}/again`));
    for (const header of NAMES) {
      const values = headers.filter(([other]) => other === header);
      // nginx sends no header whose value is empty.
      assert.ok(values.length === 1 || (values.length === 0 && name === 'nginx'), `${header}: ${values.length}`);
    }
    const of = (header: string) => headers.find(([other]) => other === header)?.[1];
    assert.equal(of('x-auth-username'), 'alice');
    assert.equal(of('x-auth-groups'), 'staff|a%7Cb');
    assert.equal(of('x-forwarded-email'), 'alice@example.com');
    assert.equal(of('x-forwarded-preferred-username'), 'alice');
    assert.equal(of('x-forwarded-user'), 'alice');
    assert.equal(of('x-authentik-username'), 'alice');
    assert.equal(of('x-authentik-name'), 'Alice Liddell');
    assert.equal(of('x-authentik-meta-app'), 'whoami');
    assert.equal(of('host'), new URL(APP).host);
    assert.equal(of('x-forwarded-proto'), 'https');
  });

  for (const [separators, alias] of [
    ['dashes', (header: string) => header],
    ['underscores', (header: string) => header.replaceAll('-', '_')],
    ['dots', (header: string) => header.replaceAll('-', '.')],
    ['both', (header: string) => header.replace('-', '_').replace(/-(?=[^-]*$)/, '.')],
  ] as const) {
    it(`takes forged identity headers away, written with ${separators}`, async () => {
      const forged = Object.fromEntries(
        [...NAMES, 'x-authentik-jwt', 'x-akprox-assertion'].map((header) => [alias(header), 'forged']),
      );
      for (const browser of [alice, world.browser()]) {
        const headers = headersOf(await browser.get(`${APP}/public/`, forged));
        assert.deepEqual(
          headers.filter(([, value]) => value.includes('forged')),
          [],
        );
        if (browser === alice) assert.ok(headers.some(([k, v]) => k === 'x-auth-username' && v === 'alice'));
      }
    });
  }

  it('takes every other alias of an identity header away', async () => {
    // What CGI turns into an underscore, besides those above.
    const forged = Object.fromEntries([..."~!+^|&%$#'`*"].map((sign) => [`x${sign}auth${sign}username`, 'forged']));
    const headers = headersOf(await alice.get(`${APP}/`, forged));
    assert.deepEqual(
      headers.filter(([, value]) => value.includes('forged')),
      [],
    );
  });

  it('keeps out whoever may not use the application, without a redirect', async () => {
    const bob = world.browser();
    const end = await unseen(() => bob.logIn(`${APP}/`, 'bob'));
    assert.equal(end.status, 403);
    if (traits.relaysBodies) {
      assert.match(end.body, /may not use this application/);
      const german = await unseen(() => bob.get(`${APP}/`, { 'Accept-Language': 'de-AT,de;q=0.9,en;q=0.5' }));
      assert.match(german.body, /<html lang="de">[\s\S]*Sie sind als <bdi>bob/);
    }
    const xhr = await unseen(() => bob.get(`${APP}/api`, XHR));
    assert.equal(xhr.status, 403);
  });

  it('lets the allow-list through, and nothing that only looks like it', async () => {
    const answer = await world.browser().get(`${APP}/public/logo.svg`);
    assert.equal(answer.status, 200);
    const named = headersOf(answer).filter(([header, value]) => NAMES.includes(header) && value !== '');
    assert.deepEqual(named, []);
    const before = world.seen.length;
    for (const path of ['/public/..%2fadmin', '/public/%2e%2e/admin', '/private?/public/', '//public/']) {
      await world.browser().get(`${APP}${path}`, XHR);
    }
    // A proxy may tidy a path up, and ask about the tidy one.
    for (const { url } of world.seen.slice(before)) assert.equal(url, '/public/');
  });

  /** What comes back on a connection of its own until it is closed, for what no HTTP client would send. */
  /** Envoy closes a second after its answer. */
  async function raw(head: readonly string[]): Promise<string> {
    const socket = await world.connect();
    const closed = once(socket, 'close');
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      // Upgraded: the other side says no more, and closes nothing.
      if (text.startsWith('HTTP/1.1 101') || isWhole(text)) socket.destroy();
    });
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    await closed;
    return text;
  }

  const host = new URL(APP).host;
  for (const [what, line, hosts] of [
    ['an absolute request line', `GET ${APP}/secret HTTP/1.1`, ['open.company.tld']],
    ['a host that this proxy does not serve', 'GET /secret HTTP/1.1', ['open.company.tld']],
    ['the same with a port', 'GET /secret HTTP/1.1', ['open.company.tld:443']],
    ['a list of hosts', 'GET /secret HTTP/1.1', [`${host},open.company.tld`]],
    ['the list the other way round', 'GET /secret HTTP/1.1', [`open.company.tld, ${host}`]],
    ['two Host headers', 'GET /secret HTTP/1.1', [host, 'open.company.tld']],
    ['two Host headers the other way round', 'GET /secret HTTP/1.1', ['open.company.tld', host]],
  ] as const) {
    it(`judges by the host that answers: ${what}`, async () => {
      const answer = await unseen(() => raw([line, ...hosts.map((name) => `Host: ${name}`), 'Connection: close']));
      assert.match(answer, /^(HTTP\/1\.1 ([345]|200 OK[\s\S]*\r\nContent-Length: 0\r\n)|$)/, answer);
    });
  }

  it('keeps the identity when a client names it in Connection', async () => {
    const cookie = await alice.jar.getCookieString(`${APP}/`);
    const names = 'close, X-Auth-Username, X-authentik-username, X-Forwarded-User';
    const answer = await raw(['GET /named HTTP/1.1', `Host: ${host}`, `Cookie: ${cookie}`, `Connection: ${names}`]);
    assert.match(answer, /^HTTP\/1\.1 200/);
    const { headers, url } = world.seen.at(-1) ?? assert.fail();
    assert.equal(url, '/named');
    for (const name of ['x-auth-username', 'x-authentik-username', 'x-forwarded-user']) {
      assert.deepEqual(
        headers.filter(([other]) => other === name),
        [[name, 'alice']],
      );
    }
    const passedOn = headers.filter(([name]) => name === 'connection').map(([, value]) => value);
    assert.doesNotMatch(passedOn.join(), /x-/i);
  });

  for (const upgrades of [['h2c'], ['websocket', 'h2c'], ['h2c', 'websocket'], ['websocket, h2c']]) {
    it(`passes no upgrade to h2c on: ${upgrades.join(' and ')}`, async () => {
      const before = world.seen.length;
      const lines = upgrades.map((upgrade) => `Upgrade: ${upgrade}`);
      const settings = ['HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA', 'Connection: close, Upgrade, HTTP2-Settings'];
      await raw(['GET /public/x HTTP/1.1', `Host: ${host}`, ...lines, ...settings]);
      const passedOn = world.seen.slice(before).flatMap(({ headers }) => headers);
      assert.deepEqual(
        passedOn.filter(([header, value]) => header === 'upgrade' && /h2c/i.test(value)),
        [],
      );
    });
  }

  it('passes a large upload on, and refuses it without a session', async () => {
    const body = 'x'.repeat(5_000_000);
    const length = { 'Content-Length': String(body.length) };
    const answer = await alice.request('POST', `${APP}/upload`, length, body);
    assert.equal(answer.status, 200);
    assert.equal((JSON.parse(answer.body) as { bodyBytes: number }).bodyBytes, body.length);
    const refused = await unseen(() => world.browser().post(`${APP}/form`, { a: 'b' }));
    assert.equal(refused.status, 401);
  });

  it('passes 20 kB of cookies', async () => {
    const own = await alice.jar.getCookieString(`${APP}/`);
    const more = Array.from({ length: 20 }, (_, i) => `big${i}=${'y'.repeat(1_000)}`).join('; ');
    const headers = headersOf(await alice.get(`${APP}/`, { Cookie: `${more}; ${own}` }));
    assert.ok(headers.some(([header, value]) => header === 'cookie' && value.length > 20_000));
    assert.ok(headers.some(([header, value]) => header === 'x-auth-username' && value === 'alice'));
  });

  it('passes identity headers up to the limit, whole; whoever has more gets 403', async () => {
    const carol = world.browser();
    const headers = headersOf(await carol.logIn(`${APP}/`, 'carol')).filter(([header]) => NAMES.includes(header));
    const bytes = headers.reduce((sum, [header, value]) => sum + `${header}: ${value}\r\n`.length, 0);
    assert.ok(bytes > 16_000 && bytes <= 16_384, String(bytes));
    for (const header of ['x-auth-groups', 'x-authentik-groups']) {
      assert.equal(headers.find(([other]) => other === header)?.[1]?.split('|').length, 257);
    }
    const dave = world.browser();
    const end = await unseen(() => dave.logIn(`${APP}/`, 'dave'));
    assert.equal(end.status, 403);
    if (traits.relaysBodies) assert.match(end.body, /identity_too_large/);
    assert.equal((await unseen(() => dave.get(`${APP}/api`, XHR))).status, 403);
    await world.daemon.waitFor(({ user, header }) => user === 'dave' && String(header).endsWith('roups'));
  });

  it('upgrades a WebSocket, and refuses one without a session', async () => {
    const url = APP.replace('https:', 'wss:');
    const open = async (cookie: string) => {
      const socket = await world.connect();
      return new WebSocket(`${url}/socket`, {
        createConnection: () => socket,
        headers: cookie ? { Cookie: cookie } : {},
      });
    };
    const ws = await open(await alice.jar.getCookieString(`${APP}/`));
    await once(ws, 'open');
    ws.send('hello');
    const [message] = (await once(ws, 'message')) as [Buffer];
    assert.equal(message.toString(), 'echo hello');
    ws.terminate();
    assert.ok(world.seen.at(-1)?.headers.some(([header, value]) => header === 'x-auth-username' && value === 'alice'));

    await unseen(async () => {
      const refused = await open('');
      const [, response] = (await once(refused, 'unexpected-response')) as [unknown, { statusCode: number }];
      // A handshake without Sec-Fetch-Mode looks like a navigation.
      assert.ok([302, 401].includes(response.statusCode), String(response.statusCode));
      refused.on('error', () => {});
      refused.terminate();
    });
  });

  it(`asks ${CHECKS} times in a row`, async () => {
    world.outpost.takeConnections();
    for (let i = 0; i < CHECKS; i += 1) assert.equal((await alice.get(`${APP}/${i}`)).status, 200);
    const connections = world.outpost.takeConnections();
    console.log(`${title}: ${CHECKS} checks took ${connections} connection(s) to the outpost`);
    // Kept, but not for ever: the outpost closes one in about a thousand, so that workers share the load, and HAProxy by the clock.
    assert.ok(connections >= 1 && connections <= CHECKS / 5, String(connections));
  });

  it('signs out', async () => {
    const browser = world.browser();
    await browser.logIn(`${APP}/`, 'alice');
    const cookie = await browser.jar.getCookieString(`${APP}/`);
    const answer = await browser.get(`${APP}/akprox/sign_out`);
    assert.equal(answer.status, 302);
    assert.ok(answer.location?.startsWith(world.issuer), answer.location ?? '');
    const end = await unseen(() => browser.follow(answer));
    assert.ok(end.url.startsWith(`${loginOrigin}/akprox/signed_out?state=`), end.url);
    assert.equal(end.status, 200);
    assert.match(end.body, /session at the identity provider has ended too/);
    assert.equal((await unseen(() => world.browser().get(`${APP}/`, { Cookie: cookie }))).status, 302);
    // Every session of hers has ended.
    assert.equal((await unseen(() => alice.get(`${APP}/`))).status, 302);
  });

  // A single application has no login host.
  if (mode === 'domain')
    it('says at the login host, and nowhere else, who is signed in', async () => {
      const browser = world.browser();
      const page = (): Promise<Answer> => browser.get(`${LOGIN}/`);
      assert.match((await page()).body, /Nobody is signed in/);
      await browser.logIn(`${APP}/`, 'alice');
      assert.match((await page()).body, /signed in at .* as <bdi>alice</);
      assert.doesNotMatch((await browser.get(`${APP}/`)).body, /signed in/);
    });

  it('stays shut when the outpost is down', async () => {
    alice = world.browser();
    assert.equal((await alice.logIn(`${APP}/`, 'alice')).status, 200);
    await world.outpost.close();
    const asked = [alice, world.browser()].flatMap((browser) =>
      ['/', '/public/logo.svg'].map((path) => [browser, path] as const),
    );
    const answers = await unseen(() => Promise.all(asked.map(([browser, path]) => browser.get(`${APP}${path}`))));
    for (const answer of answers) assert.equal(answer.status, traits.whenDown, answer.url);
  });
}

function headersOf(answer: Answer): [name: string, value: string][] {
  assert.equal(answer.status, 200, answer.body);
  return (JSON.parse(answer.body) as { headers: [string, string][] }).headers;
}
