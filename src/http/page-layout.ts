// What every page looks like: escaped, in the reader's language, with no script, and nothing fetched from elsewhere but a logo whose
// URL the operator has set. Whatever is put into it, it stays below what a proxy relays.
import { createHash } from 'node:crypto';
import type { Application } from '../application/application.js';
import type { Config } from '../config/schema.js';
import type { HeaderSource, Reply } from './exchange.js';
import { PAGE_STYLE } from './page-style.js';
import type { TextKey } from './texts/english.js';
import { chooseLanguage } from './texts/language.js';
import { escapeHtml, type Filling, type Language, plainName, say } from './texts/page-texts.js';

export interface PageContext {
  readonly look: Config['pages'];
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Whom a page is for, and when. */
export interface Reader {
  readonly language: Language;
  readonly time: number;
  readonly look: Config['pages'];
}

/** `req`: what the browser sent, as it came or through a proxy. */
export function readerOf({ look, now }: PageContext, req: HeaderSource): Reader {
  return { language: chooseLanguage(req.getHeader('accept-language')), time: now(), look };
}

/** Text of a page in the reader's language, as HTML. */
export type Html = string & { readonly html: true };

export function tell<Key extends TextKey>({ language }: Reader, key: Key, ...filling: Filling<Key>): Html {
  return say(language, key, ...filling) as Html;
}

/** A link; or with `post` a button, for what changes something. */
export type Action = { readonly label: Html } & ({ readonly href: string } | { readonly post: string });

export interface Page {
  readonly status: number;
  readonly title: Html;
  /** Each a paragraph. */
  readonly text: readonly Html[];
  /** What can be chosen, as HTML with its buttons; between text and actions. */
  readonly form?: { readonly post: string; readonly content: string };
  /** The first is what most people want. */
  readonly actions: readonly Action[];
  /** What an administrator needs; null when nothing went wrong. */
  readonly report: Report | null;
}

export interface Report {
  /** Stable code of what happened. */
  readonly code: string;
  readonly application: Application | null;
  /** Of the line in the log; null when there is none. */
  readonly reference: string | null;
}

/** As it is written: links that somebody else has chosen, and a page has to go through what a proxy relays. */
const LONGEST_LINK = 2_048;

export function hasRoomFor(link: string): boolean {
  return escapeHtml(link).length <= LONGEST_LINK;
}

export function pageFor(reader: Reader, { status, title, text, form, actions, report }: Page): Reply {
  const { language, look } = reader;
  const end = look.name === '' ? '' : ` - ${escapeHtml(plainName(look.name))}`;
  const body = `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex">
<title>${title}${end}</title><style>${PAGE_STYLE}</style></head>
<body>${header(look)}<main><h1>${title}</h1>
${text.map((paragraph) => `<p>${paragraph}</p>`).join('\n')}
${form === undefined ? '' : `<form method="post" action="${escapeHtml(form.post)}">${form.content}</form>`}
${actions.length === 0 ? '' : `<div class="actions">${actions.map(action).join('')}</div>`}
${report === null ? '' : reportOf(reader, report)}</main>${footer(reader)}</body></html>
`;
  return {
    status,
    headers: [
      ['Content-Type', 'text/html; charset=utf-8'],
      ['Content-Language', language],
      ['Vary', 'Accept-Language'],
      ['Cache-Control', 'no-store'],
      ['Content-Security-Policy', policy(look.logo, form !== undefined || actions.some((one) => 'post' in one))],
      ['X-Content-Type-Options', 'nosniff'],
      ['Referrer-Policy', 'no-referrer'],
      ...(status === 503 ? [['Retry-After', '2'] as const] : []),
    ],
    body,
  };
}

function header({ logo, name }: Config['pages']): string {
  const shown = escapeHtml(plainName(name));
  if (logo !== '') return `<header><img src="${escapeHtml(logo)}" alt="${shown}"></header>`;
  return shown === '' ? '' : `<header><bdi>${shown}</bdi></header>`;
}

function action(one: Action): string {
  return 'post' in one
    ? `<form method="post" action="${escapeHtml(one.post)}"><button>${one.label}</button></form>`
    : `<a href="${escapeHtml(one.href)}">${one.label}</a>`;
}

function reportOf(reader: Reader, { code, application, reference }: Report): string {
  const time = new Date(reader.time).toISOString().slice(0, 19);
  const rows: [Html, string][] = [
    [tell(reader, 'report.time'), `<time datetime="${time}Z">${time.replace('T', ' ')} UTC</time>`],
  ];
  if (reference !== null) rows.push([tell(reader, 'report.reference'), escapeHtml(reference)]);
  if (application !== null)
    rows.push([tell(reader, 'report.application'), `<bdi>${escapeHtml(plainName(application.name))}</bdi>`]);
  rows.push([tell(reader, 'report.code'), escapeHtml(code)]);
  const list = rows.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`).join('');
  return `<section aria-labelledby="report"><h2 id="report">${tell(reader, 'report.title')}</h2>
<p>${tell(reader, 'report.text')}</p><dl>${list}</dl></section>`;
}

function footer(reader: Reader): string {
  const { help_url } = reader.look;
  return help_url === ''
    ? ''
    : `<footer><a href="${escapeHtml(help_url)}">${tell(reader, 'action.get_help')}</a></footer>`;
}

const STYLE_HASH = createHash('sha256').update(PAGE_STYLE).digest('base64');

function policy(logo: string, posts: boolean): string {
  const image = logo === '' ? "'none'" : logo.startsWith('data:') ? 'data:' : new URL(logo).origin;
  // A form ends at the identity provider, and wherever that sends people on: Chromium compares every redirect with this.
  const forms = posts ? 'https: http:' : "'none'";
  return `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; img-src ${image}; base-uri 'none'; form-action ${forms}; frame-ancestors 'none'`;
}
