// What the tests with a real Keycloak stand on: one Keycloak, one realm, one daemon behind the real Traefik, Chromium. Each part of
// the suite brings its clients, its providers and its tests.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { type Browser as Chromium, chromium, type Page } from 'playwright-core';
import { type Answer, type Browser, createBrowser } from '../../kit/browser.js';
import { type Daemon, startDaemon } from '../../kit/daemon.js';
import { type Keycloak, keycloakMissing, startKeycloak } from '../../kit/keycloak.js';
import { type ClientOptions, PASSWORD, type Realm } from '../../kit/keycloak-admin.js';
import { proxyMissing, type RealWorld, startApplication, startRealWorld } from '../../kit/real-proxy.js';

/** One idea of the suite. Parts share a Keycloak, so the tests of each leave the realm as good as they found it. */
export interface KeycloakPart {
  readonly clients?: readonly ClientOptions[];
  /** What `providers` of the daemon's configuration gets from it. */
  readonly providers?: (issuer: string) => readonly Record<string, unknown>[];
  /** Before the daemon starts. */
  readonly prepare?: (realm: Realm) => Promise<void>;
  /** Calls `it`; the world is there once a test runs. */
  readonly tests: (world: () => KeycloakWorld) => void;
}

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));

/** Why the suite is skipped; null when everything is here. */
export const keycloakWorldMissing =
  keycloakMissing() ?? proxyMissing('traefik') ?? (CHROMIUM === undefined ? 'Chromium is not installed' : null);

/** A client that only the small browser visits has a host of its own. */
export const hostOf = (name: string): string => `http://${name.toLowerCase()}.localhost:8080`;

/** Its client, at `hostOf(id)`. */
export function clientAtOwnHost(id: string, overrides: Partial<ClientOptions> = {}): ClientOptions {
  return { id, secret: `${id}-client-secret`, redirectUris: [`${hostOf(id)}/akprox/callback`], ...overrides };
}

/** What is configured for such a client. */
export function oidcOf(issuer: string, id: string): Record<string, unknown> {
  return { issuer, client_id: id, client_secret: `${id}-client-secret` };
}

export class KeycloakWorld {
  readonly keycloak: Keycloak;
  readonly realm: Realm;
  readonly daemon: Daemon;
  readonly proxy: RealWorld;
  private readonly chromium: Chromium;

  constructor(keycloak: Keycloak, realm: Realm, daemon: Daemon, proxy: RealWorld, browser: Chromium) {
    this.keycloak = keycloak;
    this.realm = realm;
    this.daemon = daemon;
    this.proxy = proxy;
    this.chromium = browser;
  }

  /** A page of a browser that has no cookies yet. */
  async newPage(): Promise<Page> {
    return (await this.chromium.newContext({ ignoreHTTPSErrors: true })).newPage();
  }

  /** Ends where Keycloak's form leads to. */
  async logIn(page: Page, url: string, user: string): Promise<void> {
    await page.goto(url);
    await this.fillIn(page, url, user);
  }

  /** The same from Keycloak's form on. */
  async fillIn(page: Page, url: string, user: string): Promise<void> {
    assert.ok(page.url().startsWith(`${this.realm.issuer}/`), page.url());
    await page.fill('#username', user);
    await page.fill('#password', PASSWORD);
    await Promise.all([page.waitForURL(url), page.click('#kc-login')]);
  }

  smallBrowser(): Browser {
    return createBrowser({
      connect: ({ hostname }) =>
        hostname.endsWith('.localhost')
          ? { host: '127.0.0.1', port: Number(new URL(this.daemon.http).port) }
          : undefined,
    });
  }

  /** The same in the small browser, where there is no proxy; gives what a check of that host sends along. */
  async logInSmall(small: Browser, host: string, user: string): Promise<string> {
    const ended = await this.tryToLogInSmall(small, host, user);
    assert.equal(ended.location, `${host}/`, `${ended.status} ${ended.body}`);
    return (await small.cookies(`${host}/`)).join('; ');
  }

  /** Whatever it ends with; the first error on the way ends it. */
  async tryToLogInSmall(small: Browser, host: string, user: string): Promise<Answer> {
    const form = await small.follow(await small.get(`${host}/akprox/start?rd=${encodeURIComponent(`${host}/`)}`));
    return form.status === 200 ? small.follow(await submit(small, form, user), (url) => url === `${host}/`) : form;
  }
}

async function submit(browser: Browser, form: Answer, user: string): Promise<Answer> {
  const action = /<form id="kc-form-login"[^>]*\saction="([^"]+)"/.exec(form.body)?.[1];
  assert.ok(action, `not Keycloak's form: ${form.status} ${form.url} ${form.body}`);
  return browser.post(action.replaceAll('&amp;', '&'), { username: user, password: PASSWORD });
}

/** `onEnd`: what has to be done at the end, the last first. */
export async function startKeycloakWorld(
  parts: readonly KeycloakPart[],
  onEnd: (cleanUp: () => unknown) => void,
): Promise<KeycloakWorld> {
  const keycloak = await startKeycloak();
  onEnd(() => keycloak[Symbol.asyncDispose]());
  const realm = await keycloak.admin.makeRealm({
    name: 'company',
    users: {
      alice: { email: 'alice@company.tld', groups: ['staff', 'a|b'] },
      carol: { email: 'carol@company.tld', groups: ['staff'] },
      bob: { email: 'bob@company.tld', groups: [] },
    },
    clients: parts.flatMap(({ clients }) => clients ?? []),
  });
  for (const { prepare } of parts) await prepare?.(realm);
  const application = await startApplication();
  onEnd(application.close);
  const { issuer } = realm;
  const daemon = await startDaemon({
    providers: parts.flatMap(({ providers }) => providers?.(issuer) ?? []),
    listen: { https: '127.0.0.1:0' }, // where Traefik asks
  });
  onEnd(() => daemon[Symbol.asyncDispose]());
  const around = { mode: 'single', daemon, issuer, application, [Symbol.asyncDispose]: async () => {} } as const;
  const proxy = await startRealWorld('traefik', 'single', { around });
  onEnd(() => proxy[Symbol.asyncDispose]());
  keycloak.reachCompanyAt(proxy.port);
  const browser = await chromium.launch({
    executablePath: CHROMIUM ?? '',
    args: [
      `--host-resolver-rules=MAP *.company.tld:443 127.0.0.1:${proxy.port},MAP *.localhost:8080 ${new URL(daemon.http).host}`,
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  });
  onEnd(() => browser.close());
  return new KeycloakWorld(keycloak, realm, daemon, proxy, browser);
}
