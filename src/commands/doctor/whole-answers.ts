// Whether the bodies of the outpost's answers to a check arrive. Traefik has a limit for them, and in place of what is longer an empty
// 401 of its own.
import { CALLBACK_SIGNATURE } from '../../application/own-paths.js';
import { isOutposts, tell } from './answers.js';
import type { Collector } from './collector.js';
import { show } from './login-link.js';
import { NAVIGATION } from './probe.js';
import type { Target } from './target.js';

/** A page that the check shows to everybody: that of a login which nobody has begun. It ends nothing. */
export async function lookForCutAnswers({ ask, url, progress }: Target, notes: Collector): Promise<void> {
  // The others have no such limit, and nginx shows no pages of a check.
  if (notes.proxy !== null && !notes.proxy.includes('Traefik')) return;
  progress('a page of the check');
  const place = new URL(url);
  place.search = String(new URLSearchParams({ [CALLBACK_SIGNATURE]: 'true', state: 'doctor', error: 'access_denied' }));
  const answer = await ask(place, { headers: NAVIGATION });
  const seen = `GET ${show(place)}: ${tell(answer)}`;
  // The same browser is sent to the login from every other page.
  if (answer.kind === 'answered' && answer.status === 401 && answer.body === '')
    notes.add('response_cut', `${seen} with an empty body, where the outpost has a page`);
  else if (answer.kind === 'answered' && isOutposts(answer)) notes.passed.push('a page of the check arrives whole');
  else notes.unseen.push(`whether the pages of the outpost arrive whole: ${seen}`);
}
