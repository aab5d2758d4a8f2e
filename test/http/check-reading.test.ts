// What a check reads, as a table: which header each dialect believes, which cookie is the session's, and what is answered when a
// header is missing, came twice, contradicts another or is no URL.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Decision } from '../../src/http/decision.js';
import { DIALECTS, type Dialect, dialectOfQuery } from '../../src/http/dialects.js';
import { issueTicket } from '../../src/session/ticket.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, requestOf } from '../kit/checks.js';
import { answerTo, proxyAsks } from '../kit/proxy-asks.js';

const guarded = makeApplication();
/** Everything is public there: whoever can name it as the host is let in. */
const open = makeApplication({ name: 'open', external_host: 'https://open.company.tld', skip_path_regex: ['^/'] });
const APPLICATIONS = [guarded, open];
const PAGE = 'https://whoami.company.tld/page';
const dialects = Object.values(DIALECTS);

type Header = readonly [string, string];
const refusal = (decision: Decision, dialect: Dialect): unknown => {
  const { status, body } = answerTo(decision, dialect);
  return { status, ...JSON.parse(body) };
};

describe('the host', () => {
  /** Every way to name one that some dialect has. */
  const FORGED: Readonly<Record<string, readonly Header[]>> = {
    host: [['host', 'open.company.tld']],
    forwarded: [
      ['x-forwarded-host', 'open.company.tld'],
      ['x-forwarded-uri', '/'],
      ['x-forwarded-method', 'GET'],
    ],
    original: [
      ['x-original-url', 'https://open.company.tld/'],
      ['x-original-uri', '/'],
      ['x-original-method', 'GET'],
    ],
  };
  const OWN: Readonly<Record<Dialect['name'], keyof typeof FORGED>> = {
    traefik: 'forwarded',
    caddy: 'forwarded',
    nginx: 'original',
    envoy: 'host',
  };

  for (const dialect of dialects) {
    it(`${dialect.name}: the headers of other proxies do not choose it`, async () => {
      for (const [family, headers] of Object.entries(FORGED)) {
        // Its own family would come twice, or contradict Host.
        if (family === OWN[dialect.name] || (dialect.name === 'nginx' && family === 'host')) continue;
        const checks = createChecks(APPLICATIONS);
        const cookie: Header = ['cookie', 'a=1'];
        for (const more of [headers, [...headers, cookie]]) {
          const decision = await checks.decide(proxyAsks(dialect, PAGE, { headers: more }), dialect);
          assert.equal(decision.kind, 'challenge', family);
        }
        const allowed = await checks.decide(proxyAsks(dialect, 'https://open.company.tld/', { headers }), dialect);
        assert.equal(allowed.kind, 'allow');
      }
    });

    it(`${dialect.name}: a session of one application is none of another`, async () => {
      const other = makeApplication({ name: 'other', external_host: 'https://other.company.tld' });
      const checks = createChecks([guarded, other]);
      const headers: Header[] = [['cookie', `${guarded.cookieName}=${await checks.signIn(guarded)}`]];
      const at = async (url: string) => (await checks.decide(proxyAsks(dialect, url, { headers }), dialect)).kind;
      assert.equal(await at(PAGE), 'allow');
      assert.equal(await at('https://other.company.tld/page'), 'challenge');
    });

    it(`${dialect.name}: nobody's`, async () => {
      for (const url of ['https://nobody.example/', 'https://whoami.company.tld.evil.example/']) {
        const decision = await createChecks(APPLICATIONS).decide(proxyAsks(dialect, url), dialect);
        const { status, message, host } = refusal(decision, dialect) as Record<string, unknown>;
        assert.deepEqual([status, message, host], [400, 'no app for hostname', new URL(url).host]);
      }
    });
  }

  it('the dialect of `P/auth` is the first key of the query', () => {
    for (const [query, name] of [
      [undefined, 'nginx'],
      ['', 'nginx'],
      ['nginx', 'nginx'],
      ['traefik', 'traefik'],
      ['caddy', 'caddy'],
      ['envoy', 'envoy'],
      ['traefik&a=b', 'traefik'],
      ['caddy=', 'caddy'],
      ['a=b&traefik', 'nginx'],
      ['traefikx', 'nginx'],
      ['nginx&envoy', 'nginx'],
    ] as const)
      assert.equal(dialectOfQuery(query).name, name, query);
  });
});

describe('a header that is wrong', () => {
  const without = (dialect: Dialect, name: string) => {
    const headers: Header[] = [];
    const req = proxyAsks(dialect, PAGE);
    req.forEach((key, value) => {
      if (key !== name) headers.push([key, value]);
    });
    return requestOf(headers, { path: req.getUrl(), method: req.getMethod() });
  };

  for (const dialect of dialects) {
    const own = {
      traefik: FORWARDED(),
      caddy: FORWARDED(),
      nginx: ['host', 'x-original-url', 'x-original-method'],
      envoy: ['host', 'x-forwarded-proto'],
    };
    for (const name of own[dialect.name]) {
      it(`${dialect.name}: ${name} that came twice is refused, of a hit one in 32 and then each`, async () => {
        const checks = createChecks(APPLICATIONS);
        const cookie = `${guarded.cookieName}=${await checks.signIn(guarded)}`;
        const twice: Header[] = [
          ['cookie', cookie],
          [name, 'whoami.company.tld'],
        ];
        const decide = () => checks.decide(proxyAsks(dialect, PAGE, { headers: twice }), dialect);
        for (let i = 1; i < 32; i += 1) assert.equal((await decide()).kind, 'allow', String(i));
        for (let i = 0; i < 3; i += 1) {
          const { status, message } = refusal(await decide(), dialect) as Record<string, unknown>;
          assert.equal(status, 400);
          assert.match(String(message), /came more than once$/);
        }
        checks.clock.time += 60_000;
        assert.equal((await decide()).kind, 'allow', 'a minute later');
      });

      it(`${dialect.name}: ${name} that came twice is refused below the line, always`, async () => {
        for (const more of [
          ['cookie', 'a=1'],
          ['authorization', 'Digest x'],
        ] as const) {
          const checks = createChecks(APPLICATIONS);
          const req = proxyAsks(dialect, PAGE, { headers: [more, [name, 'x']] });
          assert.equal((await checks.decide(req, dialect)).kind, 'invalid');
        }
        // A stranger gets no more than a challenge by it, and is let through nowhere.
        const checks = createChecks(APPLICATIONS);
        const kind = async (url: string) =>
          (await checks.decide(proxyAsks(dialect, url, { headers: [[name, 'x']] }), dialect)).kind;
        assert.equal(await kind(PAGE), 'challenge');
        assert.equal(await kind('https://open.company.tld/'), 'invalid');
      });
    }

    for (const name of dialect.name === 'traefik' || dialect.name === 'caddy' ? FORWARDED().slice(0, 3) : []) {
      it(`${dialect.name}: ${name} that is missing is named`, async () => {
        const decision = await createChecks(APPLICATIONS).decide(without(dialect, name), dialect);
        const { status, header, message, hint } = refusal(decision, dialect) as Record<string, string>;
        assert.equal(status, 400);
        assert.equal(header?.toLowerCase(), name);
        assert.equal(message, `${header} is missing`);
        assert.notEqual(hint, '');
      });
    }
  }

  it('nginx: X-Original-URL that contradicts Host or X-Original-URI lets nobody in', async () => {
    const checks = createChecks(APPLICATIONS);
    const cookie: Header = ['cookie', `${guarded.cookieName}=${await checks.signIn(guarded)}`];
    for (const headers of [
      [
        ['host', 'whoami.company.tld'],
        ['x-original-url', 'https://open.company.tld/'],
      ],
      [
        ['host', 'open.company.tld'],
        ['x-original-url', PAGE],
      ],
      [
        ['host', 'whoami.company.tld'],
        ['x-original-url', PAGE],
        ['x-original-uri', '/other'],
      ],
      [
        ['host', 'open.company.tld'],
        ['x-original-url', '<https://whoami.company.tld/page>'],
      ],
    ] as const)
      for (const more of [[], [cookie]]) {
        const req = requestOf([...headers, ...more], { path: '/akprox/auth/nginx' });
        assert.equal((await checks.decide(req, DIALECTS.nginx)).kind, 'invalid', JSON.stringify(headers));
      }
    // ingress-nginx: Host is that of the auth service; an X-Original-URI that is this very check says nothing.
    for (const headers of [
      [['host', 'akprox.auth.svc'], ['x-original-url', PAGE], cookie],
      [['host', 'whoami.company.tld'], ['x-original-url', PAGE], ['x-original-uri', '/page'], cookie],
      [['host', 'whoami.company.tld'], ['x-original-url', PAGE], ['x-original-uri', '/akprox/auth/nginx'], cookie],
      [['host', 'whoami.company.tld'], cookie],
    ] as const) {
      const req = requestOf(headers, { path: '/akprox/auth/nginx' });
      assert.equal((await checks.decide(req, DIALECTS.nginx)).kind, 'allow', JSON.stringify(headers));
    }
  });

  it('a host that is missing, or is in no URL, is not taken from elsewhere, not even for a session that is cached', async () => {
    const checks = createChecks(APPLICATIONS);
    const cookie: Header = ['cookie', `${guarded.cookieName}=${await checks.signIn(guarded)}`];
    const others: Header[] = [['x-forwarded-uri', '/page'], ['x-forwarded-method', 'GET'], cookie];
    const host: Header = ['host', 'whoami.company.tld'];
    const url: Header = ['x-original-url', PAGE];
    for (const [dialect, headers] of [
      [DIALECTS.traefik, [host, url, ...others]],
      [DIALECTS.caddy, [host, url, ...others]],
      [DIALECTS.traefik, [host, ['x-forwarded-host', 'whoami.company.tld'], ['x-forwarded-method', 'GET'], cookie]],
      [DIALECTS.nginx, [['x-forwarded-host', 'whoami.company.tld'], ...others]],
      [DIALECTS.envoy, [['x-forwarded-host', 'whoami.company.tld'], url, ...others]],
      [DIALECTS.nginx, [host, ['x-original-url', `<${PAGE}`], cookie]],
      [DIALECTS.nginx, [host, ['x-original-url', `ftp${PAGE.slice(5)}`], cookie]],
      [DIALECTS.nginx, [host, ['x-original-url', `x${PAGE}`], cookie]],
      [DIALECTS.nginx, [host, ['x-original-url', 'whoami.company.tld/page'], cookie]],
    ] as const)
      for (const context of [checks.context, checks.elsewhere]) {
        const decision = await checks.decide(requestOf(headers, { path: '/akprox/auth/envoy/page' }), dialect, context);
        assert.equal(decision.kind, 'invalid', `${dialect.name} ${JSON.stringify(headers)}`);
      }
  });

  it('what is no URL is refused, with or without a cookie', async () => {
    for (const [name, headers] of [
      [
        'traefik',
        [
          ['x-forwarded-host', 'whoami.company.tld'],
          ['x-forwarded-uri', 'no path'],
          ['x-forwarded-method', 'GET'],
        ],
      ],
      [
        'traefik',
        [
          ['x-forwarded-host', 'whoami.company.tld'],
          ['x-forwarded-uri', '/'],
          ['x-forwarded-method', 'GET'],
          ['x-forwarded-proto', 'ftp'],
        ],
      ],
      [
        'nginx',
        [
          ['host', 'whoami.company.tld'],
          ['x-original-url', 'whoami.company.tld/page'],
        ],
      ],
      [
        'nginx',
        [
          ['host', 'whoami.company.tld'],
          ['x-original-url', `<${PAGE}`],
        ],
      ],
      [
        'nginx',
        [
          ['host', 'whoami.company.tld'],
          ['x-original-uri', 'page'],
        ],
      ],
    ] as const)
      for (const more of [[], [['cookie', 'a=1'] as const]]) {
        const checks = createChecks(APPLICATIONS);
        const decision = await checks.decide(requestOf([...headers, ...more]), DIALECTS[name]);
        assert.equal(decision.kind, 'invalid', JSON.stringify(headers));
      }
  });
});

function FORWARDED(): string[] {
  return ['x-forwarded-host', 'x-forwarded-uri', 'x-forwarded-method', 'x-forwarded-proto'];
}

describe('the session cookie', () => {
  const name = guarded.cookieName;
  const forged = `${name}=${issueTicket(guarded).cookie}`;
  /** `own`: `name=value`. */
  const LINES: Readonly<Record<string, { lines: (own: string) => string[]; kind: 'allow' | 'challenge' }>> = {
    alone: { lines: (own) => [own], kind: 'allow' },
    'behind others': { lines: (own) => [`a=1; b=2; ${own}`], kind: 'allow' },
    'in front of others': { lines: (own) => [`${own}; a=1`], kind: 'allow' },
    'without a space': { lines: (own) => [`a=1;${own};b=2`], kind: 'allow' },
    'with white space around it': { lines: (own) => [`a=1; \t${own} ; b=2`], kind: 'allow' },
    'in the second line': { lines: (own) => ['a=1', own], kind: 'allow' },
    'behind another of its name': { lines: (own) => [`${forged}; ${own}`], kind: 'allow' },
    'behind rubbish of its name': { lines: (own) => [`${name}=x; ${name}=; ${own}`], kind: 'allow' },
    'joined with a comma': { lines: (own) => [`a=1, ${own}`], kind: 'allow' },
    'joined with a comma in front': { lines: (own) => [`${own}, a=1`], kind: 'allow' },
    'in another name': { lines: (own) => [`x${own}`], kind: 'challenge' },
    'in another value': { lines: (own) => [`a=${own}`], kind: 'challenge' },
    'in another value, quoted': { lines: (own) => [`a="${own}"`], kind: 'challenge' },
    'behind a space in another value': { lines: (own) => [`a=1 ${own}`], kind: 'challenge' },
    'behind a comma without a space': { lines: (own) => [`a=1,${own}`], kind: 'challenge' },
    'behind a comma in another value, beside a plain one': {
      lines: (own) => [`a=1, ${own}; ${forged}`],
      kind: 'challenge',
    },
    'with a letter more': { lines: (own) => [`${own}A`], kind: 'challenge' },
    'with a letter less': { lines: (own) => [own.slice(0, -1)], kind: 'challenge' },
    'in another case': { lines: (own) => [own.replace(name, name.toUpperCase())], kind: 'challenge' },
  };

  for (const [where, { lines, kind }] of Object.entries(LINES)) {
    it(`${where}: ${kind}, cached or not, in every dialect`, async () => {
      for (const dialect of dialects) {
        const checks = createChecks(APPLICATIONS);
        const own = `${name}=${await checks.signIn(guarded)}`;
        const headers = lines(own).map((line) => ['cookie', line] as const);
        for (const context of [checks.context, checks.elsewhere]) {
          const decision = await checks.decide(proxyAsks(dialect, PAGE, { headers }), dialect, context);
          assert.equal(decision.kind, kind, dialect.name);
        }
      }
    });
  }
});
