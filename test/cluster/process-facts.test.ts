// What the kernel says of the processes of the daemon, added up; and that CPU time does not fall when one of them ends.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Processes, type ProcFiles } from '../../src/cluster/process-facts.js';

/** By process: ticks in user and in kernel mode. Its name is what a name may be. */
function kernel(ticks: Record<number, [number, number]>): ProcFiles {
  const files: Record<string, string> = {};
  for (const [pid, [user, system]] of Object.entries(ticks)) {
    files[`/proc/${pid}/stat`] = `${pid} (node) S) R 1 ${pid} 0 0 -1 0 0 0 0 0 ${user} ${system} 0 0 20 0 11 0 5 6 7\n`;
    files[`/proc/${pid}/status`] = 'Name:\tnode\nVmSize:\t    2000 kB\nVmRSS:\t     100 kB\n';
    files[`/proc/${pid}/limits`] = 'Limit  Soft  Hard\nMax open files            1024                 4096   files\n';
  }
  return {
    read: (path) => files[path] ?? assert.fail(path),
    count: () => 7,
  };
}

describe('the processes of the daemon', () => {
  it('are added up', () => {
    const processes = new Processes(5_000, kernel({ 1: [150, 50], 2: [100, 0] }));
    assert.deepEqual(processes.look([1, 2]), {
      cpuSeconds: 3,
      residentBytes: 204_800,
      virtualBytes: 4_096_000,
      openFds: 14,
      maxFds: 2_048,
      startTime: 5,
    });
  });

  it('keep the CPU time of those that ended, or end just now', () => {
    const ticks: Record<number, [number, number]> = { 1: [100, 0], 2: [200, 0], 3: [300, 0] };
    const files = { read: (path: string) => kernel(ticks).read(path), count: () => 7 };
    const processes = new Processes(0, files);
    assert.equal(processes.look([1, 2, 3])?.cpuSeconds, 6);
    delete ticks[3];
    assert.equal(processes.look([1, 2, 3])?.cpuSeconds, 6);
    delete ticks[2];
    ticks[4] = [50, 0];
    assert.equal(processes.look([1, 4])?.cpuSeconds, 6.5);
  });

  it('are none where the kernel does not tell', () => {
    assert.equal(new Processes(0, kernel({})).look([1, 2]), null);
  });
});
