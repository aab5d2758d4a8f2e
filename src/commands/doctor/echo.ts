// The page of the application that answers with the headers it got: the only way to see what reaches the application.
import { IDENTITY_NAMES } from '../../application/identity.js';
import { tell } from './answers.js';
import type { Collector } from './collector.js';
import { show } from './login-link.js';
import { type Answered, NAVIGATION } from './probe.js';
import type { Target } from './target.js';

/** The names that applications believe. */
export const IDENTITY = IDENTITY_NAMES;

export interface Echo {
  readonly place: URL;
  /** What it has to be asked with: it shows `mark` among them. */
  readonly headers: Readonly<Record<string, string>>;
  /** The page, asked for with these headers and no others. */
  readonly plain: Answered;
}

/** Null, and a word about it, when there is no such page. */
export async function readEcho(target: Target, notes: Collector): Promise<Echo | null> {
  const { ask, url, echo, session, progress, mark } = target;
  const place = echo ?? (session === null ? null : url);
  if (place === null) {
    notes.unseen.push(
      'whether forged identity headers reach the application: --echo PATH, a page that answers with the headers it got',
    );
    return null;
  }
  progress('forged identity headers');
  const headers = { ...NAVIGATION, ...(session !== null && { Cookie: session }), 'X-Akprox-Doctor': mark };
  const plain = await ask(place, { headers });
  if (plain.kind === 'answered' && plain.status < 300 && plain.body.includes(mark)) return { place, headers, plain };
  notes.unseen.push(
    `whether forged identity headers reach the application: ${show(place)} does not answer with the headers it got (${tell(plain)})`,
  );
  return null;
}
