// The outpost asked directly, past the proxy: what it says when it is asked rightly.
import { jsonOf, tell } from './answers.js';
import type { Collector } from './collector.js';
import { type LoginLink, printable, readLoginLink } from './login-link.js';
import type { Answered } from './probe.js';
import { checkDirectly, type Target } from './target.js';

/** What the outpost says when it is asked rightly, as Traefik does. Null: it was not asked, or it has no login to show. */
export async function askOutpost(target: Target, notes: Collector): Promise<LoginLink | null> {
  const { outpost, url } = target;
  const answer = await checkDirectly(target, null);
  if (outpost === null || answer === null) {
    notes.unseen.push('the outpost itself, to compare with: --outpost http://HOST:PORT');
    return null;
  }
  if (answer.kind === 'failed') {
    notes.add('unreachable', `the outpost at ${outpost.origin.origin}: ${answer.why}`);
    return null;
  }
  const link = readLoginLink(answer.header('location')[0], url);
  if (link !== null) notes.passed.push(`the outpost knows ${url.host}`);
  else if (answer.status === 400) readRefusal(notes, answer, `asked directly about ${url.host}, the outpost answered`);
  else if (answer.status >= 500) notes.add('outpost_error', `asked directly, the outpost answered ${tell(answer)}`);
  else if (answer.status < 300)
    notes.add('not_protected', `asked directly about ${url.pathname}, the outpost allowed it`);
  else notes.add('unreachable', `${outpost.origin.origin} is no outpost, or not where it is asked: ${tell(answer)}`);
  return link;
}

/** 400 of a check: the outpost says itself what is wrong. */
export function readRefusal(notes: Collector, answer: Answered, what: string): void {
  const body = jsonOf(answer);
  const text = (name: string): string => (typeof body[name] === 'string' ? body[name] : '');
  const message = text('message');
  if (message === 'no app for hostname') {
    const host = JSON.stringify(printable(text('host'), 260));
    notes.add('unknown_host', `${what} that it has no provider for the host ${host}`);
  } else if (body['error'] === 'request_invalid') {
    // The hint is for the proxy whose dialect is spoken, and HAProxy speaks Traefik's.
    const hint = text('hint') === '' || notes.proxy?.includes('HAProxy') ? '' : `; ${printable(text('hint'), 300)}`;
    const doubled = message.includes('more than once');
    notes.add(doubled ? 'headers_doubled' : 'headers_missing', `${what}: ${printable(message, 200)}${hint}`);
  } else notes.add('check_failed', `${what} ${tell(answer)}`);
}
