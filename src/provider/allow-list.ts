// The allow-list (`skip_path_regex`): what passes without a session. RE2 expressions, so that matching takes linear time:
// a hostile URL must not be able to stall a worker.
import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';
import { decodePathOnce, type ForwardUrl } from './forward-url.js';

export interface AllowList {
  matches(url: ForwardUrl): boolean;
}

export interface BadExpression {
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

/** A longer URL matches nothing. */
const LONGEST = 8_192;

/** What may still be read differently after one decode: a second layer of escapes, or an escaped `?` or `#`. */
const AMBIGUOUS = /%(?:2e|2f|5c|00)|[?#]/i;

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
        if (url.href.length > LONGEST) return false;
        const path = decodePathOnce(url.path);
        // `/secret%23/public/` is `/secret` to an application that decodes before it cuts off the fragment (GHSA-pxq7-h93f-9jrg).
        if (path === null || AMBIGUOUS.test(path)) return false;
        const subject =
          mode === 'forward_single'
            ? path
            : `${url.scheme}://${url.host}${path}${url.query === '' ? '' : `?${url.query}`}`;
        return expressions.some((expression) => expression.test(subject));
      },
    },
  };
}
