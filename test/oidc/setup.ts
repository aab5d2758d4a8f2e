// What the OIDC tests share: a provider with one client, our client for it, and a login driven to the callback.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { ServerMetadata } from 'openid-client';
import type { AccessRule } from '../../src/application/access.js';
import type { ProviderConfig } from '../../src/config/schema.js';
import { AkproxError, type ErrorCode } from '../../src/infra/errors.js';
import { createOidcClient, type OidcClient, type OidcEvent } from '../../src/oidc/client.js';
import { beginLogin, callbackOutcome, finishLogin, type LoginRequest, type LoginResult } from '../../src/oidc/flow.js';
import { createBrowser } from '../kit/browser.js';
import { type Idp, type IdpOptions, startIdp } from '../kit/idp.js';

// With a query, as providers from authentik have it.
export const REDIRECT_URI = 'http://app.localhost/outpost.goauthentik.io/callback?X-authentik-auth-callback=true';
export const SECRET = 'a secret of more than thirty-two bytes';
export const ALICE = { groups: ['staff'], email: 'alice@company.tld', name: 'Alice', preferred_username: 'alice' };

export function startTestIdp(options: Partial<IdpOptions> = {}): Promise<Idp> {
  return startIdp({
    clients: [
      {
        client_id: 'app',
        client_secret: SECRET,
        redirect_uris: [REDIRECT_URI],
        post_logout_redirect_uris: ['http://app.localhost/'],
      },
      { client_id: 'other', client_secret: SECRET, redirect_uris: ['http://other.localhost/callback'] },
    ],
    accounts: { alice: ALICE, bob: { groups: [], email: 'bob@company.tld' } },
    ...options,
  });
}

/** A clock that stands still relative to the real one until it is moved. */
export interface TestClient extends OidcClient {
  readonly clock: { offset: number };
  readonly monotonic: () => number;
  readonly events: OidcEvent[];
}

export interface TestClientOptions {
  readonly oidc?: Partial<ProviderConfig['oidc']>;
  readonly claims?: ProviderConfig['claims'];
  readonly access?: AccessRule;
  readonly metadata?: ServerMetadata;
  readonly fetch?: typeof fetch;
  readonly claimsFrom?: 'id_token' | 'access_token';
}

export function testClient(issuer: string, options: TestClientOptions = {}): TestClient {
  const clock = { offset: 0 };
  // What has to be waited for is skipped.
  const skipped = { ms: 0 };
  const monotonic = (): number => performance.now() + clock.offset + skipped.ms;
  const events: OidcEvent[] = [];
  const oidc = {
    issuer,
    client_id: 'app',
    client_secret: SECRET,
    scopes: ['openid', 'profile', 'email'],
    ...options.oidc,
  };
  const client = createOidcClient({
    oidc,
    redirectUri: oidc.client_id === 'app' ? REDIRECT_URI : `http://${oidc.client_id}.localhost/callback`,
    now: () => Date.now() + clock.offset,
    monotonic,
    timers: {
      after: (ms, work) => {
        skipped.ms += ms;
        setImmediate(work);
        return () => {};
      },
    },
    log: (event) => events.push(event),
    ...(options.fetch ? { fetch: options.fetch } : {}),
    ...(options.claims ? { claims: options.claims } : {}),
    ...(options.access ? { access: options.access } : {}),
    ...(options.claimsFrom ? { claimsFrom: options.claimsFrom } : {}),
    ...(options.metadata ? { metadata: options.metadata } : {}),
  });
  return Object.defineProperties(client as TestClient, {
    clock: { value: clock },
    monotonic: { value: monotonic },
    events: { value: events },
  });
}

/** The browser's part: from the authorization URL to the parameters of the callback. */
export async function authorize(
  login: LoginRequest,
  user = 'alice',
): Promise<{ code: string; iss: string | undefined }> {
  const back = await createBrowser().logIn(login.url, user, (url) => /^http:\/\/\w+\.localhost\//.test(url));
  const outcome = callbackOutcome(new URL(back.location ?? 'http://nowhere.localhost').searchParams);
  if (outcome.kind !== 'code' || outcome.state !== login.state) throw new Error(`no code: ${back.status} ${back.body}`);
  return outcome;
}

export async function logIn(client: OidcClient, user = 'alice'): Promise<LoginResult> {
  const login = await beginLogin(client, randomBytes);
  return finishLogin(client, await authorize(login, user), login);
}

/** Of a token for our client, good for ten minutes. */
export function goodClaims(issuer: string, changed: Record<string, unknown> = {}) {
  const now = seconds();
  return { iss: issuer, aud: 'app', sub: 'alice', iat: now, exp: now + 600, ...changed };
}

/** A fetch whose JSON answers from URLs that end with `path` are changed on the way. */
export function tamper(
  path: string,
  change: (body: Record<string, unknown>) => Record<string, unknown> | Promise<Record<string, unknown>>,
) {
  return async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const response = await fetch(input, init);
    if (!String(input).endsWith(path)) return response;
    return Response.json(await change((await response.json()) as Record<string, unknown>), { status: response.status });
  };
}

/** For `assert.rejects`. */
export function failsWith(code: ErrorCode, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof AkproxError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

export function seconds(): number {
  return Math.floor(Date.now() / 1_000);
}
