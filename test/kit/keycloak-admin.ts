// Keycloak's admin REST API, as far as the suites need it, and the realms that they make with it.

export interface Admin {
  /** `path` begins below `/admin/realms`. Rejects with what Keycloak says; undefined when it says nothing. */
  request<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  /** A realm with these clients and users, in the place of one of that name. */
  makeRealm(options: RealmOptions): Promise<Realm>;
}

export interface RealmOptions {
  readonly name: string;
  readonly clients: readonly ClientOptions[];
  /** By user name; whoever has one logs in with the password `any`. */
  readonly users: Readonly<Record<string, { readonly email: string; readonly groups: readonly string[] }>>;
  /** Of access and ID tokens. Keycloak's own default: 300. */
  readonly tokenSeconds?: number;
  /** How long Keycloak's session, and with it a refresh token, lasts without use. Keycloak's own default: 1800. */
  readonly idleSeconds?: number;
  /** What else the realm's representation says. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface ClientOptions {
  readonly id: string;
  readonly secret: string;
  readonly redirectUris: readonly string[];
  readonly postLogoutUris?: readonly string[];
  readonly backchannelLogoutUrl?: string;
  /** Where the claim `groups` is: the ID token and userinfo, or userinfo alone. */
  readonly groups?: 'everywhere' | 'userinfo';
  /** Keycloak's names: `id.token.signed.response.alg`, `require.pushed.authorization.requests`… */
  readonly attributes?: Readonly<Record<string, string>>;
  /** What else the client's representation says. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface Realm {
  readonly issuer: string;
  /** Changes what is named of the realm's own representation. */
  change(settings: Record<string, unknown>): Promise<void>;
  /** Changes what is named of a client; attributes one by one. */
  changeClient(id: string, settings: { attributes?: Record<string, string> } & Record<string, unknown>): Promise<void>;
  changeUser(user: string, settings: Record<string, unknown>): Promise<void>;
  /** The ids (`sid`) of the sessions that a user has at Keycloak. */
  sessions(user: string): Promise<string[]>;
  /**
   * As "Log out all sessions" on a user's page does. "Sign out all active sessions" of the whole realm tells nobody
   * (26.5.6 sends no logout token then).
   */
  signOut(user: string): Promise<void>;
  /** One of `sessions`, as its "Sign out" on the page of sessions does. */
  endSession(id: string): Promise<void>;
  /** A new key signs from now on; `retire`: and every older one of this algorithm is gone. */
  rotateKey(algorithm: 'RS256' | 'PS256' | 'ES256' | 'EdDSA', retire?: boolean): Promise<void>;
}

const RSA = 'rsa-generated';
const KEY_PROVIDERS = {
  RS256: [RSA, {}],
  PS256: [RSA, {}],
  ES256: ['ecdsa-generated', { ecdsaEllipticCurveKey: ['P-256'] }],
  EdDSA: ['eddsa-generated', { eddsaEllipticCurveKey: ['Ed25519'] }],
} as const;

export function openAdmin(origin: string, administrator: { username: string; password: string }): Admin {
  let token: string | undefined;

  const login = async (): Promise<string> => {
    const form = new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', ...administrator });
    const url = `${origin}/realms/master/protocol/openid-connect/token`;
    const answer = await fetch(url, { method: 'POST', body: form });
    if (!answer.ok) throw new Error(`Keycloak's administrator cannot log in: ${answer.status} ${await answer.text()}`);
    return ((await answer.json()) as { access_token: string }).access_token;
  };

  const ask = async (method: string, path: string, body: unknown): Promise<Response> => {
    token ??= await login();
    return fetch(`${origin}/admin/realms${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  };

  const request = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    let answer = await ask(method, path, body);
    if (answer.status === 401) {
      // It lives a minute.
      token = undefined;
      answer = await ask(method, path, body);
    }
    const text = await answer.text();
    if (!answer.ok) throw new Error(`Keycloak: ${method} ${path}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };

  const makeRealm = async (options: RealmOptions): Promise<Realm> => {
    const known = await request<{ realm: string }[]>('GET', '?briefRepresentation=true');
    if (known.some(({ realm }) => realm === options.name)) await request('DELETE', `/${options.name}`);
    await request('POST', '', representation(options));
    return openRealm(`${origin}/realms/${options.name}`, (method, path, body) =>
      request(method, `/${options.name}${path}`, body),
    );
  };

  return { request, makeRealm };
}

function openRealm(issuer: string, request: Admin['request']): Realm {
  const userId = async (user: string): Promise<string> => {
    const [found] = await request<{ id: string }[]>('GET', `/users?exact=true&username=${encodeURIComponent(user)}`);
    if (found === undefined) throw new Error(`no user ${user}`);
    return found.id;
  };
  return {
    issuer,
    change: (settings) => request('PUT', '', settings),
    changeClient: async (id, settings) => {
      const query = `/clients?clientId=${encodeURIComponent(id)}`;
      const [client] = await request<{ id: string; attributes?: Record<string, string> }[]>('GET', query);
      if (client === undefined) throw new Error(`no client ${id}`);
      const attributes = { ...client.attributes, ...settings.attributes };
      await request('PUT', `/clients/${client.id}`, { ...client, ...settings, attributes });
    },
    changeUser: async (user, settings) => {
      const id = await userId(user);
      const before = await request<Record<string, unknown>>('GET', `/users/${id}`);
      await request('PUT', `/users/${id}`, { ...before, ...settings });
    },
    sessions: async (user) => {
      const found = await request<{ id: string }[]>('GET', `/users/${await userId(user)}/sessions`);
      return found.map(({ id }) => id);
    },
    signOut: async (user) => request('POST', `/users/${await userId(user)}/logout`),
    endSession: async (id) => request('DELETE', `/sessions/${encodeURIComponent(id)}`),
    rotateKey: async (algorithm, retire = false) => {
      interface KeyProvider {
        readonly id: string;
        readonly providerId: string;
        readonly config: { readonly algorithm?: readonly string[]; readonly priority?: readonly string[] };
      }
      const providerType = 'org.keycloak.keys.KeyProvider';
      const [providerId, config] = KEY_PROVIDERS[algorithm];
      const all = await request<KeyProvider[]>('GET', `/components?type=${providerType}`);
      const priority = 1 + Math.max(100, ...all.map((one) => Number(one.config.priority?.[0] ?? 0)));
      const name = `${algorithm}-${priority}`;
      await request('POST', '/components', {
        ...{ name, providerId, providerType },
        config: { ...config, algorithm: [algorithm], priority: [`${priority}`] },
      });
      const older = all.filter(
        (one) =>
          one.providerId === providerId && (providerId !== RSA || (one.config.algorithm?.[0] ?? 'RS256') === algorithm),
      );
      if (retire) for (const { id } of older) await request('DELETE', `/components/${id}`);
    },
  };
}

function representation(options: RealmOptions): Record<string, unknown> {
  const users = Object.entries(options.users);
  const groups = new Set(users.flatMap(([, user]) => user.groups));
  return {
    realm: options.name,
    enabled: true,
    // Refresh tokens are good for one use.
    revokeRefreshToken: true,
    refreshTokenMaxReuse: 0,
    accessTokenLifespan: options.tokenSeconds ?? 300,
    ssoSessionIdleTimeout: options.idleSeconds ?? 1800,
    groups: [...groups].map((name) => ({ name })),
    users: users.map(([username, user]) => ({
      username,
      enabled: true,
      email: user.email,
      emailVerified: true,
      // Keycloak asks for these at the login when they are missing.
      firstName: username.replace(/^./, (letter) => letter.toUpperCase()),
      lastName: 'Example',
      credentials: [{ type: 'password', value: PASSWORD, temporary: false }],
      groups: user.groups.map((name) => `/${name}`),
      // As whoever is made in the console has it: through it every token is for `account`.
      realmRoles: [`default-roles-${options.name}`],
    })),
    clients: options.clients.map(client),
    ...options.settings,
  };
}

export const PASSWORD = 'any';

function client(options: ClientOptions): Record<string, unknown> {
  return {
    clientId: options.id,
    secret: options.secret,
    redirectUris: options.redirectUris,
    // For tokens of the client's own, and for tokens of a user without a browser.
    serviceAccountsEnabled: true,
    directAccessGrantsEnabled: true,
    attributes: {
      'post.logout.redirect.uris': (options.postLogoutUris ?? []).join('##'),
      ...(options.backchannelLogoutUrl !== undefined && { 'backchannel.logout.url': options.backchannelLogoutUrl }),
      'backchannel.logout.session.required': 'true',
      ...options.attributes,
    },
    protocolMappers: [
      {
        name: 'groups',
        protocol: 'openid-connect',
        protocolMapper: 'oidc-group-membership-mapper',
        config: {
          'claim.name': 'groups',
          'full.path': 'false',
          'id.token.claim': `${options.groups !== 'userinfo'}`,
          'access.token.claim': 'false',
          'userinfo.token.claim': 'true',
        },
      },
    ],
    ...options.settings,
  };
}
