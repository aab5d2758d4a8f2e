// From an empty folder: the packed tarball installed by npm, and what a newcomer does with it. What the tarball has, and has not.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { startDaemon, testProvider } from '../kit/daemon.js';
import { endsWithTest } from '../kit/ends-with-test.js';
import { startIdp } from '../kit/idp.js';
import { describeWith } from '../kit/needs.js';
import { ACCOUNTS, APP, clientFor, startFront } from '../kit/world.js';
import { registryMissing } from './registry.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

describe('the package', () => {
  let directory: string;
  let packed: Packed;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'akprox-package-'));
    // The build that is there: `prepack` would take it away from the tests that run beside this one.
    const options = ['--ignore-scripts', '--json', '--pack-destination', directory];
    const { status, stdout, stderr } = spawnSync('npm', ['pack', ...options], { cwd: ROOT, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    // A list up to npm 11, by name from then on.
    [packed] = Object.values(JSON.parse(stdout) as Record<string, Packed>) as [Packed];
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it('has the program, its types and what npm always adds, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    assert.deepEqual(paths.filter((path) => !path.startsWith('dist/')).toSorted(), [
      'LICENSE',
      'README.md',
      'package.json',
    ]);
    const ours = paths.filter((path) => path.startsWith('dist/'));
    assert.deepEqual(
      ours.filter((path) => !/\.(?:js|d\.ts)$/.test(path)),
      [],
    );
    assert.ok(ours.includes('dist/main.js') && ours.includes('dist/config/schema.d.ts'));
    const types = ours.filter((path) => path.endsWith('.d.ts'));
    assert.equal(types.length, ours.length / 2, 'a declaration for each module');
  });

  describeWith(registryMissing(), 'installed in an empty folder', () => {
    let folder: string;
    const akprox = (args: string[], env: Record<string, string> = {}) =>
      spawnSync(join(folder, 'node_modules/.bin/akprox'), args, {
        cwd: folder,
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], ...env },
      });

    before(() => {
      folder = join(directory, 'empty');
      mkdirSync(folder);
      const options = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
      const { status, stderr } = spawnSync('npm', ['install', ...options, join('..', packed.filename)], {
        cwd: folder,
        encoding: 'utf8',
      });
      assert.equal(status, 0, stderr);
    });

    it('akprox is a command that makes a secret, checks a configuration, and serves a login', async () => {
      const secret = akprox(['secret']);
      assert.match(secret.stdout, /^\S{32,}\n$/, secret.stderr);
      writeFileSync(join(folder, 'cookie'), secret.stdout);

      const idp = await startIdp({ clients: [clientFor('whoami', APP)], accounts: ACCOUNTS });
      try {
        const client = { issuer: idp.issuer, client_id: 'whoami', client_secret: { env: 'WHOAMI_CLIENT_SECRET' } };
        const provider = { cookie_secret: { file: join(folder, 'cookie') }, access: { groups: ['staff'] } };
        const config = { workers: 1, providers: [testProvider(idp.issuer, { ...provider, oidc: client })] };
        writeFileSync(join(folder, 'akprox.yaml'), stringify(config));
        const env = { WHOAMI_CLIENT_SECRET: 'whoami-client-secret' };
        // Not at once as above: the identity provider that it asks is in this process.
        const checking = endsWithTest(
          spawn(join(folder, 'node_modules/.bin/akprox'), ['check', '--online', '--print'], {
            cwd: folder,
            env: { PATH: process.env['PATH'], ...env },
            stdio: ['ignore', 'pipe', 'ignore'],
          }),
        );
        const [printed, [status]] = await Promise.all([text(checking.stdout), once(checking, 'exit')]);
        assert.equal(status, 0, printed);
        assert.match(printed, /http:\/\/whoami\.localhost:8080\/akprox\/callback\n/);
        assert.match(printed, /client_secret: \{ env: WHOAMI_CLIENT_SECRET \} # akprox\.yaml:\d+\n/);
        assert.match(printed, /^ok {7}.*takes us for the client whoami$/m);

        const command = [join(folder, 'node_modules/.bin/akprox')] as const;
        await using daemon = await startDaemon(config, { env, command });
        const front = await startFront(daemon.http);
        try {
          assert.equal((await front.browser().logIn(`${APP}/`, 'alice')).status, 200);
          assert.equal((await front.browser().logIn(`${APP}/`, 'bob')).status, 403);
        } finally {
          await front.close();
        }
        assert.equal(await daemon.stop(), 0);
        assert.equal(daemon.stray(), '');
      } finally {
        await idp.close();
      }
    });
  });
});
