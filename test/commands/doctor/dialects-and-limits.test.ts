// Settings that look right and are another proxy's, or leave too little room: behind the real proxies, broken on purpose. The good
// files are tried in real-proxies.test.ts.
import { describeBehindRealProxies, type RealBreakages } from './behind-real-proxies.js';

const FORWARD_AUTH = 'trustForwardHeader: false';
const LIMIT = 'maxResponseBodySize: 16384';

const BREAKAGES: RealBreakages = {
  traefik: [
    {
      what: 'the check of nginx',
      edits: [['/akprox/auth/traefik', '/akprox/auth/nginx']],
      code: 'wrong_dialect',
      // It is believed by the check of nginx, and Traefik passes it on.
      alongside: ['forwarded_headers_trusted'],
      modes: ['single', 'domain'],
    },
    {
      what: 'the check of Envoy',
      edits: [['/akprox/auth/traefik', '/akprox/auth/envoy']],
      code: 'wrong_dialect',
    },
    {
      what: 'authSigninURL is the login',
      edits: [[FORWARD_AUTH, `${FORWARD_AUTH}\n        authSigninURL: https://whoami.company.tld/akprox/start`]],
      code: 'signin_url',
    },
    {
      what: 'authSigninURL is the portal',
      edits: [[FORWARD_AUTH, `${FORWARD_AUTH}\n        authSigninURL: https://portal.company.tld/`]],
      code: 'signin_url',
      modes: ['single', 'domain'],
    },
    {
      what: 'no room for a short answer',
      edits: [[LIMIT, 'maxResponseBodySize: 64']],
      code: 'response_cut',
    },
    {
      what: 'no room for a page',
      edits: [[LIMIT, 'maxResponseBodySize: 2048']],
      code: 'response_cut',
      modes: ['single', 'domain'],
    },
    {
      what: 'the check is sent the body, and there is a limit for it',
      edits: [[FORWARD_AUTH, `${FORWARD_AUTH}\n        forwardBody: true\n        maxBodySize: 65536`]],
      code: 'large_post_fails',
      modes: ['domain'],
    },
  ],
  nginx: [
    {
      what: 'the check of Traefik',
      edits: [['/akprox/auth/nginx', '/akprox/auth/traefik']],
      code: 'wrong_dialect',
      modes: ['single', 'domain'],
    },
    { what: 'the check of Envoy', edits: [['/akprox/auth/nginx', '/akprox/auth/envoy']], code: 'wrong_dialect' },
    {
      what: 'the login is not told which page was asked for',
      edits: [['return 302 $akprox_login;', 'return 302 https://whoami.company.tld/akprox/start;']],
      code: 'uri_mismatch',
    },
  ],
  caddy: [
    {
      what: 'the check of nginx',
      edits: [['/akprox/auth/caddy?caddy', '/akprox/auth/nginx']],
      code: 'wrong_dialect',
      alongside: ['forwarded_headers_trusted'],
    },
  ],
};

describeBehindRealProxies('doctor, dialects and limits', BREAKAGES, { good: false });
