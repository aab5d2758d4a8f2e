// The documents are true as far as a test can tell: links lead somewhere, files that are named exist, "contract §n" has a section.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

const ROOT = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');
const below = (folder: string, end: RegExp): string[] =>
  readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((file) => end.test(file))
    .map((file) => `${folder}/${file}`);

/** As the hosting platform names them in links. */
const sectionsOf = (file: URL): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...['docs', 'deploy', 'bench'].flatMap((folder) => below(folder, /\.md$/)),
];
const contract = read('docs/contract.md');

describe('the documents', () => {
  for (const document of documents) {
    it(`${document}: every link leads to a file, and every file that is named exists`, () => {
      const text = read(document);
      const here = new URL(document, ROOT);
      const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)]*))?\)/g)];
      const missing = links
        .filter(([, path = '', section]) => {
          const target = path === '' ? here : new URL(path, here);
          return !existsSync(target) || (section !== undefined && !sectionsOf(target).includes(section));
        })
        .map(([link]) => link);
      // In a command too: `node --import tsx bench/steps.ts`.
      const named = [...text.matchAll(/`[^`\n]*`/g)].flatMap(([code]) => [
        ...code.matchAll(/(?<![\w./-])(?:src|test|bench|deploy|docs)\/[\w./-]+\w/g),
      ]);
      missing.push(...named.map(([path]) => path).filter((path) => !existsSync(new URL(path, ROOT))));
      assert.deepEqual(missing, []);
    });
  }

  it('and comments name no page that whoever has only this repository cannot read', () => {
    const outside = /(?<![\w/.-])(?:(?:authentik|proxies|hot-path|real-world)\.md|design\/\w)/;
    const files = ['src', 'test', 'bench', 'deploy'].flatMap((folder) => below(folder, /\.(?:ts|md|ya?ml|conf|lua)$/));
    assert.ok(files.length > 300);
    const own = new Set(['test/docs.test.ts']);
    assert.deepEqual(
      [...files, ...documents].filter((file) => !own.has(file) && outside.test(read(file))),
      [],
    );
  });

  it('have a section of the contract for every one that a comment names', () => {
    const sections = new Set([...contract.matchAll(/^##+ (\d+[a-c]?(?:\.\d+)?)[. ]/gm)].map(([, number]) => number));
    assert.ok(sections.size > 15);
    const files = ['src', 'test', 'bench', 'deploy'].flatMap((folder) => below(folder, /\.(?:ts|md|ya?ml|conf|lua)$/));
    const wrong = files.flatMap((file) =>
      [...read(file).matchAll(/contract(?:\.md)? §(\d+[a-c]?(?:\.\d+)?)/gi)]
        .filter(([, number]) => !sections.has(number))
        .map(([reference]) => `${file}: ${reference}`),
    );
    assert.deepEqual(wrong, []);
  });
});

it('docs/operations.md and deploy/monitoring/README.md quote log lines as the code has them', () => {
  const sources = below('src', /\.ts$/).map(read).join('\n');
  const table = [...read('docs/operations.md').matchAll(/\| line \|[\s\S]*?\n\n/g)].join('\n');
  const quoted = [
    ...[...table.matchAll(/^\| `([^`]+)` \|/gm)].map(([, line = '']) => line.replace(/: …$/, '')),
    ...[...read('deploy/monitoring/README.md').matchAll(/`(a worker [^`]+)`/g)].map(([, line = '']) => line),
  ];
  assert.ok(quoted.length > 12);
  assert.deepEqual(
    quoted.filter((line) => !sources.includes(line)),
    [],
  );
});

it('docs/architecture.md names functions of files that have them', () => {
  const named = [...read('docs/architecture.md').matchAll(/`(\w+)`\s(?:of|in)\s`((?:src|test)\/[\w./-]+)`/g)];
  assert.ok(named.length > 10);
  assert.deepEqual(
    named.filter(([, name = '', path = '']) => !new RegExp(`\\b${name}\\b`).test(read(path))).map(([link]) => link),
    [],
  );
});
