// The table of findings in docs/doctor.md is that of the code.
// `UPDATE_DOCS=1 npx tsx --test test/commands/doctor/findings-table.test.ts` rewrites it.
import { it } from 'node:test';
import { REMEDIES } from '../../../src/commands/doctor/findings.js';
import { assertMarked } from '../../kit/marked.js';

it("docs/doctor.md lists every finding of the doctor, in the code's words", () => {
  const rows = Object.entries(REMEDIES).map(
    ([code, { severity, meaning }]) => `| \`${code}\`${severity === 'warning' ? ' (warning)' : ''} | ${meaning} |`,
  );
  const table = ['| finding | what is wrong |', '|---|---|', ...rows].join('\n');
  const command = 'UPDATE_DOCS=1 npx tsx --test test/commands/doctor/findings-table.test.ts';
  const page = new URL('../../../docs/doctor.md', import.meta.url);
  assertMarked(page, 'doctor', table, process.env['UPDATE_DOCS'] === '1', command);
});
