// The pages on which somebody who has no target of their own ends: who is signed in, and what became of a sign-out.
import type { Application } from '../application/application.js';
import type { Reply } from './exchange.js';
import { type Html, hasRoomFor, pageFor, type Reader, tell } from './page-layout.js';
import type { IdpSession, SignOutState } from './sign-out-state.js';
import type { TextKey } from './texts/english.js';

/** `state`: of the sign-out that ended here; null when none is known. */
export function signedOutPage(
  reader: Reader,
  { displayName, startUrl }: Application,
  state: SignOutState | null,
): Reply {
  const known = state?.target ?? null;
  const target = known !== null && hasRoomFor(encodeURIComponent(known)) ? known : null;
  const rd = target === null ? '' : `?rd=${encodeURIComponent(target)}`;
  return pageFor(reader, {
    status: 200,
    title: tell(reader, 'signed_out.title'),
    text: [
      tell(reader, 'signed_out.text', { application: displayName }),
      ...aboutIdp(reader, state?.idpSession ?? 'unknown'),
    ],
    actions: [
      { href: `${startUrl}${rd}`, label: tell(reader, 'action.sign_in_again') },
      ...(target === null
        ? []
        : [{ href: target, label: tell(reader, 'action.go_on', { host: new URL(target).host }) }]),
    ],
    report: null,
  });
}

const IDP_TEXTS = {
  sent: 'signed_out.idp_sent',
  kept: 'signed_out.idp_kept',
  unreachable: 'signed_out.idp_unreachable',
  unknown: 'signed_out.idp_unknown',
} as const satisfies Record<IdpSession | 'unknown', TextKey>;

/** Whether the identity provider's own session has ended, and what it means if it has not. */
function aboutIdp(reader: Reader, session: IdpSession | 'unknown'): Html[] {
  const text = tell(reader, IDP_TEXTS[session]);
  return session === 'sent' ? [text] : [text, tell(reader, 'signed_out.may_go_on')];
}

export function signedInPage(
  reader: Reader,
  { displayName, signOutUrl, sessionsUrl }: Application,
  user: string,
): Reply {
  return pageFor(reader, {
    status: 200,
    title: tell(reader, 'signed_in.title'),
    text: [tell(reader, 'signed_in.text', { application: displayName, user })],
    actions: [
      { href: signOutUrl, label: tell(reader, 'action.sign_out') },
      { href: sessionsUrl, label: tell(reader, 'action.own_sessions') },
    ],
    report: null,
  });
}

export function nobodyPage(reader: Reader, { displayName, startUrl }: Application): Reply {
  return pageFor(reader, {
    status: 200,
    title: tell(reader, 'nobody.title'),
    text: [tell(reader, 'nobody.text', { application: displayName })],
    actions: [{ href: startUrl, label: tell(reader, 'action.sign_in') }],
    report: null,
  });
}
