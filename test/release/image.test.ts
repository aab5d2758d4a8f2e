// The image without Docker: the steps of the Dockerfile in a clean folder, and what they make, started as Kubernetes and OpenShift start
// it: as a user that nobody knows, on a root that cannot be written to.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createBrowser } from '../kit/browser.js';
import { startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { startIdp } from '../kit/idp.js';
import { buildImage, type Image, inImage, rootMissing } from '../kit/image.js';
import { describeWith } from '../kit/needs.js';
import { runtimePackages } from '../kit/runtime-packages.js';
import { ACCOUNTS, APP, clientFor } from '../kit/world.js';
import { registryMissing } from './registry.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const USER = '1000710000';

// Half a minute of processor time, most of it for packages that are here already: .ci/run asks for it.
const asked = process.env['AKPROX_TEST_ALL'] === '1' ? null : 'AKPROX_TEST_ALL=1 asks for it';

/** The image is of a Node.js that has one. */
const BINARY = `uws_linux_${process.arch}_${process.versions.modules}.node`;
const hasBinary = existsSync(join(ROOT, 'node_modules/uWebSockets.js/dist/bin', BINARY));
const engine = hasBinary ? null : 'uWebSockets.js has no binary for this Node.js, and the image keeps nothing else';

describeWith(asked ?? engine ?? rootMissing() ?? registryMissing(), 'the image', () => {
  let directory: string;
  let image: Image;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'akprox-image-'));
    const context = join(directory, 'context');
    // What Docker would be sent, of what is under version control.
    const kept = readFileSync(join(ROOT, '.dockerignore'), 'utf8').match(/(?<=^!).+$/gm) ?? [];
    const { stdout } = spawnSync('git', ['ls-files', '-z', 'Dockerfile', ...kept], { cwd: ROOT, encoding: 'utf8' });
    for (const file of stdout.split('\0').filter((name) => name !== '' && existsSync(join(ROOT, name)))) {
      mkdirSync(join(context, dirname(file)), { recursive: true });
      cpSync(join(ROOT, file), join(context, file));
    }
    image = buildImage(context, directory);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('has what akprox runs with, for this processor only, and nothing that only tests need', () => {
    const files = readdirSync(join(image.root, 'app'), { recursive: true, encoding: 'utf8' });
    const size = files.reduce((sum, file) => {
      const stat = statSync(join(image.root, 'app', file));
      return stat.isFile() ? sum + stat.size : sum;
    }, 0);
    console.log(`the image adds ${(size / 2 ** 20).toFixed(1)} MiB to its base`);
    assert.ok(size < 60 * 2 ** 20, `${size} bytes`);

    const there = files.flatMap((file) => /^node_modules\/((?:@[^/]+\/)?[^/@]+)$/.exec(file)?.[1] ?? []);
    const wanted = runtimePackages().map(({ name }) => name);
    assert.deepEqual(
      there.filter((name) => !wanted.includes(name) && !name.startsWith('.')),
      [],
    );
    const binaries = files.filter((file) => /uws_.*\.node$/.test(file));
    assert.deepEqual(
      binaries.map((file) => file.split('/').at(-1)),
      [BINARY],
    );
  });

  describe('started', () => {
    it('serves a login and a check', async () => {
      const data = join(directory, 'data');
      mkdirSync(data);
      const { command, env } = inImage(image, data, USER);
      const idp = await startIdp({ clients: [clientFor('whoami', APP)], accounts: ACCOUNTS });
      try {
        await using daemon = await startDaemon(
          {
            workers: 1,
            store: { kind: 'embedded', path: '/data/sessions' },
            providers: [testProvider(idp.issuer, { access: { groups: ['staff'] } })],
          },
          { directory: data, command, env: { ...env, AKPROX_CONFIG: '/data/akprox.yaml' } },
        );
        const browser = createBrowser({
          connect: (url) =>
            url.port === '8080' ? { host: '127.0.0.1', port: Number(new URL(daemon.http).port) } : undefined,
        });
        const back = await browser.logIn(
          `${APP}/akprox/start?rd=${encodeURIComponent(`${APP}/`)}`,
          'alice',
          (url) => url === `${APP}/`,
        );
        assert.equal(back.location, `${APP}/`);
        const [cookie = ''] = await browser.cookies(`${APP}/`);
        const check = await traefikCheck(daemon.http, `${APP}/`, { cookie });
        assert.deepEqual([check.status, check.headers['x-auth-username']], [200, 'alice']);
        assert.equal(statSync(join(data, 'sessions', 'data.mdb')).uid, Number(USER));
        // Below the volume: any user of the group 0 may write without one.
        const { gid, mode } = statSync(join(image.root, 'data'));
        assert.deepEqual([gid, mode & 0o777], [0, 0o770]);
        assert.equal(await daemon.stop(), 0);
        assert.equal(daemon.stray(), '');
      } finally {
        await idp.close();
      }
    });
  });
});
