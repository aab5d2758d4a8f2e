// README's table of findings is that of the code.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { REMEDIES } from '../../../src/commands/doctor/findings.js';

it("README lists every finding of the doctor, in the code's words", () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const [, table = ''] = /<!-- doctor:begin -->\n([\s\S]*?)<!-- doctor:end -->/.exec(readme) ?? [];
  const rows = Object.entries(REMEDIES).map(
    ([code, { severity, meaning }]) => `| \`${code}\`${severity === 'warning' ? ' (warning)' : ''} | ${meaning} |\n`,
  );
  assert.equal(table, `| finding | what is wrong |\n|---|---|\n${rows.join('')}`);
});
