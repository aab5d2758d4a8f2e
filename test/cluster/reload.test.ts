// SIGHUP: what changes nothing, and when the change is said.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stringify } from 'yaml';
import { extentOf, refusal, withoutRestart } from '../../src/cluster/reload.js';
import { Rollout } from '../../src/cluster/rollout.js';
import { loadConfig } from '../../src/config/load.js';
import type { Timers } from '../../src/infra/timers.js';
import { configOf } from '../kit/application.js';
import { type Daemon, type LogLine, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { APP } from '../kit/world.js';

const whoami = testProvider('http://127.0.0.1:9');
const second = testProvider('http://127.0.0.1:9', { name: 'second', external_host: 'http://second.localhost:8080' });
const CHANGED = 'the configuration was changed';

/** SIGHUP, and the line that says what came of it. */
function reload(daemon: Daemon): Promise<LogLine> {
  const before = daemon.lines.length;
  daemon.child.kill('SIGHUP');
  return daemon.waitFor((line) => daemon.lines.indexOf(line) >= before && line.msg.startsWith('the configuration was'));
}

describe('a reload of a file that is empty, or has no provider where there were some', () => {
  it('changes nothing and says why', async () => {
    await using daemon = await startDaemon({ workers: 1, providers: [whoami] });
    const good = readFileSync(daemon.configPath, 'utf8');
    const refused: readonly [string, RegExp][] = [
      ['', /not changed: the file is empty/],
      ['\n# all gone\n', /not changed: the file is empty/],
      ['{}\n', /not changed: the file is empty/],
      ['providers: []\n', /not changed: it has no provider where there were 1/],
      ['log: { level: warn }\n', /not changed: it has no provider where there were 1/],
    ];
    for (const [text, says] of refused) {
      writeFileSync(daemon.configPath, text);
      const line = await reload(daemon);
      assert.match(line.msg, says);
      assert.equal(line.level, 'error');
      assert.equal((await traefikCheck(daemon.http, `${APP}/`)).status, 302, JSON.stringify(text));
      assert.equal(await daemon.metric('akprox_config_last_reload_successful'), 0);
    }
    writeFileSync(daemon.configPath, good);
    assert.equal((await reload(daemon)).msg, CHANGED);
    assert.equal(await daemon.metric('akprox_config_last_reload_successful'), 1);
  });

  it('is judged by what was taken last, file and providers alike', () => {
    const load = (files: Record<string, string>) => {
      const env = { AUTHENTIK_HOST: 'https://auth.company.tld', AUTHENTIK_TOKEN: 'token' };
      const readFile = (path: string): string => {
        const text = files[path];
        if (text === undefined) throw Object.assign(new Error('gone'), { code: 'ENOENT' });
        return text;
      };
      const loaded = loadConfig({ env, cwd: '/etc', readFile });
      assert.ok(loaded.ok, JSON.stringify(loaded));
      return loaded;
    };
    const file = (text: string) => load({ '/etc/akprox.yaml': text });
    const level = file('log: { level: warn }');
    const provider = file(stringify({ providers: [whoami] }));
    // authentik's providers need no file, so a file without any is as good as none.
    assert.equal(refusal(extentOf(load({})), load({})), null);
    assert.equal(refusal(extentOf(file('')), file('')), null);
    assert.equal(refusal(extentOf(load({})), level), null);
    assert.equal(refusal(extentOf(level), level), null);
    assert.equal(refusal(extentOf(level), provider), null);
    assert.equal(refusal(extentOf(level), file('')), 'the file is empty');
    assert.equal(refusal(extentOf(level), load({})), 'the file is gone');
    assert.equal(refusal(extentOf(provider), load({})), 'the file is gone');
    assert.match(refusal(extentOf(provider), level) ?? '', /^it has no provider where there were 1/);
  });
});

describe('a reload of what cannot be put in force', () => {
  it('changes nothing when a certificate is missing', async () => {
    await using daemon = await startDaemon({ workers: 1, providers: [whoami], listen: { https: '127.0.0.1:0' } });
    const tls = { cert: join(daemon.directory, 'missing.pem'), key: join(daemon.directory, 'missing-key.pem') };
    daemon.writeConfig({ providers: [whoami, { ...second, external_host: 'https://second.localhost', tls }] });
    assert.match((await reload(daemon)).msg, /^the configuration was not changed/);
    assert.ok(daemon.lines.some(({ setting }) => setting === 'providers[1].tls.cert'));
    assert.equal((await traefikCheck(daemon.http, `${APP}/`)).status, 302);
    rmSync(daemon.configPath);
    assert.match((await reload(daemon)).msg, /^the configuration was not changed/);
    assert.equal((await traefikCheck(daemon.http, `${APP}/`)).status, 302);
  });
});

describe('"the configuration was changed"', () => {
  it('is said when every worker has it: one that does not answer is named, one that is forked meanwhile begins with it', async () => {
    await using daemon = await startDaemon({ workers: 2, providers: [whoami] });
    const pids = daemon.lines.filter(({ msg }) => msg === 'worker ready');
    const [stopped, victim] = pids;
    assert.ok(stopped && victim);
    const pid = Number(stopped['worker_pid']);
    process.kill(pid, 'SIGSTOP');
    try {
      daemon.writeConfig({ providers: [whoami, second] });
      daemon.child.kill('SIGHUP');
      const late = await daemon.waitFor(({ msg }) => msg.startsWith('workers have not acknowledged'));
      assert.deepEqual([late['workers'], late['generation']], [[stopped['worker']], 1]);
      assert.ok(!daemon.lines.some(({ msg }) => msg === CHANGED));
      process.kill(Number(victim['worker_pid']), 'SIGKILL');
      await daemon.waitFor(({ msg, worker }) => msg === 'worker ready' && worker === 3);
      assert.ok(!daemon.lines.some(({ msg }) => msg === CHANGED));
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await daemon.waitFor(({ msg }) => msg === CHANGED);
    // New connections, so both are asked.
    const asked = Array.from({ length: 24 }, () => traefikCheck(daemon.http, 'http://second.localhost:8080/'));
    assert.deepEqual(new Set((await Promise.all(asked)).map(({ status }) => status)), new Set([302]));
  });
});

describe('Rollout', () => {
  function rollout() {
    const said: unknown[] = [];
    const waits: (() => void)[] = [];
    const timers: Timers = {
      after: (_ms, work) => {
        waits.push(work);
        return () => {};
      },
    };
    const events = {
      done: (generation: number, problems: readonly string[]) => said.push(['done', generation, ...problems]),
      late: (generation: number, workers: readonly number[]) => said.push(['late', generation, ...workers]),
    };
    /** Time's up for the oldest configuration whose time is not up yet. */
    return { it: new Rollout(timers, events), said, timeIsUp: () => waits.shift()?.() };
  }

  it('ends with the last acknowledgement, with an end, or at once when there is nobody', () => {
    const { it: one, said, timeIsUp } = rollout();
    assert.equal(one.begin([]), 1);
    assert.deepEqual(said.splice(0), [['done', 1]]);
    assert.equal(one.begin([4, 5, 6]), 2);
    one.acknowledged(4, 2, null);
    one.acknowledged(4, 2, null);
    one.gone(5);
    one.gone(7);
    one.acknowledged(9, 2, null);
    assert.deepEqual(said, []);
    one.acknowledged(6, 2, null);
    assert.deepEqual(said.splice(0), [['done', 2]]);
    one.gone(6);
    timeIsUp();
    assert.deepEqual(said, []);
  });

  it('says each problem once, and only of the newest', () => {
    const { it: one, said } = rollout();
    one.begin([1, 2]);
    one.acknowledged(1, 1, 'old');
    one.begin([1, 2]);
    one.acknowledged(2, 1, 'old');
    one.acknowledged(1, 2, 'no file');
    one.acknowledged(2, 2, 'no file');
    assert.deepEqual(said, [['done', 2, 'no file']]);
  });

  it('names who is late, however fast configurations follow each other, and is done once with the newest', () => {
    const { it: one, said, timeIsUp } = rollout();
    one.begin([1, 2]);
    one.begin([1, 2]);
    one.acknowledged(1, 1, null);
    one.acknowledged(1, 2, null);
    one.begin([1, 2]);
    timeIsUp();
    assert.deepEqual(said.splice(0), [['late', 1, 2]]);
    one.acknowledged(2, 1, null);
    timeIsUp();
    assert.deepEqual(said.splice(0), [['late', 2, 2]]);
    one.acknowledged(2, 2, null);
    one.acknowledged(2, 3, null);
    assert.deepEqual(said, []);
    one.acknowledged(1, 3, null);
    timeIsUp();
    assert.deepEqual(said, [['done', 3]]);
  });
});

describe('what a reload changes of `listen`', () => {
  it('is its certificate; an address waits for a restart, and is named', () => {
    const pair = { cert: '/run/a.pem', key: '/run/a-key.pem' };
    const started = configOf({ listen: { https: '127.0.0.1:0' } });
    const running = { ...started, listen: { ...started.listen, https: '127.0.0.1:4711' } };
    const renewed = { ...started, listen: { ...started.listen, tls: pair } };
    assert.deepEqual(withoutRestart(renewed, running, started).config.listen, { ...running.listen, tls: pair });
    assert.deepEqual(withoutRestart(renewed, running, started).ignored, []);
    const moved = { ...renewed, listen: { ...renewed.listen, https: '127.0.0.1:1' } };
    assert.deepEqual(withoutRestart(moved, running, started).config.listen, { ...running.listen, tls: pair });
    assert.deepEqual(withoutRestart(moved, running, started).ignored, ['listen']);
    assert.deepEqual(withoutRestart(started, { ...running, listen: { ...running.listen, tls: pair } }, renewed), {
      config: running,
      ignored: [],
    });
  });
});
