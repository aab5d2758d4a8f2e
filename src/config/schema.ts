// The configuration: its schema, its defaults and the type that everything else is written against.
// A `Config` is plain JSON (no functions, no class instances), because the primary sends it to the workers over IPC.
import { z } from 'zod';
import type { PublicOrigin } from '../application/public-origin.js';
import { parseHostPort } from '../infra/host-port.js';
import { LOG_LEVELS } from '../infra/log-level.js';
import type { OutgoingProxies } from '../infra/outgoing-proxy.js';
import { unixPathOf } from '../infra/unix-address.js';
import { providerSchema } from './provider-schema.js';
import { certificate, duration, secret, shownName } from './schema-parts.js';

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
