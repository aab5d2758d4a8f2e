// The API client against the fake core: pages, the token, and one sentence for everything that can be wrong.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { generate } from 'selfsigned';
import { createCoreApi, USER_AGENT } from '../../src/authentik/api.js';
import { AkproxError } from '../../src/infra/errors.js';
import type { FakeCore } from '../kit/fake-core.js';
import { startTestCore, WHOAMI, WIKI } from './setup.js';

function apiOf(core: FakeCore, options: { token?: string; insecure?: boolean; timeoutMs?: number } = {}) {
  return createCoreApi({ host: core.url, token: core.token, insecure: false, ...options });
}

function failsWith(pattern: RegExp, ...secrets: string[]) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof AkproxError, String(error));
    assert.match(error.message, pattern);
    for (const secret of secrets) assert.ok(!JSON.stringify([error.message, String(error.cause)]).includes(secret));
    return true;
  };
}

describe('the core API', () => {
  let core: FakeCore;
  before(async () => {
    core = await startTestCore({ providers: [WHOAMI, WIKI, { ...WIKI, name: 'third' }], pageSize: 1 });
  });
  after(() => core.close());

  it('finds its outpost, and says who it is', async () => {
    const instance = await apiOf(core).instance();
    assert.equal(instance.pk, core.outpostPk);
    assert.equal(instance.refreshInterval, 300);
    assert.equal(instance.config['authentik_host'], core.url);
    assert.equal(core.requests.at(-1)?.headers['user-agent'], USER_AGENT);
    assert.match(USER_AGENT, /^goauthentik\.io\/outpost\/\d/);
  });

  it('reads every page of providers', async () => {
    const names = (await apiOf(core).proxyProviders()).map((provider) => (provider as { name: string }).name);
    assert.deepEqual(names, ['whoami', 'wiki', 'third']);
  });

  it('fails as a whole when one page fails', async () => {
    core.fail({ path: /page=2/, status: 500 });
    await assert.rejects(apiOf(core).proxyProviders(), failsWith(/answered 500 to outposts\/proxy\//));
    core.fail(null);
  });

  it('does not page in circles', async () => {
    core.fail({ path: /outposts\/proxy/, status: 200, body: '{"pagination":{"next":1},"results":[]}' });
    await assert.rejects(apiOf(core).proxyProviders(), failsWith(/impossible next page/));
    core.fail(null);
  });

  it('reads the root configuration', async () => {
    assert.ok('error_reporting' in (await apiOf(core).rootConfig()));
  });

  it('fetches a certificate when its fingerprint is new, and only then', async () => {
    core.setCertificate('uuid-1', { fingerprint: 'aa:bb', certificate: 'CERT', privateKey: 'KEY' });
    const api = apiOf(core);
    assert.deepEqual(await api.certificate('uuid-1', null), {
      fingerprint: 'aa:bb',
      certificate: 'CERT',
      privateKey: 'KEY',
    });
    const before = core.requests.length;
    assert.equal(await api.certificate('uuid-1', 'aa:bb'), null);
    assert.equal(core.requests.length, before + 1);
  });

  it('posts events', async () => {
    await apiOf(core).postEvent({ action: 'configuration_error' });
    assert.deepEqual(core.events.at(-1), { action: 'configuration_error' });
  });

  const faults: [string, Parameters<FakeCore['fail']>[0], RegExp][] = [
    ['a wrong token (401)', { status: 401 }, /AUTHENTIK_TOKEN is wrong or has expired/],
    ['a token that is not an outpost token (403)', { status: 403 }, /AUTHENTIK_TOKEN is not the token of an outpost/],
    ['another server (404)', { status: 404 }, /AUTHENTIK_HOST lacks its path/],
    [
      'a redirect',
      { status: 302, headers: { Location: 'https://login.tld/x?secret=1' } },
      /redirects to https:\/\/login\.tld\/x \(status 302\).*AUTHENTIK_HOST/,
    ],
    ['a fault of core', { status: 500 }, /authentik answered 500/],
    ['something that is not JSON', { status: 200, body: '<html>' }, /is not JSON/],
    ['JSON of another shape', { status: 200, body: '[]' }, /is not a JSON object/],
    ['an object without results', { status: 200, body: '{}' }, /has no `results`/],
    [
      'a list of nothing useful',
      { status: 200, body: '{"results":[null,7,{}]}' },
      /no outpost for this AUTHENTIK_TOKEN/,
    ],
    ['a broken connection', { broken: true }, /cannot be reached at http:\/\/127\.0\.0\.1:\d+ \(AUTHENTIK_HOST\)/],
  ];
  for (const [title, fault, message] of faults) {
    it(`says what is wrong: ${title}`, async () => {
      core.fail(fault);
      await assert.rejects(apiOf(core).instance(), failsWith(message, core.token));
      core.fail(null);
    });
  }

  it('says what is wrong: a token of a user, and a token that core does not know', async () => {
    core.setTokenKind('user');
    await assert.rejects(apiOf(core).instance(), failsWith(/no outpost for this AUTHENTIK_TOKEN/));
    await assert.rejects(apiOf(core).proxyProviders(), failsWith(/not the token of an outpost/));
    core.setTokenKind('outpost');
    await assert.rejects(apiOf(core, { token: 'top-secret' }).instance(), failsWith(/\(401\)/, 'top-secret'));
  });

  it('says what is wrong: core does not answer in time', async () => {
    const release = core.hold();
    await assert.rejects(apiOf(core, { timeoutMs: 50 }).instance(), failsWith(/did not answer in time/));
    release();
  });

  it('says what is wrong: a connection is accepted, and then nothing is said on it', async (t) => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const api = createCoreApi({ host: `https://127.0.0.1:${port}`, token: 't', insecure: true, timeoutMs: 50 });
    await assert.rejects(api.instance(), failsWith(/did not answer in time/));
  });

  it('says what is wrong: nobody is there', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const { port } = closed.address() as { port: number };
    await new Promise((resolve) => closed.close(resolve));
    const api = createCoreApi({ host: `http://127.0.0.1:${port}`, token: 't', insecure: false });
    await assert.rejects(api.instance(), failsWith(/cannot be reached.*AUTHENTIK_HOST/));
  });
});

describe('where core is', () => {
  it('may be below a path', async () => {
    const core = await startTestCore({ basePath: '/auth', providers: [WHOAMI] });
    assert.equal((await apiOf(core).proxyProviders()).length, 1);
    assert.match(core.requests.at(-1)?.path ?? '', /^\/auth\/api\/v3\/outposts\/proxy\//);
    await core.close();
  });

  it('may have a certificate that nobody trusts, with AUTHENTIK_INSECURE only', async () => {
    const pems = await generate([{ name: 'commonName', value: 'core' }], { keyType: 'ec', curve: 'P-256' });
    const core = await startTestCore({ tls: { key: pems.private, cert: pems.cert } });
    await assert.rejects(
      apiOf(core).instance(),
      failsWith(/TLS.*NODE_EXTRA_CA_CERTS names .* its CA, AUTHENTIK_INSECURE/),
    );
    assert.equal((await apiOf(core, { insecure: true }).instance()).pk, core.outpostPk);
    const plain = createCoreApi({ host: core.url.replace('https', 'http'), token: 't', insecure: false });
    await assert.rejects(plain.instance(), failsWith(/AUTHENTIK_HOST/));
    await core.close();
  });

  it('may not speak TLS at all', async () => {
    const core = await startTestCore();
    const api = createCoreApi({ host: core.url.replace('http', 'https'), token: 't', insecure: true });
    await assert.rejects(api.instance(), failsWith(/TLS.*AUTHENTIK_HOST does not speak https/));
    await core.close();
  });
});
