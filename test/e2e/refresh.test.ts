// Refresh from end to end: tokens that live a few seconds, a provider that rotates refresh tokens, two workers.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { traefikCheck } from '../kit/daemon.js';
import { freePorts } from '../kit/ports.js';
import { startProxy } from '../kit/tcp-proxy.js';
import { tokenIsOver } from '../kit/token-end.js';
import { PATIENCE_MS, until } from '../kit/until.js';
import { APP, startWorld } from '../kit/world.js';

describe('a session with a refresh token', () => {
  it('outlives its tokens while it is used, and ends with session.lifetime', async () => {
    await using world = await startWorld({
      provider: { session: { lifetime: '15s', refresh: true } },
      idp: { refreshTokens: 'always', ttl: { IdToken: 8, AccessToken: 8 } },
    });
    const browser = world.browser();
    await browser.logIn(`${APP}/`, 'alice');
    const begun = Date.now();
    const cookie = (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_')) ?? '';
    let last = begun;
    let ended = 0;
    for (const end = begun + PATIENCE_MS; Date.now() < end; ) {
      const asked = Date.now();
      const { status } = await traefikCheck(world.daemon.http, `${APP}/`, { cookie });
      if (status === 200) last = asked;
      else {
        assert.equal(status, 302);
        ended = asked;
        break;
      }
    }
    assert.ok(last - begun > 9_000, `it lived ${last - begun} ms, tokens of 8 s without a renewal only 8`);
    assert.ok(ended > 0, 'it did not end with session.lifetime');
    assert.equal(await world.daemon.metric('akprox_revocations_total', 'refresh'), 0);
  });

  it('outlives a restart in the middle of its renewal', async () => {
    const [port = 0] = await freePorts(1);
    const proxy = await startProxy(port);
    after(() => proxy.stop());
    await using world = await startWorld({
      provider: { headers: { pass_jwt: true } },
      idp: {
        ...{ port, issuer: `http://127.0.0.1:${proxy.port}` },
        ...{ refreshTokens: 'always', ttl: { IdToken: 4, AccessToken: 4 } },
      },
    });
    const browser = world.browser();
    await browser.logIn(`${APP}/`, 'alice');
    const cookie = (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_')) ?? '';
    const check = () => traefikCheck(world.daemon.http, `${APP}/`, { cookie });
    const token = String((await check()).headers['x-authentik-jwt']);

    // The refresh token is spent, and its answer on a slow way, when the daemon is told to stop.
    let isSpent = false;
    world.idp.provider.on('grant.success', () => {
      isSpent = true;
    });
    proxy.delayMs = 1_500;
    await until(async () => isSpent || (await check()).status !== 200);
    assert.ok(isSpent);
    await using again = await world.daemon.restart();
    proxy.delayMs = 0;
    await tokenIsOver(token);
    assert.equal((await traefikCheck(again.http, `${APP}/`, { cookie })).status, 200);
  });
});
