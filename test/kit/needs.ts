// A suite that needs a program which this machine has not: one plain line says so, and it counts among the skipped.
import { describe, it } from 'node:test';

/** `describe`, unless something is `missing`: then one skipped test in its place, for node:test counts tests only. */
export function describeWith(
  missing: string | null,
  suite: string,
  body: () => void,
  options: { readonly timeout?: number } = {},
): void {
  if (missing === null) {
    describe(suite, options, body);
    return;
  }
  console.log(`skipped: ${suite}: ${missing}`);
  it(suite, { skip: missing }, () => {});
}
