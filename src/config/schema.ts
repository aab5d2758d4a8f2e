// The configuration: its schema, its defaults and the type that everything else is written against.
// A `Config` is plain JSON (no functions, no class instances), because the primary sends it to the workers over IPC.
import { z } from 'zod';
import { DEFAULT_MAX_BYTES } from '../application/identity.js';
import { FILE_PREFIX, PREFIXES } from '../application/own-paths.js';
import type { PublicOrigin } from '../application/public-origin.js';
import { SIGNING_ALGORITHMS } from '../application/signing-algorithms.js';
import { parseHostPort } from '../infra/host-port.js';
import { LOG_LEVELS } from '../infra/log-level.js';
import type { OutgoingProxies } from '../infra/outgoing-proxy.js';
import { unixPathOf } from '../infra/unix-address.js';

const A_DURATION = 'expected a duration such as 500ms, 60s, 5m, 24h or 7d';
const DURATION_UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `60s`, `5m`, `24h`, `7d`, `250ms` → milliseconds. */
const duration = (fallback: string, about: string) =>
  z
    .string({ error: ({ input }) => `${A_DURATION}, found ${typeof input}` })
    .regex(/^\d{1,9}(ms|s|m|h|d)$/, A_DURATION)
    .default(fallback)
    .transform((text) => {
      const [, amount = '0', unit = 's'] = /^(\d+)(\D+)$/.exec(text) ?? [];
      return Number(amount) * (DURATION_UNITS[unit] ?? 1_000);
    })
    .describe(about);

const isHostPort = (text: string): boolean => parseHostPort(text) !== null;

const address = (fallback: string | null, about: string) =>
  z
    .union([z.string().refine(isHostPort, 'expected ADDRESS:PORT'), z.null()])
    .default(fallback)
    .describe(about);

const addressOrPath = (fallback: string, about: string) =>
  z
    .union([
      z.string().refine((text) => isHostPort(text) || unixPathOf(text) !== null, 'expected ADDRESS:PORT or unix:/PATH'),
      z.null(),
    ])
    .default(fallback)
    .describe(about);

const account = z.union([z.string().min(1), z.number().int().min(0).max(4_294_967_294)]);

/** A literal, or where the secret is kept. `load.ts` replaces the two object forms before this schema is asked. */
const secret = (about: string) => z.string().min(1).describe(about);

/** Ends in pages: one line of text. */
const shownName = (about: string) =>
  z
    .string()
    .max(100)
    .regex(/^[^\p{Cc}]*$/u, 'expected one line of text')
    .default('')
    .describe(about);

const claimPaths = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

const certificate = z.strictObject({
  cert: z.string().describe('Certificate chain, PEM file.'),
  key: z.string().describe('Private key, PEM file.'),
});

/** Of a provider. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/;

export const providerSchema = z
  .strictObject({
    name: z
      .string()
      .regex(NAME, 'expected 1 to 64 letters, digits, spaces, dots, dashes or underscores')
      .describe('Name in logs, metrics and headers; unique.'),
    display_name: shownName('What people call the application, on pages. Default: `name`.'),
    mode: z
      .enum(['forward_single', 'forward_domain'])
      .describe('Protect one host, or every host below `cookie_domain`.'),
    external_host: z.string().describe('Public origin of the application, or of the login host in `forward_domain`.'),
    cookie_domain: z
      .string()
      .default('')
      .describe('Domain of the session cookie; required in `forward_domain`, empty otherwise.'),
    cookie_secret: secret('At least 32 bytes; `akprox secret` prints one.'),
    prefix: z
      .enum(PREFIXES)
      .default(FILE_PREFIX)
      .describe('Path prefix of the URLs we generate. Both prefixes are always served.'),
    oidc: z
      .strictObject({
        issuer: z.string().describe('Issuer URL, exactly as the identity provider spells it.'),
        client_id: z.string().min(1).max(255).describe('OAuth client id.'),
        client_secret: secret('OAuth client secret.').optional(),
        private_key: secret(
          'Private key, PEM or JWK, with `token_endpoint_auth_method: private_key_jwt`: RSA, P-256, P-384, P-521 or Ed25519. What it signs with follows from the key, the `alg` of a JWK and discovery.',
        ).optional(),
        par: z
          .boolean()
          .optional()
          .describe(
            'Push the authorization request to the identity provider before the browser goes there (PAR, RFC 9126). Default: when discovery demands it.',
          ),
        authorization_params: z
          .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String))
          .optional()
          .describe(
            'What the authorization request says besides: `prompt`, `acr_values`, `max_age`, `login_hint`, `ui_locales`, `audience` and others. With `acr_values` or `max_age` a login counts only if `acr` or `auth_time` of the ID token says that it was so.',
          ),
        scopes: z.array(z.string().min(1)).default(['openid', 'profile', 'email']).describe('Scopes to ask for.'),
        // `load.ts` puts what is in the file in its place, so that a changed file is a changed configuration.
        ca: z
          .string()
          .optional()
          .describe(
            "PEM file of the CA that the identity provider's certificate is of, trusted in place of those that Node.js brings. Read again at SIGHUP.",
          ),
        internal_url: z
          .string()
          .optional()
          .describe(
            'Origin at which we ask for everything that lies at the origin of the issuer, discovery included. The browser and the `iss` check keep the issuer.',
          ),
        id_token_signed_response_alg: z
          .enum(SIGNING_ALGORITHMS)
          .optional()
          .describe('Signature algorithm of ID tokens. Default: the only one that discovery names, else RS256.'),
        token_endpoint_auth_method: z
          .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'])
          .optional()
          .describe(
            'How we authenticate at the token endpoint. Default: `none` without a secret, else `client_secret_basic` if discovery names it or names nothing, else `client_secret_post`.',
          ),
      })
      .describe('The OpenID Connect client.'),
    skip_path_regex: z
      .array(z.string())
      .default([])
      .describe('RE2 expressions; a match is let through without a session.'),
    access: z
      .strictObject({
        groups: z
          .array(z.string().min(1))
          .default([])
          .describe('Groups that are allowed. Any match allows; all three lists empty allow whoever can log in.'),
        emails: z.array(z.string().min(3)).default([]).describe('E-mail addresses that are allowed.'),
        email_domains: z
          .array(z.string().min(1))
          .default([])
          .describe('Domains of verified e-mail addresses that are allowed.'),
      })
      .prefault({})
      .describe('Who may pass. Any match allows; everything empty allows whoever can log in.'),
    claims: z
      .strictObject({
        username: claimPaths
          .optional()
          .describe(
            'Claim with the user name, or several of which the first that is there counts. Default: `preferred_username`, else `email`, else `sub`.',
          ),
        groups: claimPaths
          .default('groups')
          .describe(
            'Claim with the groups, or several of which the first that is there counts: a list, or a map whose keys are the groups. Dots lead into claims (`realm_access.roles`).',
          ),
        keep: z
          .boolean()
          .default(false)
          .describe(
            'Keep the former groups when a renewal brings none. Otherwise the session ends then, if `access.groups` is set.',
          ),
      })
      .prefault({})
      .describe('Where the claims are.'),
    session: z
      .strictObject({
        lifetime: duration(
          '24h',
          'Longest life of a session, used or not. Without a refresh token it ends earlier, when its token does.',
        ),
        refresh: z
          .boolean()
          .default(true)
          .describe('Renew the session with its refresh token, if the identity provider gives one.'),
        grace: duration(
          '0s',
          "How long a session is served past its token's end while the identity provider cannot be asked to renew it. After that it is answered 503.",
        ),
      })
      .prefault({})
      .describe('How long a session lives.'),
    headers: z
      .strictObject({
        families: z
          .array(z.enum(['akprox', 'authentik']))
          .min(1)
          .default(['akprox', 'authentik'])
          .describe('Which families of identity headers an allowed check carries.'),
        pass_jwt: z.boolean().default(false).describe('Send the token as `X-authentik-jwt`.'),
        assertion: z
          .boolean()
          .default(false)
          .describe(
            'Send `X-Akprox-Assertion`: who is signed in, as a signed JWT that an application can verify by itself.',
          ),
        max_bytes: z
          .number()
          .int()
          .min(4_096)
          .max(65_536)
          .default(DEFAULT_MAX_BYTES)
          .describe(
            'Most bytes of identity headers. A user who has more gets 403 and a line in the log: beyond what a proxy takes it would answer 500. Raise it together with the buffers of the proxy and the limit of the application.',
          ),
      })
      .prefault({})
      .describe('The identity headers.'),
    basic_auth: z
      .strictObject({
        enabled: z.boolean().default(false).describe('Send `Authorization: Basic` to the application.'),
        user_attribute: z
          .string()
          .default('')
          .describe('User attribute that holds the user name; empty: the e-mail address.'),
        password_attribute: z.string().default('').describe('User attribute that holds the password.'),
      })
      .prefault({})
      .describe('Basic credentials for the application.'),
    cookie: z
      .strictObject({
        same_site: z
          .enum(['lax', 'none'])
          .default('lax')
          .describe(
            '`none`, with an https `external_host`: browsers send the cookie in frames and requests of other sites too, which then act as whoever is signed in.',
          ),
        partitioned: z
          .boolean()
          .default(false)
          .describe(
            'Tie the cookie to the site around the frame (CHIPS): a login in a frame counts below that site only. With an https `external_host`.',
          ),
      })
      .prefault({})
      .describe('The cookies of sessions and logins.'),
    bearer: z
      .strictObject({
        audiences: z
          .array(z.string().min(1))
          .default([])
          .describe(
            "Audiences of bearer tokens that count besides `oidc.client_id`. Keycloak's tokens say `account`, whichever client they are for.",
          ),
      })
      .prefault({})
      .describe('Bearer tokens in `Authorization`.'),
    intercept_header_auth: z.boolean().default(true).describe('Accept `Authorization: Bearer` and `Basic` as a login.'),
    allow_preflight: z.boolean().default(false).describe('Let CORS preflight requests through without a session.'),
    tls: certificate.optional().describe('Certificate for this host on the HTTPS listener, chosen by SNI.'),
  })
  .describe('One OIDC client and the host or domain that it protects.');

export const DEFAULT_STORE_PATH = './data';

const embeddedStore = z.strictObject({
  kind: z.literal('embedded').default('embedded').describe('One host: every worker shares one LMDB environment.'),
  path: z.string().default(DEFAULT_STORE_PATH).describe('Directory of the environment; made if it is absent.'),
  max_bytes: z.number().int().min(1_048_576).default(1_073_741_824).describe('Upper bound of the file, in bytes.'),
});

const tlsOptions = z.union([
  z.boolean(),
  z.strictObject({
    ca: z.string().optional().describe('CA bundle, PEM file.'),
    cert: z.string().optional().describe('Client certificate, PEM file.'),
    key: z.string().optional().describe('Client key, PEM file.'),
    insecure: z.boolean().default(false).describe('Do not verify the server certificate.'),
  }),
]);

const hostPort = z.string().refine(isHostPort, 'expected HOST:PORT');

const redisStore = z.strictObject({
  kind: z.literal('redis').describe('Several hosts share sessions through Redis or Valkey.'),
  url: z
    .string()
    .regex(/^rediss?:\/\//, 'expected redis:// or rediss://')
    .optional()
    .describe('One server.'),
  sentinels: z.array(hostPort).min(1).optional().describe('Sentinels; `name` is required.'),
  name: z.string().optional().describe('Name of the primary that the Sentinels know.'),
  cluster: z.array(hostPort).min(1).optional().describe('Nodes of a Redis Cluster.'),
  username: z.string().optional().describe('ACL user.'),
  password: secret('Password.').optional(),
  sentinel_password: secret('Password of the Sentinels.').optional(),
  db: z.number().int().min(0).optional().describe('Database number; not with a Cluster.'),
  prefix: z.string().max(64).default('akprox:').describe('Prefix of every key and channel.'),
  tls: tlsOptions.optional().describe('TLS, or its CA.'),
});

export const configSchema = z.strictObject({
  listen: z
    .strictObject({
      http: addressOrPath(
        '[::]:9000',
        'The HTTP listener: `ADDRESS:PORT`, or `unix:/PATH`: one socket for each worker, the others with `.2`, `.3` and so on behind the path. `[::]` is every address, of IPv4 too, and `0.0.0.0` where the host has no IPv6.',
      ),
      https: address('[::]:9443', 'The HTTPS listener, HTTP/2 and HTTP/1.1; null: none.'),
      tls: certificate
        .optional()
        .describe(
          'Certificate of the HTTPS listener, for every name that no provider has one for. Without it that is a self-signed one, which no proxy can verify.',
        ),
      compat: address(null, 'A listener that speaks HTTP/1.0 too, for stock nginx; null: none.'),
      metrics: address('[::]:9300', 'Metrics, liveness and readiness.'),
      socket: z
        .strictObject({
          mode: z
            .string()
            .regex(/^0?[0-7]{3}$/, 'expected octal digits in quotes, such as "0660"')
            .default('0660')
            .describe('Mode of the sockets, octal. Who may open one is believed what a proxy says.'),
          user: account
            .optional()
            .describe('Their owner, a number or a name of /etc/passwd. Default: who runs the daemon.'),
          group: account
            .optional()
            .describe('Their group, a number or a name of /etc/group. Default: that of the daemon.'),
        })
        .prefault({})
        .describe('The files of unix sockets.'),
    })
    .prefault({})
    .describe('Addresses.'),
  workers: z
    .union([z.literal('auto'), z.number().int().min(1).max(256)])
    .default('auto')
    .describe(
      'Worker processes; `auto`: one per available core, and no more than the CPU quota of the cgroup, rounded up.',
    ),
  trusted_proxies: z
    .array(z.string())
    .default(['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fe80::/10', '::1/128'])
    .describe(
      'Whose X-Forwarded-For and (outside checks) X-Forwarded-Host are believed. Who asks over a unix socket always is.',
    ),
  max_header_bytes: z
    .number()
    .int()
    .min(4_096)
    .max(1_048_576)
    .default(65_536)
    .describe('Largest request head; more is answered 431.'),
  log: z
    .strictObject({
      level: z.enum(LOG_LEVELS).default('info').describe('Least level that is written.'),
      checks: z.enum(['none', 'denied', 'all']).default('none').describe('Which checks are logged.'),
      audit: z
        .enum(['subject', 'user', 'none'])
        .default('subject')
        .describe(
          'Whom audit lines and those of `checks` name: a hash of the subject, the user name as well, or `none`: no audit lines, and nobody in the others.',
        ),
    })
    .prefault({})
    .describe('Logging on standard output: NDJSON, and readable lines where that is a terminal.'),
  pages: z
    .strictObject({
      logo: z
        .string()
        .default('')
        .describe(
          'Logo on pages: an https URL, or a PNG, JPEG, GIF, WebP or SVG file of at most 6144 bytes, which is read at start and becomes a part of every page.',
        ),
      name: shownName('Name of your organisation, on pages.'),
      help_url: z
        .string()
        .max(500)
        .default('')
        .describe('Where people find help: an http, https or mailto URL that pages link to.'),
    })
    .prefault({})
    .describe('What people see when something is not as it should be.'),
  store: z.discriminatedUnion('kind', [embeddedStore, redisStore]).prefault({}).describe('Where sessions live.'),
  cache: z
    .strictObject({
      max_bytes: z
        .number()
        .int()
        .min(65_536)
        .default(67_108_864)
        .describe("Upper bound of each worker's session cache, in bytes."),
      max_age: duration('60s', 'A cached session older than this is read again, in the background.'),
      stale_max: duration('300s', 'A cached session older than this is not served, whatever happens.'),
    })
    .prefault({})
    .describe('The session cache of each worker.'),
  providers: z.array(providerSchema).default([]).describe('The OIDC clients and what they protect.'),
});

/** What the schema makes of a document. `load.ts` makes the rest of a `Config` of it. */
export type ParsedConfig = z.output<typeof configSchema>;
/** `providers`: those of the file, and while it runs those of authentik. */
export type Config = Omit<ParsedConfig, 'providers'> & {
  readonly providers: readonly ProviderConfig[];
  /** Of the environment. */
  readonly proxies?: OutgoingProxies;
  /** Of the environment: somebody takes spans. */
  readonly tracing?: boolean;
};
export type ProviderConfig = ParsedConfig['providers'][number] & {
  /** `external_host`, read once. */
  readonly origin: PublicOrigin;
  readonly authentik?: AuthentikProviderFacts;
};
export type StoreConfig = Config['store'];

/** What only a provider from authentik has; never in the file. */
export interface AuthentikProviderFacts {
  readonly pk: number;
  readonly application_slug: string;
  readonly outpost_name: string;
  readonly jwks_uri: string;
  /** The endpoints, with the host that browsers and tokens know: what discovery would have found (contract §6). */
  readonly metadata: {
    readonly issuer: string;
    readonly authorization_endpoint: string;
    readonly token_endpoint: string;
    readonly jwks_uri: string;
    readonly userinfo_endpoint?: string;
    readonly end_session_endpoint?: string;
    readonly introspection_endpoint?: string;
    readonly id_token_signing_alg_values_supported?: string[];
  };
  /** What calls to the token and introspection endpoints say in `Host` and `X-Forwarded-Proto`; null: what the URL says. */
  readonly back_channel: { readonly host: string; readonly proto: 'http' | 'https' } | null;
  /** AUTHENTIK_INSECURE: the certificate of authentik is not verified. */
  readonly insecure: boolean;
}
