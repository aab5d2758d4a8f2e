// An application in a frame of another site, in a real Chromium that keeps cookies of third parties from each other: with
// `cookie.same_site: none` and `cookie.partitioned` people log in and stay signed in there; with the default no login can be completed.
import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:https';
import { it } from 'node:test';
import type { Frame, Page } from 'playwright-core';
import { generate } from 'selfsigned';
import { chromiumMissing, launchChromium } from '../kit/chromium.js';
import { startDaemon, testProvider } from '../kit/daemon.js';
import { startGateway } from '../kit/gateway.js';
import { startIdp } from '../kit/idp.js';
import { listenLocally } from '../kit/listening.js';
import { describeWith } from '../kit/needs.js';
import { PATIENCE_MS } from '../kit/until.js';
import { startWhoami } from '../kit/whoami.js';
import { ACCOUNTS, clientFor } from '../kit/world.js';

describeWith(chromiumMissing, 'an application in a frame of another site', () => {
  it('is logged in to there with a partitioned cookie, and cannot be with the default one', async () => {
    const ports = new Map<string, number>();
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'frames' }]);
    const front = createServer({ cert, key }, (req, res) => {
      const name = req.headers.host?.split(':')[0] ?? '';
      const port = ports.get(name);
      if (port === undefined) {
        res.setHeader('Content-Type', 'text/html');
        res.end(`<iframe src="https://${req.url?.slice(1)}/in-a-frame"></iframe>`);
        return;
      }
      const headers = { ...req.headers, 'x-forwarded-proto': 'https' };
      const options = { host: '127.0.0.1', port, path: req.url, method: req.method, headers };
      req.pipe(
        httpRequest(options, (answer) => {
          res.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(res);
        }),
      );
    });
    const listening = await listenLocally(front);
    const at = (name: string): string => `https://${name}:${listening.port}`;
    const [framed, plain] = [at('framed.one.test'), at('plain.one.test')];
    const app = await startWhoami({ port: 0 });
    let outpost = '';
    const backend = `http://127.0.0.1:${app.port}`;
    const gateway = await startGateway({ port: 0, outpost: () => outpost, backend, routeOutpostPaths: true });
    // Below the same site as the page around the frame: its own cookies are not what is tried.
    const issuer = at('idp.two.test');
    const idp = await startIdp({
      clients: [clientFor('framed', framed), clientFor('plain', plain)],
      accounts: ACCOUNTS,
      issuer,
    });
    ports.set('framed.one.test', gateway.port).set('plain.one.test', gateway.port).set('idp.two.test', idp.port);
    const internal_url = `http://127.0.0.1:${idp.port}`;
    const provider = (name: string, external_host: string, more: object = {}) =>
      testProvider(issuer, {
        name,
        external_host,
        oidc: { issuer, internal_url, client_id: name, client_secret: `${name}-client-secret` },
        ...more,
      });
    await using daemon = await startDaemon({
      workers: 1,
      providers: [
        provider('framed', framed, { cookie: { same_site: 'none', partitioned: true } }),
        provider('plain', plain),
      ],
    });
    outpost = daemon.http;
    const browser = await launchChromium(['--host-resolver-rules=MAP *.test 127.0.0.1']);
    try {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      context.setDefaultTimeout(PATIENCE_MS);
      const page = await context.newPage();
      await page.goto(`${at('page.two.test')}/${new URL(framed).host}`);
      const inside = frameOf(page);
      await inside.fill('input[name=login]', 'alice');
      await inside.fill('input[name=password]', 'any');
      await inside.click('button[type=submit], input[type=submit]');
      await inside.waitForURL(`${framed}/in-a-frame`);
      assert.match(await inside.content(), /alice@example\.com/);
      const again = page.waitForResponse(`${framed}/in-a-frame`);
      await page.reload();
      assert.equal((await again).status(), 200);

      const refused = page.waitForResponse((answer) => answer.url().startsWith(`${plain}/akprox/callback`));
      await page.goto(`${at('page.two.test')}/${new URL(plain).host}`);
      assert.equal((await refused).status(), 400);
      // The same login is one at the top.
      await page.goto(`${plain}/at-the-top`);
      assert.match(await page.content(), /alice@example\.com/);
    } finally {
      await browser.close();
      await gateway.close();
      await app.close();
      await idp.close();
      await listening.close();
    }
  });
});

function frameOf(page: Page): Frame {
  const [, frame] = page.frames();
  return frame ?? assert.fail('there is no frame');
}
