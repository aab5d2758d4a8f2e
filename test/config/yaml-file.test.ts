// The file itself: where it is, whether it can be read, whether it is YAML.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadConfig } from '../../src/config/load.js';
import { diskOf, loadYaml, problemsOf } from './setup.js';

describe('the file', () => {
  test('that AKPROX_CONFIG names must be there', () => {
    const result = loadConfig({ env: { AKPROX_CONFIG: '/none.yaml' }, cwd: '/', readFile: diskOf({}) });
    assert.deepEqual(result, {
      ok: false,
      problems: [{ path: 'AKPROX_CONFIG', message: 'file /none.yaml cannot be read (ENOENT)' }],
      file: '/none.yaml',
    });
  });

  test('that is there must be readable', () => {
    const readFile = () => {
      throw Object.assign(new Error('denied'), { code: 'EACCES' });
    };
    assert.deepEqual(problemsOf(loadConfig({ env: {}, cwd: '/', readFile })), {
      'akprox.yaml': 'file /akprox.yaml cannot be read (EACCES)',
    });
  });

  test('or authentik: one of them is needed', () => {
    const result = loadConfig({ env: {}, cwd: '/srv', readFile: diskOf({}) });
    assert.deepEqual(problemsOf(result), {
      'akprox.yaml':
        'not found in /srv: write one, name one in AKPROX_CONFIG, or set AUTHENTIK_HOST and AUTHENTIK_TOKEN',
    });
    assert.equal(!result.ok && result.file, null);
  });

  for (const [name, yaml, wanted] of [
    ['a duplicate key', 'log:\n  level: info\n  level: warn\n', { 'akprox.yaml:3:3': 'Map keys must be unique' }],
    ['two documents', 'workers: 1\n---\nworkers: 2\n', { 'akprox.yaml:2:1': /multiple documents/ }],
    ['a tab', 'log:\n\tlevel: info\n', { 'akprox.yaml:2:1': /[Tt]abs/ }],
    ['a list', '- a\n', { 'akprox.yaml': 'expected settings, found a list or a scalar' }],
    ['an unknown alias', 'log: *x\n', { 'akprox.yaml': 'has an alias that cannot be resolved' }],
  ] as const) {
    test(`with ${name} is refused`, () => {
      const problems = problemsOf(loadYaml(yaml));
      for (const [path, message] of Object.entries<string | RegExp>(wanted)) {
        if (typeof message === 'string') assert.equal(problems[path], message);
        else assert.match(problems[path] ?? JSON.stringify(problems), message);
      }
    });
  }

  test('that cannot be parsed is not judged, the environment is', () => {
    const problems = problemsOf(loadYaml('a: [', { env: { AUTHENTIK_HOST: 'https://ak.tld' } }));
    assert.ok(Object.keys(problems).some((path) => path.startsWith('akprox.yaml:')));
    assert.equal(problems['AUTHENTIK_TOKEN'], 'is required beside AUTHENTIK_HOST');
  });
});
