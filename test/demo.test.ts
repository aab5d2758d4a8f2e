// The demo as somebody sees it who starts it: the lines it prints, one login behind every gateway that is here, and Ctrl-C.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createBrowser } from './kit/browser.js';
import { chromiumMissing, launchChromium } from './kit/chromium.js';
import { claimPorts } from './kit/demo/options.js';
import { findProgram, PROXIES, unfit } from './kit/demo/proxies.js';
import { endsWithTest } from './kit/ends-with-test.js';
import { IDENTITY_HEADERS } from './kit/gateway.js';
import { describeWith } from './kit/needs.js';
import { PATIENCE_MS, until } from './kit/until.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MAIN = fileURLToPath(new URL('kit/demo/main.ts', import.meta.url));
const ANY_PORTS = ['--port', '--idp-port', '--outpost-port', '--metrics-port', '--app-port'].flatMap((flag) => [
  flag,
  '0',
]);

interface Demo {
  readonly child: ChildProcess;
  output(): string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
}

function startDemo(args: readonly string[], env: Record<string, string> = {}): Demo {
  const child = endsWithTest(
    spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
    'SIGTERM',
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, output: () => output, ended };
}

/** The value that the demo prints in a line; waits for it. */
async function printed(demo: Demo, pattern: RegExp): Promise<string> {
  for (;;) {
    const found = pattern.exec(demo.output());
    if (found) return found[1] ?? found[0];
    if (demo.child.exitCode !== null) throw new Error(`the demo ended first:\n${demo.output()}`);
    await Promise.race([once(demo.child.stdout ?? process.stdin, 'data'), demo.ended]);
  }
}

/** Everything below this process, where the system tells (Linux). */
function descendants(root: number): number[] {
  if (!existsSync('/proc/self/stat')) return [];
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const below = (pid: number): number[] =>
    [...parents].filter(([, parent]) => parent === pid).flatMap(([child]) => [child, ...below(child)]);
  return below(root);
}

function alive(pid: number): boolean {
  try {
    // A process that nobody has collected yet is dead all the same.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

for (const gateway of ['builtin', ...PROXIES] as const) {
  const file = gateway === 'builtin' ? '' : findProgram(gateway, process.env['PATH'] ?? '');
  const missing = gateway === 'builtin' ? null : file === null ? `${gateway} is not installed` : unfit(gateway, file);
  const suite = (): void => {
    let demo: Demo;
    let url: string;
    let issuer: string;

    before(async () => {
      demo = startDemo([...ANY_PORTS, '--gateway', gateway], file ? { [`${gateway.toUpperCase()}_BIN`]: file } : {});
      await printed(demo, /Ctrl-C stops everything/);
      url = await printed(demo, /^Open (http:\/\/whoami\.localhost:\d+)\/$/m);
      issuer = await printed(demo, /^OpenID provider +ready +(\S+)$/m);
    });
    after(() => demo.child.kill('SIGTERM') && demo.ended);

    it('says which gateway it is and what to try', async () => {
      assert.match(demo.output(), new RegExp(`^gateway +ready +${gateway}`, 'm'));
      assert.match(demo.output(), /alice .*gets in/);
      assert.match(demo.output(), /bob .*403/);
      assert.match(
        demo.output(),
        /curl -sD- -o \/dev\/null -H 'Host: whoami\.localhost:\d+' http:\/\/127\.0\.0\.1:\d+\//,
      );
    });

    it('has a gateway in which akprox doctor finds nothing', async () => {
      const [, command = ''] = /^ {2}node (dist\/main\.js doctor .*)$/m.exec(demo.output()) ?? [];
      const doctor = endsWithTest(
        spawn(process.execPath, command.split(' '), { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] }),
      );
      const said: string[] = [];
      doctor.stdout.on('data', (chunk: Buffer) => said.push(chunk.toString()));
      const [code] = (await once(doctor, 'close')) as [number | null];
      assert.equal(code, 0, `${command}\n${said.join('')}`);
      assert.match(said.join(''), /forged identity headers written with “_” are taken away/);
    });

    it('redirects an anonymous browser to the login, and gives it nothing', async () => {
      const answer = await createBrowser().get(`${url}/page?x=1&y=2`);
      assert.equal(answer.status, 302);
      assert.equal(answer.location, `${url}/akprox/start?rd=${encodeURIComponent(`${url}/page?x=1&y=2`)}`);
      assert.equal(answer.headers['set-cookie'], undefined);
      assert.ok((await createBrowser().follow(answer)).url.startsWith(issuer));
    });

    it('brings alice to the page that she asked for, with every identity header', async () => {
      const browser = createBrowser();
      const page = await browser.logIn(`${url}/page?x=1&y=2`, 'alice');
      assert.equal(page.status, 200);
      assert.equal(page.url, `${url}/page?x=1&y=2`);
      assert.match(page.body, /alice@example\.com/);
      const tokens = { 'X-authentik-jwt': 'forged', 'X-Akprox-Assertion': 'forged' };
      const forged = { 'X-Auth-Username': 'root', 'X-Auth-Groups': 'admin', ...tokens };
      const aliases = Object.fromEntries([..."_.~!+^|&%$#'`*"].map((sign) => [`X${sign}Auth${sign}Username`, 'alias']));
      const seen = await browser.get(`${url}/`, { Accept: 'application/json', ...forged, ...aliases });
      const { headers } = JSON.parse(seen.body) as { headers: Record<string, string> };
      assert.deepEqual(
        Object.entries(headers).filter(([, value]) => value.includes('alias')),
        [],
      );
      assert.equal(headers['x-auth-username'], 'alice');
      assert.equal(headers['x-auth-groups'], 'staff');
      assert.equal(headers['x-authentik-email'], 'alice@example.com');
      const unsent = Object.keys(tokens).map((name) => name.toLowerCase());
      for (const name of unsent)
        assert.equal(headers[name], undefined, `${name}: not sent, and the forged one is gone`);
      // nginx leaves out a header whose value is empty.
      const empty = ['x-authentik-entitlements', 'x-authentik-meta-jwks'];
      for (const name of IDENTITY_HEADERS.map((header) => header.toLowerCase())) {
        if (unsent.includes(name) || (gateway === 'nginx' && empty.includes(name))) continue;
        assert.ok(name in headers, name);
      }
    });

    it('keeps bob out with 403', async () => {
      const page = await createBrowser().logIn(`${url}/`, 'bob');
      assert.equal(page.status, 403);
      assert.equal(page.url, `${url}/`);
      if (gateway !== 'nginx') assert.match(page.body, /may not use this application/);
    });

    it('ends at the sign-out', async () => {
      const browser = createBrowser();
      await browser.logIn(`${url}/`, 'alice');
      const cookie = (await browser.cookies(`${url}/`)).join('; ');
      assert.equal((await createBrowser().get(`${url}/`, { Cookie: cookie })).status, 200);
      const end = await browser.follow(await browser.get(`${url}/akprox/sign_out`));
      assert.match(end.body, /identity provider has ended too/);
      const again = await browser.follow(await browser.get(`${url}/`));
      assert.match(again.body, /name="login"/, 'the OpenID provider asks who it is');
      assert.equal((await createBrowser().get(`${url}/`, { Cookie: cookie })).status, 302);
    });

    it('says what to look at, and each of it is there', async () => {
      const nothing = await printed(demo, /an address that nobody serves: (\S+)/);
      const page = await createBrowser().get(nothing);
      assert.equal(page.status, 404);
      assert.match(page.body, /There is nothing here/);
      const failed = await createBrowser().get(await printed(demo, /cannot be completed, .*: (\S+)/));
      assert.equal(failed.status, 400);
      const [, reference = ''] = /<dd>(\w{4}-\w{4})<\/dd>/.exec(failed.body) ?? assert.fail(failed.body);
      const log = join(await printed(demo, /logs: (\S+)/), 'outpost.log');
      // The page may be there before the line is.
      await until(() => readFileSync(log, 'utf8').includes(`"reference":"${reference}"`));
    });

    if (chromiumMissing === null) {
      it('lets a person in Chromium sign out, be kept out, and come in as somebody else', () =>
        walkInChromium(url, issuer, gateway));
    }

    it('serves both tabs whose logins began before either was finished', async () => {
      const browser = createBrowser();
      const one = await browser.follow(await browser.get(`${url}/one`));
      const two = await browser.follow(await browser.get(`${url}/two`));
      for (const [tab, path] of [
        [two, '/two'],
        [one, '/one'],
      ] as const) {
        const action = /<form\b[^>]*\baction="([^"]*)"/.exec(tab.body)?.[1] ?? assert.fail('no form');
        const form = { login: 'alice', password: 'any' };
        const done = await browser.follow(await browser.post(new URL(action, tab.url).href, form));
        assert.equal(done.status, 200);
        assert.equal(done.url, `${url}${path}`);
      }
    });

    it('stops at Ctrl-C, with everything that it has started', async () => {
      const directory = await printed(demo, /logs: (\S+)/);
      const below = descendants(demo.child.pid ?? 0);
      assert.ok(existsSync(directory));
      demo.child.kill('SIGINT');
      assert.equal(await demo.ended, 0, demo.output());
      assert.deepEqual(below.filter(alive), []);
      assert.ok(!existsSync(directory));
      await assert.rejects(createBrowser().get(`${url}/`));
    });
  };
  describeWith(missing, `the demo behind ${gateway}`, suite);
}

/** Behind nginx there is no page of ours to press a button on. */
async function walkInChromium(url: string, issuer: string, gateway: string): Promise<void> {
  const browser = await launchChromium();
  try {
    const page = await (await browser.newContext({ locale: 'de-AT' })).newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const logIn = async (user: string, target: string): Promise<void> => {
      assert.ok(page.url().startsWith(issuer), page.url());
      await page.fill('input[name=login]', user);
      await Promise.all([page.waitForURL(target), page.getByRole('button', { name: 'Log in' }).click()]);
    };
    await page.goto(`${url}/`);
    await logIn('alice', `${url}/`);
    await page.getByRole('link', { name: 'Sign out' }).click();
    await page.getByText('Ihre Sitzung beim Identitätsanbieter ist ebenfalls beendet.').waitFor();
    await page.goto(`${url}/deep?a=1&b=2`);
    await logIn('bob', `${url}/deep?a=1&b=2`);
    if (gateway === 'nginx') return;
    await page.getByText('Sie sind als bob (bob@example.com) angemeldet.').waitFor();
    await page.getByRole('button', { name: 'Mit einem anderen Konto anmelden' }).click();
    await page.waitForSelector('input[name=login]');
    await logIn('alice', `${url}/deep?a=1&b=2`);
    await page.getByText('alice@example.com').first().waitFor();
  } finally {
    await browser.close();
  }
}

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
