// docs/cost.md quotes the newest saved result. `UPDATE_DOCS=1 npx tsx --test test/bench/saved.test.ts` rewrites it.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { result } from '../../bench/report.js';
import { htmlReport } from '../../bench/report-html.js';
import { newest, refusal, save, withBench } from '../../bench/saved.js';
import { makeCell, SETTINGS } from './cells.js';

const PAGE = new URL('../../docs/cost.md', import.meta.url);
const REVISION = { commit: '0123456789ab', dirty: false };

test('docs/cost.md has the table that the newest saved result makes', () => {
  const text = readFileSync(PAGE, 'utf8');
  const wanted = withBench(text);
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, wanted);
  else assert.equal(text, wanted, 'run UPDATE_DOCS=1 npx tsx --test test/bench/saved.test.ts');
});

test('a result is saved with its commit and settings, and is the newest', () => {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-results-'));
  try {
    assert.equal(newest(directory), null);
    assert.match(withBench('<!-- bench:begin -->\n<!-- bench:end -->', directory), /No result/);
    const outcome = result([makeCell({ cpu: [4, 6, 5] })], SETTINGS, REVISION);
    save({ ...outcome, at: '2026-01-02T03:04:05.000Z' }, directory);
    const path = save({ ...outcome, at: '2026-11-12T13:14:15.000Z' }, directory);
    assert.equal(path, join(directory, '2026-11-12T1314-0123456789ab'));
    writeFileSync(join(directory, 'latest.json'), '{}');
    const saved = newest(directory);
    assert.equal(saved?.outcome.commit, REVISION.commit);
    assert.deepEqual(saved?.outcome.settings, SETTINGS);
    assert.equal(saved?.outcome.cells[0]?.cpuMicrosPerCheck?.median, 5);
    assert.equal(saved?.outcome.node, process.version);
    const page = withBench('a <!-- bench:begin -->old<!-- bench:end --> b', directory);
    assert.match(page, /\| 5\.00 ±20 % \|/);
    assert.match(page, /commit 0123456789ab, Node v/);
    assert.doesNotMatch(page, /old/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a tree that is not that of a commit is not saved unless told, and then says so', () => {
  assert.equal(refusal(REVISION, false), null);
  assert.match(refusal({ ...REVISION, dirty: true }, false) ?? '', /--dirty/);
  assert.equal(refusal({ ...REVISION, dirty: true }, true), null);
  const directory = mkdtempSync(join(tmpdir(), 'akprox-results-'));
  try {
    const path = save(result([makeCell({ cpu: [4] })], SETTINGS, { ...REVISION, dirty: true }), directory);
    assert.match(path, /-dirty$/);
    assert.match(readFileSync(`${path}.md`, 'utf8'), /commit 0123456789ab with changes/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a result in which the outpost answered wrongly is not saved', () => {
  const outcome = result([makeCell({ fault: 'status 500 instead of 200' })], SETTINGS, REVISION);
  assert.throws(() => save(outcome, tmpdir()), /not saved: .*status 500 instead of 200/);
});

test('the HTML report loads nothing and runs nothing, and has a bar for each target', () => {
  const html = htmlReport(
    result([makeCell({ cpu: [4, 6], title: '<b>' }), makeCell({ fault: 'lies & more' })], SETTINGS, REVISION),
  );
  assert.doesNotMatch(html, /<script|<link|<img|@import|url\(|https?:|<b>/i);
  assert.equal(html.match(/<svg /g)?.length, 2);
  assert.equal(html.match(/<rect /g)?.length, 2);
  assert.match(html, /no figures: lies &#38; more/);
});

test('what only some benches measure has its chart where there is a figure', () => {
  const made = makeCell({ cpu: [4] });
  const cell = { ...made, samples: made.samples.map((sample) => ({ ...sample, proxyCpu: 120, pss: 70 * 1_048_576 })) };
  const rows = [{ title: 'a < b', limit: 1, rounds: [2, 3] }];
  const html = htmlReport(result([cell], SETTINGS, REVISION, rows));
  assert.match(html, /CPU of the proxy per check[\s\S]*>120<\/text>/);
  assert.match(html, /Memory of an idle daemon[\s\S]*>70\.0<\/text>/);
  assert.match(html, /<td>a &#60; b<\/td><td>≤ 1<\/td><td>2\.50<\/td><td>2\.00 to 3\.00<\/td><td>missed<\/td>/);
  assert.doesNotMatch(htmlReport(result([made], SETTINGS, REVISION)), /proxy|idle daemon|The budget/);
});
