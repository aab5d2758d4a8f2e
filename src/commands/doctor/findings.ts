// What the doctor can find, and what to change then, by proxy. docs/doctor.md is made of this, and the tests break a
// configuration for each.

export type ProxyName = 'Traefik' | 'nginx' | 'ingress-nginx' | 'Caddy' | 'Envoy' | 'HAProxy';

export interface Remedy {
  readonly severity: 'error' | 'warning';
  /** What is wrong, as the table in docs/doctor.md has it. */
  readonly meaning: string;
  /** The settings to look at, whatever the proxy. */
  readonly change: string;
  readonly settings?: Partial<Record<ProxyName, string>>;
}

export const REMEDIES = {
  unreachable: {
    severity: 'error',
    meaning: 'The application or the outpost cannot be asked at all.',
    change:
      'check the name, the port and the certificate; --connect HOST:PORT asks another address, --insecure takes any certificate',
  },
  not_protected: {
    severity: 'error',
    meaning: 'Somebody who is not signed in is answered by the application.',
    change: 'the proxy must ask the outpost before it lets this path through, or `skip_path_regex` names it',
    settings: {
      Traefik: 'name the forwardAuth middleware in the router (`middlewares: [akprox]`)',
      nginx: '`auth_request /.akprox-check;` in the location that has this path',
      'ingress-nginx': '`nginx.ingress.kubernetes.io/auth-url`',
      Caddy: '`import akprox` (or forward_auth) before reverse_proxy, inside `route`',
      Envoy: '`ext_authz` before the router filter, and no `disabled: true` at this route',
      HAProxy: '`http-request lua.akprox` and the `http-request deny` behind it',
    },
  },
  unknown_host: {
    severity: 'error',
    meaning: 'The outpost has no provider for the host that the proxy names.',
    change: '`external_host` (or `cookie_domain`) of a provider must be the host that the browser asks for',
    settings: {
      nginx:
        '`proxy_set_header Host $host;` and `proxy_set_header X-Original-URL "<$scheme://$host$request_uri>";` in the check location; on a port other than 443 `$host:$server_port`',
      Caddy: 'leave `Host` and `X-Forwarded-Host` alone inside forward_auth (`header_up`)',
      HAProxy: '`http-request set-header X-Forwarded-Host %[req.hdr(host)]`',
    },
  },
  headers_missing: {
    severity: 'error',
    meaning: 'The proxy asks without the headers that say what the browser asked for, or they cannot be read.',
    change: 'let the proxy send them to the outpost, and nothing between the two remove them',
    settings: {
      Traefik: '`forwardAuth.address` must point at the outpost itself, not through this proxy',
      HAProxy: 'akprox.lua sends them: compare it with deploy/proxies/haproxy',
    },
  },
  headers_doubled: {
    severity: 'error',
    meaning: 'The proxy adds to a header that the client may have sent instead of replacing it.',
    change: 'set the header, do not append to it',
    settings: {
      HAProxy: '`http-request set-header` instead of `add-header`',
      Envoy: '`append_action: OVERWRITE_IF_EXISTS_OR_ADD`',
    },
  },
  http_1_0: {
    severity: 'error',
    meaning: 'The proxy speaks HTTP/1.0 to the outpost, which answers 505.',
    change: 'let the proxy speak HTTP/1.1 to the outpost',
    settings: { nginx: '`proxy_http_version 1.1;` in every location that leads to the outpost' },
  },
  check_failed: {
    severity: 'error',
    meaning: 'The proxy could not make sense of the answer to its check, and shows an error of its own.',
    change:
      'read the log of the outpost: it names the header or the host that is wrong. With no line there, the check did not reach it: its address or path, the certificate behind https://, HTTP/1.0 (505), buffers too small for the answer',
    settings: {
      Traefik:
        '`forwardAuth.address`; with https:// also `forwardAuth.tls`, or Traefik refuses the certificate of the outpost',
      nginx:
        'in the check location: `proxy_pass` to /akprox/auth/nginx, `proxy_http_version 1.1;`, `proxy_set_header Host $host;` (on a port other than 443 `$host:$server_port`), `proxy_buffer_size 32k;`',
      'ingress-nginx': '`auth-url` must end in /akprox/auth/nginx',
    },
  },
  outpost_down: {
    severity: 'error',
    meaning: 'The proxy says that it cannot reach the outpost. It keeps the door shut.',
    change:
      'start the outpost, and compare its `listen.http` (or `listen.https`) with the address in the proxy; if it answers, see whether the proxy asks it at all',
    settings: {
      HAProxy: '`http-request lua.akprox`, and the address of the frontend akprox-check in akprox.lua',
    },
  },
  outpost_error: {
    severity: 'error',
    meaning: 'The outpost was asked rightly and has a trouble of its own.',
    change: 'its log says more',
  },
  denied_without_login: {
    severity: 'error',
    meaning: 'A browser that navigates is refused and not sent to the login.',
    change: 'turn the 401 of the check into a redirect to its Location',
    settings: {
      nginx:
        '`auth_request_set $akprox_login $upstream_http_location;`, `error_page 401 = @akprox_login;` and the map of $akprox_navigation',
      'ingress-nginx': '`auth-signin`',
      Envoy: '`allowed_client_headers` must have `location` and `set-cookie`',
    },
  },
  redirected_elsewhere: {
    severity: 'error',
    meaning: 'A browser is sent somewhere that is not the login of the outpost.',
    change: 'let the proxy relay the Location of the check as it is',
  },
  host_mismatch: {
    severity: 'error',
    meaning:
      'After the login the browser would come back to another host: to the portal, or to one that only the proxy knows.',
    change: 'the outpost must learn the host that the browser asked for',
    settings: {
      Traefik: 'a proxy in front must be in `forwardedHeaders.trustedIPs` of the entry point, or its host gets lost',
      nginx: '`X-Original-URL "<$scheme://$host$request_uri>"` and no other host in it',
    },
  },
  uri_mismatch: {
    severity: 'error',
    meaning: 'After the login the browser would come back to another page than it asked for.',
    change: 'the outpost must learn path and query as the browser sent them, before any rewrite',
    settings: {
      Traefik: 'put forwardAuth before stripPrefix, replacePath and the like',
      nginx:
        '`proxy_set_header X-Original-URL "<$scheme://$host$request_uri>";` ($uri and $document_uri are decoded or rewritten)',
      'ingress-nginx':
        '`auth-signin` must end in `?rd=$scheme://$host$escaped_request_uri`, or leave rd to the outpost',
      Caddy: 'forward_auth before any rewrite, uri or handle_path',
    },
  },
  scheme_mismatch: {
    severity: 'error',
    meaning: 'One of proxy and outpost thinks http where the browser speaks https, or the other way round.',
    change: 'the outpost must learn the browser’s scheme, and `external_host` must begin with it',
    settings: {
      Traefik: 'behind a load balancer that ends TLS: `forwardedHeaders.trustedIPs` of the entry point',
      nginx:
        '`X-Original-URL $scheme://…` and `X-Forwarded-Proto $scheme`; behind another proxy write https instead of $scheme',
      Caddy: 'behind another proxy: `trusted_proxies` in forward_auth and in each reverse_proxy',
      HAProxy: '`http-request set-header X-Forwarded-Proto https`',
      Envoy: '`x-forwarded-proto` is taken from the connection: `use_remote_address: true` at the edge',
    },
  },
  login_loop: {
    severity: 'error',
    meaning: 'The login itself asks for a login: the browser would go round in circles.',
    change:
      'the paths /akprox/ and /outpost.goauthentik.io/ must lead to the outpost with no check before them, and the check must not be asked through the proxy that asks it',
    settings: {
      Traefik:
        '`forwardAuth.address` must be the outpost itself; the router of /akprox/ has no middleware and the higher priority',
      nginx: '`location ~ ^/(akprox|outpost\\.goauthentik\\.io)/` with no auth_request in it',
      'ingress-nginx': 'a second Ingress for /akprox with no auth annotations',
      Caddy: '`reverse_proxy @akprox` before forward_auth',
      Envoy: 'routes with prefix /akprox/ and `ext_authz` disabled at them',
      HAProxy: '`unless akprox` behind `http-request lua.akprox`',
    },
  },
  login_not_routed: {
    severity: 'error',
    meaning: 'The login page is answered by somebody else than the outpost.',
    change: 'route /akprox/ (and /outpost.goauthentik.io/) of this host to the outpost',
    settings: {
      Traefik: 'a router with `PathPrefix(`/akprox/`)`',
      nginx: '`location ~ ^/(akprox|outpost\\.goauthentik\\.io)/ { proxy_pass http://akprox; … }`',
      'ingress-nginx': 'a second Ingress with path /akprox',
      HAProxy: '`use_backend akprox if akprox` before the others',
    },
  },
  sign_out_unreachable: {
    severity: 'error',
    meaning: 'Nobody can sign out: the outpost is not asked at its sign_out path.',
    change: 'route /akprox/sign_out to the outpost, on the host of the login',
  },
  backchannel_unreachable: {
    severity: 'warning',
    meaning:
      'What the identity provider sends when a session ends there (back-channel logout) does not reach the outpost: the session here goes on.',
    change:
      'route /akprox/backchannel_logout on the host of the login to the outpost, POST with its body, with no check before it',
    settings: {
      Traefik: 'the router with `PathPrefix(`/akprox/`)`: without it the check runs the steps of a login, but not this',
      nginx: '`location ~ ^/(akprox|outpost\\.goauthentik\\.io)/` with no auth_request and no `limit_except` in it',
      'ingress-nginx': 'the second Ingress, with path /akprox/ and no auth annotations',
      Caddy: '`reverse_proxy @akprox` before forward_auth',
      Envoy: 'routes with prefix /akprox/ and `ext_authz` disabled at them',
      HAProxy: '`use_backend akprox if akprox`, and `unless akprox` behind `http-request lua.akprox`',
    },
  },
  set_cookie_stripped: {
    severity: 'error',
    meaning: 'Cookies that the outpost sets do not reach the browser.',
    change: 'let Set-Cookie of the outpost through',
    settings: {
      nginx: 'no `proxy_hide_header Set-Cookie` at the locations of the outpost',
      Envoy: '`allowed_client_headers` must have `set-cookie`',
    },
  },
  cookie_stripped: {
    severity: 'error',
    meaning: 'Cookies of the browser do not reach the outpost.',
    change: 'let the Cookie header through to the outpost, in the check and at its paths',
    settings: {
      Traefik: '`authRequestHeaders`, if given, must have Cookie',
      nginx: 'no `proxy_set_header Cookie` at the locations of the outpost',
      Envoy: '`allowed_headers` must have `cookie`',
      Caddy: 'no `header_up -Cookie` in forward_auth',
      HAProxy: 'no `http-request del-header cookie` before lua.akprox',
    },
  },
  cookie_domain: {
    severity: 'error',
    meaning: 'The browser would not send the session cookie to the application, or not keep it.',
    change: '`cookie_domain` must be the application’s host or a domain above it, and the proxy must not rewrite it',
    settings: { nginx: 'no `proxy_cookie_domain` and no `proxy_cookie_path` at the locations of the outpost' },
  },
  cookie_secure: {
    severity: 'error',
    meaning: 'The session cookie is Secure and the application is asked for over http: the browser will not send it.',
    change: 'use https, or let `external_host` begin with http:// where this is meant',
  },
  redirect_uri_mismatch: {
    severity: 'error',
    meaning: 'The identity provider would send the browser back to another host or scheme than that of the login.',
    change: '`external_host` must be the address that the browser uses for the login',
  },
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

export type FindingCode = keyof typeof REMEDIES;

export interface Finding {
  readonly code: FindingCode;
  readonly severity: 'error' | 'warning';
  /** What was asked and what came: no secrets, tokens or cookie values. */
  readonly seen: string;
  readonly change: string;
}

/** `proxy`: whose setting is told; null tells those of all. */
export function finding(code: FindingCode, seen: string, proxy: readonly ProxyName[] | null): Finding {
  const remedy: Remedy = REMEDIES[code];
  const settings = Object.entries(remedy.settings ?? {})
    .filter(([name]) => proxy === null || proxy.includes(name as ProxyName))
    .map(([name, text]) => `${name}: ${text}`);
  return { code, severity: remedy.severity, seen, change: [remedy.change, ...settings].join('\n') };
}
