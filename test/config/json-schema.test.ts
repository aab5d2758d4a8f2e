// The JSON Schema for editors is made from ours, and takes what it takes. `UPDATE_DOCS=1 npx tsx --test test/config/json-schema.test.ts`
// rewrites it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { configJsonSchema } from '../../src/config/json-schema.js';
import { domain, provider } from './setup.js';

const DEPLOY = new URL('../../deploy/', import.meta.url);
const FILE = new URL('akprox.schema.json', DEPLOY);
const COMMENT = '# yaml-language-server: $schema=';

const valid = new Ajv2020({ strict: false }).compile(configJsonSchema());

test('deploy/akprox.schema.json is the one that the schema makes', () => {
  const wanted = `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(FILE, wanted);
  else
    assert.equal(
      readFileSync(FILE, 'utf8'),
      wanted,
      'run UPDATE_DOCS=1 npx tsx --test test/config/json-schema.test.ts',
    );
});

describe('an example', () => {
  const examples = readdirSync(DEPLOY, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /(?:^|\/)(?:akprox|demo)\.yaml$/.test(name),
  );
  assert.ok(examples.length >= 4);
  for (const name of examples) {
    test(`is valid, and says where its schema is: deploy/${name}`, () => {
      const text = readFileSync(new URL(name, DEPLOY), 'utf8');
      const [first = ''] = text.split('\n');
      assert.ok(first.startsWith(COMMENT), first);
      assert.equal(new URL(first.slice(COMMENT.length), new URL(name, DEPLOY)).href, FILE.href);
      assert.ok(valid(parse(text)), JSON.stringify(valid.errors));
    });
  }
});

describe('the schema', () => {
  for (const [what, raw] of [
    ['nothing', {}],
    ['one application', { providers: [provider()] }],
    ['a domain', { providers: [domain({})] }],
    ['secrets elsewhere', { providers: [provider({ cookie_secret: { file: 'a' } }, { client_secret: { env: 'B' } })] }],
    ['a password elsewhere', { store: { kind: 'redis', url: 'redis://a:1', password: { env: 'B' } } }],
    ['null for none', { listen: { https: null } }],
  ] as const) {
    test(`takes ${what}`, () => assert.ok(valid(raw), JSON.stringify(valid.errors)));
  }
  for (const [what, raw] of [
    ['an unknown key', { lissten: {} }],
    ['a key of another store', { store: { kind: 'embedded', url: 'redis://a' } }],
    ['a number for a text', { providers: [provider({ name: 7 })] }],
    ['no issuer', { providers: [provider({ oidc: { client_id: 'a' } })] }],
    ['a secret in two places', { providers: [provider({ cookie_secret: { file: 'a', env: 'B' } })] }],
    ['a reference where there is no secret', { providers: [provider({ name: { env: 'B' } })] }],
    ['a duration without unit', { cache: { max_age: '60' } }],
  ] as const) {
    test(`refuses ${what}`, () => assert.ok(!valid(raw)));
  }
});
