// The check is the proxy's to ask. Whoever else can ask it, a script on a page of the application among them, reads in its answer
// what only the application is told: the identity headers, a token, the credentials of `basic_auth`.
import { ENVOY_CHECK, PREFIXES } from '../../application/own-paths.js';
import { jsonOf, tell } from './answers.js';
import type { Collector } from './collector.js';
import { type LoginLink, readLoginLink, show } from './login-link.js';
import { type Answered, SCRIPT } from './probe.js';
import type { Target } from './target.js';

export async function lookForOpenCheck(target: Target, notes: Collector, { start }: LoginLink): Promise<void> {
  const { ask, url, progress, mark } = target;
  progress('the check, asked for as a page');
  const page = `/${mark}`;
  const before = notes.findings.length;
  const unanswered: string[] = [];
  for (const origin of new Set([url.origin, start.origin])) {
    for (const prefix of PREFIXES) {
      for (const path of ['/auth', '/auth/nginx', '/auth/traefik', `${ENVOY_CHECK}${page}`]) {
        const place = new URL(prefix + path, origin);
        const answer = await ask(place, { headers: SCRIPT });
        if (answer.kind === 'failed') unanswered.push(`${show(place)}: ${answer.why}`);
        else if (isCheck(answer, place, page)) notes.add('check_open', `GET ${show(place)}: ${tell(answer)}`);
      }
    }
  }
  if (notes.findings.length > before) return;
  if (unanswered.length > 0) notes.unseen.push(`whether a page can ask the check: ${unanswered[0]}`);
  else notes.passed.push('no page can ask the check');
}

/** Whether the check answered what was asked of it, and not the application's guard about this path as about any other. */
function isCheck(answer: Answered, place: URL, page: string): boolean {
  // nginx's dialect: the way to the login is a header of a 401, and leads back to where the check was told, which is not this path.
  const link = readLoginLink(answer.header('location')[0], place);
  if (answer.status === 401 && link !== null && link.back?.pathname !== place.pathname) return true;
  const { error, login_url } = jsonOf(answer);
  // The others': asked as no proxy would, it complains of the headers that are missing. The guard has been asked rightly before.
  if (answer.status === 400 && error === 'request_invalid') return true;
  // Envoy's: the page is what stands behind its path. The guard would name all of it.
  if (error !== 'login_required' || typeof login_url !== 'string') return false;
  return readLoginLink(login_url, place)?.back?.pathname === page;
}
