// A browser that is not signed in: is it sent to the login, and would it come back to the page that it asked for?
import { LONGEST_RETURN_URL } from '../../application/return-url.js';
import { isOutposts, tell } from './answers.js';
import type { Collector } from './collector.js';
import { readRefusal } from './direct-check.js';
import { type LoginLink, parse, readLoginLink, show } from './login-link.js';
import type { Answered } from './probe.js';
import type { Target } from './target.js';
import { lookForWrongDialect } from './wrong-dialect.js';

/** The login that the browser is sent to, or null and a finding. */
export async function readNavigation(
  target: Target,
  notes: Collector,
  answer: Answered,
  expected: LoginLink | null,
): Promise<LoginLink | null> {
  const { url } = target;
  const { status } = answer;
  const seen = `GET ${show(url)}, not signed in: ${tell(answer)}`;
  const wrongly =
    expected === null
      ? seen
      : `${seen}; asked directly, the outpost answers as it should: the proxy does not ask it so`;
  const location = answer.header('location')[0];
  const link = readLoginLink(location, url);
  if (link !== null && status >= 300 && status < 400) {
    compareLink(target, notes, link, expected);
    return link;
  }
  const dialect = await lookForWrongDialect(target, notes, answer);
  if (dialect !== null) notes.add('wrong_dialect', `${seen}; ${dialect}`);
  else if (status < 300) notes.add('not_protected', seen);
  else if (status < 400) readForeignRedirect(target, notes, parse(location, url), seen);
  else if (status === 400) readRefusal(notes, answer, `GET ${show(url)} was answered`);
  else if (status === 401) notes.add('denied_without_login', seen);
  else if (status === 505) notes.add('http_1_0', seen);
  else if (status === 502 || status === 504) notes.add('outpost_down', wrongly);
  else if (status === 503 && isOutposts(answer)) notes.add('outpost_error', seen);
  else if (status === 503) notes.add('outpost_down', wrongly);
  else if (isOutposts(answer) && status === 404)
    notes.add('check_failed', `${seen}; the outpost has no check at the path that it is asked at`);
  else notes.add('check_failed', wrongly);
  return null;
}

function readForeignRedirect(target: Target, notes: Collector, to: URL | null, seen: string): void {
  const { url } = target;
  if (to === null) notes.add('redirected_elsewhere', `${seen} with no Location`);
  else if (to.protocol !== url.protocol && to.host.replace(/:\d+$/, '') === url.hostname) {
    notes.add(
      'scheme_mismatch',
      `${seen} to ${show(to)}: examine that address instead, or see where the redirect comes from`,
    );
  } else notes.add('redirected_elsewhere', `${seen} to ${show(to)}`);
}

function compareLink(target: Target, notes: Collector, { start, back }: LoginLink, expected: LoginLink | null): void {
  const { url } = target;
  const before = notes.findings.length;
  const login = `the login is at ${start.origin}`;
  if (start.protocol !== url.protocol) notes.add('scheme_mismatch', `${url.origin} was asked for, and ${login}`);
  if (expected !== null && start.origin !== expected.start.origin) {
    notes.add('host_mismatch', `${login}; asked directly, the outpost says ${expected.start.origin}`);
  }
  if (back !== null) {
    const returns = `the browser would come back to ${show(back)} instead of ${show(url)}`;
    if (readLoginLink(back.href, back) !== null) notes.add('login_loop', `${returns}, which is the login itself`);
    else {
      if (back.protocol !== url.protocol) notes.add('scheme_mismatch', returns);
      if (back.host.replace(/:(?:80|443)$/, '') !== url.host) notes.add('host_mismatch', returns);
      else if (back.pathname + back.search !== url.pathname + url.search) notes.add('uri_mismatch', returns);
    }
  }
  // A longer address is not told to the login.
  else if (url.href.length <= LONGEST_RETURN_URL)
    notes.add('uri_mismatch', `the browser is sent to ${show(start)}, which does not say where it would come back to`);
  if (notes.findings.length === before) notes.passed.push('a browser that is not signed in is sent to the login');
}
