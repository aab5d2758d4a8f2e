// What the tests stand on: no process of a test outlives it, however it ends, and no port is handed out twice.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { endsWithTest } from './ends-with-test.js';
import { freePorts } from './ports.js';
import { until } from './until.js';

const TESTS = fileURLToPath(new URL('..', import.meta.url));
const HELPER = new URL('ends-with-test.ts', import.meta.url).href;

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A process that nobody has collected yet is dead all the same.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('a child process of a test', () => {
  for (const how of ['SIGTERM', 'SIGINT', 'SIGHUP', 'exit', 'exception'] as const) {
    it(`ends with it: ${how}`, async () => {
      const ending = { exit: 'process.exit(0)', exception: 'throw new Error("on purpose")' };
      const script = `
        import { spawn } from 'node:child_process';
        import { endsWithTest } from '${HELPER}';
        const child = endsWithTest(spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }));
        console.log(child.pid);
        process.stdin.once('data', () => { ${how === 'exit' || how === 'exception' ? ending[how] : ''} });
      `;
      const args = ['--import', 'tsx', '--input-type=module', '-e', script];
      const parent = endsWithTest(spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'] }));
      const ended = once(parent, 'exit');
      const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
      const pid = Number(line);
      assert.ok(alive(pid));
      if (how === 'exit' || how === 'exception') parent.stdin.write('now\n');
      else parent.kill(how);
      const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
      assert.equal(signal ?? code, how === 'exit' ? 0 : how === 'exception' ? 1 : how);
      await until(() => !alive(pid));
    });
  }

  it('is always started so that it does', () => {
    const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    // The demo stops its own, and is itself stopped by the test; this file writes one into a script.
    const own = ['kit/demo/children.ts', 'kit/kit.test.ts'];
    const bare = files
      .filter((file) => !own.includes(file))
      .filter((file) =>
        /(?<!endsWithTest\(\s*)\b(?:spawn|fork|execFile)\(/.test(readFileSync(join(TESTS, file), 'utf8')),
      );
    assert.deepEqual(bare, []);
  });
});

describe('a free port', () => {
  it('is given once', async () => {
    const ports = (await Promise.all([freePorts(100), freePorts(100), freePorts(100)])).flat();
    assert.equal(new Set(ports).size, 300);
  });
});
