// Makes what test/release/older-stores.test.ts opens: run once for each release, with that release's own build.
//   node --import tsx test/release/write-older-store.ts DIRECTORY_OF_THE_OLDER_BUILD
// Two people log in at the older daemon, one with a refresh token and one without; what lies in its stores then is kept, with the
// cookies. The tokens live for fifty years, and so do the sessions.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type ConfigInput, startDaemon } from '../kit/daemon.js';
import { startIdp } from '../kit/idp.js';
import { startRedis } from '../kit/redis-server.js';
import { ACCOUNTS, clientFor, startFront } from '../kit/world.js';
import { APPLICATIONS, type OlderStore, olderProviders } from './older-store.js';

const YEARS = 50;
const SECONDS = YEARS * 365 * 86_400;

async function main([build]: readonly string[]): Promise<void> {
  if (build === undefined)
    throw new Error('which build? node --import tsx test/release/write-older-store.ts DIRECTORY');
  const { version } = JSON.parse(readFileSync(join(build, 'package.json'), 'utf8')) as { version: string };
  const target = fileURLToPath(new URL(`stores/${version}/`, import.meta.url));
  mkdirSync(target, { recursive: true });
  const redis = await startRedis();
  const idp = await startIdp({
    clients: Object.entries(APPLICATIONS).map(([name, origin]) => clientFor(name, origin)),
    accounts: { ...ACCOUNTS, bob: { ...ACCOUNTS.bob, groups: ['staff'] } },
    refreshTokens: 'offline_access',
    ttl: { AccessToken: SECONDS, IdToken: SECONDS, RefreshToken: SECONDS, Session: SECONDS, Grant: SECONDS },
  });

  const logIn = async (config: ConfigInput, options: { directory?: string }): Promise<OlderStore['cookies']> => {
    await using daemon = await startDaemon(
      { ...config, workers: 1, providers: olderProviders(idp.issuer) },
      { ...options, main: join(build, 'dist', 'main.js') },
    );
    const front = await startFront(daemon.http);
    const cookies: Record<string, string> = {};
    for (const [name, origin] of Object.entries(APPLICATIONS)) {
      const browser = front.browser();
      const page = await browser.logIn(`${origin}/`, name === 'renewed' ? 'alice' : 'bob');
      if (page.status !== 200) throw new Error(`no login: ${page.status}`);
      cookies[name] =
        (await browser.cookies(`${origin}/`)).find((cookie) => cookie.startsWith('authentik_proxy_')) ?? '';
    }
    await front.close();
    await daemon.stop();
    return cookies;
  };

  const save = (kind: string, store: OlderStore): void =>
    writeFileSync(join(target, `${kind}.json`), `${JSON.stringify(store, null, 2)}\n`);

  const directory = join(target, 'work');
  mkdirSync(directory);
  save('embedded', { issuer: idp.issuer, cookies: await logIn({}, { directory }) });
  writeFileSync(join(target, 'data.mdb.gz'), gzipSync(readFileSync(join(directory, 'data', 'data.mdb'))));
  rmSync(directory, { recursive: true });

  const cookies = await logIn({ store: { kind: 'redis', url: redis.url } }, {});
  const records = [];
  for (const key of await redis.client.keys('*')) {
    const dump = await redis.client.dumpBuffer(key);
    records.push({ key, expiresAt: await redis.client.pexpiretime(key), dump: dump?.toString('base64') ?? '' });
  }
  save('redis', { issuer: idp.issuer, cookies, records });
  await idp.close();
  await redis.stop();
}

await main(process.argv.slice(2));
