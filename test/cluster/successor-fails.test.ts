// SIGUSR2 when nothing comes of it: the daemon goes on, and says why in one line.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type AppCopy, copyApp } from '../kit/app-copy.js';
import { type Daemon, type LogLine, request, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { servingPid, succeed } from '../kit/successors.js';
import { until } from '../kit/until.js';
import { APP } from '../kit/world.js';

const linux = process.platform === 'linux' ? false : 'uWebSockets.js shares a port between processes on Linux';
const FAILED = 'the successor cannot start, this daemon goes on: ';

describe('a successor that cannot start', { skip: linux }, () => {
  let app: AppCopy;
  let daemon: Daemon;
  let good = '';
  /** To the version that counts. */
  let link = '';
  before(async () => {
    app = copyApp();
    link = `${app.directory}.current`;
    symlinkSync(app.directory, link);
    daemon = await startDaemon(
      { workers: 1, providers: [testProvider('http://127.0.0.1:9')] },
      { main: join(link, 'dist', 'main.js'), succeeds: true },
    );
    good = readFileSync(daemon.configPath, 'utf8');
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
    rmSync(link, { force: true });
    app?.remove();
  });

  it('would replace a daemon whose workers are of the version of that daemon, wherever the link leads by then', async () => {
    rmSync(link);
    symlinkSync('/nowhere', link);
    const ready = ({ msg }: LogLine): boolean => msg === 'worker ready';
    const former = daemon.lines.findLast(ready);
    process.kill(Number(former?.['worker_pid']), 'SIGKILL');
    const next = await daemon.waitFor(
      (line) => line !== former && (ready(line) || /before it was ready/.test(line.msg)),
    );
    assert.equal(next.msg, 'worker ready');
    rmSync(link);
    symlinkSync(app.directory, link);
  });

  async function fails(): Promise<LogLine> {
    const line = await succeed(daemon, ({ msg }) => msg.startsWith(FAILED));
    assert.equal(line.level, 'error');
    assert.equal(line['pid'], daemon.child.pid);
    assert.equal((await traefikCheck(daemon.http, `${APP}/`)).status, 302);
    assert.equal((await request(`${daemon.metrics}/readyz`)).status, 200);
    return line;
  }

  /** Each of these files of the build in turn, as somebody broke it. */
  async function failsWith(file: string, text: string): Promise<LogLine> {
    const path = join(app.directory, 'dist', file);
    const whole = readFileSync(path, 'utf8');
    writeFileSync(path, text);
    try {
      return await fails();
    } finally {
      writeFileSync(path, whole);
    }
  }

  const configurations: readonly [string, string, RegExp][] = [
    ['has a problem', 'workers: none\n', /: workers, line 1: /],
    ['is empty', '', /: the configuration: the file is empty$/],
    ['has no provider any more', 'providers: []\n', /: the configuration: it has no provider where there were 1/],
  ];
  for (const [what, text, says] of configurations) {
    it(`because the configuration ${what} leaves the daemon as it is`, async () => {
      writeFileSync(daemon.configPath, text);
      assert.match((await fails()).msg, says);
      writeFileSync(daemon.configPath, good);
    });
  }

  it('because its code is broken leaves the daemon as it is', async () => {
    assert.match((await failsWith('main.js', 'not code')).msg, /it ended with exit code 1$/);
    assert.match((await failsWith('cluster/primary.js', 'not code')).msg, /Unexpected identifier/);
  });

  it('because its workers are leaves the daemon as it is', async () => {
    assert.match(
      (await failsWith('cluster/worker.js', 'not code')).msg,
      /a worker cannot be loaded: .*install akprox again/,
    );
    assert.match(
      (await failsWith('cluster/start-worker.js', 'process.exit(7)')).msg,
      /a worker ended before it was ready \(exit code 7\)/,
    );
  });

  it('because somebody ended it leaves the daemon as it is', async () => {
    const { successor } = await succeed(daemon, ({ msg }) => msg === 'SIGUSR2: a successor is starting');
    const ended = daemon.waitFor(({ msg }) => msg === `${FAILED}it ended with SIGKILL`);
    process.kill(Number(successor), 'SIGKILL');
    await ended;
    assert.equal((await traefikCheck(daemon.http, `${APP}/`)).status, 302);
  });

  /** Whoever reads the configuration waits for it. */
  function holdBack(): void {
    rmSync(daemon.configPath);
    execFileSync('mkfifo', [daemon.configPath]);
  }

  const starting = ({ msg }: LogLine): boolean => msg === 'SIGUSR2: a successor is starting';

  it('leaves room for one that can, and for no second one beside it', async () => {
    const former = servingPid(daemon);
    holdBack();
    await succeed(daemon, starting);
    await succeed(daemon, ({ msg }) => msg === 'SIGUSR2 ignored: a successor is starting already');
    await writeFile(daemon.configPath, good);
    await daemon.waitFor(({ msg }) => msg === 'the successor serves; draining');
    process.kill(former, 'SIGUSR2');
    await daemon.waitFor(({ msg }) => msg === 'SIGUSR2 ignored: this daemon is draining');
    await until(() => servingPid(daemon) !== former);
    assert.equal((await traefikCheck(daemon.http, `${APP}/`)).status, 302);
  });

  it('because the daemon is told to stop meanwhile ends with it', async () => {
    const serving = servingPid(daemon);
    await succeed(daemon, starting);
    process.kill(serving, 'SIGTERM');
    await daemon.waitFor(({ msg }) => msg === `${FAILED}this daemon was told to stop`);
    // Of both, and of the first.
    await until(() => daemon.child.stdout?.closed === true);
    if (daemon.child.exitCode === null) await once(daemon.child, 'exit');
    assert.equal(daemon.child.exitCode, 0);
    await assert.rejects(traefikCheck(daemon.http, `${APP}/`), { code: 'ECONNREFUSED' });
  });
});
