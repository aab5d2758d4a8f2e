// A copy of each configuration that is broken on purpose, behind the real proxy: the doctor must name what was broken, and find
// nothing in the good ones. The same behind models is in modelled-proxies.test.ts.
import { describeBehindRealProxies, type RealBreakages } from './behind-real-proxies.js';
import { ENVOY, TRAEFIK } from './breakages.js';

const STEPS = 'location ~ ^/(akprox|outpost\\.goauthentik\\.io)/ {';
const CHECK_REFUSED = 'location ~ ^/(akprox|outpost\\.goauthentik\\.io)/auth { return 404; }';
const REFUSAL = 'if ($request_uri ~ "[^\\x21-\\x7e]") { return 400; }';
const ORIGINAL_URL = 'proxy_set_header X-Original-URL "<$scheme://$host$request_uri>";';
const CHECK_HOST = `proxy_set_header Host $host;
    # \`$host\` is`;

const BREAKAGES: RealBreakages = {
  nginx: [
    {
      what: 'no auth_request',
      edits: [['auth_request /.akprox-check;', '']],
      code: 'not_protected',
      alongside: ['identity_header_survives', 'identity_missing'],
    },
    { what: 'HTTP/1.0', edits: [['proxy_http_version 1.1;', '']], code: 'check_failed', modes: ['single'] },
    {
      what: 'HTTP/1.0 at the steps of a login',
      edits: [
        [
          `${STEPS}\n    proxy_pass http://akprox;\n    proxy_http_version 1.1;`,
          `${STEPS}\n    proxy_pass http://akprox;`,
        ],
      ],
      code: 'http_1_0',
      modes: ['single'],
    },
    {
      what: 'no error_page',
      edits: [['error_page 401 = @akprox_login;', '']],
      code: 'denied_without_login',
      modes: ['single', 'domain'],
    },
    {
      what: 'the steps of a login are guarded',
      edits: [[STEPS, 'location ~ ^/nothing/ {']],
      code: 'login_loop',
      modes: ['single'],
    },
    {
      what: 'the steps of a login are the application’s',
      edits: [[`${STEPS}\n    proxy_pass http://akprox;`, `${STEPS}\n    proxy_pass http://whoami;`]],
      code: 'login_not_routed',
      modes: ['single'],
    },
    {
      what: 'an application below a domain has the paths of the outpost for itself',
      edits: [[`${STEPS}\n    proxy_pass http://akprox;`, `${STEPS}\n    proxy_pass http://whoami;`]],
      code: 'sign_out_unreachable',
      modes: ['domain'],
    },
    {
      what: 'the paths of the outpost are guarded at an application below a domain',
      edits: [[STEPS, 'location ~ ^/nothing/ {']],
      code: 'sign_out_unreachable',
      modes: ['domain'],
    },
    {
      what: 'the path is lost',
      edits: [[ORIGINAL_URL, 'proxy_set_header X-Original-URL $scheme://$host/;']],
      code: 'uri_mismatch',
    },
    {
      what: 'raw bytes in a URL are not refused',
      edits: [[REFUSAL, '']],
      code: 'raw_bytes',
      modes: ['single', 'domain'],
    },
    {
      what: 'raw bytes in a URL are neither refused nor seen',
      edits: [
        [REFUSAL, ''],
        [ORIGINAL_URL, 'proxy_set_header X-Original-URL $scheme://$host$request_uri;'],
      ],
      code: 'raw_bytes',
      modes: ['single', 'domain'],
    },
    {
      what: 'the check is routed',
      edits: [[CHECK_REFUSED, '']],
      code: 'check_open',
      modes: ['single', 'domain'],
    },
    {
      what: 'the scheme is wrong',
      edits: [[ORIGINAL_URL, 'proxy_set_header X-Original-URL http://$host$request_uri;']],
      code: 'scheme_mismatch',
    },
    {
      what: 'the portal instead of the application',
      edits: [
        [ORIGINAL_URL, 'proxy_set_header X-Original-URL $scheme://login.company.tld$request_uri;'],
        [CHECK_HOST, '# `$host` is'],
      ],
      code: 'host_mismatch',
      modes: ['domain'],
    },
    {
      what: 'the client’s X-Original-URL',
      edits: [[ORIGINAL_URL, '']],
      code: 'forwarded_headers_trusted',
      alongside: ['uri_mismatch'],
      modes: ['single'],
    },
    {
      what: 'a wrong path of the check',
      edits: [['/akprox/auth/nginx', '/akprox/auth/nothing']],
      code: 'check_failed',
    },
    {
      what: 'the wrong host',
      edits: [
        [CHECK_HOST, 'proxy_set_header Host akprox;\n    # `$host` is'],
        [ORIGINAL_URL, ''],
      ],
      code: 'check_failed',
      alongside: ['forwarded_headers_trusted'],
    },
    {
      what: 'an identity header that is not replaced',
      edits: [['proxy_set_header X-Auth-Username $akprox_x_auth_username;', '']],
      code: 'identity_header_survives',
      alongside: ['identity_missing'],
      modes: ['single', 'domain'],
    },
    {
      what: 'the application answers for every host',
      edits: [['if ($host != $server_name) { return 421; }', '']],
      code: 'host_confusion',
    },
    {
      what: 'the Host header is checked, whatever was asked for',
      edits: [
        [ORIGINAL_URL, 'proxy_set_header X-Original-URL $scheme://$http_host$request_uri;'],
        [CHECK_HOST, 'proxy_set_header Host $http_host;\n    # `$host` is'],
      ],
      code: 'host_confusion',
    },
    {
      what: 'no room for the answer of the check',
      edits: [['proxy_buffer_size 32k;              #', 'proxy_buffer_size 512; #']],
      code: 'session_fails',
      alongside: ['identity_missing'],
    },
    {
      what: 'underscores',
      edits: [['underscores_in_headers off;', 'underscores_in_headers on;']],
      code: 'identity_header_survives',
    },
    {
      what: 'names with dots',
      edits: [['ignore_invalid_headers on;', 'ignore_invalid_headers off;']],
      code: 'identity_header_survives',
    },
    {
      what: 'Cookie taken away',
      edits: [['proxy_set_header Host $host;', 'proxy_set_header Host $host;\n    proxy_set_header Cookie "";']],
      code: 'cookie_stripped',
    },
    {
      what: 'Set-Cookie taken away',
      edits: [['proxy_buffers 8 32k;', 'proxy_buffers 8 32k;\n    proxy_hide_header Set-Cookie;']],
      code: 'set_cookie_stripped',
      modes: ['single', 'domain'],
    },
    {
      what: 'a cookie’s domain rewritten',
      edits: [['proxy_buffers 8 32k;', 'proxy_buffers 8 32k;\n    proxy_cookie_domain company.tld login.company.tld;']],
      code: 'cookie_domain',
      modes: ['domain'],
    },
    { what: 'small buffers', edits: [['large_client_header_buffers 4 32k;', '']], code: 'large_headers' },
    {
      what: 'the wrong port of the outpost',
      edits: [['server 127.0.0.1:', 'server 127.0.0.2:']],
      code: 'check_failed',
      alongside: ['unreachable'],
    },
  ],
  caddy: [
    {
      what: 'no check',
      edits: [['\timport akprox\n', '']],
      code: 'not_protected',
      alongside: ['identity_header_survives', 'identity_missing'],
    },
    {
      what: 'another path that answers 2xx',
      edits: [['uri /akprox/auth/caddy?caddy', 'uri /akprox/ping']],
      code: 'not_protected',
      modes: ['single', 'domain'],
    },
    {
      what: 'a wrong path of the check',
      edits: [['uri /akprox/auth/caddy?caddy', 'uri /akprox/auth/nothing']],
      code: 'check_failed',
    },
    {
      what: 'the host is lost',
      edits: [['transport http {', 'header_up X-Forwarded-Host other.tld\n\t\t\ttransport http {']],
      code: 'unknown_host',
    },
    {
      what: 'X-Forwarded-Uri is taken away',
      edits: [['transport http {', 'header_up -X-Forwarded-Uri\n\t\t\ttransport http {']],
      code: 'headers_missing',
    },
    {
      what: 'the scheme is wrong',
      edits: [['transport http {', 'header_up X-Forwarded-Proto http\n\t\t\ttransport http {']],
      code: 'scheme_mismatch',
      modes: ['single', 'domain'],
    },
    {
      what: 'every client is trusted',
      edits: [['transport http {', 'trusted_proxies private_ranges\n\t\t\ttransport http {']],
      code: 'forwarded_headers_trusted',
    },
    {
      what: 'Cookie taken away',
      edits: [['transport http {', 'header_up -Cookie\n\t\t\ttransport http {']],
      code: 'cookie_stripped',
      modes: ['single', 'domain'],
    },
    {
      what: 'what decides between page and script is lost',
      edits: [
        ['transport http {', 'header_up Accept text/html\n\t\t\theader_up -Sec-Fetch-Mode\n\t\t\ttransport http {'],
      ],
      code: 'xhr_redirected',
    },
    { what: 'the check is routed', edits: [['\t\trespond @akprox_check 404\n', '']], code: 'check_open' },
    { what: 'underscores', edits: [['\t\trequest_header -*_*\n', '']], code: 'identity_header_survives' },
    { what: 'a header not copied', edits: [['\t\t\t\tX-Auth-Groups\n', '']], code: 'identity_missing' },
    {
      what: 'an identity header that is not replaced',
      edits: [
        ['\t\trequest_header -X-Auth-Username\n', ''],
        ['\t\t\t\tX-Auth-Username\n', ''],
      ],
      code: 'identity_header_survives',
      alongside: ['identity_missing'],
    },
    {
      what: 'the steps of a login are the application’s',
      edits: [['reverse_proxy @akprox 127.0.0.1:', 'reverse_proxy @akprox 127.0.0.2:']],
      code: 'outpost_down',
      modes: ['single'],
    },
  ],
  haproxy: [
    {
      what: 'lists of hosts',
      edits: [['http-request deny deny_status 400 unless { req.hdr_cnt(host) eq 1 }', '']],
      code: 'host_confusion',
    },
    {
      what: 'no route for the application',
      edits: [['use_backend whoami if { var(txn.host) -m str whoami.company.tld }', '']],
      code: 'session_fails',
    },
    {
      what: 'no check',
      edits: [
        ['http-request lua.akprox unless akprox', ''],
        ['http-request deny deny_status 503 unless akprox or { var(txn.akprox) -m str allowed }', ''],
      ],
      code: 'not_protected',
      alongside: ['identity_header_survives'],
    },
    {
      what: 'the check is asked at a wrong path',
      edits: [],
      script: ['/akprox/auth/traefik', '/akprox/auth/nothing'],
      code: 'check_failed',
    },
    {
      what: 'the scheme is wrong',
      edits: [['X-Forwarded-Proto https', 'X-Forwarded-Proto http']],
      code: 'scheme_mismatch',
    },
    {
      what: 'the client’s X-Forwarded-Host',
      edits: [
        [
          'http-request set-header X-Forwarded-Host %[req.hdr(host)]',
          'http-request set-header X-Forwarded-Host %[req.hdr(host)] unless { req.hdr(X-Forwarded-Host) -m found }',
        ],
      ],
      code: 'forwarded_headers_trusted',
    },
    {
      what: 'X-Forwarded-Host is added to',
      edits: [['http-request set-header X-Forwarded-Host', 'http-request add-header X-Forwarded-Host']],
      code: 'forwarded_headers_trusted',
    },
    {
      what: 'X-Forwarded-Host is not sent',
      edits: [
        ['http-request set-header X-Forwarded-Host %[req.hdr(host)]', 'http-request del-header X-Forwarded-Host'],
      ],
      code: 'headers_missing',
    },
    {
      what: 'Cookie taken away',
      edits: [
        [
          'http-request set-header X-Forwarded-For',
          'http-request del-header cookie\n  http-request set-header X-Forwarded-For',
        ],
      ],
      code: 'cookie_stripped',
    },
    {
      what: 'underscores',
      edits: [['option http-restrict-req-hdr-names delete', 'option http-restrict-req-hdr-names preserve']],
      code: 'identity_header_survives',
    },
    {
      what: 'an identity header that is not replaced',
      edits: [],
      script: ['  "X-Auth-Username",\n', ''],
      code: 'identity_header_survives',
      alongside: ['identity_missing'],
    },
    {
      what: 'the check is routed',
      edits: [['path_beg /akprox/auth /outpost.goauthentik.io/auth', 'path_beg /nothing']],
      code: 'check_open',
    },
    { what: 'small buffers', edits: [['tune.bufsize 65536', 'tune.bufsize 16384']], code: 'large_headers' },
    {
      what: 'the outpost is elsewhere',
      edits: [['server outpost1 127.0.0.1:', 'server outpost1 127.0.0.2:']],
      code: 'outpost_down',
    },
  ],
  traefik: [
    ...TRAEFIK.filter(({ only }) => only !== 'model'),
    {
      what: 'the login’s router leaves out what the identity provider sends',
      edits: [
        [
          'rule: Host(`login.company.tld`) && ',
          'rule: Host(`login.company.tld`) && !Path(`/akprox/backchannel_logout`) && ',
        ],
      ],
      code: 'backchannel_unreachable',
      modes: ['domain'],
    },
  ],
  envoy: ENVOY.filter(({ only }) => only !== 'model'),
};

describeBehindRealProxies('doctor', BREAKAGES, { good: true });
