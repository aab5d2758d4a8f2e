// The pages of deploy/identity-providers: all of them are in the index, each names what to register, and what it says to set here is a
// configuration that `akprox check` takes. Links are held by test/docs.test.ts.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { registeredUris } from '../../src/application/registered-uris.js';
import { run } from '../../src/commands/command-line.js';
import { configTable } from '../kit/settings-table.js';

const ROOT = new URL('../../', import.meta.url);
const FOLDER = new URL('deploy/identity-providers/', ROOT);
const PAGES = readdirSync(FOLDER).filter((file) => file !== 'README.md');
const SOURCES = readdirSync(new URL('src', ROOT), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(new URL(`src/${file}`, ROOT), 'utf8'))
  .join('\n');
const read = (file: string): string => readFileSync(new URL(file, FOLDER), 'utf8');

/** What `akprox check` says of a configuration; the secrets are in the environment. */
async function check(yaml: string): Promise<{ code: number; said: string }> {
  let said = '';
  const hear = (text: string): void => {
    said += text;
  };
  const code = await run(['check'], {
    env: { WHOAMI_COOKIE_SECRET: 's'.repeat(32), WHOAMI_CLIENT_SECRET: 'secret' },
    cwd: '/etc/akprox',
    readFile: (path) => {
      if (path === '/etc/akprox/akprox.yaml') return yaml;
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    },
    stdout: hear,
    stderr: hear,
    read: async () => assert.fail('it only checks'),
    serve: async () => assert.fail('it only checks'),
  });
  return { code, said };
}

describe('deploy/identity-providers', () => {
  it('has each of its pages in its index', () => {
    const linked = [...read('README.md').matchAll(/\]\((?:\.\/)?([\w-]+\.md)\)/g)].map(([, file]) => file);
    assert.deepEqual(linked.sort(), PAGES.sort());
    assert.ok(PAGES.length > 10);
  });

  for (const page of PAGES) {
    it(`${page}: what to set here is a configuration, with nothing to warn of`, async () => {
      const snippets = [...read(page).matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml = '']) => yaml);
      assert.equal(snippets.length, 1);
      const { code, said } = await check(snippets[0] ?? '');
      assert.equal(code, 0, said);
      assert.doesNotMatch(said, /warning/);
      // The page has the addresses that this very configuration leads to.
      const uris = [...said.matchAll(/URI +(\S+)$/gm)].map(([, uri = '']) => uri);
      assert.equal(uris.length, 4);
      assert.deepEqual(
        uris.filter((uri) => !read(page).includes(uri)),
        [],
      );
    });
  }

  for (const page of [...PAGES, 'README.md']) {
    it(`${page}: quotes log lines and names settings as the code has them, and says what was run`, () => {
      const text = read(page);
      const quoted = [...text.matchAll(/`((?:identity provider: |login )[^`]+)`/g)].map(([, line = '']) => line);
      assert.ok(quoted.length > 0);
      assert.deepEqual(
        quoted.filter((line) => !SOURCES.includes(line)),
        [],
      );
      const settings = configTable();
      const named = [...text.matchAll(/`(?:access|claims|oidc|session|bearer)\.[a-z_]+`/g)].map(([name]) => name);
      assert.deepEqual(
        named.filter((name) => !settings.includes(name.slice(1, -1))),
        [],
      );
      if (page !== 'README.md') assert.match(text, /^# akprox with .*\n\n(?:Run|Not run) by our tests/);
    });
  }

  it('index: names what to register', () => {
    const origin = { origin: 'https://whoami.company.tld', host: '', hostname: '', secure: true };
    for (const uri of Object.values(registeredUris({ origin, prefix: '/akprox' })))
      assert.ok(read('README.md').includes(uri), uri);
  });
});
