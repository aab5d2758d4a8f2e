// What the demo shows behind a gateway: one login, who is kept out, the pages, and Ctrl-C.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createBrowser } from './browser.js';
import { chromiumMissing, launchChromium } from './chromium.js';
import { ANY_PORTS, alive, type Demo, descendants, printed, startDemo } from './demo-run.js';
import { endsWithTest } from './ends-with-test.js';
import { IDENTITY_HEADERS } from './gateway.js';
import { PATIENCE_MS, until } from './until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The tests of a suite. `env`: where the program of the gateway is. */
export function demoCases(gateway: string, env: Record<string, string>): void {
  let demo: Demo;
  let url: string;
  let issuer: string;

  before(async () => {
    demo = startDemo([...ANY_PORTS, '--gateway', gateway], env);
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
    for (const name of unsent) assert.equal(headers[name], undefined, `${name}: not sent, and the forged one is gone`);
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
