// Copies of Traefik's and Envoy's configuration that are broken on purpose, and what the doctor must name. They are tried behind
// the models of these proxies, and behind the real ones where they are on this machine.
import type { FindingCode } from '../../../src/commands/doctor/findings.js';

export interface Breakage {
  readonly what: string;
  readonly edits: readonly (readonly [from: string, to: string])[];
  /** What must be found, and nothing else but what follows from it. */
  readonly code: FindingCode;
  readonly alongside?: readonly FindingCode[];
  /** Whether only the model, or only the real proxy, can be broken like this. */
  readonly only?: 'model' | 'real';
}

export const TRAEFIK: readonly Breakage[] = [
  {
    what: 'no middleware',
    edits: [['middlewares: [akprox]', 'middlewares: []']],
    code: 'not_protected',
    alongside: ['identity_header_survives', 'identity_missing'],
  },
  {
    what: 'the outpost asked through Traefik',
    edits: [['address: https://akprox:9443', 'address: https://whoami.company.tld']],
    code: 'headers_missing',
    only: 'model',
  },
  {
    what: 'the certificate of the outpost is of nobody whom Traefik knows',
    edits: [['insecureSkipVerify: true', 'insecureSkipVerify: false']],
    code: 'check_failed',
    only: 'real',
  },
  {
    what: 'trustForwardHeader',
    edits: [['trustForwardHeader: false', 'trustForwardHeader: true']],
    code: 'forwarded_headers_trusted',
    // The real entry point has taken them away before.
    only: 'model',
  },
  {
    what: 'a wrong path of the check',
    edits: [['/akprox/auth/traefik', '/akprox/auth/nothing']],
    code: 'check_failed',
  },
  {
    what: 'authRequestHeaders without Cookie',
    edits: [
      ['trustForwardHeader: false', 'trustForwardHeader: false\n        authRequestHeaders: [Accept, Sec-Fetch-Mode]'],
    ],
    code: 'cookie_stripped',
  },
  {
    what: 'authRequestHeaders without Sec-Fetch-Mode and Accept',
    edits: [['trustForwardHeader: false', 'trustForwardHeader: false\n        authRequestHeaders: [Cookie]']],
    code: 'xhr_redirected',
  },
  {
    what: 'a name missing in authResponseHeaders',
    edits: [['          - X-Auth-Username\n', '']],
    code: 'identity_header_survives',
    alongside: ['identity_missing'],
  },
  {
    what: 'the check is routed',
    edits: [[' && !PathPrefix(`/akprox/auth`) && !PathPrefix(`/outpost.goauthentik.io/auth`)', '']],
    code: 'check_open',
  },
  {
    what: 'the check is routed below one of the prefixes',
    edits: [[' && !PathPrefix(`/outpost.goauthentik.io/auth`)', '']],
    code: 'check_open',
  },
  {
    what: 'the check is sent the body, and there is a limit for it',
    edits: [
      ['trustForwardHeader: false', 'trustForwardHeader: false\n        forwardBody: true\n        maxBodySize: 65536'],
    ],
    code: 'large_post_fails',
  },

  {
    what: 'aliases pass',
    edits: [['aliasHeadersStrategy: delete', 'aliasHeadersStrategy: keep']],
    code: 'identity_header_survives',
    only: 'real',
  },
  {
    what: 'X-Forwarded headers of every client are believed',
    edits: [
      ['trustForwardHeader: false', 'trustForwardHeader: true'],
      [
        '      aliasHeadersStrategy: delete\n',
        '      aliasHeadersStrategy: delete\n    forwardedHeaders: { insecure: true }\n',
      ],
    ],
    code: 'forwarded_headers_trusted',
    only: 'real',
  },
  {
    what: 'no router for the paths of the outpost, and the check runs the steps of a login',
    edits: [
      ['(PathPrefix(`/akprox/`) || PathPrefix(`/outpost.goauthentik.io/`)) && !', 'PathPrefix(`/nothing/`) && !'],
    ],
    code: 'backchannel_unreachable',
    // The model has no such steps.
    only: 'real',
  },
];

export const ENVOY: readonly Breakage[] = [
  {
    what: 'no ext_authz',
    edits: [['- name: envoy.filters.http.ext_authz', '- name: envoy.filters.http.none']],
    code: 'not_protected',
    alongside: ['identity_header_survives', 'identity_missing'],
    // The real one goes by the type.
    only: 'model',
  },
  {
    what: 'ext_authz disabled',
    edits: [
      [
        '- name: envoy.filters.http.ext_authz\n',
        '- name: envoy.filters.http.ext_authz\n                    disabled: true\n',
      ],
    ],
    code: 'not_protected',
    alongside: ['identity_missing'],
    only: 'real',
  },
  {
    what: 'cookie not in allowed_headers',
    edits: [['                          - exact: cookie\n', '']],
    code: 'cookie_stripped',
  },
  {
    what: 'sec-fetch-mode and accept not in allowed_headers',
    edits: [
      ['                          - exact: sec-fetch-mode\n', ''],
      ['                          - exact: accept\n', ''],
    ],
    code: 'xhr_redirected',
  },
  {
    what: 'the scheme is wrong',
    edits: [['{ key: x-forwarded-proto, value: https }', '{ key: x-forwarded-proto, value: http }']],
    code: 'scheme_mismatch',
    alongside: ['cookie_secure'],
  },
  {
    what: 'a name that nothing replaces',
    edits: [
      ['["x-auth-username"] = true,', ''],
      ['                              - exact: x-auth-username\n', ''],
    ],
    code: 'identity_header_survives',
    alongside: ['identity_missing'],
  },
  {
    what: 'the check is routed',
    edits: [['/(akprox|outpost\\\\.goauthentik\\\\.io)/auth.*"', '/nothing"']],
    code: 'check_open',
  },
  { what: 'aliases pass', edits: [['lower:find("[^:a-z0-9-]")', 'false']], code: 'identity_header_survives' },
  {
    what: 'a wrong path of the check',
    edits: [['path_prefix: /akprox/auth/envoy', 'path_prefix: /akprox/auth/nothing']],
    code: 'check_failed',
  },
];
