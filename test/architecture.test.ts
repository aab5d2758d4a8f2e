// The walls of the house: imports go down only, no cycles between rooms, the environment and uWebSockets.js stay where they belong.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../src', import.meta.url));
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

/** From the top down. A file may import from its own room and from those below it. */
const ROOMS = [
  'main',
  'cli',
  'sessions-command',
  'doctor',
  'cluster',
  'http',
  'authentik',
  'oidc',
  'session',
  'provider',
  'infra',
];
const room = (file: string): string => (file.includes('/') ? (file.split('/')[0] ?? '') : basename(file, '.ts'));

function imports(file: string): { target: string; typeOnly: boolean }[] {
  const source = readFileSync(join(SRC, file), 'utf8');
  return [...source.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'|import\('([^']+)'\)/gm)].map(
    (match) => ({
      target: match[2] ?? match[3] ?? '',
      typeOnly: match[1] !== undefined,
    }),
  );
}

describe('the architecture', () => {
  it('lets imports go down only', () => {
    const wrong: string[] = [];
    for (const file of files) {
      for (const { target, typeOnly } of imports(file)) {
        if (!target.startsWith('.')) continue;
        const to = relative(SRC, resolve(SRC, dirname(file), target)).replace(/\.js$/, '.ts');
        const [from, into] = [room(file), room(to)];
        if (into === 'config') {
          // Types may be imported anywhere, the loader only by main, cli and cluster.
          if (!typeOnly && !['main', 'cli', 'cluster', 'config'].includes(from)) wrong.push(`${file} → ${to}`);
        } else if (from === 'config') {
          if (!['infra', 'provider'].includes(into)) wrong.push(`${file} → ${to}`);
        } else if (ROOMS.indexOf(into) < ROOMS.indexOf(from)) wrong.push(`${file} → ${to}`);
      }
    }
    assert.deepEqual(wrong, []);
    assert.ok(files.length > 20);
  });

  it('has unique file names, so that a name finds its file', () => {
    const names = files.map((file) => basename(file));
    assert.deepEqual(
      names.filter((name, i) => names.indexOf(name) !== i),
      [],
    );
  });

  it('reads the environment in main and config only', () => {
    const wrong = files.filter(
      (file) => !['main', 'config'].includes(room(file)) && /process\.env/.test(readFileSync(join(SRC, file), 'utf8')),
    );
    assert.deepEqual(wrong, []);
  });

  it('imports uWebSockets.js in http/server.ts only', () => {
    assert.deepEqual(
      files.filter((file) => imports(file).some(({ target }) => target === 'uWebSockets.js')),
      ['http/server.ts'],
    );
  });
});
