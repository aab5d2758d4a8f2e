// The page of somebody's own sessions: one form, whose buttons say what ends.
import type { Application } from '../application/application.js';
import type { Summary } from '../session/summary.js';
import type { Reply } from './exchange.js';
import { type Html, pageFor, type Reader, tell } from './page-layout.js';
import { escapeHtml } from './texts/page-texts.js';

/** `handle` null: it is the one that asks. */
export type ShownSession = Pick<Summary, 'about'> & { readonly handle: string | null };

export interface MySessions {
  readonly user: string;
  /** What was chosen on an older page has not been done. */
  readonly isStale: boolean;
  readonly sessions: readonly ShownSession[];
  /** How many there are. */
  readonly all: number;
  readonly others: string;
}

/** A page has to go through what a proxy relays. */
export const MOST_LISTED = 10;

export function mySessionsPage(reader: Reader, application: Application, mine: MySessions): Reply {
  const { displayName, sessionsUrl, signOutUrl } = application;
  const { user, isStale, sessions, all, others } = mine;
  const more = all - sessions.length;
  const end =
    all > 1 ? `<p><button name="end" value="${others}">${tell(reader, 'action.end_other_sessions')}</button></p>` : '';
  const list = sessions.map((one, i) => item(reader, one, `s${i}`)).join('');
  return pageFor(reader, {
    status: isStale ? 403 : 200,
    title: tell(reader, 'sessions.title'),
    text: [
      ...(isStale ? [tell(reader, 'sessions.stale')] : []),
      tell(reader, 'sessions.text', { application: displayName, user }),
    ],
    form: {
      post: sessionsUrl,
      content: `<ul>${list}</ul>${more > 0 ? `<p>${tell(reader, 'sessions.more', { count: String(more) })}</p>` : ''}${end}`,
    },
    actions: [
      { href: `${application.origin}/`, label: tell(reader, 'action.go_home', { application: displayName }) },
      { href: signOutUrl, label: tell(reader, 'action.sign_out') },
    ],
    report: null,
  });
}

function item(reader: Reader, { about, handle }: ShownSession, id: string): string {
  const browser = about?.device?.browser ?? '';
  const name = browser === '' ? tell(reader, 'sessions.unknown_browser') : escapeHtml(browser);
  const own = handle === null ? ` (${tell(reader, 'sessions.this_one')})` : '';
  const button =
    handle === null
      ? ''
      : `<button name="end" value="${handle}" aria-describedby="${id}">${tell(reader, 'action.end_session')}</button>`;
  return `<li><h2 id="${id}">${name}${own}</h2><p>${facts(reader, about)}</p>${button}</li>`;
}

function facts(reader: Reader, about: Summary['about']): Html {
  if (about === null) return tell(reader, 'sessions.former');
  const { createdAt, renewedAt, device } = about;
  const client = device?.client ?? '';
  const known = { begin: timeOf(createdAt), address: client === '' ? '–' : client };
  if (renewedAt === createdAt) return tell(reader, 'sessions.not_renewed', known);
  return tell(reader, 'sessions.facts', { ...known, renewal: timeOf(renewedAt) });
}

function timeOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
