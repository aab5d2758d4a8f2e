// One login in a real browser: Debian's Chromium, headless, through playwright-core.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { chromiumMissing, launchChromium } from '../kit/chromium.js';
import { startDaemon, testProvider } from '../kit/daemon.js';
import { startGateway } from '../kit/gateway.js';
import { startIdp } from '../kit/idp.js';
import { describeWith } from '../kit/needs.js';
import { PATIENCE_MS } from '../kit/until.js';
import { startWhoami } from '../kit/whoami.js';
import { ACCOUNTS, clientFor } from '../kit/world.js';

describeWith(chromiumMissing, 'a login in Chromium', () => {
  it('brings alice in, in both tabs, keeps bob out and ends with the sign-out', async () => {
    const app = await startWhoami({ port: 0 });
    // The browser goes to the real port, so the gateway comes first and learns where the outpost is afterwards.
    let outpost = '';
    const gateway = await startGateway({
      port: 0,
      outpost: () => outpost,
      backend: `http://127.0.0.1:${app.port}`,
      routeOutpostPaths: true,
    });
    const origin = `http://whoami.localhost:${gateway.port}`;
    const idp = await startIdp({ clients: [clientFor('whoami', origin)], accounts: ACCOUNTS, host: 'localhost' });
    await using daemon = await startDaemon({
      providers: [testProvider(idp.issuer, { external_host: origin, access: { groups: ['staff'] } })],
    });
    outpost = daemon.http;
    const browser = await launchChromium();
    try {
      const context = await browser.newContext();
      context.setDefaultTimeout(PATIENCE_MS);
      const logIn = async (page: Awaited<ReturnType<typeof context.newPage>>, user: string): Promise<void> => {
        await page.fill('input[name=login]', user);
        await page.fill('input[name=password]', 'any');
        await page.click('button[type=submit], input[type=submit]');
      };
      const one = await context.newPage();
      const two = await context.newPage();
      await one.goto(`${origin}/one`);
      await two.goto(`${origin}/two`);
      assert.ok(one.url().startsWith(idp.issuer));
      await logIn(two, 'alice');
      await two.waitForURL(`${origin}/two`);
      assert.match(await two.content(), /alice@example\.com/);
      await logIn(one, 'alice');
      await one.waitForURL(`${origin}/one`);

      const fetched = await one.evaluate(
        async () => (await fetch('/api', { headers: { Accept: 'application/json' } })).status,
      );
      assert.equal(fetched, 200);

      // Another browser of hers, which she ends from here: a page without a script, under its own policy.
      const phone = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
      phone.setDefaultTimeout(PATIENCE_MS);
      await phone.goto(`${origin}/akprox/sessions`);
      await logIn(phone, 'alice');
      await phone.waitForURL(`${origin}/akprox/sessions`);
      assert.equal(await phone.getByText('Chrome, Linux (this browser)').count(), 1);
      const page = await phone.content();
      for (const { value } of await phone.context().cookies())
        for (const part of value.split('.')) assert.ok(!page.includes(part.slice(0, 12)));
      const refused = await two.evaluate(async () => (await fetch('/akprox/sessions', { method: 'POST' })).status);
      assert.equal(refused, 403, 'without a handle');
      await phone.getByRole('button', { name: 'End all others' }).click();
      await phone.waitForURL(`${origin}/akprox/sessions`);
      await phone.getByRole('button').waitFor({ state: 'detached' });
      const ended = await daemon.waitFor((line) => line['reason'] === 'own_sessions');
      assert.equal(ended['audit'], 'session_ended');
      assert.equal(ended['client'], '127.0.0.1');
      // The identity provider remembers her: a new session.
      await one.goto(`${origin}/one`);
      await one.waitForURL(`${origin}/one`);

      await one.goto(`${origin}/akprox/sign_out`);
      await two.goto(`${origin}/two`);
      assert.ok(two.url().startsWith(idp.issuer), 'the other tab is signed out too');

      const bob = await (await browser.newContext()).newPage();
      bob.setDefaultTimeout(PATIENCE_MS);
      await bob.goto(`${origin}/`);
      await logIn(bob, 'bob');
      await bob.waitForURL(`${origin}/`);
      assert.match(await bob.content(), /may not use this application/);
    } finally {
      await browser.close();
      await gateway.close();
      await app.close();
      await idp.close();
    }
  });
});
