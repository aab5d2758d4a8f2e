// The doctor against answers that were made to fool it, to get at the session, or to write on the operator's terminal.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Report } from '../../../src/commands/doctor/collector.js';
import { readDoctorRequest, runDoctor } from '../../../src/commands/doctor/doctor.js';
import { examine } from '../../../src/commands/doctor/examine.js';
import type { FindingCode } from '../../../src/commands/doctor/findings.js';
import type { Answer, Answered, Ask, Question } from '../../../src/commands/doctor/probe.js';
import type { Target } from '../../../src/commands/doctor/target.js';

const URL_OF_APP = new URL('https://whoami.company.tld/page');
const SESSION = 'authentik_proxy_x=SECRET';
const MARK = 'd0c70rmark';

interface Asked {
  readonly url: URL;
  readonly question: Question;
}

function answered(status: number, headers: Record<string, string> = {}, body = ''): Answered {
  return { kind: 'answered', status, body, header: (name) => (name in headers ? [headers[name] ?? ''] : []) };
}

const LOGIN = answered(302, {
  location: `https://whoami.company.tld/akprox/start?rd=${encodeURIComponent(URL_OF_APP.href)}`,
});

/** What a proxy in order answers. */
function wellBehaved({ url, question }: Asked): Answer {
  const headers = question.headers ?? {};
  if (question.host !== undefined || question.rawTail !== undefined) return answered(400);
  if (url.pathname === '/akprox/start') {
    const to = 'https://idp.tld/authorize?client_id=x&state=s&redirect_uri=https://whoami.company.tld/akprox/callback';
    return answered(302, { location: to, 'set-cookie': 'akprox_login_s=1; Path=/; Secure; HttpOnly' });
  }
  if (url.pathname === '/akprox/callback') return answered(403, {}, 'login_denied');
  if (url.pathname === '/akprox/sign_out')
    return answered(302, { location: 'https://idp.tld/', 'set-cookie': 'authentik_proxy_x=; Path=/; Secure' });
  if (url.pathname === '/akprox/backchannel_logout')
    return answered(400, {}, JSON.stringify({ error_description: 'exactly one logout_token is required' }));
  if (url.pathname === '/public/') {
    const own = headers['Cookie'] === SESSION ? '\nX-Auth-Username: alice' : '';
    return answered(200, {}, `X-Akprox-Doctor: ${headers['X-Akprox-Doctor']}${own}`);
  }
  if (url.searchParams.has('X-authentik-auth-callback')) return answered(400, {}, '{"error":"login_unknown"}');
  if (headers['Cookie'] === SESSION) return answered(200);
  return headers['Sec-Fetch-Mode'] === 'cors' ? answered(401) : LOGIN;
}

/** `trick` answers some of the questions in place of the proxy. */
async function diagnosed(
  trick: (asked: Asked) => Answer | null,
  more: Partial<Target> = {},
): Promise<Report & { readonly asked: readonly Asked[]; readonly codes: readonly FindingCode[] }> {
  const asked: Asked[] = [];
  const ask: Ask = async (url, question = {}) => {
    asked.push({ url, question });
    return trick({ url, question }) ?? wellBehaved({ url, question });
  };
  const report = await examine({
    url: URL_OF_APP,
    ask,
    outpost: null,
    echo: new URL('/public/', URL_OF_APP),
    session: SESSION,
    proxy: null,
    mark: MARK,
    progress: () => {},
    ...more,
  });
  const { findings, passed, unseen } = report;
  return { findings, passed, unseen, asked, codes: findings.map(({ code }) => code) };
}

/** A form that is sent to the application, not to the outpost. */
const isPost = ({ url, question }: Asked): boolean => url.pathname === '/page' && question.method === 'POST';

const isSignedIn = ({ url, question }: Asked): boolean =>
  url.pathname === '/page' && question.headers?.['Cookie'] === SESSION;

describe('the doctor is not fooled', () => {
  it('has nothing to say about a proxy in order', async () => {
    const { findings, unseen } = await diagnosed(() => null);
    assert.deepEqual(findings, []);
    assert.deepEqual(unseen, ['the outpost itself, to compare with: --outpost http://HOST:PORT']);
  });

  for (const status of [500, 502, 503]) {
    it(`by ${status} for somebody who is signed in`, async () => {
      const { codes, passed } = await diagnosed((asked) => (isSignedIn(asked) ? answered(status) : null));
      assert.deepEqual(codes, ['session_fails']);
      assert.ok(!passed.includes('a session is let through'));
    });
  }

  it('by Envoy that names another host at the right address', async () => {
    const detail = 'no provider has external_host "x.tld"; the host was read from Host, as the dialect envoy has it';
    const body = JSON.stringify({ message: 'no app for hostname', host: 'x.tld', detail });
    const by = async (server: string) =>
      (await diagnosed(({ url }) => (url.pathname === '/page' ? answered(400, { server }, body) : null))).codes;
    assert.deepEqual(await by('envoy'), ['unknown_host']);
    assert.deepEqual(await by(''), ['wrong_dialect']);
  });

  const isCheck = ({ url }: Asked): boolean => /^\/(?:akprox|outpost\.goauthentik\.io)\/auth/.test(url.pathname);
  const start = (back: string): string => `https://whoami.company.tld/akprox/start?rd=${encodeURIComponent(back)}`;

  it('by a guard that is asked about the path of the check as about any page', async () => {
    const { codes, passed } = await diagnosed((asked) => {
      if (!isCheck(asked)) return null;
      const login = start(asked.url.href);
      return answered(401, { location: login }, JSON.stringify({ error: 'login_required', login_url: login }));
    });
    assert.deepEqual(codes, []);
    assert.ok(passed.includes('no page can ask the check'));
  });

  for (const [what, answer] of [
    ['the metrics listener', answered(404)],
    ['the portal', answered(302, { location: 'https://portal.tld/' })],
  ] as const) {
    it(`by ${what} where --outpost says that the outpost is`, async () => {
      const outpost = { origin: new URL('http://127.0.0.1:9300'), ask: async () => answer };
      const { findings } = await diagnosed(() => null, { outpost });
      assert.deepEqual(
        findings.map(({ code, seen }) => `${code}: ${seen}`),
        [`unreachable: http://127.0.0.1:9300 is no outpost, or not where it is asked: ${answer.status}`],
      );
    });
  }

  it('by silence where the check is', async () => {
    const { codes, passed, unseen } = await diagnosed((asked) =>
      isCheck(asked) ? { kind: 'failed', why: 'connection reset' } : null,
    );
    assert.deepEqual(codes, []);
    assert.ok(!passed.includes('no page can ask the check'));
    assert.ok(unseen.some((text) => text.includes('a page can ask the check')));
  });

  for (const [dialect, path, answer] of [
    ['nginx', '/akprox/auth/nginx', answered(401, { location: start('https://whoami.company.tld/') })],
    ['Traefik', '/outpost.goauthentik.io/auth/traefik', answered(400, {}, '{"error":"request_invalid"}')],
    [
      'Envoy',
      `/akprox/auth/envoy/${MARK}`,
      answered(
        401,
        {},
        JSON.stringify({ error: 'login_required', login_url: start(`https://whoami.company.tld/${MARK}`) }),
      ),
    ],
  ] as const) {
    it(`when one path of the check is open to pages: that of ${dialect}`, async () => {
      const { findings } = await diagnosed(({ url }) => (url.pathname === path ? answer : null));
      assert.deepEqual(
        findings.map(({ code, severity }) => [code, severity]),
        [['check_open', 'warning']],
      );
    });
  }

  for (const [what, answer] of [
    ['an application that takes it', answered(200)],
    ['a guard', answered(401, {}, JSON.stringify({ error: 'login_required' }))],
    ['a 400 of somebody else', answered(400, {}, 'Bad Request')],
  ] as const) {
    it(`by ${what} where back-channel logout should be`, async () => {
      const { codes, passed } = await diagnosed(({ url }) =>
        url.pathname === '/akprox/backchannel_logout' ? answer : null,
      );
      assert.deepEqual(codes, ['backchannel_unreachable']);
      assert.ok(!passed.includes('back-channel logout reaches the outpost'));
    });
  }

  it('by an application that takes a POST and redirects', async () => {
    const { codes } = await diagnosed((asked) => (isPost(asked) ? answered(303, { location: '/created/1' }) : null));
    assert.deepEqual(codes, ['not_protected']);
  });

  it('by an application that answers a WebSocket handshake with a page', async () => {
    const { codes } = await diagnosed(({ question }) => (question.headers?.['Upgrade'] ? answered(200) : null));
    assert.deepEqual(codes, ['websocket_open']);
  });

  it('by a rate limit in place of an answer to forged headers', async () => {
    const { codes, passed, unseen } = await diagnosed(({ question }) =>
      Object.values(question.headers ?? {}).some((value) => value.endsWith('-forged')) ? answered(429) : null,
    );
    assert.deepEqual(codes, []);
    assert.ok(!passed.some((text) => text.includes('taken away')), passed.join('\n'));
    assert.equal(unseen.filter((text) => text.includes('429')).length, 3);
  });

  it('by silence to forged X-Forwarded headers', async () => {
    const { passed, unseen } = await diagnosed(({ question }) =>
      Object.keys(question.headers ?? {}).some(
        (name) => /^X-(Forwarded|Original)-/.test(name) && name !== 'X-Forwarded-User',
      )
        ? { kind: 'failed', why: 'connection reset' }
        : null,
    );
    assert.ok(!passed.some((text) => text.includes('change nothing')));
    assert.ok(unseen.some((text) => text.includes('connection reset')));
  });

  it('by one identity header of seventeen that survives', async () => {
    const { findings } = await diagnosed(({ url, question }) => {
      const groups = question.headers?.['X-authentik-groups'];
      return url.pathname === '/public/' && groups
        ? answered(200, {}, `${question.headers?.['X-Akprox-Doctor']} X-Auth-Username ${groups}`)
        : null;
    });
    assert.deepEqual(
      findings.map(({ code, seen }) => [code, seen]),
      [['identity_header_survives', 'the application got X-authentik-groups as the client had written it']],
    );
  });

  it('by a placeholder in place of an identity', async () => {
    const { codes } = await diagnosed(({ url, question }) =>
      url.pathname === '/public/' && question.headers?.['Cookie'] === SESSION
        ? answered(200, {}, `${MARK} X-Auth-Username: {http.reverse_proxy.header.X-Auth-Username}`)
        : null,
    );
    assert.ok(codes.includes('identity_missing'));
  });
});

describe('bytes above ASCII at the end of a URL', () => {
  const login = (back: string): Answer =>
    answered(302, { location: `https://whoami.company.tld/akprox/start?rd=${encodeURIComponent(back)}` });
  const raw =
    (answer: Answer) =>
    ({ question }: Asked): Answer | null =>
      question.rawTail === undefined ? null : answer;
  const cases: readonly (readonly [what: string, answer: Answer, found: boolean])[] = [
    ['cut', login(URL_OF_APP.href), true],
    ['passed on as they are', login(`${URL_OF_APP.href}\xe9\xff`), true],
    // The controller writes rd itself, whatever the outpost was asked about.
    [
      'escaped by ingress-nginx',
      answered(302, { location: `/akprox/start?rd=https://whoami.company.tld%2Fpage%E9%FF` }),
      true,
    ],
    ['answered by the application', answered(200), true],
    ['denied with no login', answered(401), true],
    ['refused by the outpost, as nginx shows it', answered(500), true],
    ['refused by the outpost', answered(400, {}, '{"error":"request_invalid"}'), true],
    ['encoded by the proxy', login(`${URL_OF_APP.href}%E9%FF`), false],
    ['refused by the proxy', answered(400), false],
    ['refused without an answer', { kind: 'failed', why: 'connection reset' }, false],
  ];
  for (const [what, answer, found] of cases) {
    it(`${what}: ${found ? 'a finding' : 'well'}`, async () => {
      const { codes, passed } = await diagnosed(raw(answer));
      assert.deepEqual(codes, found ? ['raw_bytes'] : []);
      assert.equal(
        passed.some((text) => text.includes('raw bytes')),
        !found,
      );
    });
  }

  it('answered in a way that tells nothing: said so', async () => {
    const { codes, unseen } = await diagnosed(raw(answered(429)));
    assert.deepEqual(codes, []);
    assert.ok(unseen.some((text) => text.includes('raw bytes')));
  });
});

describe('a body of 256 KiB', () => {
  const large = ({ question }: Asked): boolean => (question.body ?? '').length === 262_144;
  /** Answers every `nth` large body so, and small ones as `SMALL`. */
  const SMALL = answered(401, {}, '{"error":"login_required"}');
  async function with256KiB(answer: Answer, nth = 1) {
    let posts = 0;
    return diagnosed((asked) => {
      if (!isPost(asked)) return null;
      if (!large(asked)) return SMALL;
      posts += 1;
      return posts % nth === 0 ? answer : SMALL;
    });
  }

  for (const status of [500, 502, 503]) {
    it(`answered ${status}: large_post_fails`, async () => {
      assert.deepEqual((await with256KiB(answered(status))).codes, ['large_post_fails']);
    });
  }
  it('answered 500 now and then: large_post_fails', async () => {
    const { codes, passed } = await with256KiB(answered(500), 3);
    assert.deepEqual(codes, ['large_post_fails']);
    assert.ok(!passed.some((text) => text.includes('256 KiB')));
  });
  it('answered with a 401 that is not the outpost’s: large_post_fails', async () => {
    assert.deepEqual((await with256KiB(answered(401))).codes, ['large_post_fails']);
  });
  it('answered as a small one: well', async () => {
    const { codes, passed } = await with256KiB(SMALL);
    assert.deepEqual(codes, []);
    assert.ok(passed.some((text) => text.includes('256 KiB')));
  });
  for (const answer of [answered(413), { kind: 'failed', why: 'connection reset' } as const]) {
    it(`${answer.kind === 'failed' ? answer.why : answer.status}: no finding, and no praise`, async () => {
      const { codes, passed, unseen } = await with256KiB(answer);
      assert.deepEqual(codes, []);
      assert.ok(!passed.some((text) => text.includes('256 KiB')));
      assert.ok(unseen.some((text) => text.includes('256 KiB')));
    });
  }
  it('where a small one fails too: post_fails alone', async () => {
    const { codes } = await diagnosed((asked) => (isPost(asked) ? answered(502) : null));
    assert.deepEqual(codes, ['post_fails']);
  });
});

describe('the doctor tells nobody', () => {
  it('sends the session to the origin of the URL only', async () => {
    const { asked } = await diagnosed(() => null);
    const sent = asked.filter(({ question }) => question.headers?.['Cookie'] === SESSION);
    assert.ok(sent.length > 0);
    assert.deepEqual([...new Set(sent.map(({ url }) => url.origin))], [URL_OF_APP.origin]);
  });

  it('asks no address that a redirect makes up', async () => {
    for (const location of [
      'javascript:/akprox/start',
      'ftp://127.0.0.1/akprox/start',
      'https://idp.tld/authorize?client_id=x&state=s&redirect_uri=http://127.7.7.254:18116/latest/meta-data',
    ]) {
      const { asked } = await diagnosed(({ url }) =>
        url.pathname === (location.includes('authorize') ? '/akprox/start' : '/page')
          ? answered(302, { location, 'set-cookie': 'akprox_login_x=1; Domain=254' })
          : null,
      );
      assert.deepEqual([...new Set(asked.map(({ url }) => url.origin))], [URL_OF_APP.origin], location);
    }
  });

  it('takes no echo page of another host, and repeats no password', () => {
    const read = (...args: string[]) => readDoctorRequest(args, () => SESSION);
    for (const echo of ['//localhost:1/x', '/\\localhost/x', '//', 'x']) {
      assert.equal(read('https://app.tld/', '--echo', echo), '--echo wants a path such as /headers', echo);
    }
    const refused = read('https://bob:hunter2@app.tld/');
    assert.ok(typeof refused === 'string' && !refused.includes('hunter2'));
  });

  it('warns before a session goes where nothing proves who answers', async () => {
    for (const [args, warns] of [
      [['http://app.tld/'], true],
      [['https://app.tld/', '--insecure'], true],
      [['https://app.tld/'], false],
      [['http://whoami.localhost/'], false],
    ] as const) {
      const request = readDoctorRequest([...args, '--session-file', 'f'], () => SESSION);
      assert.ok(typeof request !== 'string');
      const errors: string[] = [];
      const io = { stdout: () => {}, stderr: (text: string) => void errors.push(text), readFile: () => '' };
      await runDoctor({ ...request, ask: async () => ({ kind: 'failed', why: 'not asked' }) }, io);
      assert.equal(errors.join('').includes('warning: the session cookie'), warns, args.join(' '));
    }
  });
});

describe('the doctor survives', () => {
  const hostile: readonly (readonly [what: string, answer: Answer])[] = [
    [
      'a message that is no text',
      answered(400, {}, '{"error":"request_invalid","message":{"toString":1,"valueOf":1}}'),
    ],
    [
      'a host that is nested',
      answered(400, {}, `{"message":"no app for hostname","host":${'['.repeat(9_000)}${']'.repeat(9_000)}}`),
    ],
    ['JSON that is no object', answered(400, {}, '[1,null]')],
    ['a Location that is no URL', answered(302, { location: 'http://[' })],
    ['status 0', answered(0)],
  ];
  for (const [what, answer] of hostile) {
    it(what, async () => {
      const { findings } = await diagnosed(({ url }) => (url.pathname === '/page' ? answer : null));
      assert.ok(findings.length > 0);
    });
  }

  it('an answer that would move the cursor and write a line of its own', async () => {
    const location = 'http://evil.tld/x?%1b[2J%1b]0;PWNED%07%0aok%20%20%20%20%20%20%20all%20is%20well=1&%e2%80%ae=2';
    const request = readDoctorRequest([URL_OF_APP.href], () => '');
    assert.ok(typeof request !== 'string');
    const lines: string[] = [];
    const io = { stdout: (text: string) => void lines.push(text), stderr: () => {}, readFile: () => '' };
    await runDoctor({ ...request, ask: async () => answered(302, { location }) }, io);
    const shown = lines.join('');
    assert.match(shown, /redirected_elsewhere/);
    assert.doesNotMatch(shown, /[^\n\P{Cc}]|\p{Cf}/u);
    assert.doesNotMatch(shown, /^ok {7}.*all is well/m);
  });
});
