// What zod says of a configuration, as problems of ours.
import type { z } from 'zod';
import { nearest } from './near-miss.js';
import { formatPath, type Path, type Problem, valueAt } from './problems.js';
import { keysAt } from './schema-shape.js';

/** zod's issues as problems; `raw` is what the schema was asked about. */
export function schemaProblems(schema: z.ZodType, raw: unknown, issues: readonly z.core.$ZodIssue[]): Problem[] {
  return issues.flatMap((issue) => issueProblems(schema, raw, issue, issue.path));
}

/** What every alternative of a union says of the same value. */
const FOUND = /, found \w+$/;

/** YAML takes 0660 for a number and yes for a boolean. */
const UNQUOTED = /^expected string, found (?:number|boolean)$/;

function issueProblems(schema: z.ZodType, raw: unknown, issue: z.core.$ZodIssue, path: Path): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: formatPath([...path, key]),
      message: unknownKey(key, keysAt(schema, path)),
    }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // The alternative whose own type fitted is the one that was meant; its inner issues are the useful ones.
    const meant = issue.errors.find((option) =>
      option.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
    );
    if (meant) return meant.flatMap((inner) => issueProblems(schema, raw, inner, [...path, ...inner.path]));
    const said = issue.errors.flat().map((inner) => sentence(inner).replace(/^expected /, ''));
    const wanted = new Set(said.map((text) => text.replace(FOUND, '')));
    const [found = ''] = said.flatMap((text) => FOUND.exec(text) ?? []);
    return [{ path: formatPath(path), message: `expected ${[...wanted].join(' or ')}${found}` }];
  }
  const missing = valueAt(raw, path) === undefined;
  const message = sentence(issue);
  return [
    {
      path: formatPath(path),
      message: missing
        ? `is required${issue.code === 'invalid_value' ? `, ${message}` : ''}`
        : UNQUOTED.test(message)
          ? `${message}: put it into quotes`
          : message,
    },
  ];
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') {
    const values = issue.values.map((value) => JSON.stringify(value));
    return values.length === 1 ? `expected ${values[0]}` : `expected one of ${values.join(', ')}`;
  }
  if (issue.code === 'invalid_union' && 'options' in issue && Array.isArray(issue.options)) {
    const named = issue.options.filter((value) => value !== undefined);
    return `expected one of ${named.map((value) => JSON.stringify(value)).join(', ')}`;
  }
  if (issue.code === 'too_small' && issue.minimum === 1 && (issue.origin === 'string' || issue.origin === 'array')) {
    return 'must not be empty';
  }
  return issue.message
    .replace(/^(Invalid input|Too small|Too big|Invalid string): /, '')
    .replace(', received', ', found');
}

function unknownKey(key: string, known: readonly string[]): string {
  // The other alternative of a union has it: `store.url` beside `kind: embedded`.
  if (known.includes(key))
    return 'does not go with `store.kind`, which is `embedded` unless it says `redis`: set that, or take this away';
  const guess = nearest(key, known);
  return guess === undefined ? 'unknown key' : `unknown key, did you mean ${guess}?`;
}
