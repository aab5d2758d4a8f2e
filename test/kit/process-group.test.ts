import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { endsWithTest } from './ends-with-test.js';
import { startGroup } from './process-group.js';
import { until } from './until.js';

/** A server with a child of its own; both say their process ids, and neither ends by itself. */
const SERVER = ['-c', 'sleep 1000 & echo "[$$,$!]"; wait'];

const isGone = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
};

describe('a process group of a test', () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    it(`ends whole with ${signal}`, async () => {
      const group = startGroup('sh', SERVER);
      await until(() => group.output().includes(']'));
      const pids = JSON.parse(group.output()) as number[];
      await group.stop(signal);
      assert.equal(group.running(), false);
      await until(() => pids.every(isGone));
    });
  }

  it('ends whole when the test is killed', async () => {
    const script = `
      import { startGroup } from '${new URL('process-group.ts', import.meta.url)}';
      const group = startGroup('sh', ${JSON.stringify(SERVER)});
      setInterval(() => group.output().includes(']') && process.stdout.write(group.output()), 10);
    `;
    const owner = endsWithTest(
      spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    const [said] = (await once(owner.stdout, 'data')) as [Buffer];
    const pids = JSON.parse(said.toString().split('\n')[0] ?? '') as number[];
    assert.ok(pids.length === 2 && !pids.some(isGone));
    owner.kill('SIGKILL');
    await until(() => pids.every(isGone));
  });

  it('says why a program cannot be started', async () => {
    const group = startGroup('/there/is/no/such/program', []);
    await group.ended;
    assert.match(group.output(), /no\/such\/program/);
  });
});
