// A worker that lives and answers nobody is killed, so that another takes its place; one that says anything is not.
import assert from 'node:assert/strict';
import type { Worker } from 'node:cluster';
import { describe, it } from 'node:test';
import pino from 'pino';
import type { ToWorker } from '../../src/cluster/messages.js';
import { Pulse } from '../../src/cluster/pulse.js';
import type { WorkerState } from '../../src/cluster/workers.js';
import { createFakeTimers, type MovableClock } from '../kit/fake-timers.js';

function felt(ids: readonly number[]) {
  const clock: MovableClock = { time: 0 };
  const timers = createFakeTimers(clock);
  const killed: number[] = [];
  const lines: string[] = [];
  const asked: { id: number; message: ToWorker }[] = [];
  const states = ids.map((id) => {
    const process = { pid: 100 + id, kill: () => killed.push(id) > 0 };
    return { worker: { id, process } as unknown as Worker } as WorkerState;
  });
  const workers = {
    ready: () => states.filter(({ worker }) => !killed.includes(worker.id)),
    send: ({ id }: Worker, message: ToWorker) => void asked.push({ id, message }),
  };
  const log = pino({ base: null }, { write: (line: string) => void lines.push(line) });
  const pulse = new Pulse({ workers, timers, log });
  return { pulse, timers, killed, lines, asked, states };
}

describe('the pulse of the workers', () => {
  it('kills who has not answered six times, and says so; not who answers', async () => {
    const { pulse, timers, killed, lines, asked } = felt([1, 2]);
    pulse.start();
    for (let turn = 0; turn < 6; turn += 1) {
      await timers.advance(5_000);
      pulse.heard(2);
    }
    assert.deepEqual([asked.length, killed], [12, []]);
    await timers.advance(5_000);
    assert.deepEqual(killed, [1]);
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /"worker":1,"worker_pid":101,"msg":"a worker has not answered for 30 s: it is killed/);
    pulse.heard(2);
    await timers.advance(5_000);
    assert.equal(asked.at(-1)?.id, 2);
    pulse.stop();
    await timers.advance(600_000);
    assert.deepEqual([killed, asked.at(-1)?.message.type], [[1], 'health']);
  });

  it('begins anew with whoever is heard once', async () => {
    const { pulse, timers, killed } = felt([1]);
    pulse.start();
    await timers.advance(30_000);
    pulse.heard(1);
    await timers.advance(30_000);
    assert.deepEqual(killed, []);
    await timers.advance(5_000);
    assert.deepEqual(killed, [1]);
  });
});
