// A whole small world for a test: a real OpenID provider, the real daemon, an application and a gateway in front of it.
// The public names (`http://whoami.localhost:8080`) are fixed; the browser is told where they are really served.
import { type Browser, createBrowser } from './browser.js';
import { type ConfigInput, type Daemon, startDaemon, testProvider } from './daemon.js';
import { startGateway } from './gateway.js';
import { type Idp, type IdpOptions, startIdp } from './idp.js';
import { startWhoami } from './whoami.js';

export const APP = 'http://whoami.localhost:8080';
const APP_PORT = '8080';

export const ACCOUNTS = {
  alice: {
    groups: ['staff', 'a|b'],
    email: 'alice@example.com',
    email_verified: true,
    name: 'Alice Liddell',
    preferred_username: 'alice',
  },
  bob: { groups: [], email: 'bob@example.com', email_verified: true, name: 'Bob', preferred_username: 'bob' },
};

export interface World {
  readonly idp: Idp;
  readonly daemon: Daemon;
  browser(): Browser;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface WorldOptions {
  readonly provider?: Record<string, unknown>;
  /** More providers besides `whoami`, made with the issuer. */
  readonly others?: (issuer: string) => Record<string, unknown>[];
  readonly config?: ConfigInput;
  /** Environment of the daemon, besides what it needs. */
  readonly env?: Record<string, string>;
  /** The daemon may have successors. */
  readonly succeeds?: boolean;
  readonly idp?: Partial<IdpOptions>;
  /** Whether the gateway sends `/akprox/` to the outpost; without it every step runs in-band. */
  readonly routeOutpostPaths?: boolean;
}

export function clientFor(clientId: string, origin: string, prefix = '/akprox'): IdpOptions['clients'][number] {
  return {
    client_id: clientId,
    client_secret: `${clientId}-client-secret`,
    redirect_uris: [`${origin}${prefix}/callback`],
    post_logout_redirect_uris: [`${origin}${prefix}/signed_out`],
    backchannel_logout_uri: `${origin}${prefix}/backchannel_logout`,
  };
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const idp = await startIdp({ clients: [clientFor('whoami', APP)], accounts: ACCOUNTS, ...options.idp });
  const providers = [
    testProvider(idp.issuer, { access: { groups: ['staff'] }, ...options.provider }),
    ...(options.others?.(idp.issuer) ?? []),
  ];
  const { env = {}, succeeds = false } = options;
  const daemon = await startDaemon({ providers, ...options.config }, { env, succeeds });
  const front = await startFront(daemon.http, options.routeOutpostPaths);
  return {
    idp,
    daemon,
    browser: front.browser,
    async [Symbol.asyncDispose]() {
      await front.close();
      await daemon[Symbol.asyncDispose]();
      await idp.close();
    },
  };
}

export interface Front {
  /** A new one; it finds `APP` wherever the gateway listens. */
  browser(): Browser;
  close(): Promise<void>;
}

/** A gateway that asks `outpost`, and whoami behind it. */
export async function startFront(outpost: string, routeOutpostPaths = true): Promise<Front> {
  const app = await startWhoami({ port: 0 });
  const backend = `http://127.0.0.1:${app.port}`;
  const gateway = await startGateway({ port: 0, outpost, backend, routeOutpostPaths });
  return {
    browser: () =>
      createBrowser({
        connect: (url) => (url.port === APP_PORT ? { host: '127.0.0.1', port: gateway.port } : undefined),
      }),
    async close() {
      await gateway.close();
      await app.close();
    },
  };
}
