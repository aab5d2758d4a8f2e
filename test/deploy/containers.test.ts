// Docker is not here: what its schema and a linter say of the Compose files and the Dockerfile, and what the files say of each other.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DCLinter } from 'dclint';
import { validate } from 'dockerfile-utils';
import { parse } from 'yaml';
import { createBrowser } from '../kit/browser.js';
import { startDaemon } from '../kit/daemon.js';
import { endsWithTest } from '../kit/ends-with-test.js';
import { startGateway } from '../kit/gateway.js';
import { freePort } from '../kit/ports.js';
import { startWhoami } from '../kit/whoami.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const COMPOSE_FILES = ['deploy/compose.yaml', 'deploy/proxies/traefik/docker-compose.yaml'];
/** The linter's rules of taste (order of keys, alphabet) are off; the schema and what is surely wrong stay. */
const TASTE = [
  'no-build-and-image',
  'no-quotes-in-volumes',
  'no-unbound-port-interfaces',
  'require-project-name-field',
  'require-quotes-in-ports',
  'service-dependencies-alphabetical-order',
  'service-image-require-explicit-tag',
  'service-keys-order',
  'service-ports-alphabetical-order',
  'services-alphabetical-order',
  'top-level-properties-order',
];

interface Service {
  readonly profiles?: readonly string[];
  readonly build?: string | { readonly context: string; readonly target?: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly healthcheck?: object;
  readonly networks?: { readonly default?: { readonly aliases?: readonly string[] } };
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets?: Readonly<Record<string, { readonly file: string }>>;
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const compose = (file: string): Compose => parse(read(file), { merge: true }) as Compose;

function lint(path: string): string[] {
  const rules = Object.fromEntries(TASTE.map((rule) => [rule, 0 as const]));
  const linter = new DCLinter({ rules, quiet: false, debug: false, exclude: [] });
  // Its own type declarations do not resolve in an ES module.
  const results = linter.lintFiles([path], false) as { messages: { line: number; message: string }[] }[];
  return results.flatMap(({ messages }) => messages.map(({ line, message }) => `${line}: ${message}`));
}

describe('the Compose files', () => {
  for (const file of COMPOSE_FILES) {
    it(`${file} fits the schema`, () => assert.deepEqual(lint(join(ROOT, file)), []));
  }

  it('the schema notices a field that does not exist', () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-compose-'));
    try {
      const broken = join(directory, 'compose.yaml');
      writeFileSync(broken, read('deploy/compose.yaml').replace('stop_grace_period:', 'stop_grace_perio:'));
      assert.match(lint(broken).join('\n'), /must NOT have additional properties/);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('deploy/compose.yaml has an outpost called akprox in every profile, and what it mounts is there', () => {
    const { services, secrets } = compose('deploy/compose.yaml');
    for (const profile of ['oidc', 'authentik', 'demo']) {
      const outposts = Object.entries(services).filter(
        ([name, { profiles, networks }]) =>
          profiles?.includes(profile) && (name === 'akprox' || networks?.default?.aliases?.includes('akprox')),
      );
      assert.equal(outposts.length, 1, profile);
    }
    for (const [name, service] of Object.entries(services)) {
      for (const volume of service.volumes ?? []) {
        if (volume.startsWith('./')) assert.ok(existsSync(join(ROOT, 'deploy', volume.split(':')[0] ?? '')), volume);
      }
      for (const secret of service.secrets ?? []) assert.ok(secrets?.[secret], `${name}: ${secret}`);
    }
    for (const { file } of Object.values(secrets ?? {})) assert.match(file, /^\.\/secrets\//);
  });
});

describe('the Dockerfile', () => {
  const dockerfile = read('Dockerfile');

  it('pleases the linter', () => assert.deepEqual(validate(dockerfile), []));

  it('the linter notices an instruction that does not exist', () => {
    assert.equal(validate(dockerfile.replace('ENTRYPOINT', 'ENTRYPOIN')).length, 1);
  });

  it('has every stage that the Compose files build, and copies only what the build context has', () => {
    const stages = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)$/gm)].map(([, name]) => name);
    for (const { build } of COMPOSE_FILES.flatMap((file) => Object.values(compose(file).services))) {
      if (typeof build === 'object' && build.target !== undefined) assert.ok(stages.includes(build.target));
    }
    const kept = read('.dockerignore')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? line.slice(1) : []));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) =>
      sources.split(' '),
    );
    assert.deepEqual(copied.toSorted(), kept.toSorted());
    for (const source of copied) assert.ok(existsSync(join(ROOT, source)), source);
  });

  it('starts what the package calls akprox', () => {
    const { bin } = JSON.parse(read('package.json')) as { bin: { akprox: string } };
    assert.match(dockerfile, new RegExp(`ln -s /app/${bin.akprox} /usr/local/bin/akprox`));
  });
});

describe('the profile demo', () => {
  it('logs alice in and keeps bob out, with the files and settings of deploy/compose.yaml', async () => {
    const { idp } = compose('deploy/compose.yaml').services;
    const settings = idp?.environment ?? assert.fail('no service idp');
    const [command = ''] = /(?<=^CMD \["node", ").*(?="\]$)/m.exec(read('Dockerfile')) ?? [];
    const directory = mkdtempSync(join(tmpdir(), 'akprox-compose-'));
    const secret = join(directory, 'whoami-client');
    const cookieSecret = join(directory, 'whoami-cookie');
    writeFileSync(secret, 'a-client-secret-for-a-test\n');
    writeFileSync(cookieSecret, `${'cookie-secret-'.repeat(4)}\n`);
    const [web, provider] = [await freePort(), await freePort()];
    const application = `http://whoami.localhost:${web}`;
    // Names and ports as they are here; everything else is the operator's.
    const here = (text: string): string =>
      text
        .replaceAll('http://idp.localhost:9400', `http://127.0.0.1:${provider}`)
        .replaceAll('https://whoami.localhost', application)
        .replaceAll('/run/secrets/', `${directory}/`);

    const env = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, here(value)]));
    const child = endsWithTest(
      spawn(process.execPath, command.split('", "'), {
        cwd: ROOT,
        env: { PATH: process.env['PATH'], ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
    const ended = once(child, 'exit');
    try {
      await Promise.race([once(child.stdout, 'data'), ended.then(() => assert.fail('the provider ended'))]);
      const { store, ...config } = parse(here(read('deploy/demo.yaml'))) as Record<string, unknown>;
      assert.deepEqual(store, { kind: 'redis', url: 'redis://redis:6379/0' });
      await using daemon = await startDaemon({ ...config, workers: 1 });
      const app = await startWhoami({ port: 0 });
      const gateway = await startGateway({
        port: web,
        outpost: daemon.http,
        backend: `http://127.0.0.1:${app.port}`,
        routeOutpostPaths: true,
      });
      try {
        const alice = await createBrowser().logIn(`${application}/`, 'alice');
        assert.deepEqual([alice.status, alice.url], [200, `${application}/`]);
        assert.equal((await createBrowser().logIn(`${application}/`, 'bob')).status, 403);
      } finally {
        await gateway.close();
        await app.close();
      }
    } finally {
      child.kill('SIGTERM');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    }
    assert.equal(child.exitCode, 0, 'it ends when it is told to');
  });
});
