// Whether the outpost is asked at all, is asked rightly, and its answer is understood.
import type { Remedy } from './remedy.js';

export const CHECK_REMEDIES = {
  unreachable: {
    severity: 'error',
    meaning: 'The application or the outpost cannot be asked at all.',
    change:
      'check the name, the port and the certificate; --connect HOST:PORT asks another address, NODE_EXTRA_CA_CERTS names a PEM file with your CA, --insecure takes any certificate',
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
  wrong_dialect: {
    severity: 'error',
    meaning:
      'The address of the check is that of another proxy: the outpost reads headers that this one does not send, or answers as it cannot show.',
    change: 'the end of the address names the proxy that asks: its dialect',
    settings: {
      Traefik: '`forwardAuth.address` must end in /akprox/auth/traefik',
      nginx: '`proxy_pass` in the check location must end in /akprox/auth/nginx',
      'ingress-nginx': '`auth-url` must end in /akprox/auth/nginx',
      Caddy: '`uri` of forward_auth must be /akprox/auth/caddy?caddy',
      Envoy: '`path_prefix: /akprox/auth/envoy`',
      HAProxy: 'akprox.lua asks /akprox/auth/traefik',
    },
  },
  response_cut: {
    severity: 'error',
    meaning:
      'The body of the outpost’s answer to a check does not arrive: in place of its pages, people see an empty 401.',
    change: 'the proxy must relay what the outpost answers whole; 16 KiB are enough for any answer',
    settings: { Traefik: '`maxResponseBodySize: 16384` in forwardAuth' },
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
} as const satisfies Record<string, Remedy>;
