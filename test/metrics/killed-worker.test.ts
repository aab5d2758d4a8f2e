// What a worker has counted and told by itself survives its end; nobody has to have scraped for that.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { injected } from '../kit/app-copy.js';
import { startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { until } from '../kit/until.js';

const URL_OF_APP = 'http://whoami.localhost:8080/';
const CHALLENGED = ['akprox_checks_total', 'result="challenged"'] as const;

/** In the worker: says on standard error how many challenges it has told the primary of, once the message is on its way. */
const SAYS_WHAT_IT_TOLD = `
  const send = process.send.bind(process);
  let challenges = 0;
  process.send = (message) => send(message, undefined, undefined, () => {
    if (message.type !== 'counted') return;
    for (const [name, rows] of message.counts)
      if (name === 'akprox_checks_total') for (const [, [, , challenged = 0]] of rows) challenges += challenged;
    process.stderr.write('told: ' + id + ', ' + challenges + ';');
  });`;

it('a worker that is killed leaves what it had told by itself, and no counter falls', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
  try {
    const env = injected(directory, SAYS_WHAT_IT_TOLD);
    await using daemon = await startDaemon({ workers: 1, providers: [testProvider('http://127.0.0.1:9')] }, { env });
    for (const id of [1, 2]) {
      const ready = await daemon.waitFor(({ msg, worker }) => msg === 'worker ready' && worker === id);
      for (let i = 0; i < 5; i += 1) assert.equal((await traefikCheck(daemon.http, URL_OF_APP)).status, 302);
      await until(() => daemon.stray().includes(`told: ${id}, 5;`));
      process.kill(Number(ready['worker_pid']), 'SIGKILL');
      await daemon.waitFor(({ msg, worker }) => msg === 'a worker died' && worker === id);
    }
    // Whether the primary reads a worker's last message or hears of its end first is not said.
    await until(async () => (await daemon.metric(...CHALLENGED)) === 10);
    assert.equal(await daemon.metric('akprox_worker_restarts_total'), 2);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
