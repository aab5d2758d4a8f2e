// An OpenID provider for the tests and the demo: a real oidc-provider with a login form of its own (any password) and
// no consent page. For development only: it knows every password.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { ClientMetadata, Configuration, KoaContextWithOIDC, default as Provider } from 'oidc-provider';

export type IdpAlg = 'RS256' | 'ES256' | 'EdDSA' | 'HS256';

type AuthMethod = 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none';

export interface IdpOptions {
  /** Signs the ID tokens; also the only one that discovery names. */
  readonly alg?: IdpAlg;
  readonly port?: number;
  /** What it listens on. */
  readonly listen?: string;
  /** Host name in the issuer. */
  readonly host?: string;
  /** The whole issuer, when the provider stands behind a proxy. */
  readonly issuer?: string;
  readonly clients: readonly ClientMetadata[];
  /** By user name, which is also `sub`: the claims. */
  readonly accounts: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Seconds, by oidc-provider's model names. */
  readonly ttl?: Readonly<Record<string, number>>;
  /** What discovery names; clients that do not say otherwise use the first. */
  readonly authMethods?: readonly AuthMethod[];
  readonly refreshTokens?: 'always' | 'offline_access' | 'never';
  /** Refuse authorization requests that were not pushed; discovery says so. */
  readonly requirePar?: boolean;
  /** Leave groups, email and names to the userinfo endpoint, as oidc-provider does by default. */
  readonly claimsInUserinfoOnly?: boolean;
}

export interface Idp {
  readonly issuer: string;
  readonly port: number;
  readonly provider: Provider;
  /** The public half of the signing key. */
  readonly publicJwk: JWK;
  /** Signs with the provider's own key (not with alg HS256): tokens that it would not make itself. */
  sign(payload: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

const CLAIMS = {
  openid: ['sub'],
  profile: ['name', 'preferred_username', 'groups'],
  email: ['email', 'email_verified'],
  groups: ['groups'],
  entitlements: ['entitlements'],
  ak_proxy: ['ak_proxy'],
};

export async function startIdp(options: IdpOptions): Promise<Idp> {
  const alg = options.alg ?? 'RS256';
  const server = createServer();
  // A client that is held up would write to a connection just as it is closed for having been idle.
  server.keepAliveTimeout = 0;
  server.listen(options.port ?? 0, options.listen ?? '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const issuer = options.issuer ?? `http://${options.host ?? '127.0.0.1'}:${port}`;

  const keyAlg = alg === 'HS256' ? 'RS256' : alg;
  const pair = await generateKeyPair(keyAlg, { extractable: true, ...(alg === 'EdDSA' ? { crv: 'Ed25519' } : {}) });
  const publicJwk = await exportJWK(pair.publicKey);
  const facts = { kid: await calculateJwkThumbprint(publicJwk), use: 'sig' };
  const privateJwk = { ...(await exportJWK(pair.privateKey)), ...facts };
  const sign = (payload: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> =>
    new SignJWT(payload).setProtectedHeader({ alg: keyAlg, kid: facts.kid, ...header }).sign(pair.privateKey);

  const provider = await quietly(async () => {
    const { Provider: OidcProvider } = await import('oidc-provider');
    return new OidcProvider(issuer, configuration(options, alg, privateJwk));
  });
  if (options.issuer !== undefined) provider.proxy = true;
  // Sessions, back-channel logout and introspection look as they do at authentik.
  Object.assign(provider.Client.prototype, { includeSid: () => true });
  provider.use(async (ctx, next) => {
    await next();
    const body = ctx.body as Record<string, unknown> | undefined;
    if (ctx['oidc']?.route !== 'introspection' || body?.['active'] !== true) return;
    ctx.body = { ...options.accounts[String(body['sub'])], ...body, aud: body['aud'] ?? body['client_id'] };
  });

  const handle = provider.callback();
  const passwordGrant = async (form: URLSearchParams): Promise<Record<string, unknown> | null> => {
    const account = options.accounts[form.get('username') ?? ''];
    const client = options.clients.find((other) => other.client_id === form.get('client_id'));
    if (!account || !client || form.get('password') === 'wrong') return null;
    const now = Math.floor(Date.now() / 1_000);
    const payload = {
      ...account,
      iss: issuer,
      aud: client.client_id,
      sub: form.get('username') ?? '',
      iat: now,
      exp: now + 600,
    };
    const token =
      alg === 'HS256'
        ? await new SignJWT(payload).setProtectedHeader({ alg }).sign(new TextEncoder().encode(client.client_secret))
        : await sign(payload);
    return { access_token: token, id_token: token, token_type: 'Bearer', expires_in: 600 };
  };
  server.on('request', (req, res) => {
    route(req, res).catch((error: unknown) => {
      if (!res.headersSent) res.writeHead(500, { 'Content-Type': 'text/plain' });
      res.end(String(error));
    });
  });
  async function route(req: IncomingMessage, res: ServerResponse): Promise<unknown> {
    if (req.url?.startsWith('/interaction/')) return interact(provider, options, req, res);
    if (req.method === 'POST' && req.url === '/token') {
      // authentik's client-credentials grant with a user's password: no client secret, so answered before oidc-provider.
      const form = await peekForm(req);
      if (form.get('grant_type') === 'client_credentials' && form.has('username')) {
        const answer = await passwordGrant(form);
        res.writeHead(answer ? 200 : 400, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
        return res.end(JSON.stringify(answer ?? { error: 'invalid_grant' }));
      }
    }
    return handle(req, res);
  }

  return {
    issuer,
    port,
    provider,
    publicJwk: { ...publicJwk, ...facts },
    sign,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function configuration(options: IdpOptions, alg: IdpAlg, privateJwk: JWK): Configuration {
  const refreshTokens = options.refreshTokens ?? 'always';
  const authMethods = options.authMethods ?? ['client_secret_post', 'none'];
  return {
    clients: [...options.clients],
    clientDefaults: {
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      id_token_signed_response_alg: alg,
      token_endpoint_auth_method: authMethods[0] as AuthMethod,
    },
    clientAuthMethods: [...authMethods],
    jwks: { keys: [privateJwk as JWK] },
    claims: CLAIMS,
    conformIdTokenClaims: options.claimsInUserinfoOnly ?? false,
    cookies: { keys: ['test'] },
    enabledJWA: { idTokenSigningAlgValues: [alg] },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      pushedAuthorizationRequests: {
        enabled: true,
        requirePushedAuthorizationRequests: options.requirePar ?? false,
      },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource, postLogoutSuccessSource },
    },
    ttl: {
      AccessToken: 600,
      AuthorizationCode: 60,
      ClientCredentials: 600,
      Grant: 86_400,
      IdToken: 600,
      Interaction: 600,
      RefreshToken: 86_400,
      Session: 86_400,
      ...options.ttl,
    },
    pkce: { required: () => false },
    issueRefreshToken: async (_ctx, client, code) =>
      refreshTokens !== 'never' &&
      client.grantTypeAllowed('refresh_token') &&
      (refreshTokens === 'always' || code.scopes.has('offline_access')),
    rotateRefreshToken: true,
    // Without oidc-provider's own dispatcher, which refuses the loopback interface, where every back channel of ours lives.
    fetch: (url: string | URL, { dispatcher: _theirs, ...init }: RequestInit) => globalThis.fetch(url, init),
    clientBasedCORS: () => false,
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_ctx, id) => {
      const account = options.accounts[id];
      return account && { accountId: id, claims: async () => ({ ...account, sub: id }) };
    },
    loadExistingGrant: consentToEverything,
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = page('Error', `<p>${escapeHtml(out.error)}</p><p>${escapeHtml(out.error_description ?? '')}</p>`);
    },
  } as Configuration;
}

async function consentToEverything(ctx: KoaContextWithOIDC) {
  const { provider, session, client } = ctx.oidc;
  if (!session?.accountId || !client) return undefined;
  const grantId = ctx.oidc.result?.consent?.grantId ?? session.grantIdFor(client.clientId);
  const known = grantId ? await provider.Grant.find(grantId) : undefined;
  const grant = known ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(String(ctx.oidc.params?.['scope'] ?? 'openid'));
  await grant.save();
  return grant;
}

async function interact(
  provider: Provider,
  options: IdpOptions,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const details = await provider.interactionDetails(req, res);
  let problem = '';
  if (req.method === 'POST') {
    const form = await peekForm(req);
    const user = form.get('login') ?? '';
    if (form.has('cancel')) return provider.interactionFinished(req, res, { error: 'access_denied' });
    if (options.accounts[user]) return provider.interactionFinished(req, res, { login: { accountId: user } });
    problem = '<p role="alert">There is no such user.</p>';
  }
  res.writeHead(problem ? 401 : 200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' });
  res.end(
    page(
      'Log in',
      `${problem}<form method="post" action="/interaction/${escapeHtml(details.uid)}">
<label>User <input name="login" autofocus required></label>
<label>Password <input name="password" type="password"></label>
<button type="submit">Log in</button> <button type="submit" name="cancel" value="1" formnovalidate>Cancel</button>
</form><p>Users: ${Object.keys(options.accounts).map(escapeHtml).join(', ')}. Any password.</p>`,
    ),
  );
}

function logoutSource(ctx: KoaContextWithOIDC, form: string): void {
  const hinted = ctx.oidc.params?.['id_token_hint'] !== undefined;
  const confirmed = form.replace(
    '</form>',
    '<input type="hidden" name="logout" value="yes"><button>Log out</button></form>',
  );
  ctx.body = page('Log out', confirmed + (hinted ? '<script>document.forms[0].submit()</script>' : ''));
}

function postLogoutSuccessSource(ctx: KoaContextWithOIDC): void {
  ctx.body = page('Logged out', '<p>You are logged out.</p>');
}

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}</html>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Reads a form and puts it back, so that oidc-provider can read it again. */
async function peekForm(req: IncomingMessage): Promise<URLSearchParams> {
  if (req.readableLength === 0 && !req.readableEnded) await Promise.race([once(req, 'readable'), once(req, 'end')]);
  const chunk = req.read() as Buffer | null;
  if (chunk) req.unshift(chunk);
  return new URLSearchParams(chunk?.toString('utf8') ?? '');
}

/** oidc-provider speaks on the console about the runtime and about its in-memory adapter. */
async function quietly<T>(work: () => Promise<T>): Promise<T> {
  const { info, warn } = console;
  console.info = () => {};
  console.warn = () => {};
  try {
    return await work();
  } finally {
    Object.assign(console, { info, warn });
  }
}
