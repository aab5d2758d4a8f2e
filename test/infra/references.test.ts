// The reference on a page is in the log, always: that of its own line, or of the line of its kind that was written instead.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { createGatedLog } from '../../src/infra/log-gate.js';
import { References } from '../../src/infra/references.js';

const FACTS = { provider: 'whoami', code: 'idp_rejected' };

describe('references', () => {
  let time = 0;
  let lines: Record<string, unknown>[] = [];
  beforeEach(() => {
    time = 0;
    lines = [];
  });
  const create = (level = 'info'): References => {
    const log = pino({ level }, { write: (line: string) => lines.push(JSON.parse(line)) });
    return new References(
      createGatedLog(log, () => time),
      randomBytes,
    );
  };
  const logged = (): unknown[] => lines.map(({ reference }) => reference);

  it('are eight signs that are not misread, of their own for each line', () => {
    const references = create();
    const all = Array.from({ length: 100 }, (_, i) => references.write('warn', { ...FACTS, provider: `p${i}` }, 'x'));
    for (const reference of all) assert.match(reference ?? '', /^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$/);
    assert.equal(new Set(all).size, 100);
    assert.deepEqual(logged(), all);
  });

  it('are those of the line that is in the log while others of its kind are held back', () => {
    const references = create();
    const first = references.write('warn', FACTS, 'failed', 'callback');
    assert.equal(references.write('warn', FACTS, 'failed', 'callback'), first);
    const other = references.write('warn', FACTS, 'failed', 'start');
    assert.notEqual(other, first);
    assert.equal(references.write('warn', FACTS, 'failed', 'callback'), first);
    time = 60_001;
    const next = references.write('warn', FACTS, 'failed', 'callback');
    assert.notEqual(next, first);
    assert.deepEqual(logged(), [first, other, next]);
  });

  it('are none when no line is written', () => {
    const references = create('error');
    assert.equal(references.write('warn', FACTS, 'failed'), null);
    assert.notEqual(references.write('error', FACTS, 'failed'), null);
    assert.equal(lines.length, 1);
  });
});
