// What browsers seldom send: large bodies, very many cookies, and URLs with bytes above ASCII.
import { isOutposts, isRefusal, tell } from './answers.js';
import type { Collector } from './collector.js';
import { readLoginLink, show } from './login-link.js';
import { type Answer, type Answered, NAVIGATION, SCRIPT } from './probe.js';
import type { Target } from './target.js';

const SMALL_BODY = 13;
/** As much as the outpost reads of a body that it throws away (contract §6a). */
const LARGE_BODY = 262_144;
const COOKIE_BYTES = 16_384;
/** A check that is sent the body fails now and then. */
const TRIES = 3;

/** `navigation`: what a browser that is not signed in got; `signIn`: where the proxy redirects a script to, see `isRefusal`. */
export async function askWithBodies(
  target: Target,
  notes: Collector,
  navigation: Answered,
  signIn: string | null,
): Promise<void> {
  const small = await post(target, SMALL_BODY);
  const seen = `POST ${show(target.url)} with a body: ${tell(small)}`;
  if (small.kind === 'failed' || small.status >= 500 || (small.status === 400 && navigation.status !== 400))
    return notes.add('post_fails', seen);
  if (isRefusal(small, target.url, signIn)) notes.passed.push('a request with a body is refused');
  else if (small.status < 400) return notes.add('not_protected', seen);
  else notes.unseen.push(`whether a request with a body is refused by the check: ${seen}`);

  for (let i = 0; i < TRIES; i += 1) {
    const large = await post(target, LARGE_BODY);
    const told = `POST ${show(target.url)} with 256 KiB: ${tell(large)}`;
    // Whoever closes the connection while the body is on its way may take the answer with it.
    if (large.kind === 'failed') return void notes.unseen.push(`whether large bodies pass: ${told}`);
    // Traefik's own word for a body that is larger than `maxBodySize` is an empty 401.
    const ownRefusal = large.status === 401 && isOutposts(small) && !isOutposts(large);
    if (large.status >= 500 || ownRefusal) {
      return notes.add('large_post_fails', `${told}, where 13 bytes are answered ${tell(small)}`);
    }
    if (large.status !== small.status) return void notes.unseen.push(`whether large bodies pass: ${told}`);
  }
  notes.passed.push('a request with 256 KiB of body is answered as one with a few bytes');
}

function post({ url, ask }: Target, size: number): Promise<Answer> {
  const headers = { ...SCRIPT, 'Content-Type': 'text/plain', 'Content-Length': String(size) };
  return ask(url, { method: 'POST', body: 'x'.repeat(size), headers });
}

export async function askWithManyCookies({ url, ask }: Target, notes: Collector, navigation: Answered): Promise<void> {
  const answer = await ask(url, { headers: { ...NAVIGATION, Cookie: `akprox-doctor=${'x'.repeat(COOKIE_BYTES)}` } });
  if (answer.kind === 'answered' && answer.status === navigation.status) notes.passed.push('sixteen KiB of cookies');
  else notes.add('large_headers', `GET ${show(url)} with 16 KiB of cookies: ${tell(answer)}`);
}

/**
 * Bytes above ASCII at the end of the URL, as no browser sends them. A proxy should refuse them (nginx, HAProxy, Envoy) or encode them
 * (Traefik, Caddy): where they get to the check as they are, it may decide about another URL than the application gets.
 */
export async function askWithRawBytes({ url, ask }: Target, notes: Collector): Promise<void> {
  const answer = await ask(url, { rawTail: '\xe9\xff', headers: NAVIGATION });
  const seen = `GET ${show(new URL(url.pathname, url))} with two raw bytes behind the path: ${tell(answer)}`;
  const back = answer.kind === 'answered' ? readLoginLink(answer.header('location')[0], url)?.back : undefined;
  if (answer.kind === 'failed' || (answer.status === 400 && !isOutposts(answer)))
    notes.passed.push('raw bytes in a URL do not get in');
  else if (back && /%e9%ff$/i.test(back.pathname)) notes.passed.push('raw bytes in a URL are encoded before the check');
  else if (back) notes.add('raw_bytes', `${seen}, and the check was asked about ${show(back)}`);
  // nginx has no other word for it than 500 that the outpost would not have such a URL.
  else if (answer.status < 400 || answer.status === 400 || answer.status === 401 || answer.status === 500)
    notes.add('raw_bytes', seen);
  else notes.unseen.push(`whether raw bytes in a URL get to the check: ${seen}`);
}
