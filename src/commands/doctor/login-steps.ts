// The login behind the link: its page, its cookie, the way back from the identity provider, and signing out.
import { isOutposts, jsonOf, tell } from './answers.js';
import type { Collector } from './collector.js';
import { type LoginLink, parse, printable, readLoginLink, show } from './login-link.js';
import { NAVIGATION, SCRIPT } from './probe.js';
import { reaches, readSetCookie, type SetCookie } from './set-cookie.js';
import type { Target } from './target.js';

export async function examineLogin(target: Target, notes: Collector, { start }: LoginLink): Promise<void> {
  const { progress, ask, url } = target;
  progress('the login');
  const answer = await ask(start, { headers: NAVIGATION });
  const seen = `GET ${show(start)}: ${tell(answer)}`;
  if (answer.kind === 'failed') return notes.add('unreachable', seen);
  const to = parse(answer.header('location')[0], start);
  const isRedirect = answer.status >= 300 && answer.status < 400;
  if (isRedirect && to !== null && readLoginLink(to.href, start) !== null) {
    return notes.add('login_loop', `${seen} to ${show(to)}`);
  }
  if (answer.status === 505) return notes.add('http_1_0', seen);
  if (answer.status === 401 || answer.status === 403)
    return notes.add('login_loop', `${seen}: the login page is guarded itself`);
  if (!isRedirect || to === null) {
    if (isOutposts(answer) && answer.status !== 404) return notes.add('outpost_error', seen);
    return notes.add(answer.status === 502 || answer.status === 504 ? 'outpost_down' : 'login_not_routed', seen);
  }
  if (to.host === start.host && !to.searchParams.has('client_id'))
    return notes.add('login_not_routed', `${seen} to ${show(to)}`);

  const redirectUri = parse(to.searchParams.get('redirect_uri') ?? undefined);
  if (redirectUri !== null && redirectUri.origin !== start.origin) {
    notes.add('redirect_uri_mismatch', `redirect_uri is ${show(redirectUri)}, the login is at ${start.origin}`);
  }
  const attempt = answer
    .header('set-cookie')
    .map(readSetCookie)
    .find(({ name }) => name.startsWith('akprox_login_'));
  if (attempt === undefined) notes.add('set_cookie_stripped', `${seen}, with no Set-Cookie`);
  else {
    if (attempt.secure && start.protocol === 'http:') notes.add('cookie_secure', `${show(start)} sets a Secure cookie`);
    if (redirectUri !== null && !reaches(attempt, start, redirectUri))
      notes.add(
        'cookie_domain',
        `the cookie of the login has ${attributes(attempt)} and does not reach ${show(redirectUri)}`,
      );
    // Whoever wrote the redirect chose the address: none is asked but that of the login.
    else if (redirectUri === null || redirectUri.origin === start.origin)
      await returnRefused(target, notes, redirectUri ?? start, to.searchParams.get('state'), attempt);
  }
  await signOut(target, notes, start, url);
  // Below a domain the applications have the paths of the outpost too: their pages link to the sign-out there.
  if (start.host !== url.host) await signOut(target, notes, new URL(start.pathname, url), url);
  await askBackChannel(target, notes, start);
}

/** Comes back from the identity provider as somebody who has refused: the outpost knows the login by its cookie, or not. */
async function returnRefused(
  target: Target,
  notes: Collector,
  redirectUri: URL,
  state: string | null,
  attempt: SetCookie,
): Promise<void> {
  if (state === null || (attempt.secure && redirectUri.protocol === 'http:')) return;
  const back = new URL(redirectUri);
  back.searchParams.set('state', state);
  back.searchParams.set('error', 'access_denied');
  const answer = await target.ask(back, { headers: { ...NAVIGATION, Cookie: attempt.pair } });
  const seen = `coming back from the identity provider to ${show(redirectUri)}: ${tell(answer)}`;
  if (answer.kind === 'failed') notes.add('unreachable', seen);
  else if (answer.body.includes('login_denied')) notes.passed.push('the login: its page, its cookie and the way back');
  else if (answer.body.includes('login_unknown'))
    notes.add('cookie_stripped', `${seen}: the outpost did not get the cookie that it had set`);
  else notes.add('login_not_routed', seen);
}

/** As the identity provider would come, with no token: the outpost says that one is missing, and ends nothing. */
async function askBackChannel({ ask, progress }: Target, notes: Collector, start: URL): Promise<void> {
  progress('back-channel logout');
  const place = new URL(start.pathname.replace(/start$/, 'backchannel_logout'), start);
  const body = 'akprox=doctor';
  const headers = {
    'User-Agent': SCRIPT['User-Agent'],
    'Content-Type': 'application/x-www-form-urlencoded',
    'Content-Length': String(body.length),
  };
  const answer = await ask(place, { method: 'POST', headers, body });
  const seen = `POST ${show(place)} with no token: ${tell(answer)}`;
  if (answer.kind === 'failed') return notes.add('unreachable', seen);
  if (answer.status === 400 && String(jsonOf(answer)['error_description']).includes('logout_token'))
    notes.passed.push('back-channel logout reaches the outpost');
  else notes.add('backchannel_unreachable', seen);
}

async function signOut(target: Target, notes: Collector, start: URL, url: URL): Promise<void> {
  const { ask, progress } = target;
  progress('signing out');
  const place = new URL(start.pathname.replace(/start$/, 'sign_out'), start);
  const answer = await ask(place, { headers: NAVIGATION });
  const seen = `GET ${show(place)}: ${tell(answer)}`;
  if (answer.kind === 'failed') return notes.add('unreachable', seen);
  if (answer.status === 505) return notes.add('http_1_0', seen);
  const loops = readLoginLink(answer.header('location')[0], place) !== null;
  if (answer.status >= 400 || loops) return notes.add('sign_out_unreachable', seen);
  // The removal of the session cookie has the attributes of the cookie itself.
  const session = answer
    .header('set-cookie')
    .map(readSetCookie)
    .find(({ name }) => name.startsWith('authentik_proxy_'));
  if (session === undefined) {
    const code = isOutposts(answer) || answer.status >= 300 ? 'set_cookie_stripped' : 'sign_out_unreachable';
    return notes.add(code, `${seen}, with no Set-Cookie`);
  }
  if (!reaches(session, place, url)) {
    notes.add(
      'cookie_domain',
      `the session cookie has ${attributes(session)}, set by ${place.host}: it does not reach ${url.host}`,
    );
  } else if (session.secure && url.protocol === 'http:') {
    notes.add('cookie_secure', `the session cookie is Secure, and ${url.origin} is asked for`);
  } else notes.passed.push(`signing out at ${place.host}, and the session cookie reaches the application`);
}

function attributes({ domain, path, secure }: SetCookie): string {
  return `${domain === '' ? 'no Domain' : `Domain=${printable(domain, 260)}`}, Path=${printable(path, 100)}${secure ? ', Secure' : ''}`;
}
