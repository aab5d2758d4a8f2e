// The settings of a provider. See schema.ts.
import { z } from 'zod';
import { DEFAULT_MAX_BYTES } from '../application/identity.js';
import { FILE_PREFIX, PREFIXES } from '../application/own-paths.js';
import { SIGNING_ALGORITHMS } from '../application/signing-algorithms.js';
import { certificate, duration, secret, shownName } from './schema-parts.js';

const claimPaths = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);

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
