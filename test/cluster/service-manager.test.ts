// systemd is told which process is the main one, by its own program, over a socket as systemd has it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { it } from 'node:test';
import { startDaemon, testProvider } from '../kit/daemon.js';
import { endsWithTest } from '../kit/ends-with-test.js';
import { describeWith } from '../kit/needs.js';
import { replaced, servingPid, succeed } from '../kit/successors.js';
import { until } from '../kit/until.js';

const missing = ['systemd-notify', 'python3'].find((name) => spawnSync(name, ['--version']).error !== undefined);

/** Node.js has no datagram sockets of that kind. What is passed along with a message is closed, as systemd does when it has read it. */
const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    print(s.recv(65536).decode().replace('\\n', ' '), flush=True)
`;

describeWith(missing === undefined ? null : `${missing} is not installed`, 'a daemon that systemd watches', () => {
  it('says when it is ready, and its successor that it is the main process before the first one goes', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-notify-'));
    const socket = join(directory, 'notify');
    const receiver = endsWithTest(spawn('python3', ['-c', RECEIVER, socket], { stdio: ['ignore', 'pipe', 'inherit'] }));
    const heard: string[] = [];
    createInterface({ input: receiver.stdout }).on('line', (line) => heard.push(line));
    await until(() => heard.includes('bound'));
    const daemon = await startDaemon(
      { workers: 1, providers: [testProvider('http://127.0.0.1:9')] },
      { env: { NOTIFY_SOCKET: socket, SYSTEMD_EXEC_PID: '1' }, succeeds: true },
    );
    try {
      const main = (pid: number) => (line: string) => line.startsWith(`READY=1 MAINPID=${pid}`);
      await until(() => heard.some(main(servingPid(daemon))));
      await replaced(daemon);
      // It was told that before the predecessor was.
      assert.ok(heard.some(main(servingPid(daemon))), heard.join('\n'));
      assert.ok(heard.some((line) => line.includes('STATUS=')));

      // Nobody would follow a successor now.
      receiver.kill('SIGKILL');
      rmSync(socket);
      const serving = servingPid(daemon);
      const line = await succeed(daemon, ({ pid, level }) => pid === serving && level === 'error');
      assert.match(line.msg, /^the successor cannot start, this daemon goes on: systemd-notify: /);
    } finally {
      await daemon[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
