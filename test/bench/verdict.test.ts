import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitCodeOf, judge, type Row, ratios, rowsAsMarkdown, showRow } from '../../bench/verdict.js';

const row = (rounds: readonly number[], more: Partial<Row> = {}): Row => ({ title: 'CPU', limit: 1, rounds, ...more });
const verdict = (rounds: readonly number[], more?: Partial<Row>): string => judge(row(rounds, more)).verdict;

test('the median decides; beyond the limit, a round that keeps it makes it within', () => {
  assert.equal(verdict([0.8, 1, 3]), 'met');
  assert.equal(verdict([0.9, 1.1, 1.2]), 'within');
  assert.equal(verdict([1.01, 1.1, 1.2]), 'missed');
  assert.equal(verdict([1.01]), 'missed');
  assert.equal(verdict([1]), 'met');
});

test('where the limit is the least, the other way round', () => {
  const atLeast = { atLeast: true };
  assert.equal(verdict([0.5, 1, 1.2], atLeast), 'met');
  assert.equal(verdict([0.5, 0.9, 1.2], atLeast), 'within');
  assert.equal(verdict([0.5, 0.9, 0.99], atLeast), 'missed');
});

test('what has no round is not measured, says why, and fails nothing', () => {
  const absent = row([], { missing: 'Traefik is not installed' });
  assert.equal(judge(absent).verdict, 'not measured');
  assert.match(showRow(absent), /^not measured +CPU .*budget ≤ 1: Traefik is not installed$/);
  assert.match(rowsAsMarkdown([absent]), /\| CPU \| ≤ 1 \| Traefik is not installed \| {2}\| not measured \|/);
  assert.equal(exitCodeOf([absent, row([0.9, 1.1, 1.2])]), 0);
  assert.equal(exitCodeOf([absent, row([2, 3])]), 1);
});

test('a row shows its median, its limit and its rounds', () => {
  assert.match(showRow(row([2, 4, 3])), /^missed +CPU +3\.00 budget ≤ 1 \(2\.00 to 4\.00\)$/);
  assert.match(showRow(row([70.04], { limit: 75, unit: ' MiB', digits: 1 })), /^met +CPU +70\.0 MiB budget ≤ 75 MiB$/);
  assert.match(rowsAsMarkdown([row([2, 4, 3])]), /\| CPU \| ≤ 1 \| 3\.00 \| 2\.00 to 4\.00 \| missed \|/);
});

test('ratios are taken within each round, and not where one side has no figure', () => {
  assert.deepEqual(ratios([2, 9, 4, null], [1, 3, null, 1]), [2, 3]);
  assert.deepEqual(ratios([2], [0]), []);
});
