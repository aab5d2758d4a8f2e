// What the primary asks of its workers, and when it stops waiting for them.
import assert from 'node:assert/strict';
import type { Worker } from 'node:cluster';
import { describe, it } from 'node:test';
import type { ToWorker } from '../../src/cluster/messages.js';
import { Questions } from '../../src/cluster/questions.js';
import type { WorkerState } from '../../src/cluster/workers.js';

function asked(ids: readonly number[]) {
  const sent: { id: number; message: ToWorker }[] = [];
  let timeIsUp = (): void => {};
  const workers = {
    ready: () => ids.map((id) => ({ worker: { id } as Worker }) as WorkerState),
    send: ({ id }: Worker, message: ToWorker) => void sent.push({ id, message }),
  };
  const timers = {
    after: (_ms: number, work: () => void) => {
      timeIsUp = work;
      return () => {};
    },
  };
  const questions = new Questions(workers, timers);
  return { questions, sent, timeIsUp: () => timeIsUp() };
}

describe('a question', () => {
  it('goes to every ready worker and ends with the last answer; each trouble is named once', async () => {
    const { questions, sent } = asked([1, 2, 3]);
    const answer = questions.ask('health');
    assert.deepEqual(
      sent.map(({ id, message }) => [id, message.type]),
      [
        [1, 'health'],
        [2, 'health'],
        [3, 'health'],
      ],
    );
    for (const [id, degraded] of [
      [1, 'no store'],
      [2, null],
      [3, 'no store'],
    ] as const)
      questions.answered(id, { type: 'health', request: 1, degraded });
    assert.deepEqual(await answer, ['no store']);
  });

  it('ends without those that died, without those that take too long, and at once when there is nobody', async () => {
    const { questions, timeIsUp } = asked([1, 2]);
    const first = questions.ask('health');
    questions.answered(1, { type: 'health', request: 1, degraded: null });
    questions.gone(2);
    assert.deepEqual(await first, []);
    const second = questions.ask('health');
    questions.answered(2, { type: 'health', request: 2, degraded: 'slow' });
    timeIsUp();
    assert.deepEqual(await second, ['slow']);
    assert.deepEqual(await asked([]).questions.ask('report'), []);
  });

  it('is not ended by an answer to another one', async () => {
    const { questions } = asked([1]);
    let ended = false;
    const answer = questions.ask('health').then(() => {
      ended = true;
    });
    questions.answered(1, { type: 'health', request: 99, degraded: null });
    questions.answered(2, { type: 'health', request: 1, degraded: null });
    await Promise.resolve();
    assert.equal(ended, false);
    questions.answered(1, { type: 'health', request: 1, degraded: null });
    await answer;
  });
});
