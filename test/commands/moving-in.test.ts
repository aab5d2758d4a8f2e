// The page about oauth2-proxy has every option that the import knows; the pages name settings that there are.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { it } from 'node:test';
import { LEFT } from '../../src/commands/import/left-options.js';
import { TAKEN } from '../../src/commands/import/oauth2-proxy.js';
import { assertMarked } from '../kit/marked.js';
import { configTable } from '../kit/settings-table.js';

const PAGES = new URL('../../docs/moving-in/', import.meta.url);

it('docs/moving-in/oauth2-proxy.md has every option that is not taken over', () => {
  const options = Object.entries(LEFT).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const code = (name: string): string => `\`${name}\``;
  const rows = options.flatMap(([name, advice]) =>
    advice === null ? [] : `| ${code(name)} | ${advice.replaceAll('|', '\\|')} |`,
  );
  const nothing = options.filter(([, advice]) => advice === null).map(([name]) => code(name));
  assertMarked(
    new URL('oauth2-proxy.md', PAGES),
    'left',
    `| option | what to do |\n|---|---|\n${rows.join('\n')}\n\nNothing to do, for akprox has no need of it or does so anyway: ${nothing.join(', ')}.`,
    process.env['UPDATE_DOCS'] === '1',
    'UPDATE_DOCS=1 npx tsx --test test/commands/moving-in.test.ts',
  );
});

it('and every one that is', () => {
  const page = readFileSync(new URL('oauth2-proxy.md', PAGES), 'utf8');
  assert.deepEqual(
    TAKEN.filter((option) => !page.includes(`\`${option}\``)),
    [],
  );
});

for (const file of readdirSync(PAGES)) {
  it(`docs/moving-in/${file} names settings that there are`, () => {
    const settings = [...configTable().matchAll(/^\| `(?:providers\[\]\.)?([^`]+)`/gm)].map(([, name = '']) => name);
    const rooms = new Set(settings.flatMap((name) => (name.includes('.') ? [name.split('.')[0] ?? ''] : [])));
    // The right-hand column only: on the left are the others' names.
    const cells = readFileSync(new URL(file, PAGES), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| '))
      .map((line) => line.replaceAll('\\|', '').split('|').slice(2).join('|'));
    const named = cells.flatMap((cell) => [...cell.matchAll(/`([a-z_]+(?:\.[a-z_]+)+)/g)].map(([, name = '']) => name));
    const wrong = named.filter(
      (name) =>
        rooms.has(name.split('.')[0] ?? '') && !settings.some((one) => one === name || one.startsWith(`${name}.`)),
    );
    assert.deepEqual(wrong, []);
  });
}
