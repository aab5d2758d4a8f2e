// The real daemon with real workers, managed by a fake core: what an operator of the official outpost would see.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { describe, it } from 'node:test';
import { connect } from 'node:tls';
import { decodeJwt } from 'jose';
import { generate } from 'selfsigned';
import { type ConfigInput, type Daemon, request, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { type FakeCore, type FakeCoreOptions, startFakeCore } from '../kit/fake-core.js';
import { PATIENCE_MS } from '../kit/until.js';
import { ACCOUNTS, startFront } from '../kit/world.js';

const APP = 'http://whoami.localhost:8080';
const WIKI = 'http://wiki.localhost:8080';
const WHOAMI_PROVIDER = { name: 'whoami', external_host: APP };
const WIKI_PROVIDER = { name: 'wiki', external_host: WIKI };
/** Checks of a new connection each; enough for both workers to be asked, whatever the kernel's hashing. */
const MANY = 24;

interface Managed {
  readonly core: FakeCore;
  readonly daemon: Daemon;
  /** Logs a user in at an application; the session cookie. */
  signIn(user: string, app?: string): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

async function startManagedWorld(options: Partial<FakeCoreOptions> = {}, config: ConfigInput = {}): Promise<Managed> {
  const core = await startFakeCore({ accounts: ACCOUNTS, providers: [WHOAMI_PROVIDER], ...options });
  const env = { AUTHENTIK_HOST: core.url, AUTHENTIK_TOKEN: core.token };
  const daemon = await startDaemon(config, { env });
  await daemon.waitFor((line) => line.msg === 'the providers from authentik are in force');
  await daemon.waitFor((line) => line.msg === 'connected to authentik');
  const front = await startFront(daemon.http);
  return {
    core,
    daemon,
    async signIn(user, application = APP) {
      const browser = front.browser();
      const page = await browser.logIn(`${application}/`, user);
      assert.equal(page.status, 200, page.body);
      const cookie = (await browser.cookies(`${application}/`)).find((text) => text.startsWith('authentik_proxy_'));
      assert.ok(cookie, 'the login made a session');
      return cookie;
    },
    async [Symbol.asyncDispose]() {
      await front.close();
      await daemon[Symbol.asyncDispose]();
      await core.close();
    },
  };
}

async function statuses(daemon: Daemon, url: string, cookie?: string): Promise<Set<number>> {
  const all = await Promise.all(
    Array.from({ length: MANY }, () => traefikCheck(daemon.http, url, cookie === undefined ? {} : { cookie })),
  );
  return new Set(all.map(({ status }) => status));
}

/** Asks until every answer is `status`. Core is asked by itself only every five minutes: what comes sooner was pushed. */
async function settles(daemon: Daemon, url: string, status: number, cookie?: string): Promise<void> {
  const start = performance.now();
  for (;;) {
    const seen = await statuses(daemon, url, cookie);
    if (seen.size === 1 && seen.has(status)) return;
    assert.ok(performance.now() - start < PATIENCE_MS, `still ${[...seen]} instead of ${status} for ${url}`);
  }
}

describe('a daemon managed by authentik', () => {
  it('protects what core says, with core as the provider of identities', async () => {
    await using world = await startManagedWorld();
    const { daemon, core } = world;
    const cookie = await world.signIn('alice');
    const allowed = await traefikCheck(daemon.http, `${APP}/`, { cookie });
    assert.equal(allowed.status, 200);
    assert.equal(allowed.headers['x-authentik-username'], 'alice');
    assert.equal(allowed.headers['x-auth-username'], 'alice');
    assert.equal(allowed.headers['x-authentik-meta-outpost'], 'fake outpost');
    assert.equal(allowed.headers['x-authentik-meta-provider'], 'whoami');
    assert.equal(allowed.headers['x-authentik-meta-app'], 'whoami');
    assert.equal(allowed.headers['x-authentik-meta-jwks'], `${core.url}/application/o/whoami/jwks/`);
    assert.equal(decodeJwt(String(allowed.headers['x-authentik-jwt'])).sub, 'alice');
    const challenge = await traefikCheck(daemon.http, `${APP}/`);
    assert.ok(challenge.headers.location?.startsWith(`${APP}/outpost.goauthentik.io/start?rd=`));
    assert.equal((await request(`${daemon.metrics}/readyz`)).status, 200);
  });

  it('has a new host within two seconds of the trigger, and refuses no check meanwhile', async () => {
    await using world = await startManagedWorld();
    const { daemon, core } = world;
    const cookie = await world.signIn('alice');
    let running = true;
    const seen = new Map<number, number>();
    const load = Array.from({ length: 4 }, async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      while (running) {
        const { status } = await traefikCheck(daemon.http, `${APP}/x`, { cookie, agent });
        seen.set(status, (seen.get(status) ?? 0) + 1);
      }
      agent.destroy();
    });
    assert.deepEqual([...(await statuses(daemon, `${WIKI}/`))], [400]);
    // The changed one among them keeps its sessions.
    await core.setProviders([{ ...WHOAMI_PROVIDER, skip_path_regex: '^/public' }, WIKI_PROVIDER]);
    core.trigger();
    await settles(daemon, `${WIKI}/`, 302);
    assert.equal((await traefikCheck(daemon.http, `${APP}/public`)).status, 200);
    await core.setProviders([WIKI_PROVIDER, { ...WHOAMI_PROVIDER, pk: 1 }].map((one, i) => ({ pk: 2 - i, ...one })));
    core.trigger();
    await settles(daemon, `${APP}/public`, 302);
    running = false;
    await Promise.all(load);
    assert.deepEqual([...seen.keys()], [200]);
    assert.ok((seen.get(200) ?? 0) > 50);
    const wiki = await world.signIn('bob', WIKI);
    assert.equal((await traefikCheck(daemon.http, `${WIKI}/`, { cookie: wiki })).status, 200);
  });

  it('ends the sessions that core ends, on every worker, and no other', async () => {
    await using world = await startManagedWorld();
    const { daemon, core } = world;
    const [alice, bob] = [await world.signIn('alice'), await world.signIn('bob')];
    for (const how of ['session_end', 'provider_specific'] as const) {
      const cookie = how === 'session_end' ? alice : await world.signIn('alice');
      await settles(daemon, `${APP}/`, 200, cookie);
      const { headers } = await traefikCheck(daemon.http, `${APP}/`, { cookie });
      const { sid } = decodeJwt(String(headers['x-authentik-jwt']));
      assert.ok(typeof sid === 'string');
      core.endSession('another sid', how);
      core.endSession(sid, how);
      await settles(daemon, `${APP}/`, 302, cookie);
    }
    await settles(daemon, `${APP}/`, 200, bob);
  });

  it('goes on while core is down, and starts without it', async () => {
    await using world = await startManagedWorld();
    const { core } = world;
    let { daemon } = world;
    const cookie = await world.signIn('alice');
    core.fail({ broken: true });
    core.dropConnections();
    daemon.child.kill('SIGUSR1');
    const failed = await daemon.waitFor(
      (line) => line.level === 'error' && String(line.msg).includes('could not be read'),
    );
    assert.match(String(failed['reason']), /AUTHENTIK_HOST/);
    await settles(daemon, `${APP}/`, 200, cookie);

    daemon = await daemon.restart();
    await daemon.waitFor((line) => String(line.msg).startsWith('the last known providers'));
    await settles(daemon, `${APP}/`, 200, cookie);
    core.fail(null);
    await daemon.waitFor((line) => line.msg === 'authentik answers again');
    await settles(daemon, `${APP}/`, 200, cookie);
    await daemon.stop();
  });

  it('says what is wrong when the token expires, and goes on', async () => {
    await using world = await startManagedWorld();
    const cookie = await world.signIn('alice');
    world.core.setToken('rotated');
    world.daemon.child.kill('SIGUSR1');
    const line = await world.daemon.waitFor((one) => String(one['reason']).includes('AUTHENTIK_TOKEN'));
    assert.equal(line.level, 'error');
    assert.ok(!JSON.stringify(world.daemon.lines).includes(world.core.token));
    await settles(world.daemon, `${APP}/`, 200, cookie);
  });

  it('is not ready before it knows a provider', async () => {
    await using core = await startFakeCore({ accounts: ACCOUNTS, providers: [WHOAMI_PROVIDER] });
    core.fail({ status: 401 });
    await using daemon = await startDaemon({}, { env: { AUTHENTIK_HOST: core.url, AUTHENTIK_TOKEN: core.token } });
    await daemon.waitFor((line) => String(line['reason']).includes('AUTHENTIK_TOKEN is wrong or has expired'));
    const { status, body } = await request(`${daemon.metrics}/readyz`);
    assert.equal(status, 503);
    assert.match(body, /AUTHENTIK_TOKEN/);
    core.fail(null);
    daemon.child.kill('SIGUSR1');
    await daemon.waitFor((line) => line.msg === 'the providers from authentik are in force');
    await settles(daemon, `${APP}/`, 302);
    assert.equal((await request(`${daemon.metrics}/readyz`)).status, 200);
  });

  it('serves the certificate of a provider by its name, and the next one after a change', async () => {
    const make = async (fingerprint: string) => {
      const pems = await generate([{ name: 'commonName', value: fingerprint }], { keyType: 'ec', curve: 'P-256' });
      return { fingerprint, certificate: pems.cert, privateKey: pems.private };
    };
    const first = await make('first');
    await using world = await startManagedWorld({}, { listen: { https: '127.0.0.1:0' } });
    const { core, daemon } = world;
    const nameShown = async (servername: string): Promise<string> => {
      const { hostname, port } = new URL(daemon.https ?? '');
      const socket = connect({ host: hostname, port: Number(port), servername, rejectUnauthorized: false });
      // A connection that waits in the queue of a listener that is replaced is reset; the next one is not.
      if (
        !(await once(socket, 'secureConnect').then(
          () => true,
          () => false,
        ))
      )
        return 'reset';
      const name = String(socket.getPeerCertificate().subject.CN);
      socket.destroy();
      return name;
    };
    const shows = async (name: string): Promise<void> => {
      const start = performance.now();
      for (;;) {
        const seen = new Set(await Promise.all(Array.from({ length: 8 }, () => nameShown('whoami.localhost'))));
        if (seen.size === 1 && seen.has(name)) return;
        assert.ok(performance.now() - start < PATIENCE_MS, [...seen].join());
      }
    };
    await shows('akprox self-signed');
    core.setCertificate('uuid-1', first);
    await core.setProviders([{ ...WHOAMI_PROVIDER, certificate: 'uuid-1' }]);
    core.trigger();
    await shows('first');
    core.setCertificate('uuid-1', await make('second'));
    core.trigger();
    await shows('second');
    assert.equal(await nameShown('unknown.localhost'), 'akprox self-signed');
  });

  it('keeps the providers of the file beside those of core, and survives a reload', async () => {
    await using core = await startFakeCore({ accounts: ACCOUNTS, providers: [WHOAMI_PROVIDER, WIKI_PROVIDER] });
    const issuer = core.url;
    const fromFile = testProvider(issuer, { name: 'from file', external_host: 'http://whoami.localhost:8080' });
    const env = { AUTHENTIK_HOST: core.url, AUTHENTIK_TOKEN: core.token };
    await using daemon = await startDaemon({ providers: [fromFile] }, { env });
    await daemon.waitFor((line) => line.msg === 'the providers from authentik are in force');
    await settles(daemon, `${WIKI}/`, 302);
    const { headers } = await traefikCheck(daemon.http, `${APP}/`);
    assert.ok(headers.location?.startsWith(`${APP}/akprox/start`), 'the file wins');
    await daemon.waitFor((line) => line['provider'] === 'whoami' && String(line.msg).startsWith('skipped'));
    daemon.child.kill('SIGHUP');
    await daemon.waitFor((line) => line['generation'] === 2);
    await settles(daemon, `${WIKI}/`, 302);
  });

  it('tells core of a proxy that is set up wrongly, once and without cookies', async () => {
    await using world = await startManagedWorld();
    const headers = { Cookie: 'a=secret', Authorization: 'Bearer secret', 'X-Forwarded-Proto': 'http' };
    for (let i = 0; i < 5; i += 1) {
      const { status } = await request(`${world.daemon.http}/outpost.goauthentik.io/auth/traefik`, { headers });
      assert.equal(status, 400);
    }
    await world.core.until(() => world.core.events.length === 1);
    const [event] = world.core.events;
    assert.equal(event?.['action'], 'configuration_error');
    assert.match(JSON.stringify(event), /X-Forwarded-Host is missing/);
    assert.doesNotMatch(JSON.stringify(event), /secret/);
  });
});
