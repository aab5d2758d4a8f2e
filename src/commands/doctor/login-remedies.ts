// The way through a login, its cookies, and the way out.
import type { Remedy } from './remedy.js';

export const LOGIN_REMEDIES = {
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
      Traefik: 'put forwardAuth before stripPrefix, replacePath and the like; no `authSigninURL`',
      nginx:
        '`proxy_set_header X-Original-URL "<$scheme://$host$request_uri>";` ($uri and $document_uri are decoded or rewritten), and `return 302 $akprox_login;` to the login',
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
    meaning: 'Nobody can sign out there: the outpost is not asked at its sign_out path.',
    change: 'route /akprox/ to the outpost, on the host of the login and, below a domain, on that of each application',
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
} as const satisfies Record<string, Remedy>;
