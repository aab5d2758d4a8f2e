// A browser that is signed in: is it let through, and does the application learn who it is?
import { isOutposts, isRefusal, tell } from './answers.js';
import type { Collector } from './collector.js';
import { type Echo, IDENTITY } from './echo.js';
import { show } from './login-link.js';
import { NAVIGATION } from './probe.js';
import { checkDirectly, type Target } from './target.js';

/** Does the application learn who is signed in? `plain`: its page, asked for with the session. */
export async function lookForIdentity(target: Target, notes: Collector, { plain }: Echo): Promise<void> {
  if (target.session === null || target.echo === null) return;
  const text = plain.body.toLowerCase().replaceAll('_', '-');
  const direct = await checkDirectly(target, target.session);
  const known = direct?.kind === 'answered' && direct.status < 300;
  const told = IDENTITY.filter((name) => known && (direct.header(name.toLowerCase())[0] ?? '') !== '');
  const missing = told.filter((name) => !text.includes(name.toLowerCase()));
  // Without the outpost's word: one of these two comes with every session.
  const nobody = !/x-auth-username|x-authentik-username/.test(text);
  if (text.includes('{http.')) {
    notes.add('identity_missing', 'the application got a placeholder, {http.…}, in place of a value');
  } else if (missing.length > 0) {
    notes.add('identity_missing', `with the session, the application did not get ${missing.join(', ')}`);
  } else if (told.length > 0) notes.passed.push('the application learns who is signed in');
  else if (nobody)
    notes.unseen.push('whether the application learns who is signed in: it did not, or the session has ended');
}

export async function askSignedIn(target: Target, notes: Collector): Promise<void> {
  const { ask, url, session, progress } = target;
  if (session === null) {
    notes.unseen.push(
      'whether the session cookie reaches the check: --session-file FILE, with the Cookie header of a browser that is signed in',
    );
    return;
  }
  progress('a browser that is signed in');
  const answer = await ask(url, { headers: { ...NAVIGATION, Cookie: session } });
  const seen = `GET ${show(url)}, with the cookies of --session-file: ${tell(answer)}`;
  if (answer.kind === 'failed') return notes.add('unreachable', seen);
  if (isRefusal(answer, url)) {
    const direct = await checkDirectly(target, session);
    if (direct?.kind === 'answered' && direct.status < 300)
      notes.add('cookie_stripped', `${seen}; asked directly, the outpost lets the session through`);
    else if (direct?.kind === 'answered')
      notes.unseen.push(`whether sessions reach the check: the outpost does not know the one of --session-file either`);
    else notes.unseen.push(`whether sessions reach the check: ${seen}; it may have ended, and --outpost would tell`);
  } else if (answer.status >= 500) notes.add('session_fails', seen);
  else if (isOutposts(answer))
    notes.unseen.push(`whether sessions reach the application: ${seen}; try with somebody who may use it`);
  else notes.passed.push('a session is let through');
}
