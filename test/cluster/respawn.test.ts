// Who is replaced at once, who is waited for, and what the primary survives.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Liveness, PATIENCE } from '../../src/cluster/liveness.js';
import { isHopeless, Slot } from '../../src/cluster/respawn.js';
import { injected } from '../kit/app-copy.js';
import { type Daemon, type LogLine, request, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { ENGINE } from '../kit/on-node-http.js';
import { until } from '../kit/until.js';

const providers = [testProvider('http://127.0.0.1:9')];
const EARLY = 'a worker died before it was ready';

/** The process of worker number `id`, once it is ready. */
async function pidOf(daemon: Daemon, id: number): Promise<number> {
  const line = await daemon.waitFor(({ msg, worker }) => msg === 'worker ready' && worker === id);
  return Number(line['worker_pid']);
}

function died(daemon: Daemon, id: number): Promise<LogLine> {
  return daemon.waitFor(({ msg, worker }) => worker === id && (msg === 'a worker died' || msg.startsWith(EARLY)));
}

/** A directory for a test, gone when it ends. */
function scratch(): { path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'akprox-test-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

describe('a worker that was ready and died', () => {
  it('is replaced at once, however often', async () => {
    await using daemon = await startDaemon({ workers: 1, providers });
    for (let id = 1; id <= 6; id += 1) {
      process.kill(await pidOf(daemon, id), 'SIGKILL');
      const line = await died(daemon, id);
      assert.deepEqual([line.msg, line['restart_in_ms']], ['a worker died', 0]);
    }
    await pidOf(daemon, 7);
    assert.equal((await traefikCheck(daemon.http, 'http://whoami.localhost:8080/')).status, 302);
    assert.equal(await daemon.metric('akprox_worker_restarts_total'), 6);
  });
});

describe('a worker that dies before it is ready', () => {
  it('is waited for, longer each time, and holds nobody else back', async () => {
    using directory = scratch();
    const env = injected(directory.path, 'if ([3, 5].includes(id)) process.exit(7);');
    await using daemon = await startDaemon({ workers: 2, providers }, { env });
    // Their places are filled by 3, which dies, and 4; the next for the place of 3 is 5.
    const pids = [await pidOf(daemon, 1), await pidOf(daemon, 2)];
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    const first = await died(daemon, 3);
    assert.deepEqual([first.msg, first['exit'], first['restart_in_ms']], [EARLY, 7, 1_000]);
    const other = await pidOf(daemon, 4);
    assert.equal((await died(daemon, 5))['restart_in_ms'], 2_000);
    process.kill(other, 'SIGKILL');
    assert.equal((await died(daemon, 4))['restart_in_ms'], 0);
    // Both places are filled again, and the one that waited has forgotten it.
    const next = [await pidOf(daemon, 6), await pidOf(daemon, 7)];
    for (const pid of next) process.kill(pid, 'SIGKILL');
    for (const id of [6, 7]) assert.equal((await died(daemon, id))['restart_in_ms'], 0);
  });

  it('does not end the daemon when something from outside killed it', async () => {
    using directory = scratch();
    const env = injected(directory.path, "if (id === 1) process.kill(process.pid, 'SIGKILL');");
    await using daemon = await startDaemon({ workers: 1, providers }, { env });
    assert.equal((await died(daemon, 1))['restart_in_ms'], 1_000);
    assert.equal((await request(`${daemon.metrics}/readyz`)).status, 200);
  });
});

describe('Slot', () => {
  it('waits 1, 2, 4 … 30 s, not at all for one that was ready, and never again once it is closed', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let filled = 0;
    const slot = new Slot(() => {
      filled += 1;
    }, 0);
    for (const wait of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      assert.equal(slot.refill(false), wait);
      const before = filled;
      t.mock.timers.tick(wait - 1);
      assert.equal(filled, before);
      t.mock.timers.tick(1);
      assert.equal(filled, before + 1);
    }
    const before = filled;
    assert.equal(slot.refill(true), 0);
    assert.equal(filled, before + 1);
    assert.equal(slot.refill(false), 1_000);
    slot.close();
    t.mock.timers.tick(60_000);
    assert.equal(filled, before + 1);
  });
});

const noPrlimit = spawnSync('prlimit', ['--version']).status !== 0 && 'prlimit is not installed';

describe('a worker that cannot be forked', { skip: noPrlimit }, () => {
  it('is waited for; the primary and the others go on', async () => {
    await using daemon = await startDaemon({ workers: 2, providers });
    const limit = (files: string) => {
      const { status, stderr } = spawnSync('prlimit', ['--pid', String(daemon.child.pid), `--nofile=${files}:`], {
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
    };
    const victim = await pidOf(daemon, 1);
    limit('8');
    process.kill(victim, 'SIGKILL');
    await daemon.waitFor(({ msg, restart_in_ms }) => restart_in_ms === 1_000 && /^a worker /.test(msg));
    const check = async (): Promise<number> =>
      (await traefikCheck(daemon.http, 'http://whoami.localhost:8080/')).status;
    // With node:http the primary accepts, which takes a descriptor too.
    if (ENGINE === 'uWebSockets.js') assert.equal(await check(), 302);
    limit('4096');
    assert.equal(await check(), 302);
    await until(async () => (await daemon.metric('akprox_workers')) === 2);
  });
});

describe('the primary', () => {
  it('survives whatever a worker sends', async () => {
    using directory = scratch();
    const nonsense = [
      'null',
      '7',
      "'ready'",
      '{}',
      "{ type: 'report' }",
      "{ type: 'report', request: 'x' }",
      "{ type: 'counted' }",
      "{ type: 'counted', counts: [['akprox_checks_total', [[['whoami'], ['x']]]]] }",
      "{ type: 'counted', counts: [['akprox_session_cache_bytes', 5]] }",
      "{ type: 'counted', counts: [['nothing', [[[], [5]]]]] }",
      "{ type: 'health', request: {}, degraded: {} }",
      "{ type: 'configured' }",
      "{ type: 'revoke' }",
      "{ type: 'misconfigured' }",
      "{ type: '__proto__' }",
    ];
    const env = injected(
      directory.path,
      `const say = () => { for (const message of [${nonsense.join(', ')}]) if (process.connected) process.send(message); };
       if (id === 1) { say(); process.on('message', say); }`,
    );
    await using daemon = await startDaemon({ workers: 2, providers }, { env });
    // Asked for a report, worker 1 answers with nonsense behind the true one.
    await request(`${daemon.metrics}/metrics`);
    assert.equal((await request(`${daemon.metrics}/readyz`)).status, 200);
    assert.equal((await traefikCheck(daemon.http, 'http://whoami.localhost:8080/')).status, 302);
    const heard = daemon.lines.filter(({ msg }) => msg === 'a message of a worker was not understood');
    assert.equal(heard.length, 1, 'one line a minute');
    process.kill(await pidOf(daemon, 1), 'SIGKILL');
    await pidOf(daemon, 3);
    assert.equal((await request(`${daemon.metrics}/metrics`)).status, 200);
    assert.equal(await daemon.metric('akprox_workers'), 2);
  });
});

describe('a worker in which something throws again and again', () => {
  it('goes on answering, and says so once', async () => {
    using directory = scratch();
    const env = injected(
      directory.path,
      `const timer = setInterval(() => {
         if (process.listenerCount('uncaughtException') === 0) return;
         clearInterval(timer);
         const fail = () => { throw new Error('injected'); };
         for (let i = 0; i < 200; i += 1) setImmediate(fail);
       }, 1);`,
    );
    await using daemon = await startDaemon({ workers: 1, providers }, { env });
    await daemon.waitFor(({ msg }) => msg === 'an unexpected error');
    for (let i = 0; i < 50; i += 1) {
      assert.equal((await traefikCheck(daemon.http, 'http://whoami.localhost:8080/')).status, 302);
    }
    await daemon.stop();
    assert.equal(daemon.lines.filter(({ msg }) => msg === 'an unexpected error').length, 1);
    assert.ok(!daemon.lines.some(({ msg }) => msg.startsWith('a worker died')));
  });
});

describe('Liveness', () => {
  it('is red once nobody has been ready for a while, from the start and later', () => {
    let now = 0;
    const liveness = new Liveness(() => now);
    now = PATIENCE - 1;
    assert.equal(liveness.problem(), null);
    now = PATIENCE;
    assert.match(liveness.problem() ?? '', /^no worker has been ready for 10 s/);
    liveness.update(1);
    assert.equal(liveness.problem(), null);
    now += 10 * PATIENCE;
    assert.equal(liveness.problem(), null);
    liveness.update(0);
    now += PATIENCE - 1;
    liveness.update(0); // another one that did not make it changes nothing
    assert.equal(liveness.problem(), null);
    now += 1;
    assert.notEqual(liveness.problem(), null);
  });
});

describe('isHopeless', () => {
  it('tells what ends the same way each time from what may pass', () => {
    for (const code of [0, 1, 7]) assert.equal(isHopeless({ code, signal: null }), true);
    for (const signal of ['SIGABRT', 'SIGILL', 'SIGSEGV']) assert.equal(isHopeless({ code: null, signal }), true);
    for (const signal of ['SIGKILL', 'SIGTERM', null]) assert.equal(isHopeless({ code: null, signal }), false);
  });
});
