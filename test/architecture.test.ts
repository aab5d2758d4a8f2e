// The walls of the house: imports go down only, no cycles between rooms, the environment and uWebSockets.js stay where they belong.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertMarked } from './kit/marked.js';
import { CONFIG, floorOf, ROOMS, roomsTable } from './kit/rooms.js';

const ROOT = new URL('../', import.meta.url);
const SRC = fileURLToPath(new URL('src', ROOT));
const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();

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
          if (!typeOnly && ![...CONFIG.loaders, 'config'].includes(from)) wrong.push(`${file} → ${to}`);
        } else if (from === 'config') {
          if (!CONFIG.imports.includes(into)) wrong.push(`${file} → ${to}`);
        } else if (!((floorOf(into) ?? -1) >= (floorOf(from) ?? Number.POSITIVE_INFINITY)))
          wrong.push(`${file} → ${to}`);
      }
    }
    assert.deepEqual(wrong, []);
    assert.ok(files.length > 20);
  });

  it('has no room that the list does not name, and no name without a room', () => {
    const named = [...ROOMS, CONFIG].flatMap(({ names }) => names);
    assert.deepEqual([...new Set(files.map(room))].sort(), [...named].sort());
  });

  it('is what CONTRIBUTING.md says it is', () => {
    const command = 'UPDATE_CONTRIBUTING=1 npx tsx --test test/architecture.test.ts';
    const update = process.env['UPDATE_CONTRIBUTING'] === '1';
    assertMarked(new URL('CONTRIBUTING.md', ROOT), 'rooms', roomsTable(), update, command);
  });

  it('has every file that the list of rooms names', () => {
    const missing = [...roomsTable().matchAll(/`([\w./-]+\.ts)`/g)]
      .map(([, name]) => name ?? '')
      .filter((name) =>
        name.includes('/') ? !existsSync(new URL(name, ROOT)) : !files.some((file) => basename(file) === name),
      );
    assert.deepEqual(missing, []);
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

  it('imports uWebSockets.js in http/uws.ts only', () => {
    assert.deepEqual(
      files.filter((file) => imports(file).some(({ target }) => target === 'uWebSockets.js')),
      ['http/uws.ts'],
    );
  });

  it('loads undici on demand: a worker that never asks authentik has no room for it', () => {
    assert.deepEqual(
      files.filter((file) => /^import (?!type)[^;]* from 'undici'/m.test(readFileSync(join(SRC, file), 'utf8'))),
      [],
    );
  });

  it('writes what a request can cause through the gate of infra/log-gate.ts', () => {
    // These watch a connection, or hand the log on to what does; check-log writes what the operator has asked for, and the audit
    // has gates of its own.
    const unlimited = [
      'http/check-log.ts',
      'session/audit.ts',
      'session/open-store.ts',
      'session/redis/redis-channel.ts',
      'session/redis/redis-connection.ts',
      'session/redis/redis-store.ts',
    ];
    assert.deepEqual(
      files.filter(
        (file) =>
          ['http', 'oidc', 'session', 'application'].includes(room(file)) &&
          imports(file).some(({ target }) => target === 'pino'),
      ),
      unlimited,
    );
  });
});
