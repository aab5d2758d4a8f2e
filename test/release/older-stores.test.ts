// A store that an older version wrote: whoever was signed in is signed in after the upgrade, and a sign-out ends that session.
// docs/upgrade.md says so. write-older-store.ts makes what is opened here.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { type ConfigInput, request, startDaemon, traefikCheck } from '../kit/daemon.js';
import { describeWith } from '../kit/needs.js';
import { redisMissing, startRedis } from '../kit/redis-server.js';
import { APPLICATIONS, type OlderStore, olderProviders } from './older-store.js';

const STORES = fileURLToPath(new URL('stores/', import.meta.url));
const PEOPLE: Readonly<Record<string, string>> = { renewed: 'alice', plain: 'bob' };

async function sessionsOpen(older: OlderStore, config: ConfigInput, directory: string): Promise<void> {
  await using daemon = await startDaemon(
    { ...config, workers: 1, providers: olderProviders(older.issuer) },
    { directory },
  );
  for (const [name, origin] of Object.entries(APPLICATIONS)) {
    const cookie = older.cookies[name] ?? '';
    const check = () => traefikCheck(daemon.http, `${origin}/`, { cookie });
    const before = await check();
    assert.deepEqual([before.status, before.headers['x-auth-username']], [200, PEOPLE[name]], name);
    await request(`${daemon.http}/akprox/sign_out`, { headers: { Host: new URL(origin).host, Cookie: cookie } });
    assert.equal((await check()).status, 302, `${name}: signed out`);
  }
  assert.equal(await daemon.stop(), 0);
}

for (const version of readdirSync(STORES)) {
  const older = (kind: string): OlderStore =>
    JSON.parse(readFileSync(join(STORES, version, `${kind}.json`), 'utf8')) as OlderStore;
  const inDirectory = async (work: (directory: string) => Promise<void>): Promise<void> => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-older-'));
    await work(directory).finally(() => rmSync(directory, { recursive: true, force: true }));
  };

  describe(`what ${version} wrote`, () => {
    it('into the embedded store opens', () =>
      inDirectory(async (directory) => {
        const data = join(directory, 'data');
        mkdirSync(data, { mode: 0o700 });
        writeFileSync(join(data, 'data.mdb'), gunzipSync(readFileSync(join(STORES, version, 'data.mdb.gz'))));
        await sessionsOpen(older('embedded'), {}, directory);
      }));
  });

  describeWith(redisMissing(), `what ${version} wrote into Redis`, () => {
    it('opens', () =>
      inDirectory(async (directory) => {
        const redis = await startRedis();
        try {
          const store = older('redis');
          const records = store.records ?? [];
          assert.ok(records.length > 2);
          for (const { key, expiresAt, dump } of records) {
            await redis.client.restore(key, Math.max(0, expiresAt), Buffer.from(dump, 'base64'), 'ABSTTL');
          }
          await sessionsOpen(store, { store: { kind: 'redis', url: redis.url } }, directory);
        } finally {
          await redis.stop();
        }
      }));
  });
}
