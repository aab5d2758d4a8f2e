// The demo as somebody sees it who starts it: the lines it prints, one login behind the gateway of its own, and Ctrl-C. The others:
// e2e/demo-gateways.test.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createBrowser } from './kit/browser.js';
import { claimPorts } from './kit/demo/options.js';
import { demoCases } from './kit/demo-cases.js';
import { ANY_PORTS, alive, descendants, printed, startDemo } from './kit/demo-run.js';
import { until } from './kit/until.js';

describe('the demo behind builtin', () => demoCases('builtin', {}));

describe('the demo with authentik', () => {
  it('gets its provider from core and lets alice in', async () => {
    const demo = startDemo([...ANY_PORTS, '--gateway', 'builtin', '--authentik']);
    try {
      await printed(demo, /Ctrl-C stops everything/);
      const url = await printed(demo, /^Open (http:\/\/whoami\.localhost:\d+)\/$/m);
      const core = await printed(demo, /^authentik core +ready +(\S+)$/m);
      const anonymous = await createBrowser().get(`${url}/`);
      assert.match(anonymous.location ?? '', /\/outpost\.goauthentik\.io\/start\?rd=/);
      assert.ok((await createBrowser().follow(anonymous)).url.startsWith(core));
      const browser = createBrowser();
      assert.match((await browser.logIn(`${url}/`, 'alice')).body, /alice@example\.com/);
      const seen = await browser.get(`${url}/`, { Accept: 'application/json' });
      assert.match(seen.body, /"x-authentik-jwt": "eyJ/);
    } finally {
      demo.child.kill('SIGTERM');
      assert.equal(await demo.ended, 0);
    }
  });
});

describe('the demo that cannot go on', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'akprox-demo-test-'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));
  const here = (gateway: string): string[] => [...ANY_PORTS, '--gateway', gateway, '--data', join(directory, 'data')];
  const nobodyOf = async (pids: number[]): Promise<void> => {
    await until(() => !pids.some(alive));
  };

  it('names the flag of every port that is taken, and starts nothing', async () => {
    const servers = [createServer(), createServer()];
    const ports: string[] = [];
    for (const server of servers) {
      await once(server.listen(0, '127.0.0.1'), 'listening');
      ports.push(String((server.address() as AddressInfo).port));
    }
    const [web = '', metrics = ''] = ports;
    const demo = startDemo([...ANY_PORTS, '--port', web, '--metrics-port', metrics, '--gateway', 'builtin']);
    assert.equal(await demo.ended, 1);
    assert.equal(
      demo.output(),
      `Port ${web} is in use. Choose another one with --port PORT.\nPort ${metrics} is in use. Choose another one with --metrics-port PORT.\n`,
    );
    for (const server of servers) server.close();
  });

  it('claims no port twice', async () => {
    const any = { port: 0, 'idp-port': 0, 'outpost-port': 0, 'metrics-port': 0, 'app-port': 0 };
    const claims = await Promise.all(Array.from({ length: 100 }, () => claimPorts(any)));
    assert.equal(new Set(claims.flatMap((ports) => Object.values(ports))).size, 500);
  });

  it('explains flags that make no sense', async () => {
    for (const [args, message] of [
      [['--port', '99999'], /--port: expected a number from 0 to 65535/],
      [['--gateway', 'apache'], /--gateway: expected one of auto, traefik, caddy, nginx, builtin/],
      [['--nonsense'], /--nonsense[\s\S]*--help lists the flags/],
      [['--port', '9000', '--outpost-port', '9000'], /Port 9000 is asked for twice, by --port and --outpost-port/],
    ] as const) {
      const demo = startDemo(args, { PATH: '/nowhere' });
      assert.equal(await demo.ended, 1);
      assert.match(demo.output(), message);
    }
    const demo = startDemo(['--help']);
    assert.equal(await demo.ended, 0);
    assert.match(demo.output(), /--idp-port PORT/);
  });

  it('shows what a gateway says that does not start', async () => {
    writeFileSync(join(directory, 'nginx'), '#!/bin/sh\necho "unknown directive auth_request" >&2\nexit 3\n', {
      mode: 0o755,
    });
    const demo = startDemo(here('auto'), { PATH: directory });
    assert.equal(await demo.ended, 1);
    assert.match(
      demo.output(),
      /nginx did not start \(exit code 3\)\. Its last words:\nunknown directive auth_request\n/,
    );
    assert.match(demo.output(), /--gateway builtin does without/);
    const missing = startDemo(here('caddy'), { PATH: directory });
    assert.equal(await missing.ended, 1);
    assert.equal(missing.output(), '--gateway: there is no caddy on PATH.\n');
  });

  it('stops at Ctrl-C while it starts', async () => {
    const demo = startDemo(here('builtin'));
    await printed(demo, /^application +ready/m);
    const below = descendants(demo.child.pid ?? 0);
    demo.child.kill('SIGINT');
    assert.equal(await demo.ended, 0, demo.output());
    await nobodyOf(below);
  });

  it('says so when the outpost ends by itself, with its last words, and leaves nobody behind', async () => {
    const demo = startDemo(here('builtin'));
    await printed(demo, /Ctrl-C stops everything/);
    const pid = demo.child.pid ?? 0;
    const below = descendants(pid);
    const outpost = below.find((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('dist/main.js'));
    if (outpost === undefined) return void demo.child.kill('SIGINT'); // not Linux
    process.kill(outpost, 'SIGKILL');
    assert.equal(await demo.ended, 1);
    assert.match(demo.output(), /The outpost ended unexpectedly \(SIGKILL\)\. Its last words:\n\{.*"starting"/s);
    assert.ok(demo.output().endsWith(`\nConfiguration and logs: ${join(directory, 'data')}\n`));
    await nobodyOf(below);
  });

  it('dies at the second Ctrl-C', async () => {
    const demo = startDemo(here('builtin'));
    await printed(demo, /Ctrl-C stops everything/);
    const below = descendants(demo.child.pid ?? 0);
    const primary = below.find((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes('dist/main.js'));
    // An outpost that does not react.
    if (primary !== undefined) process.kill(primary, 'SIGSTOP');
    demo.child.kill('SIGINT');
    await printed(demo, /stopping/);
    if (primary === undefined) return;
    await delay(600);
    demo.child.kill('SIGINT');
    assert.equal(await demo.ended, 130);
    await nobodyOf(below);
  });
});
