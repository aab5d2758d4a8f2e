// Secrets that stand elsewhere: in a variable, in a file.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { load, loaded, loadYaml, problemsOf, provider, SECRET } from './setup.js';

describe('secrets', () => {
  const at = (secret: unknown) =>
    load(
      { providers: [provider({ cookie_secret: secret })] },
      {
        env: { KEY: SECRET, EMPTY: '' },
        files: { '/run/key': `${SECRET}\n\n`, '/run/crlf': `${SECRET}\r\n`, '/run/empty': '\n' },
      },
    );
  const path = 'providers[0].cookie_secret';

  for (const [secret, wanted] of [
    [SECRET, SECRET],
    [{ env: 'KEY' }, SECRET],
    [{ file: '/run/crlf' }, SECRET],
    [{ file: '../../run/key' }, `${SECRET}\n`],
  ] as const) {
    test(JSON.stringify(secret), () => {
      assert.equal(loaded(at(secret)).config.providers[0]?.cookie_secret, wanted);
    });
  }

  for (const [secret, message] of [
    [{ env: 'NONE' }, 'environment variable NONE is not set: set it where akprox is started'],
    [{ env: 'toString' }, 'environment variable toString is not set: set it where akprox is started'],
    [{ env: 'EMPTY' }, 'environment variable EMPTY is empty'],
    [{ file: '/run/none' }, 'file /run/none cannot be read (ENOENT): correct the path, or put the file there'],
    [{ file: '/run/empty' }, 'file /run/empty is empty'],
    [{ env: 'KEY', file: '/run/key' }, 'expected a string, { env: NAME } or { file: PATH }'],
    [{ vault: 'x' }, 'expected a string, { env: NAME } or { file: PATH }'],
    [{}, 'expected a string, { env: NAME } or { file: PATH }'],
    [{ env: 7 }, 'expected a string, { env: NAME } or { file: PATH }'],
    [7, 'expected string, found number: put it into quotes'],
    ['', 'must not be empty'],
    [undefined, 'is required'],
    ['short', 'is shorter than 32 bytes, `akprox secret` prints one'],
  ] as const) {
    test(`${JSON.stringify(secret)} is refused`, () => {
      assert.deepEqual(problemsOf(at(secret)), { [path]: message });
    });
  }

  test('are taken at each path that has one', () => {
    const env = { A: SECRET, B: 'b', C: 'c', D: 'd' };
    const raw = {
      store: {
        kind: 'redis',
        sentinels: ['s:26379'],
        name: 'm',
        password: { env: 'C' },
        sentinel_password: { env: 'D' },
      },
      providers: [provider({ cookie_secret: { env: 'A' } }, { client_secret: { env: 'B' } })],
    };
    const { config } = loaded(load(raw, { env }));
    assert.equal(config.providers[0]?.oidc.client_secret, 'b');
    assert.deepEqual(config.store.kind === 'redis' && [config.store.password, config.store.sentinel_password], [
      'c',
      'd',
    ]);
  });

  test('are taken nowhere else', () => {
    const result = load({ providers: [provider({ name: { env: 'KEY' } })] }, { env: { KEY: 'a' } });
    assert.deepEqual(problemsOf(result), { 'providers[0].name': 'expected string, found object' });
  });

  test('never appear in a problem', () => {
    const hidden = 'HIDDEN-VALUE';
    const raw = {
      listn: hidden,
      store: { kind: 'redis', url: `http://u:${hidden}@h`, password: [hidden], db: hidden },
      providers: [
        provider(
          { cookie_secret: hidden, external_host: `https://u:${hidden}@h`, extra: hidden },
          { issuer: `https://u:${hidden}@i`, client_secret: { [hidden]: 1 } },
        ),
      ],
    };
    const texts = [
      load(raw),
      loadYaml(`providers: [{ cookie_secret: "${hidden}" ]\n`),
      loadYaml(`a: 1\n"${hidden}" x\n`),
      loadYaml(`cookie_secret: '${hidden}\n`),
      loadYaml(`cookie_secret: @${hidden}\n`),
      loadYaml(`- ${hidden}\n`),
      loadYaml(`a: *${hidden}\n`),
    ].map((result) => JSON.stringify(problemsOf(result)));
    for (const text of texts) assert.ok(!text.includes(hidden), text);
  });
});
