// Parts of a handover that need no daemon: how long a successor is waited for, who may have one, when it takes over.
import assert from 'node:assert/strict';
import type { ChildProcess, spawn } from 'node:child_process';
import cluster, { type Worker } from 'node:cluster';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import type { Handover } from '../../src/cluster/handover.js';
import { InheritedSockets } from '../../src/cluster/inherited-sockets.js';
import { choosePorts } from '../../src/cluster/ports.js';
import { Predecessor } from '../../src/cluster/predecessor.js';
import { irreplaceable } from '../../src/cluster/replaceable.js';
import { PATIENCE, Succession } from '../../src/cluster/succession.js';
import { Takeover } from '../../src/cluster/takeover.js';
import type { Revocation } from '../../src/session/revocation.js';
import { configOf } from '../kit/application.js';
import { createFakeTimers } from '../kit/fake-timers.js';
import { freePort } from '../kit/ports.js';

const HANDOVER: Handover = {
  configured: { http: '[::]:9000', https: null, compat: null, metrics: '[::]:9300' },
  bound: { http: '[::]:9000', https: null, compat: null, metrics: '[::]:9300' },
  descriptors: { metrics: 21 },
  sockets: [],
  extent: { settings: 1, providers: 1 },
  revocations: [],
};
const REVOCATION: Revocation = { keys: ['k'], source: 'sign_out', at: 1 };

class FakeChild extends EventEmitter {
  readonly pid = 4_711;
  connected = true;
  readonly sent: unknown[] = [];
  readonly signals: unknown[] = [];
  send(message: unknown): void {
    this.sent.push(message);
  }
  kill(signal: unknown): void {
    this.signals.push(signal);
  }
  disconnect(): void {}
  unref(): void {}
}

function start(refused: string | null = null) {
  const children: FakeChild[] = [];
  const stdio: unknown[] = [];
  const lines: string[] = [];
  const line = (...words: unknown[]): void => void lines.push(String(words.at(-1)));
  let served = 0;
  const timers = createFakeTimers({ time: 0 });
  const succession = new Succession({
    program: { command: '/usr/bin/node', args: ['main.js'], environment: {} },
    refused: () => refused,
    handover: () => HANDOVER,
    onServing: () => {
      served += 1;
    },
    onRevoked: () => {},
    timers,
    log: { info: line, warn: line, error: line },
    start: ((_: string, __: string[], options: { stdio: unknown }) => {
      stdio.push(options.stdio);
      const child = new FakeChild();
      children.push(child);
      return child as unknown as ChildProcess;
    }) as unknown as typeof spawn,
  });
  return { succession, children, stdio, lines, timers, served: () => served };
}

describe('a daemon that waits for its successor', () => {
  it('hands over its listening sockets and what it revokes', () => {
    const { succession, children, stdio } = start();
    succession.begin();
    succession.revoked(REVOCATION);
    assert.deepEqual(stdio, [['inherit', 'inherit', 'inherit', 'ipc', 21]]);
    assert.deepEqual(children[0]?.sent, [
      { type: 'handover', handover: { ...HANDOVER, descriptors: { metrics: 4 } } },
      { type: 'revoked', revocation: REVOCATION },
    ]);
  });

  it('ends one that hangs, and one that does not even end then', async () => {
    const { succession, children, lines, timers, served } = start();
    succession.begin();
    await timers.advance(PATIENCE - 1);
    assert.deepEqual(children[0]?.signals, []);
    await timers.advance(1);
    assert.deepEqual(children[0]?.signals, ['SIGTERM']);
    assert.equal(lines.at(-1), 'the successor cannot start, this daemon goes on: it was not ready within 60 s');
    await timers.advance(60_000);
    assert.deepEqual(children[0]?.signals, ['SIGTERM', 'SIGKILL']);
    // Too late.
    children[0]?.emit('message', { type: 'serving' });
    assert.equal(served(), 0);
    succession.begin();
    children[1]?.emit('message', { type: 'serving' });
    assert.equal(served(), 1);
    await timers.advance(2 * PATIENCE);
    assert.deepEqual(children[1]?.signals, []);
  });

  it('says in one line what the successor said about itself', () => {
    const { succession, children, lines } = start();
    succession.begin();
    children[0]?.emit('message', { type: 'failed', message: 'listen.http: bad\nworkers: bad\n2 problems\n' });
    children[0]?.emit('exit', 1, null);
    assert.equal(
      lines.at(-1),
      'the successor cannot start, this daemon goes on: listen.http: bad; workers: bad; 2 problems',
    );
  });

  it('starts none where it may not', () => {
    const { succession, children, lines } = start('because');
    succession.begin();
    assert.deepEqual([children.length, lines.at(-1)], [0, 'SIGUSR2 ignored: because']);
  });
});

describe('who may have a successor', () => {
  const origin = { pid: 900, notifies: false, isUnit: false, init: 'systemd' };

  it('is whom somebody follows to it', () => {
    assert.equal(irreplaceable(origin), null);
    assert.equal(irreplaceable({ ...origin, notifies: true, isUnit: true }), null);
  });

  it('is neither the first process of a container nor a unit that tells systemd nothing', () => {
    assert.match(irreplaceable({ ...origin, pid: 1, init: 'node' }) ?? '', /^a container ends with/);
    assert.match(irreplaceable({ ...origin, pid: 7, init: 'tini' }) ?? '', /^a container ends with/);
    assert.match(irreplaceable({ ...origin, isUnit: true }) ?? '', /Type=notify and NotifyAccess=all$/);
  });
});

describe('a successor', () => {
  it('lets its workers listen once all of them wait and something can be served', () => {
    let unready: string | null = 'authentik has not answered yet';
    let listened = 0;
    const takeover = new Takeover({
      wanted: () => 2,
      unready: () => unready,
      listen: () => {
        listened += 1;
      },
    });
    takeover.add(1);
    takeover.gone(1);
    takeover.add(2);
    takeover.add(3);
    assert.equal(listened, 0);
    unready = null;
    takeover.check();
    takeover.check();
    assert.equal(listened, 1);
    assert.ok(takeover.hasBegun);
  });

  it('hears everything that its predecessor said before it listened', async () => {
    const channel = Object.assign(new EventEmitter(), { connected: true });
    const predecessor = new Predecessor(channel);
    channel.emit('message', { type: 'handover', handover: HANDOVER });
    channel.emit('message', { type: 'revoked', revocation: REVOCATION });
    channel.emit('message', { type: 'of a later version' });
    assert.equal(await predecessor.handover, HANDOVER);
    const heard: unknown[] = [];
    predecessor.hear({
      revoked: (revocation) => heard.push(revocation),
      reload: () => heard.push('reload'),
      gone: () => heard.push('gone'),
    });
    channel.emit('message', { type: 'reload' });
    channel.emit('disconnect');
    assert.deepEqual(heard, [REVOCATION, 'reload', 'gone']);
  });

  it('says so when its predecessor has ended before it could listen to it', async () => {
    const channel = Object.assign(new EventEmitter(), { connected: false });
    await assert.rejects(new Predecessor(channel).handover, /the daemon that is to be replaced has ended/);
  });

  it('does not take its own goodbye for the end of its predecessor', () => {
    const channel = Object.assign(new EventEmitter(), {
      connected: true,
      disconnect: () => channel.emit('disconnect'),
    });
    const predecessor = new Predecessor(channel);
    const heard: string[] = [];
    const hear = (what: string) => () => void heard.push(what);
    predecessor.hear({ revoked: hear('revoked'), reload: hear('reload'), gone: hear('gone') });
    predecessor.close();
    assert.deepEqual(heard, []);
  });

  it('has the ports of its predecessor, and asks for the others', async () => {
    const taken = await freePort();
    const { listen } = configOf({
      listen: { http: '127.0.0.1:0', https: `127.0.0.1:${taken}`, compat: '127.0.0.1:0', metrics: null },
      providers: [],
    });
    const addresses = { http: '127.0.0.1:0', https: null, compat: null, metrics: null };
    const handover = { configured: addresses, bound: { ...addresses, http: '127.0.0.1:4711' } };
    const chosen = await choosePorts(listen, 1, handover);
    assert.equal(chosen.http, '127.0.0.1:4711');
    assert.equal(chosen.https, `127.0.0.1:${taken}`);
    assert.match(chosen.compat ?? '', /^127\.0\.0\.1:[1-9]/);
  });

  it('offers a listening socket to its workers for as long as one of them keeps it open', () => {
    const sockets = new InheritedSockets({ https: 5, compat: undefined });
    try {
      assert.deepEqual(sockets.offered(), { https: 5 });
      cluster.emit('listening', { id: 1 } as Worker, { fd: 5 });
      cluster.emit('listening', { id: 2 } as Worker, { fd: 5 });
      sockets.gone(1);
      assert.deepEqual(sockets.offered(), { https: 5 });
      sockets.gone(2);
      assert.deepEqual(sockets.offered(), {});
    } finally {
      sockets.close();
    }
  });
});
