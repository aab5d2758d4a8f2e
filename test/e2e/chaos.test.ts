// A worker is killed under load: only the checks in flight on it are lost, and no verdict is wrong. More faults, and for longer:
// bench/chaos.ts.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { killWorker } from '../../bench/chaos-kill.js';
import { startScene } from '../../bench/chaos-scene.js';
import { until } from '../kit/until.js';

it('kill -9 of each worker in turn loses the checks in flight on it and no others', {
  skip: process.platform === 'linux' ? false : 'it reads /proc',
}, async () => {
  await using scene = await startScene({ fresh: 300, connections: 12 });
  const { load } = scene;
  const victims = new Set<number>();
  for (let i = 0; i < 2; i += 1) {
    const killed = await killWorker(scene);
    victims.add(killed.pid);
    const { sent } = load.tally;
    await until(() => load.tally.sent > sent + 500);
    const { onKilled, elsewhere, refused, refusedThen } = killed.losses();
    assert.equal(elsewhere, 0);
    assert.equal(refused, refusedThen, 'refused although a worker was there');
    assert.ok(onKilled <= 12, 'one check at a time on each connection');
  }
  const { wrong, unavailable, hung, examples, allowed, challenged } = load.tally;
  assert.equal(victims.size, 2);
  assert.deepEqual({ wrong, unavailable, hung }, { wrong: 0, unavailable: 0, hung: 0 }, examples.join('\n'));
  assert.ok(allowed > 0 && challenged > 0);
});
