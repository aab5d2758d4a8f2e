// The allow-list (`skip_path_regex`): what passes without a session. RE2 expressions, so that matching takes linear time:
// a hostile URL must not be able to stall a worker.
import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { explain } from '../infra/errors.js';
import { decodePathOnce, type ForwardUrl, UNKNOWN_PATH } from './forward-url.js';

export interface AllowList {
  matches(url: ForwardUrl): boolean;
}

interface BadExpression {
  /** Position in the list, from 0. */
  readonly index: number;
  readonly line: string;
  readonly message: string;
}

/** Loaded with the first expression: most workers have none, and an idle one has a budget. */
function compile(expression: string): RE2JS {
  re2 ??= createRequire(import.meta.url)('re2js') as typeof import('re2js');
  return re2.RE2JS.compile(expression);
}
let re2: typeof import('re2js') | undefined;

/** Why RE2 cannot read the expression; null when it can. */
export function expressionProblem(expression: string): string | null {
  try {
    compile(expression);
    return null;
  } catch (error) {
    return `is not an RE2 expression: ${explain(error).replace(/^error parsing regexp: /, '')}`;
  }
}

/** A longer URL matches nothing. */
const LONGEST = 8_192;

/**
 * Raw bytes above ASCII, which a browser never sends: here they are latin-1, to the application what it likes, and to decoders
 * of overlong UTF-8 even a `/` or a `.`.
 */
const RAW = /[^\x21-\x7e]/;

/** What may still be read differently after one decode: a second layer of escapes, or an escaped `?` or `#`. */
const AMBIGUOUS = /%(?:2e|2f|5c|00)|[?#]/i;

/**
 * With its `?`, also when nothing is behind it: what was there may have been raw bytes, which uWebSockets.js takes off the end of a
 * header (http/dialects.ts), and Traefik and Caddy send a query as it came.
 */
function queryOf({ href }: ForwardUrl): string {
  const mark = href.indexOf('?');
  return mark === -1 ? '' : href.slice(mark);
}

/**
 * Unanchored search: against the decoded path in `forward_single`, against scheme, host, decoded path and query in
 * `forward_domain`. Blank lines are dropped (an empty expression would match everything). Bad ones match nothing and are
 * reported. In `forward_domain` the client writes the query that is searched too: expressions there want an anchor.
 */
export function compileAllowList(
  lines: readonly string[],
  mode: 'forward_single' | 'forward_domain',
): { allowList: AllowList; bad: BadExpression[] } {
  const expressions: RE2JS[] = [];
  const bad: BadExpression[] = [];
  lines.forEach((line, index) => {
    if (line.trim() === '') return;
    try {
      expressions.push(compile(line.trim()));
    } catch (error) {
      bad.push({ index, line, message: error instanceof Error ? error.message : String(error) });
    }
  });
  return {
    bad,
    allowList: {
      matches(url) {
        if (url.path === UNKNOWN_PATH || url.href.length > LONGEST || RAW.test(url.path)) return false;
        const path = decodePathOnce(url.path);
        // `/secret%23/public/` is `/secret` to an application that decodes before it cuts off the fragment (GHSA-pxq7-h93f-9jrg).
        if (path === null || AMBIGUOUS.test(path)) return false;
        const subject = mode === 'forward_single' ? path : `${url.scheme}://${url.host}${path}${queryOf(url)}`;
        return expressions.some((expression) => expression.test(subject));
      },
    },
  };
}

/**
 * Whether an expression says where the URL ends: `$` or `\z` outside a class. It is the only kind that bytes which the outpost
 * cannot see can open; without an end, what matches a URL matches every longer one too.
 */
export function anchorsTheEnd(expression: string): boolean {
  // Quotes, escapes and classes go first: `\$` and `[$]` are the sign itself. In a class, a `]` at its start is the sign too.
  const rest = expression.replace(/\\Q[\s\S]*?(?:\\E|$)|\\[^z]|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]/g, '');
  return /\$|\\z/.test(rest);
}

/** What an operator has to know and to do about such an expression; its path or name stands before it. */
export const END_UNSEEN =
  'says where the URL ends (`$`), and akprox cannot see raw bytes above ASCII there. Behind nginx and ingress-nginx: refuse them, `if ($request_uri ~ "[^\\x21-\\x7e]") { return 400; }` in the server block; `akprox doctor` tells whether that is so. Behind Traefik and Caddy: no `$` behind a query. Behind Envoy and HAProxy: nothing to do';
