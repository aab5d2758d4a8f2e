// What every page looks like: escaped, in the reader's language, with no script and nothing fetched from elsewhere.
import type { HeaderSource, Reply } from './exchange.js';
import type { TextKey } from './texts/english.js';
import { chooseLanguage } from './texts/language.js';
import { escapeHtml, type Filling, type Language, say } from './texts/page-texts.js';

/** Whom a page is for. */
export interface Reader {
  readonly language: Language;
}

/** `req`: what the browser sent, as it came or through a proxy. */
export function readerOf(req: HeaderSource): Reader {
  return { language: chooseLanguage(req.getHeader('accept-language')) };
}

/** Text of a page in the reader's language, as HTML. */
export type Html = string & { readonly html: true };

export function tell<Key extends TextKey>({ language }: Reader, key: Key, ...filling: Filling<Key>): Html {
  return say(language, key, ...filling) as Html;
}

export interface Page {
  readonly status: number;
  readonly title: Html;
  /** Each a paragraph. */
  readonly text: readonly Html[];
  /** Stable code for a report to the operator. */
  readonly code: string;
  readonly link?: Link;
  readonly otherLink?: Link | null;
}

interface Link {
  readonly href: string;
  readonly label: Html;
}

export function pageFor({ language }: Reader, content: Page): Reply {
  const { status, title, text, code } = content;
  const more = [content.link, content.otherLink]
    .map((link) => (link ? `<p><a href="${escapeHtml(link.href)}">${link.label}</a></p>` : ''))
    .join('');
  const body = `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><style>${STYLE}</style></head>
<body><main><h1>${title}</h1>${text.map((paragraph) => `<p>${paragraph}</p>`).join('')}${more}
<p class="code">akprox: ${escapeHtml(code)}</p></main></body></html>
`;
  return {
    status,
    headers: [
      ['Content-Type', 'text/html; charset=utf-8'],
      ['Content-Language', language],
      ['Vary', 'Accept-Language'],
      ['Cache-Control', 'no-store'],
      [
        'Content-Security-Policy',
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      ],
      ['X-Content-Type-Options', 'nosniff'],
      ['Referrer-Policy', 'no-referrer'],
      ...(status === 503 ? [['Retry-After', '5'] as const] : []),
    ],
    body,
  };
}

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#1c2733;background:#f3f5f7}' +
  'main{max-width:32rem;margin:15vh auto 0;padding:2rem;background:#fff;border-radius:.5rem;box-shadow:0 1px 4px #0002}' +
  'h1{font-size:1.3rem;margin-top:0}a{color:#0b5cad}.code{color:#6b7785;font-size:.8rem;margin-bottom:0}' +
  '@media(prefers-color-scheme:dark){body{background:#14181d;color:#dfe5ec}main{background:#1e242b}a{color:#7db8f0}}';
