// The table of settings is the schema's. `UPDATE_DOCS=1 npx tsx --test test/config/settings-table.test.ts` rewrites it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assertMarked } from '../kit/marked.js';
import { configTable } from '../kit/settings-table.js';

/** The first two columns of the rows about listeners that have an address. */
const listeners = (text: string): string[] =>
  [...text.matchAll(/^\| (`listen\.(?:http|https|metrics)` \| `[^`]+`)/gm)].map(([, row = '']) => row);

test('docs/configuration.md has the table of settings that the schema makes', () => {
  const command = 'UPDATE_DOCS=1 npx tsx --test test/config/settings-table.test.ts';
  const update = process.env['UPDATE_DOCS'] === '1';
  assertMarked(new URL('../../docs/configuration.md', import.meta.url), 'config', configTable(), update, command);
});

test('the table has each setting once, with a default and a sentence', () => {
  const rows = configTable().split('\n').slice(2);
  const settings = rows.map((row) => row.split('|')[1]?.trim());
  assert.equal(new Set(settings).size, settings.length);
  for (const row of rows) assert.match(row, /^\| `[a-z0-9_.[\]]+` \| .* \| .*\S.*\. \|$/, row);
  for (const setting of [
    'listen.http',
    'store.kind',
    'store.tls.ca',
    'providers[].oidc.issuer',
    'providers[].session.lifetime',
  ]) {
    assert.ok(settings.includes(`\`${setting}\``), setting);
  }
  assert.ok(
    rows.includes(
      '| `store.kind` | `embedded` | `embedded`: One host: every worker shares one LMDB environment. `redis`: Several hosts share sessions through Redis or Valkey. |',
    ),
  );
});

test('README has the addresses that the schema has', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  assert.equal(listeners(readme).length, 3);
  assert.deepEqual(listeners(readme), listeners(configTable()));
});
