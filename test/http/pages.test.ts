// What is on a page, whoever gets it and whatever is put into it: as whom they are signed in, what to do, what an administrator needs.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { DIALECTS } from '../../src/http/dialects.js';
import type { Reply } from '../../src/http/exchange.js';
import { type Page, pageFor, type Reader, tell } from '../../src/http/page-layout.js';
import { errorPage, forbiddenPage } from '../../src/http/pages.js';
import { route } from '../../src/http/router.js';
import { LANGUAGES } from '../../src/http/texts/page-texts.js';
import { createTrustedProxies } from '../../src/http/trusted-proxies.js';
import { AkproxError } from '../../src/infra/errors.js';
import { createGatedLog } from '../../src/infra/log-gate.js';
import { References } from '../../src/infra/references.js';
import { allPages } from '../kit/all-pages.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, createLogins, headerOf, pageContext, stepRequest } from '../kit/checks.js';
import { answerTo, proxyAsks } from '../kit/proxy-asks.js';
import { testClient } from '../oidc/setup.js';

const APP = 'https://whoami.company.tld';
const PAGE = `${APP}/wiki/page?a=1&b="<2>"`;
/** What a proxy relays of a denial, and Traefik allocates for every check. */
const LARGEST = 16_384;
const LOOK = { logo: '', name: '', help_url: '' };
const TIME = Date.UTC(2026, 10, 26, 9, 5, 7, 800);
const READER: Reader = { language: 'en', time: TIME, look: LOOK };
const PLAIN: Page = { status: 403, title: tell(READER, 'forbidden.title'), text: [], actions: [], report: null };

const HOSTILE = [
  `"><script>alert(1)</script><a href='javascript:alert(1)'>&amp;`,
  'W'.repeat(100_000),
  '\u202ereversed\u2066\u200f',
  `Z${'\u0351'.repeat(5_000)}algo`,
  'two\r\nlines\u2028and\u0000more',
  '\ud800 alone',
  '😀'.repeat(1_000),
];

/** Somebody who may not use the application, and what they get. */
async function denied(
  claims: Record<string, unknown> = {},
  headers: readonly (readonly [string, string])[] = [],
  settings = {},
) {
  const lines: Record<string, unknown>[] = [];
  const application = makeApplication({ access: { groups: ['staff'] }, ...settings });
  const log = createGatedLog(
    pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) }),
    () => 0,
  );
  const references = new References(log, (count) => new Uint8Array(count).fill(lines.length + 1));
  const checks = createChecks([application], { log, references, now: () => TIME });
  const cookie = await checks.signIn(application, { email: 'alice@company.tld', ...claims });
  const ask = async (url = PAGE, dialect = DIALECTS.traefik) => {
    const decision = await checks.decide(
      proxyAsks(dialect, url, { headers: [['cookie', `${application.cookieName}=${cookie}`], ...headers] }),
      dialect,
    );
    return answerTo(decision, dialect);
  };
  return { ask, lines, reply: await ask() };
}

const textOf = ({ body }: Reply): string =>
  body.replace(/<[^>]*>/g, '').replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)));

describe('the page of somebody who may not pass', () => {
  it('says as whom they are signed in, and names what an administrator needs: time, reference, application, code', async () => {
    const { reply, lines } = await denied({}, [], { display_name: 'The Wiki' });
    assert.equal(reply.status, 403);
    const text = textOf(reply);
    assert.match(text, /You are signed in as alice \(alice@company\.tld\)\./);
    assert.match(text, /those that may use The Wiki\./);
    assert.match(reply.body, /<time datetime="2026-11-26T09:05:07Z">2026-11-26 09:05:07 UTC<\/time>/);
    assert.match(reply.body, /<dd><bdi>whoami<\/bdi><\/dd>/);
    assert.match(reply.body, /<dd>forbidden<\/dd>/);
    const [, reference] = /<dd>(\w{4}-\w{4})<\/dd>/.exec(reply.body) ?? assert.fail('no reference');
    assert.deepEqual(
      lines.map(({ reference: logged, provider, code }) => ({ logged, provider, code })),
      [{ logged: reference, provider: 'whoami', code: 'forbidden' }],
    );
    assert.doesNotMatch(JSON.stringify(lines), /alice/);
  });

  it('has the same reference as long as the log has no other line', async () => {
    const { ask, reply, lines } = await denied();
    assert.equal((await ask()).body, reply.body);
    assert.equal(lines.length, 1);
  });

  it('has a button that ends the session and leads back to what was asked for', async () => {
    const { reply, ask } = await denied();
    const [, action = ''] =
      /<form method="post" action="([^"]+)"><button>Sign in as somebody else<\/button><\/form>/.exec(reply.body) ?? [];
    const url = new URL(action.replaceAll('&#38;', '&'));
    assert.equal(url.origin + url.pathname, `${APP}/akprox/sign_out`);
    assert.equal(url.searchParams.get('rd'), new URL(PAGE).href);
    const long = await ask(`${APP}/${'x'.repeat(9_000)}`);
    assert.doesNotMatch(long.body, /rd=/);
    assert.ok(long.body.length < LARGEST);
  });

  it('of an account that is too large says so, with the same help', async () => {
    const { reply, lines } = await denied({ groups: ['staff', 'g'.repeat(20_000)] });
    assert.match(textOf(reply), /signed in as alice[\s\S]*too many groups|too many groups[\s\S]*signed in as alice/);
    assert.match(reply.body, /<button>/);
    const reference = lines.find(({ code }) => code === 'identity_too_large')?.['reference'];
    assert.ok(typeof reference === 'string' && reply.body.includes(`<dd>${reference}</dd>`));
  });

  it('is for navigations that somebody sees: a script gets JSON, nginx nothing, and neither costs a line', async () => {
    const script = await denied({}, [['sec-fetch-mode', 'cors']]);
    assert.equal(JSON.parse(script.reply.body).error, 'forbidden');
    assert.deepEqual(script.lines, []);
    const nginx = await (await denied()).ask(PAGE, DIALECTS.nginx);
    assert.equal(nginx.body, '');
  });

  for (const [language, words] of [
    ['de', 'Sie sind als alice'],
    ['fr', 'Vous êtes connecté en tant que alice'],
    ['es', 'Ha iniciado sesión como alice'],
    ['en', 'You are signed in as alice'],
  ] as const) {
    it(`is in ${language} for whoever asks for it`, async () => {
      const { reply } = await denied({}, [['accept-language', `nl, ${language}-XX;q=0.9, en;q=0.1`]]);
      assert.ok(textOf(reply).includes(words));
      assert.match(reply.body, new RegExp(`<html lang="${language}">`));
      assert.deepEqual(headerOf(reply, 'Content-Language'), [language]);
      assert.deepEqual(headerOf(reply, 'Vary'), ['Accept-Language']);
    });
  }

  for (const [index, name] of HOSTILE.entries()) {
    it(`keeps in bounds whatever the name is, no. ${index}`, async () => {
      const { reply } = await denied({ preferred_username: name, email: name }, [['accept-language', name]], {});
      assert.ok(Buffer.byteLength(reply.body) < LARGEST / 2, String(reply.body.length));
      assert.equal((reply.body.match(/<script|javascript:alert\(1\)'>/g) ?? []).length, 0);
      assert.doesNotMatch(reply.body, /[\u202a-\u202e\u2066-\u2069\u200f\u2028]/);
      assert.doesNotMatch(reply.body, /[^\P{Cc}\n]/u);
      assert.doesNotMatch(reply.body, /\u0351{4}/);
      assert.ok(reply.body.isWellFormed());
      assert.equal(reply.body.match(/<[a-z/!]/g)?.length, (await denied()).reply.body.match(/<[a-z/!]/g)?.length);
    });
  }
});

describe('every page', () => {
  it('fetches nothing, runs nothing and cannot be framed; only what has a button may send a form', () => {
    const policyOf = (page: Partial<Page>, look = {}): string =>
      headerOf(
        pageFor({ ...READER, look: { ...LOOK, ...look } }, { ...PLAIN, ...page }),
        'Content-Security-Policy',
      )[0] ?? '';
    const { body } = pageFor(READER, PLAIN);
    const [, style = ''] = /<style>(.*)<\/style>/s.exec(body) ?? [];
    const hash = createHash('sha256').update(style).digest('base64');
    assert.equal(
      policyOf({}),
      `default-src 'none'; style-src 'sha256-${hash}'; img-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    assert.match(policyOf({}, { logo: 'data:image/png;base64,AA==' }), /; img-src data:;/);
    assert.match(
      policyOf({}, { logo: 'https://cdn.company.tld:8443/a;b,c.png?x' }),
      /; img-src https:\/\/cdn\.company\.tld:8443;/,
    );
    // The identity provider may send people anywhere, but to no script.
    assert.match(policyOf({ actions: [{ post: '/x', label: PLAIN.title }] }), /; form-action https: http:;/);
    assert.doesNotMatch(body, /<script|\bsrc=|\bon\w+=|@import|url\(/);
  });

  it('shows what the operator has set, escaped', () => {
    const logo = 'https://cdn.company.tld/logo.png?a=1&b=2';
    const look = { logo, name: 'Acme <&> Sons', help_url: 'https://help.company.tld/?a="b"&c' };
    const { body } = pageFor({ ...READER, look }, PLAIN);
    assert.match(body, /<title>You may not use this application - Acme &#60;&#38;&#62; Sons<\/title>/);
    assert.match(
      body,
      /<img src="https:\/\/cdn\.company\.tld\/logo\.png\?a=1&#38;b=2" alt="Acme &#60;&#38;&#62; Sons">/,
    );
    assert.match(body, /<a href="https:\/\/help\.company\.tld\/\?a=&#34;b&#34;&#38;c">Get help<\/a>/);
    assert.match(pageFor({ ...READER, look: { ...look, logo: '' } }, PLAIN).body, /<header><bdi>Acme/);
    assert.doesNotMatch(pageFor(READER, PLAIN).body, /<img|<header|<footer/);
  });

  it('goes through what a proxy relays, with the largest logo and the longest names', () => {
    const look = {
      logo: `data:image/svg+xml;base64,${'A'.repeat((6_144 / 3) * 4)}`,
      name: 'Ä'.repeat(100),
      help_url: `https://h/${'x'.repeat(490)}`,
    };
    const application = makeApplication({ display_name: 'Ä'.repeat(100) });
    const user = 'Ä'.repeat(1_000);
    const url = `${APP}/${'x'.repeat(1_900)}`;
    for (const language of LANGUAGES) {
      const reader = { ...READER, language, look };
      assert.match(forbiddenPage(reader, application, { user, url, reference: 'ABCD-EFGH' }).body, /rd=/);
      for (const sign of ['x', '&', "'", '"', '%'])
        for (const [name, { body }] of Object.entries(
          allPages(reader, application, user, user, `/${sign.repeat(2_000)}`),
        ))
          assert.ok(Buffer.byteLength(body) < LARGEST, `${language}, ${name}, ${sign}: ${Buffer.byteLength(body)}`);
    }
  });

  it('of an error names its code and starts again, and answers 503 with Retry-After', () => {
    const application = makeApplication();
    const failure = { application, reference: 'ABCD-EFGH', retryUrl: `${APP}/akprox/start?rd=x&y` };
    const reply = errorPage(READER, new AkproxError('store_unavailable', 'secret'), failure);
    assert.equal(reply.status, 503);
    assert.deepEqual(headerOf(reply, 'Retry-After'), ['2']);
    assert.match(reply.body, /<a href="https:\/\/whoami\.company\.tld\/akprox\/start\?rd=x&#38;y">Start again<\/a>/);
    assert.match(reply.body, /<dd>ABCD-EFGH<\/dd>/);
    assert.doesNotMatch(reply.body, /secret/);
  });
});

describe('what nobody serves', () => {
  const application = makeApplication();
  const checks = createChecks([application]);
  const client = testClient('https://idp.company.tld', { fetch: () => Promise.reject(new Error('nobody there')) });
  const ask = (path: string, headers: readonly (readonly [string, string])[] = [], host = 'whoami.company.tld') => {
    const request = stepRequest(`https://${host}${path}`, [], headers);
    const context = { ...checks.context, ...createLogins(checks, client).context, ...pageContext(() => TIME) };
    return route({ ...context, trustedProxies: createTrustedProxies([]) }, request, async () => '');
  };

  for (const path of [
    '/akprox/nothing',
    '/outpost.goauthentik.io/',
    '/akprox/start/',
    '/akprox/auth/apache',
    '/akprox/jwks.json',
    '/elsewhere',
  ]) {
    it(`${path}: a page for a navigation, JSON otherwise`, async () => {
      const page = await ask(path, [['accept', 'text/html']]);
      assert.equal(page.status, 404);
      assert.match(page.body, /<h1>There is nothing here<\/h1>[\s\S]*<a href="https:\/\/whoami\.company\.tld\/">/);
      assert.doesNotMatch(page.body, /nothing\b.*elsewhere|apache/);
      const json = await ask(path, [['accept', 'application/json']]);
      assert.equal(json.status, 404);
      assert.equal(JSON.parse(json.body).error, 'not_found');
    });
  }

  it('the address for logout tokens: a page for a navigation, JSON otherwise', async () => {
    const page = await ask('/akprox/backchannel_logout', [['accept', 'text/html']]);
    assert.deepEqual([page.status, headerOf(page, 'Allow')], [405, ['POST']]);
    assert.match(page.body, /<h1>There is nothing here<\/h1>/);
    const json = await ask('/akprox/backchannel_logout', [['accept', 'application/json']]);
    assert.deepEqual([json.status, headerOf(json, 'Allow')], [405, ['POST']]);
    assert.equal(JSON.parse(json.body).error, 'invalid_request');
  });

  it('a host of nobody: a page for a navigation, JSON otherwise', async () => {
    const page = await ask(
      '/akprox/start',
      [
        ['accept', 'text/html'],
        ['accept-language', 'fr'],
      ],
      'nobody.example',
    );
    assert.equal(page.status, 400);
    assert.match(page.body, /<html lang="fr">/);
    assert.match(page.body, /nobody\.example/);
    const json = await ask('/akprox/start', [['sec-fetch-mode', 'cors']], 'nobody.example');
    assert.equal(JSON.parse(json.body).message, 'no app for hostname');
  });
});
