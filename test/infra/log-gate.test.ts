// What a request can make the log write: once a minute and kind, nothing lost from the count, whatever a client chooses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { createGatedLog, createLogGate } from '../../src/infra/log-gate.js';

const MINUTE = 60_000;

test('a kind is written once a minute, and the next line says how many were held back', () => {
  let now = 0;
  const gate = createLogGate(() => now);
  assert.equal(gate.pass('a'), 0);
  for (let i = 0; i < 2_000; i += 1) assert.equal(gate.pass('a'), null);
  assert.equal(gate.pass('b'), 0);
  now = MINUTE - 1;
  assert.equal(gate.pass('a'), null);
  now = MINUTE;
  assert.equal(gate.pass('a'), 2_001);
  assert.equal(gate.pass('a'), null);
});

test('what a client chooses makes a handful of lines, hides no other kind and loses no count', () => {
  let now = 0;
  const gate = createLogGate(() => now);
  assert.equal(gate.pass('login'), 0);
  for (let i = 0; i < 3; i += 1) gate.pass('login');
  let written = 0;
  for (let i = 0; i < 100_000; i += 1) if (gate.pass('host', `h${i}.example`) !== null) written += 1;
  assert.equal(written, 5);
  assert.equal(gate.pass('store'), 0);
  now = MINUTE;
  assert.equal(gate.pass('login'), 3);
  assert.equal(gate.pass('host', 'h1.example'), 100_000 - 5);
});

test('whatever is written of one text, at however many providers, hides no line of another', () => {
  const gate = createLogGate(() => 0);
  let written = 0;
  for (let i = 0; i < 2_000; i += 1) if (gate.pass(`a step failed\0provider ${i}`, 'callback') !== null) written += 1;
  assert.ok(written <= 200, `${written} lines`);
  assert.equal(gate.pass('the store cannot be read\0provider 7'), 0);
});

test('for any sequence: lines and held-back ones add up, and nothing is written twice within a minute', () => {
  const step = fc.record({
    kind: fc.constantFrom('a', 'b', 'c'),
    about: fc.constantFrom('', ...'123456789'),
    wait: fc.constantFrom(0, 0, 0, 1_000, 20_000, 61_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      let now = 0;
      const gate = createLogGate(() => now);
      const asked = new Map<string, number>();
      const told = new Map<string, number>();
      const last = new Map<string, number>();
      const times = new Map<string, number[]>();
      for (const { kind, about, wait } of steps) {
        now += wait;
        asked.set(kind, (asked.get(kind) ?? 0) + 1);
        const held = gate.pass(kind, about);
        if (held === null) continue;
        told.set(kind, (told.get(kind) ?? 0) + held + 1);
        const name = `${kind} ${about}`;
        assert.ok(now - (last.get(name) ?? Number.NEGATIVE_INFINITY) >= MINUTE, name);
        last.set(name, now);
        const recent = [...(times.get(kind) ?? []), now].filter((time) => time > now - MINUTE);
        assert.ok(recent.length <= 5, kind);
        times.set(kind, recent);
      }
      now += 2 * MINUTE;
      for (const [kind, count] of asked) assert.equal((gate.pass(kind) ?? Number.NaN) + (told.get(kind) ?? 0), count);
    }),
  );
});

test('the kind is the text and what we choose of the facts; a level that is off is not counted', () => {
  const lines: Record<string, unknown>[] = [];
  let now = 0;
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const gated = createGatedLog(log, () => now);
  for (let i = 0; i < 1_000; i += 1) {
    gated.warn({ provider: 'one', code: 'x', host: `h${i}` }, 'text');
    gated.warn({ provider: 'two', code: 'x', host: `h${i}` }, 'text');
    gated.warn({ provider: 'one', code: 'y' }, 'text');
    gated.debug({ provider: 'one', code: 'y' }, 'text');
  }
  assert.equal(lines.length, 3);
  now = MINUTE;
  gated.warn({ provider: 'one', code: 'y' }, 'text');
  assert.deepEqual([lines.length, lines.at(-1)?.['held']], [4, 999]);
});
