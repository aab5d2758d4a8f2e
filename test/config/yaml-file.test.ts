// The file itself: where it is, whether it can be read, whether it is YAML.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadConfig } from '../../src/config/load.js';
import { formatProblem } from '../../src/config/problems.js';
import { diskOf, loadYaml, problemsOf, provider, SECRET } from './setup.js';

describe('the file', () => {
  test('that AKPROX_CONFIG names must be there', () => {
    const result = loadConfig({ env: { AKPROX_CONFIG: '/none.yaml' }, cwd: '/', readFile: diskOf({}) });
    assert.deepEqual(result, {
      ok: false,
      problems: [
        {
          path: 'AKPROX_CONFIG',
          message: 'file /none.yaml cannot be read (ENOENT): correct the path, or put the file there',
        },
      ],
      file: '/none.yaml',
    });
  });

  test('that is there must be readable', () => {
    const readFile = () => {
      throw Object.assign(new Error('denied'), { code: 'EACCES' });
    };
    assert.deepEqual(problemsOf(loadConfig({ env: {}, cwd: '/', readFile })), {
      'akprox.yaml':
        'file /akprox.yaml cannot be read (EACCES): give the user that akprox runs as the right to read it, and to enter the directories above it',
    });
  });

  test('or authentik: one of them is needed', () => {
    const result = loadConfig({ env: {}, cwd: '/srv', readFile: diskOf({}) });
    assert.deepEqual(problemsOf(result), {
      'akprox.yaml':
        'not found in /srv: write one, name one in AKPROX_CONFIG, set AUTHENTIK_HOST and AUTHENTIK_TOKEN, or every setting by AKPROX_ variables',
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

describe('a problem', () => {
  const told = (yaml: string, env = {}): string[] => {
    const result = loadYaml(yaml, { env });
    assert.ok(!result.ok);
    return result.problems.map(formatProblem);
  };

  test('names the provider and the line of the file', () => {
    const good = (name: string): string =>
      `  - ${JSON.stringify(provider({ name, external_host: `https://${name}.tld` }))}\n`;
    const bad = `  - name: grafana
    mode: forward_single
    external_host: https://grafana.tld
    cookie_secret: ${SECRET}
    oidc:
      client_id: 7
      isuer: https://auth.tld
`;
    const yaml = `# one\nproviders:\n${[...Array(37).keys()].map((i) => good(`a${i}`)).join('')}${bad}`;
    assert.deepEqual(told(yaml), [
      'providers[37] (grafana), line 45: oidc.client_id: expected string, found number: put it into quotes',
      'providers[37] (grafana), line 44: oidc.issuer: is required',
      'providers[37] (grafana), line 46: oidc.isuer: unknown key, did you mean issuer?',
    ]);
  });

  test('is found through an anchor, and in flow style', () => {
    const yaml = `base: &b\n  level: loud\nlog: *b\nlisten: {\n  http: x }\n`;
    assert.deepEqual(told(yaml), [
      'base, line 1: unknown key',
      'listen.http, line 5: expected ADDRESS:PORT or unix:/PATH',
      'log.level, line 2: expected one of "trace", "debug", "info", "warn", "error"',
    ]);
  });

  test('says no name that is none', () => {
    assert.deepEqual(told('providers: [{ name: "my\\nsecret" }]').slice(0, 1), [
      'providers[0], line 1: cookie_secret: is required',
    ]);
  });

  test('of a variable has no line', () => {
    assert.deepEqual(told('log:\n  level: info\n', { AKPROX_LOG_LEVEL: 'loud' }), [
      'log.level: expected one of "trace", "debug", "info", "warn", "error" (from AKPROX_LOG_LEVEL)',
    ]);
  });
});
