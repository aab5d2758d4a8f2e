// oauth2-proxy with its sessions in Redis, and one login at the same OpenID provider: the peer of the budget. OAUTH2_PROXY_BIN names it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { createBrowser } from '../../test/kit/browser.js';
import { request } from '../../test/kit/daemon.js';
import { findOnPath } from '../../test/kit/demo/proxies.js';
import { endsWithTest } from '../../test/kit/ends-with-test.js';
import { freePort } from '../../test/kit/ports.js';
import { startRedis } from '../../test/kit/redis-server.js';
import { clientFor } from '../../test/kit/world.js';
import { installed } from '../options.js';
import type { Target } from './target.js';

export const OAUTH2_CLIENT = clientFor('oauth2-proxy', 'http://oauth2-proxy.localhost', '/oauth2');
const PATIENCE_MS = 20_000;

function program(): string | null {
  return process.env['OAUTH2_PROXY_BIN'] || findOnPath('oauth2-proxy', process.env['PATH'] ?? '');
}

/** Why there can be none; null when there can. */
export function oauth2ProxyMissing(): string | null {
  if (program() === null) return 'oauth2-proxy is not installed (OAUTH2_PROXY_BIN names one)';
  return installed('redis-server') ? null : 'redis-server is not installed';
}

/** `logs`: as it comes, with a line for each request, which nobody reads here; without, that line is not made. CPU is its own and that of its Redis. */
export async function startOauth2Proxy(issuer: string, { logs = false } = {}): Promise<Target> {
  const file = program();
  if (file === null) throw new Error(oauth2ProxyMissing() ?? '');
  const redis = await startRedis();
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const child = endsWithTest(
    spawn(
      file,
      [
        '--provider=oidc',
        `--oidc-issuer-url=${issuer}`,
        `--client-id=${OAUTH2_CLIENT.client_id}`,
        `--client-secret=${OAUTH2_CLIENT.client_secret}`,
        `--redirect-url=${OAUTH2_CLIENT.redirect_uris?.[0]}`,
        '--session-store-type=redis',
        `--redis-connection-url=${redis.url}`,
        '--cookie-secret=0123456789abcdef0123456789abcdef',
        '--cookie-secure=false',
        '--cookie-expire=24h',
        '--email-domain=*',
        '--scope=openid email profile',
        '--upstream=static://202',
        `--http-address=127.0.0.1:${port}`,
        '--reverse-proxy=true',
        '--set-xauthrequest=true',
        '--skip-provider-button=true',
        ...(logs ? [] : ['--request-logging=false', '--auth-logging=false', '--standard-logging=false']),
      ],
      { stdio: ['ignore', 'ignore', logs ? 'ignore' : 'inherit'], env: { PATH: process.env['PATH'] } },
    ),
  );
  const exited = once(child, 'exit');
  const close = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
    await redis.stop();
  };
  try {
    const end = performance.now() + PATIENCE_MS;
    const isThere = (): Promise<boolean> =>
      request(`${origin}/ping`).then(
        ({ status }) => status === 200,
        () => false,
      );
    while (!(await isThere())) {
      if (child.exitCode !== null || performance.now() > end) throw new Error('oauth2-proxy does not start');
      await pause(50);
    }
    const own = 'oauth2-proxy.localhost';
    const browser = createBrowser({
      connect: (url) => (url.hostname === own ? { host: '127.0.0.1', port } : undefined),
    });
    await browser.logIn(`http://${own}/oauth2/start?rd=%2Fping`, 'alice', (url) => url.endsWith('/ping'));
    const session = (await browser.cookies(`http://${own}/`)).find((cookie) => cookie.startsWith('_oauth2_proxy='));
    if (session === undefined) throw new Error('the login at oauth2-proxy gave no session cookie');
    const redisPid = Number(/process_id:(\d+)/.exec(await redis.client.info('server'))?.[1]);
    return {
      name: logs ? 'oauth2-proxy-logs' : 'oauth2-proxy',
      title: `oauth2-proxy${logs ? ' as it comes' : ''}, Redis, http://`,
      only: null,
      url: () => `${origin}/oauth2/auth`,
      answers: 'outpost',
      session,
      pids: [child.pid ?? 0, redisPid],
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
