// The README's table of settings is the schema's. `UPDATE_README=1 npx tsx --test test/config/readme-table.test.ts` rewrites it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { configTable, withConfigTable } from '../../src/config/table.js';

const README = new URL('../../README.md', import.meta.url);

test('the README has the table of settings that the schema makes', () => {
  const text = readFileSync(README, 'utf8');
  const wanted = withConfigTable(text);
  if (process.env['UPDATE_README'] === '1') writeFileSync(README, wanted);
  else assert.equal(text, wanted, 'run UPDATE_README=1 npx tsx --test test/config/readme-table.test.ts');
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
