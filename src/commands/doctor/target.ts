// What is examined, and with what the examiner may ask.
import { FILE_PREFIX } from '../../application/own-paths.js';
import type { ProxyName } from './findings.js';
import { type Answer, type Ask, NAVIGATION } from './probe.js';

export interface Target {
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

/** Asks the outpost itself about the page, as Traefik does, with `session` as the Cookie header. Null: it cannot be asked. */
export async function checkDirectly({ outpost, url }: Target, session: string | null): Promise<Answer | null> {
  if (outpost === null) return null;
  return outpost.ask(new URL(`${FILE_PREFIX}/auth/traefik`, outpost.origin), {
    headers: {
      ...NAVIGATION,
      ...(session !== null && { Cookie: session }),
      'X-Forwarded-Host': url.host,
      'X-Forwarded-Proto': url.protocol.slice(0, -1),
      'X-Forwarded-Method': 'GET',
      'X-Forwarded-Uri': url.pathname + url.search,
    },
  });
}
