// What a client can make up, what the application learns, and requests that are no page view.
import type { Remedy } from './remedy.js';

export const ACCESS_REMEDIES = {
  identity_header_survives: {
    severity: 'error',
    meaning: 'An identity header that a client has made up reaches the application.',
    change: 'remove what the client says about itself before the application sees it, in every spelling',
    settings: {
      Traefik:
        'all names in `authResponseHeaders`, and `aliasHeadersStrategy: delete` at the entry point (3.7.12 or later)',
      nginx:
        '`proxy_set_header` for every identity header; `underscores_in_headers off;` and `ignore_invalid_headers on;`',
      'ingress-nginx': 'all names in `auth-response-headers`',
      Caddy: 'the `request_header -…` lines, before forward_auth and inside `route`',
      Envoy: '`allowed_upstream_headers`, and `headers_with_underscores_action: DROP_HEADER`',
      HAProxy: '`option http-restrict-req-hdr-names delete`, and akprox.lua unchanged',
    },
  },
  forwarded_headers_trusted: {
    severity: 'error',
    meaning:
      'A client chooses what the outpost decides about: a forged header of the X-Forwarded or X-Original family is believed.',
    change: 'the proxy must replace these headers, whatever the client sent',
    settings: {
      Traefik: '`trustForwardHeader: false`, and no `forwardedHeaders.insecure`',
      nginx: '`proxy_set_header X-Original-URL "<$scheme://$host$request_uri>";` in the check location',
      Caddy: 'no `trusted_proxies` that holds your clients',
      HAProxy: '`http-request set-header` for X-Forwarded-Host, -Proto and -For',
      Envoy: '`use_remote_address: true`, `xff_num_trusted_hops: 0`, and `headers_to_add` that overwrite',
    },
  },
  look_alike_host: {
    severity: 'error',
    meaning: 'A host that only looks like yours is served as if it were yours.',
    change: 'compare whole names: `cookie_domain` and the host rules of the proxy',
  },
  host_confusion: {
    severity: 'error',
    meaning: 'The outpost is asked about another host than the one that answers: a client chooses whose rules count.',
    change: 'what is routed and what is checked must be one and the same host, and no list of hosts',
    settings: {
      nginx:
        '`if ($host != $server_name) { return 421; }` in every server block of an application; `$host` and never `$http_host` towards the outpost',
      HAProxy: '`http-request deny deny_status 400 unless { req.hdr_cnt(host) eq 1 }`, before X-Forwarded-Host is set',
      Traefik: 'a `Host(…)` in the rule of every router that has the middleware',
      'ingress-nginx': 'it is so by design: no providers with different access rules behind one controller',
    },
  },
  raw_bytes: {
    severity: 'error',
    meaning:
      'Raw bytes above ASCII in a URL get to the check, which cannot see them at its end: it may decide about another URL than the application gets.',
    change: 'refuse such URLs in the proxy, before it asks the outpost; browsers send none',
    settings: {
      nginx:
        '`if ($request_uri ~ "[^\\x21-\\x7e]") { return 400; }` in every server block of an application, and `"<$scheme://$host$request_uri>"` as X-Original-URL',
      'ingress-nginx': 'the same line as `server-snippet` in the ConfigMap of the controller',
      HAProxy: 'no `option accept-invalid-http-request`',
      Envoy: '`path_prefix: /akprox/auth/envoy`',
    },
  },
  websocket_open: {
    severity: 'error',
    meaning: 'A WebSocket opens with no session, or the application answers it.',
    change: 'the check must come before the upgrade too',
  },
  identity_missing: {
    severity: 'error',
    meaning: 'A session is let through, and the application does not learn whose it is.',
    change: 'let the proxy copy the identity headers of the check into the request',
    settings: {
      Traefik: '`authResponseHeaders`',
      nginx: '`auth_request_set` and `proxy_set_header` for each header',
      'ingress-nginx': '`auth-response-headers`',
      Caddy:
        '`copy_headers`, and everything inside `route`; before 2.9, no header in it that the outpost does not send (X-authentik-jwt without `pass_jwt`)',
      Envoy: '`allowed_upstream_headers`',
      HAProxy: 'the list IDENTITY in akprox.lua',
    },
  },
  session_fails: {
    severity: 'error',
    meaning: 'A browser that is signed in gets an error of the proxy, where others get the login.',
    change:
      '500: the answer of the check does not fit the buffers of the proxy. 502, 503, 504: the address of the application, or no route for it behind the check',
    settings: {
      nginx: '`proxy_buffer_size 32k;` in the check location; `proxy_pass` of the application',
      'ingress-nginx': '`proxy-buffer-size: 32k`',
      HAProxy: '`use_backend` must fit the host; `tune.bufsize 65536`',
    },
  },
  check_open: {
    severity: 'warning',
    meaning:
      'The check itself can be asked through the proxy: a script on a page reads in its answer what only the application is told (identity headers, a token, the credentials of `basic_auth`).',
    change:
      'refuse /akprox/auth and /outpost.goauthentik.io/auth and everything below, on every host that leads to the outpost; the proxy asks the check at the outpost’s own address',
    settings: {
      Traefik:
        '``&& !PathPrefix(`/akprox/auth`) && !PathPrefix(`/outpost.goauthentik.io/auth`)`` in the rule of each router of the outpost',
      nginx:
        '`location ~ ^/(akprox|outpost\\.goauthentik\\.io)/auth { return 404; }` before the location of the outpost; let auth_request ask an internal location with another name (`/.akprox-check`)',
      'ingress-nginx':
        '`if ($uri ~ ^/(akprox|outpost\\.goauthentik\\.io)/auth) { return 404; }` as `server-snippet` in the ConfigMap of the controller, and the Service in `auth-url`',
      Caddy: '`respond @akprox_check 404` before `reverse_proxy @akprox`',
      Envoy: 'the route with `direct_response: { status: 404 }` before that of the outpost',
      HAProxy: '`http-request deny deny_status 404 if { path_beg /akprox/auth /outpost.goauthentik.io/auth }`',
    },
  },
  xhr_redirected: {
    severity: 'warning',
    meaning:
      'A script’s request is redirected to the login instead of being answered with 401: it will fail with a CORS error.',
    change: 'let Accept, Sec-Fetch-Mode and X-Requested-With through to the outpost',
    settings: {
      Traefik: '`authRequestHeaders`, if given, must have them',
      nginx: 'the map of $akprox_navigation',
      'ingress-nginx': '`auth-signin` redirects everybody: this is how it works',
      Envoy: '`allowed_headers` must have them',
    },
  },
  signin_url: {
    severity: 'warning',
    meaning:
      'Where the outpost answers 401, the proxy redirects to an address of its own: scripts fail with a CORS error, and nobody comes back from there to the page that was asked for.',
    change:
      'let the proxy relay the 401 of the check: a browser that navigates is sent to the login by the outpost itself',
    settings: {
      Traefik: 'no `authSigninURL` in forwardAuth',
      nginx: 'the map of $akprox_navigation: `error_page 401` is for browsers that navigate',
    },
  },
  post_fails: {
    severity: 'warning',
    meaning: 'A request with a body is answered with an error of the proxy.',
    change: 'the check must not carry the body, nor its length',
    settings: {
      nginx: '`proxy_pass_request_body off;` and `proxy_set_header Content-Length "";` in the check location',
      Traefik: '`forwardBody: false`',
    },
  },
  large_post_fails: {
    severity: 'warning',
    meaning: 'A request with a large body is answered with an error of the proxy, one with a small body is not.',
    change: 'the check must not carry the body: nothing is decided by it',
    settings: {
      Traefik: 'no `forwardBody: true` (and then no `maxBodySize`) in forwardAuth',
      Envoy: 'no `with_request_body` in ext_authz',
      nginx: '`proxy_pass_request_body off;` and `proxy_set_header Content-Length "";` in the check location',
    },
  },
  large_headers: {
    severity: 'warning',
    meaning: 'Sixteen KiB of cookies are refused: users with many cookies will be locked out.',
    change: 'raise the limit of the proxy; that of the outpost is `max_header_bytes`',
    settings: {
      nginx: '`large_client_header_buffers 4 32k;` in the server block',
      'ingress-nginx': '`large-client-header-buffers` in its ConfigMap',
      HAProxy: '`tune.bufsize 65536`',
    },
  },
} as const satisfies Record<string, Remedy>;
