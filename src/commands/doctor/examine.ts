// The examination: asks through the proxy as a browser would and as an attacker would, and reads the answers. Each step is a
// function that adds what it finds; the order is that of a login. Nothing is asked that would end a session or change one.
import { identityHeaderNames } from '../../application/identity.js';
import { FILE_PREFIX } from '../../application/own-paths.js';
import { isOutposts, isRefusal, jsonOf, tell } from './answers.js';
import { askWithBodies, askWithRawBytes, type Notes } from './bodies-and-bytes.js';
import { type Finding, type FindingCode, finding, type ProxyName } from './findings.js';
import {
  type LoginLink,
  parse,
  printable,
  reaches,
  readLoginLink,
  readSetCookie,
  type SetCookie,
  show,
} from './login-link.js';
import { type Answered, type Ask, NAVIGATION, SCRIPT } from './probe.js';

export interface Patient {
  /** A page of the application that needs a login, as the browser has it. */
  readonly url: URL;
  readonly ask: Ask;
  /** The outpost itself, to compare with; null when it cannot be asked from here. */
  readonly outpost: { readonly origin: URL; readonly ask: Ask } | null;
  /** A page of the origin of `url` that answers with the headers it got (whoami), public or with `session`. */
  readonly echo: URL | null;
  /** The Cookie header of a browser that is signed in. Sent to the origin of `url` and to `outpost` only. */
  readonly session: string | null;
  /** Which settings are told; null: guessed by the Server header. */
  readonly proxy: ProxyName | null;
  /** Eight letters or more that nobody can guess: tells our forgeries from what was there before. */
  readonly mark: string;
  readonly progress: (what: string) => void;
}

export interface Report {
  readonly findings: readonly Finding[];
  /** What was looked at and is well. */
  readonly passed: readonly string[];
  /** What could not be seen, and how it could. */
  readonly unseen: readonly string[];
}

/** The names that applications believe. */
const IDENTITY = identityHeaderNames(['akprox', 'authentik'], true);
const SPELLINGS: readonly (readonly [how: string, spell: (name: string) => string])[] = [
  ['-', (name) => name],
  ['_', (name) => name.replaceAll('-', '_')],
  ['.', (name) => name.replaceAll('-', '.')],
];
const COOKIE_BYTES = 16_384;

export async function examine(patient: Patient): Promise<Report> {
  const examination = new Examination(patient);
  await examination.run();
  return examination;
}

class Examination implements Report, Notes {
  private readonly patient: Patient;
  readonly findings: Finding[] = [];
  readonly passed: string[] = [];
  readonly unseen: string[] = [];
  private proxy: readonly ProxyName[] | null;

  constructor(patient: Patient) {
    this.patient = patient;
    this.proxy = patient.proxy === null ? null : [patient.proxy];
  }

  async run(): Promise<void> {
    const { url, ask, progress } = this.patient;
    if (this.patient.outpost !== null) progress('the outpost itself');
    const expected = await this.askOutpost();

    progress('a browser that is not signed in');
    const navigation = await ask(url, { headers: NAVIGATION });
    if (navigation.kind === 'failed') return this.add('unreachable', `GET ${show(url)}: ${navigation.why}`);
    this.proxy ??= proxyOf(navigation);
    const link = this.readNavigation(navigation, expected);
    if (link !== null) {
      await this.examineLogin(link);
      await this.askAsScript();
      await askWithBodies(this.patient, this, navigation);
      await this.askWithManyCookies(navigation);
    }
    await this.forgeForwardedHeaders(navigation, link);
    if (link !== null) await askWithRawBytes(this.patient, this);
    // Where everybody is let in, every host is: that has been said.
    if (link !== null) await this.askLookAlikes();
    if (link !== null) await this.confuseHosts(navigation);
    if (link !== null) await this.openWebSocket();
    await this.forgeIdentity();
    if (link !== null) await this.askSignedIn();
  }

  add(code: FindingCode, seen: string): void {
    if (this.findings.some((other) => other.code === code && other.seen === seen)) return;
    this.findings.push(finding(code, seen, this.proxy));
  }

  // ── The outpost itself ────────────────────────────────────────────────────────────────────────────────────────────────

  /** What the outpost says when it is asked rightly, as Traefik does. Null: it was not asked, or it has no login to show. */
  private async askOutpost(): Promise<LoginLink | null> {
    const { outpost, url } = this.patient;
    if (outpost === null) {
      this.unseen.push('the outpost itself, to compare with: --outpost http://HOST:PORT');
      return null;
    }
    const answer = await outpost.ask(new URL(`${FILE_PREFIX}/auth/traefik`, outpost.origin), {
      headers: {
        ...NAVIGATION,
        'X-Forwarded-Host': url.host,
        'X-Forwarded-Proto': url.protocol.slice(0, -1),
        'X-Forwarded-Method': 'GET',
        'X-Forwarded-Uri': url.pathname + url.search,
      },
    });
    if (answer.kind === 'failed') {
      this.add('unreachable', `the outpost at ${outpost.origin.origin}: ${answer.why}`);
      return null;
    }
    const link = readLoginLink(answer.header('location')[0], url);
    if (link !== null) this.passed.push(`the outpost knows ${url.host}`);
    else if (answer.status === 400) this.readRefusal(answer, `asked directly about ${url.host}, the outpost answered`);
    else if (answer.status >= 500) this.add('outpost_error', `asked directly, the outpost answered ${tell(answer)}`);
    else if (answer.status < 300)
      this.add('not_protected', `asked directly about ${url.pathname}, the outpost allowed it`);
    return link;
  }

  /** 400 of a check: the outpost says itself what is wrong. */
  private readRefusal(answer: Answered, what: string): void {
    const body = jsonOf(answer);
    const text = (name: string): string => (typeof body[name] === 'string' ? body[name] : '');
    const message = text('message');
    if (message === 'no app for hostname') {
      const host = JSON.stringify(printable(text('host'), 260));
      this.add('unknown_host', `${what} that it has no provider for the host ${host}`);
    } else if (body['error'] === 'request_invalid') {
      // The hint is for the proxy whose dialect is spoken, and HAProxy speaks Traefik's.
      const hint = text('hint') === '' || this.proxy?.includes('HAProxy') ? '' : `; ${printable(text('hint'), 300)}`;
      const doubled = message.includes('more than once');
      this.add(doubled ? 'headers_doubled' : 'headers_missing', `${what}: ${printable(message, 200)}${hint}`);
    } else this.add('check_failed', `${what} ${tell(answer)}`);
  }

  // ── As a browser ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The login that the browser is sent to, or null and a finding. */
  private readNavigation(answer: Answered, expected: LoginLink | null): LoginLink | null {
    const { url } = this.patient;
    const { status } = answer;
    const seen = `GET ${show(url)}, not signed in: ${tell(answer)}`;
    const wrongly =
      expected === null
        ? seen
        : `${seen}; asked directly, the outpost answers as it should: the proxy does not ask it so`;
    const location = answer.header('location')[0];
    const link = readLoginLink(location, url);
    if (link !== null && status >= 300 && status < 400) {
      this.compareLink(link, expected);
      return link;
    }
    if (status < 300) this.add('not_protected', seen);
    else if (status < 400) this.readForeignRedirect(parse(location, url), seen);
    else if (status === 400) this.readRefusal(answer, `GET ${show(url)} was answered`);
    else if (status === 401) this.add('denied_without_login', seen);
    else if (status === 505) this.add('http_1_0', seen);
    else if (status === 502 || status === 504) this.add('outpost_down', wrongly);
    else if (status === 503 && isOutposts(answer)) this.add('outpost_error', seen);
    else if (status === 503) this.add('outpost_down', wrongly);
    else if (isOutposts(answer) && status === 404)
      this.add('check_failed', `${seen}; the outpost has no check at the path that it is asked at`);
    else this.add('check_failed', wrongly);
    return null;
  }

  private readForeignRedirect(to: URL | null, seen: string): void {
    const { url } = this.patient;
    if (to === null) this.add('redirected_elsewhere', `${seen} with no Location`);
    else if (to.protocol !== url.protocol && to.host.replace(/:\d+$/, '') === url.hostname) {
      this.add(
        'scheme_mismatch',
        `${seen} to ${show(to)}: examine that address instead, or see where the redirect comes from`,
      );
    } else this.add('redirected_elsewhere', `${seen} to ${show(to)}`);
  }

  private compareLink({ start, back }: LoginLink, expected: LoginLink | null): void {
    const { url } = this.patient;
    const before = this.findings.length;
    const login = `the login is at ${start.origin}`;
    if (start.protocol !== url.protocol) this.add('scheme_mismatch', `${url.origin} was asked for, and ${login}`);
    if (expected !== null && start.origin !== expected.start.origin) {
      this.add('host_mismatch', `${login}; asked directly, the outpost says ${expected.start.origin}`);
    }
    if (back !== null) {
      const returns = `the browser would come back to ${show(back)} instead of ${show(url)}`;
      if (readLoginLink(back.href, back) !== null) this.add('login_loop', `${returns}, which is the login itself`);
      else {
        if (back.protocol !== url.protocol) this.add('scheme_mismatch', returns);
        if (back.host.replace(/:(?:80|443)$/, '') !== url.host) this.add('host_mismatch', returns);
        else if (back.pathname + back.search !== url.pathname + url.search) this.add('uri_mismatch', returns);
      }
    }
    if (this.findings.length === before) this.passed.push('a browser that is not signed in is sent to the login');
  }

  private async examineLogin({ start }: LoginLink): Promise<void> {
    const { progress, ask, url } = this.patient;
    progress('the login');
    const answer = await ask(start, { headers: NAVIGATION });
    const seen = `GET ${show(start)}: ${tell(answer)}`;
    if (answer.kind === 'failed') return this.add('unreachable', seen);
    const to = parse(answer.header('location')[0], start);
    const isRedirect = answer.status >= 300 && answer.status < 400;
    if (isRedirect && to !== null && readLoginLink(to.href, start) !== null) {
      return this.add('login_loop', `${seen} to ${show(to)}`);
    }
    if (answer.status === 505) return this.add('http_1_0', seen);
    if (answer.status === 401 || answer.status === 403)
      return this.add('login_loop', `${seen}: the login page is guarded itself`);
    if (!isRedirect || to === null) {
      if (isOutposts(answer) && answer.status !== 404) return this.add('outpost_error', seen);
      return this.add(answer.status === 502 || answer.status === 504 ? 'outpost_down' : 'login_not_routed', seen);
    }
    if (to.host === start.host && !to.searchParams.has('client_id'))
      return this.add('login_not_routed', `${seen} to ${show(to)}`);

    const redirectUri = parse(to.searchParams.get('redirect_uri') ?? undefined);
    if (redirectUri !== null && redirectUri.origin !== start.origin) {
      this.add('redirect_uri_mismatch', `redirect_uri is ${show(redirectUri)}, the login is at ${start.origin}`);
    }
    const attempt = answer
      .header('set-cookie')
      .map(readSetCookie)
      .find(({ name }) => name.startsWith('akprox_login_'));
    if (attempt === undefined) this.add('set_cookie_stripped', `${seen}, with no Set-Cookie`);
    else {
      if (attempt.secure && start.protocol === 'http:')
        this.add('cookie_secure', `${show(start)} sets a Secure cookie`);
      if (redirectUri !== null && !reaches(attempt, start, redirectUri))
        this.add(
          'cookie_domain',
          `the cookie of the login has ${attributes(attempt)} and does not reach ${show(redirectUri)}`,
        );
      // Whoever wrote the redirect chose the address: none is asked but that of the login.
      else if (redirectUri === null || redirectUri.origin === start.origin)
        await this.returnRefused(redirectUri ?? start, to.searchParams.get('state'), attempt);
    }
    await this.signOut(start, url);
  }

  /** Comes back from the identity provider as somebody who has refused: the outpost knows the login by its cookie, or not. */
  private async returnRefused(redirectUri: URL, state: string | null, attempt: SetCookie): Promise<void> {
    if (state === null || (attempt.secure && redirectUri.protocol === 'http:')) return;
    const back = new URL(redirectUri);
    back.searchParams.set('state', state);
    back.searchParams.set('error', 'access_denied');
    const answer = await this.patient.ask(back, { headers: { ...NAVIGATION, Cookie: attempt.pair } });
    const seen = `coming back from the identity provider to ${show(redirectUri)}: ${tell(answer)}`;
    if (answer.kind === 'failed') this.add('unreachable', seen);
    else if (answer.body.includes('login_denied')) this.passed.push('the login: its page, its cookie and the way back');
    else if (answer.body.includes('login_unknown'))
      this.add('cookie_stripped', `${seen}: the outpost did not get the cookie that it had set`);
    else this.add('login_not_routed', seen);
  }

  private async signOut(start: URL, url: URL): Promise<void> {
    const { ask, progress } = this.patient;
    progress('signing out');
    const place = new URL(start.pathname.replace(/start$/, 'sign_out'), start);
    const answer = await ask(place, { headers: NAVIGATION });
    const seen = `GET ${show(place)}: ${tell(answer)}`;
    if (answer.kind === 'failed') return this.add('unreachable', seen);
    const loops = readLoginLink(answer.header('location')[0], place) !== null;
    if (answer.status >= 400 || loops) return this.add('sign_out_unreachable', seen);
    // The removal of the session cookie has the attributes of the cookie itself.
    const session = answer
      .header('set-cookie')
      .map(readSetCookie)
      .find(({ name }) => name.startsWith('authentik_proxy_'));
    if (session === undefined) {
      const code = isOutposts(answer) || answer.status >= 300 ? 'set_cookie_stripped' : 'sign_out_unreachable';
      return this.add(code, `${seen}, with no Set-Cookie`);
    }
    if (!reaches(session, place, url)) {
      this.add(
        'cookie_domain',
        `the session cookie has ${attributes(session)}, set by ${place.host}: it does not reach ${url.host}`,
      );
    } else if (session.secure && url.protocol === 'http:') {
      this.add('cookie_secure', `the session cookie is Secure, and ${url.origin} is asked for`);
    } else this.passed.push('signing out, and the session cookie reaches the application');
  }

  private async askAsScript(): Promise<void> {
    const { ask, url, progress } = this.patient;
    progress('a script that is not signed in');
    const answer = await ask(url, { headers: SCRIPT });
    const seen = `GET ${show(url)} with Accept: application/json and Sec-Fetch-Mode: cors: ${tell(answer)}`;
    if (answer.kind === 'failed') this.add('unreachable', seen);
    else if (answer.status < 300) this.add('not_protected', seen);
    else if (answer.status < 400) this.add('xhr_redirected', seen);
    else if (answer.status === 401) this.passed.push('a script is answered with 401');
    else this.add('check_failed', seen);
  }

  private async askWithManyCookies(navigation: Answered): Promise<void> {
    const { ask, url } = this.patient;
    const answer = await ask(url, { headers: { ...NAVIGATION, Cookie: `akprox-doctor=${'x'.repeat(COOKIE_BYTES)}` } });
    if (answer.kind === 'answered' && answer.status === navigation.status) this.passed.push('sixteen KiB of cookies');
    else this.add('large_headers', `GET ${show(url)} with 16 KiB of cookies: ${tell(answer)}`);
  }

  // ── As an attacker ────────────────────────────────────────────────────────────────────────────────────────────────────

  private async forgeForwardedHeaders(navigation: Answered, link: LoginLink | null): Promise<void> {
    const { ask, url, echo, progress, mark } = this.patient;
    progress('forged X-Forwarded and X-Original headers');
    const host = `${mark}.akprox-doctor.example`;
    const path = echo?.pathname ?? `/${mark}`;
    const otherScheme = url.protocol === 'https:' ? 'http' : 'https';
    const forgeries: readonly (readonly [name: string, value: string])[] = [
      ['X-Forwarded-Host', host],
      ['X-Forwarded-Uri', path],
      ['X-Forwarded-Proto', otherScheme],
      ['X-Forwarded-Method', 'OPTIONS'],
      ['X-Original-URL', `${url.protocol}//${host}${path}`],
      ['X-Original-URL', `${url.origin}${path}`],
      ['X-Original-URI', path],
      ['X-Original-Method', 'OPTIONS'],
    ];
    const before = this.findings.length;
    const unanswered: string[] = [];
    for (const [name, value] of forgeries) {
      const answer = await ask(url, { headers: { ...NAVIGATION, [name]: value } });
      if (answer.kind === 'failed' || answer.status === 429 || answer.status >= 500) {
        unanswered.push(`${name} (${tell(answer)})`);
        continue;
      }
      const seen = `GET ${show(url)} with a forged ${name}`;
      if (answer.status < 300 && navigation.status >= 300) {
        this.add('forwarded_headers_trusted', `${seen} was let through to the application (${tell(answer)})`);
      } else if (
        answer.status === 400 &&
        navigation.status !== 400 &&
        /no app for hostname|request_invalid/.test(answer.body)
      ) {
        this.add('forwarded_headers_trusted', `${seen}: ${tell(answer)}, because the outpost believed it`);
      } else if (link?.back) {
        const back = readLoginLink(answer.header('location')[0], url)?.back;
        if (
          back &&
          (back.host !== link.back.host || back.pathname !== link.back.pathname || back.protocol !== link.back.protocol)
        ) {
          this.add('forwarded_headers_trusted', `${seen}: the browser would come back to ${show(back)}`);
        }
      }
    }
    if (unanswered.length > 0) this.unseen.push(`what a forged header does: ${unanswered.join(', ')}`);
    else if (this.findings.length === before && link !== null)
      this.passed.push('forged X-Forwarded and X-Original headers change nothing');
  }

  private async askLookAlikes(): Promise<void> {
    const { ask, url, echo, progress, mark } = this.patient;
    progress('look-alike hosts');
    const place = echo ?? url;
    const labels = url.hostname.split('.');
    // Not below any domain that the host is below, whatever `cookie_domain` is.
    const domain = labels.with(Math.max(0, labels.length - 2), mark + (labels.at(-2) ?? '')).join('.');
    for (const host of [domain, `${url.hostname}.${mark}.example`]) {
      const answer = await ask(place, { host, headers: { ...NAVIGATION, 'X-Akprox-Doctor': mark } });
      if (answer.kind === 'failed') continue;
      const back = readLoginLink(answer.header('location')[0], url)?.back;
      const served = answer.status < 300 && echo !== null && answer.body.includes(mark);
      if (served || (back && back.host === host)) this.add('look_alike_host', `Host: ${host}: ${tell(answer)}`);
    }
  }

  /** Has the proxy route by one host while it asks the outpost about another? Then the client chooses whose rules count. */
  private async confuseHosts(navigation: Answered): Promise<void> {
    const { ask, url, progress, mark } = this.patient;
    progress('two hosts in one request');
    const other = `${mark}.akprox-doctor.example`;
    const absolute = `GET ${url.origin}/… and Host: ${other}`;
    const before = this.findings.length;
    for (const [how, host] of [
      [`Host: ${other}`, other],
      [`Host: ${url.host},${other}`, `${url.host},${other}`],
      [`Host: ${other},${url.host}`, `${other},${url.host}`],
      [absolute, other],
    ] as const) {
      const answer = await ask(url, { host, absolute: how === absolute, headers: NAVIGATION });
      if (answer.kind === 'failed') continue; // no such request gets in
      // nginx has no other word for it that the outpost knows no such host. Others relay what the outpost says, and only a part
      // of a list counts: a list as such is no host. Of a single one, the host of the login may have said it.
      const shown = answer.status === 500 && navigation.status !== 500;
      const relayed = how !== `Host: ${other}` && jsonOf(answer)['host'] === other;
      if (shown || relayed)
        this.add('host_confusion', `${how}: ${tell(answer)}, and the outpost was asked about that host`);
    }
    if (this.findings.length === before) this.passed.push('the outpost is asked about the host that answers');
  }

  private async openWebSocket(): Promise<void> {
    const { ask, url } = this.patient;
    const answer = await ask(url, {
      headers: {
        ...SCRIPT,
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': 'YWtwcm94LWRvY3Rvci0xIQ==',
      },
    });
    const seen = `a WebSocket to ${show(url)} with no session: ${tell(answer)}`;
    if (answer.kind === 'answered' && isRefusal(answer, url))
      this.passed.push('a WebSocket with no session is refused');
    else if (answer.kind === 'answered' && answer.status < 400) this.add('websocket_open', seen);
    else this.unseen.push(`whether a WebSocket needs a session: ${seen}`);
  }

  private async forgeIdentity(): Promise<void> {
    const { ask, url, echo, session, progress, mark } = this.patient;
    const place = echo ?? (session === null ? null : url);
    if (place === null) {
      this.unseen.push(
        'whether forged identity headers reach the application: --echo PATH, a page that answers with the headers it got',
      );
      return;
    }
    progress('forged identity headers');
    const cookie: Record<string, string> = session === null ? {} : { Cookie: session };
    const plain = await ask(place, { headers: { ...NAVIGATION, ...cookie, 'X-Akprox-Doctor': mark } });
    if (plain.kind === 'failed' || plain.status >= 300 || !plain.body.includes(mark)) {
      this.unseen.push(
        `whether forged identity headers reach the application: ${show(place)} does not answer with the headers it got (${tell(plain)})`,
      );
      return;
    }
    for (const [how, spell] of SPELLINGS) {
      const forged = (i: number): string => `${mark}-${i}-forged`;
      const headers = Object.fromEntries(IDENTITY.map((name, i) => [spell(name), forged(i)]));
      const answer = await ask(place, {
        headers: { ...NAVIGATION, ...cookie, 'X-Akprox-Doctor': mark, ...headers },
      });
      const kept = IDENTITY.filter((_, i) => answer.kind === 'answered' && answer.body.includes(forged(i))).map(spell);
      if (kept.length > 0)
        this.add('identity_header_survives', `the application got ${kept.join(', ')} as the client had written it`);
      else if (answer.kind === 'answered' && answer.status < 300 && answer.body.includes(mark))
        this.passed.push(`forged identity headers written with “${how}” are taken away`);
      else
        this.unseen.push(
          `whether identity headers written with “${how}” reach the application: GET ${show(place)} with them: ${tell(answer)}`,
        );
    }
    if (session !== null && echo !== null) await this.lookForIdentity(plain, session);
  }

  /** Does the application learn who is signed in? `echoed`: its page, asked for with the session. */
  private async lookForIdentity(echoed: Answered, session: string): Promise<void> {
    const text = echoed.body.toLowerCase().replaceAll('_', '-');
    const direct = await this.askOutpostAbout(session);
    const known = direct !== null && direct.status < 300;
    const told = IDENTITY.filter((name) => known && (direct.header(name.toLowerCase())[0] ?? '') !== '');
    const missing = told.filter((name) => !text.includes(name.toLowerCase()));
    // Without the outpost's word: one of these two comes with every session.
    const nobody = !/x-auth-username|x-authentik-username/.test(text);
    if (text.includes('{http.')) {
      this.add('identity_missing', 'the application got a placeholder, {http.…}, in place of a value');
    } else if (missing.length > 0) {
      this.add('identity_missing', `with the session, the application did not get ${missing.join(', ')}`);
    } else if (told.length > 0) this.passed.push('the application learns who is signed in');
    else if (nobody)
      this.unseen.push('whether the application learns who is signed in: it did not, or the session has ended');
  }

  private async askSignedIn(): Promise<void> {
    const { ask, url, session, progress } = this.patient;
    if (session === null) {
      this.unseen.push(
        'whether the session cookie reaches the check: --session-file FILE, with the Cookie header of a browser that is signed in',
      );
      return;
    }
    progress('a browser that is signed in');
    const answer = await ask(url, { headers: { ...NAVIGATION, Cookie: session } });
    const seen = `GET ${show(url)}, with the cookies of --session-file: ${tell(answer)}`;
    if (answer.kind === 'failed') return this.add('unreachable', seen);
    if (isRefusal(answer, url)) {
      const direct = await this.askOutpostAbout(session);
      if (direct !== null && direct.status < 300)
        this.add('cookie_stripped', `${seen}; asked directly, the outpost lets the session through`);
      else if (direct !== null)
        this.unseen.push(
          `whether sessions reach the check: the outpost does not know the one of --session-file either`,
        );
      else this.unseen.push(`whether sessions reach the check: ${seen}; it may have ended, and --outpost would tell`);
    } else if (answer.status >= 500) this.add('session_fails', seen);
    else if (isOutposts(answer))
      this.unseen.push(`whether sessions reach the application: ${seen}; try with somebody who may use it`);
    else this.passed.push('a session is let through');
  }

  /** What the outpost itself says to the session; null when it cannot be asked. */
  private async askOutpostAbout(session: string): Promise<Answered | null> {
    const { outpost, url } = this.patient;
    const answer = await outpost?.ask(new URL(`${FILE_PREFIX}/auth/traefik`, outpost.origin), {
      headers: {
        ...NAVIGATION,
        Cookie: session,
        'X-Forwarded-Host': url.host,
        'X-Forwarded-Proto': url.protocol.slice(0, -1),
        'X-Forwarded-Method': 'GET',
        'X-Forwarded-Uri': url.pathname,
      },
    });
    return answer?.kind === 'answered' ? answer : null;
  }
}

function proxyOf(answer: Answered): readonly ProxyName[] | null {
  const server = (answer.header('server')[0] ?? '').toLowerCase();
  if (server.startsWith('nginx') || server.startsWith('openresty')) return ['nginx', 'ingress-nginx'];
  if (server.startsWith('caddy')) return ['Caddy'];
  if (server.startsWith('envoy')) return ['Envoy'];
  return null;
}

function attributes({ domain, path, secure }: SetCookie): string {
  return `${domain === '' ? 'no Domain' : `Domain=${printable(domain, 260)}`}, Path=${printable(path, 100)}${secure ? ', Secure' : ''}`;
}
