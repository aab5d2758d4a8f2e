// Who may pass is decided here: may this person, and what is the application told of them? The one answer for sessions and for credentials in a header.
import { copyString } from '../infra/copy-string.js';
import type { GatedLog } from '../infra/log-gate.js';
import { isAllowed } from './access.js';
import type { Application } from './application.js';
import type { Claims } from './claims.js';
import { blockHeaders, renderIdentity, type Tokens } from './identity.js';

export type Verdict =
  /** `block`: rendered identity headers, complete. */
  { readonly kind: 'allow'; readonly block: ArrayBuffer } | Barred;

/** Signed in, and may not pass all the same. */
export interface Barred {
  /** `too_large`: the identity set is larger than `headers.max_bytes`; a proxy would answer 500, or leave headers out (contract §2.3). */
  readonly kind: 'forbidden' | 'too_large';
  /** As whom, for the page that says so. */
  readonly user: string;
  /** The same, for the log. */
  readonly sub: string;
  readonly preferredUsername: string;
}

export function verdictOn(application: Application, claims: Claims, tokens: Tokens, log: GatedLog): Verdict {
  if (!isAllowed(application.config.access, claims)) return barred('forbidden', claims);
  const { bytes } = renderIdentity(application.identity, claims, tokens, (header) =>
    log.warn(
      { provider: application.name, header },
      'identity header emptied or left out: its name or value cannot be sent',
      header,
    ),
  );
  const most = application.config.headers.max_bytes;
  if (bytes.byteLength <= most) return { kind: 'allow', block: bytes };
  const [header, size] = largestHeader(bytes);
  const facts = {
    provider: application.name,
    user: claims.preferredUsername || claims.sub,
    bytes: bytes.byteLength,
    max_bytes: most,
    header,
    header_bytes: size,
  };
  log.warn(facts, 'access denied: the identity headers of this user are too large, more than headers.max_bytes');
  return barred('too_large', claims);
}

/** Kept for as long as a session or credentials are: copies, and nothing else of the claims. */
function barred(kind: Barred['kind'], claims: Claims): Barred {
  const { sub, preferredUsername } = claims;
  return {
    kind,
    user: nameOf(claims),
    sub: copyString(sub),
    preferredUsername: copyString(preferredUsername.slice(0, LONGEST_NAME)),
  };
}

/** The e-mail address tells accounts of one name apart. Cut off: it is kept with the session in the cache. */
function nameOf({ preferredUsername, sub, email }: Claims): string {
  const name = preferredUsername || sub;
  return copyString((email === '' || email === name ? name : `${name} (${email})`).slice(0, LONGEST_NAME));
}

const LONGEST_NAME = 200;

function largestHeader(block: ArrayBuffer): [name: string, bytes: number] {
  let largest: [string, number] = ['', -1];
  for (const [name, value] of blockHeaders(block)) if (value.length > largest[1]) largest = [name, value.length];
  return largest;
}
