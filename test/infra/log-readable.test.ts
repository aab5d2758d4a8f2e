// The log at a terminal.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readable } from '../../src/infra/log-readable.js';

const FACTS = { level: 'info', time: '2026-11-26T13:00:00.123Z', name: 'worker', pid: 7, provider: 'whoami' };
const line = (more: object): string => `${JSON.stringify({ ...FACTS, ...more })}\n`;

describe('a line for a person', () => {
  it('has time, level and text in front, and what else there is behind', () => {
    assert.equal(
      readable(line({ path: '/a b', held: 2, msg: 'check denied' })),
      '13:00:00.123 INFO  worker/7 check denied provider=whoami path="/a b" held=2\n',
    );
  });

  it('cannot be made to move the cursor, end a line or turn the text round', () => {
    const shown = readable(line({ path: '\u001b[2J\u009b1A\nx\u202ey\u2028z\u{e0041}', msg: 'a\u001bb\nc' }));
    assert.match(shown.slice(0, -1), /^[ -~]*$/);
    assert.ok(shown.endsWith('\n'));
  });

  it('is left alone when it is none', () => {
    for (const other of ['plain\n', '7\n', 'null\n', '{\n']) assert.equal(readable(other), other);
  });
});
