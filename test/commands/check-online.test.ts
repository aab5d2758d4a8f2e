// akprox check --online --print: what it finds, and that it shows no secret. Real identity providers are asked in
// test/identity-providers.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generate } from 'selfsigned';
import { parse } from 'yaml';
import { REMEDIES } from '../../src/commands/online/online-findings.js';
import { openEmbeddedStore } from '../../src/session/embedded/embedded-store.js';
import { checkOnline } from '../kit/check-online.js';
import { testProvider } from '../kit/daemon.js';
import { type Idp, startIdp } from '../kit/idp.js';
import { listenLocally } from '../kit/listening.js';
import { assertMarked } from '../kit/marked.js';

const DAY = 86_400_000;
const directory = mkdtempSync(join(tmpdir(), 'akprox-check-'));
after(() => rmSync(directory, { recursive: true, force: true }));

describe('akprox check --online', () => {
  let idp: Idp;
  /** Nobody listens there. */
  let nowhere: string;
  before(async () => {
    const client = {
      client_id: 'whoami',
      client_secret: 'whoami-client-secret',
      redirect_uris: ['http://whoami.localhost:8080/akprox/callback'],
    };
    idp = await startIdp({ clients: [client], accounts: {} });
    const server = createServer();
    const listening = await listenLocally(server);
    nowhere = `http://127.0.0.1:${listening.port}`;
    await listening.close();
  });
  after(() => idp?.close());

  const ask = (providers: unknown[], more: object = {}, options: Parameters<typeof checkOnline>[1] = {}) =>
    checkOnline({ ...more, providers }, options);
  const oidc = (changes: object) => ({
    issuer: idp.issuer,
    client_id: 'whoami',
    client_secret: 'whoami-client-secret',
    ...changes,
  });

  it('says that an identity provider cannot be asked, and goes on with the next', async () => {
    const { code, findings, output } = await ask([
      testProvider(nowhere),
      testProvider(idp.issuer, { name: 'second', external_host: 'http://second.localhost:8080' }),
    ]);
    assert.equal(code, 1);
    assert.equal(findings[0], 'idp_unreachable', output);
    assert.match(output, /where {3}providers\[0\] \(whoami\)/);
    assert.match(output, /^ok {7}providers\[1\] \(second\): the identity provider calls itself/m);
  });

  it('says how the issuer is spelled there, and what algorithm has no key', async () => {
    const spelled = await ask([testProvider(idp.issuer, { oidc: oidc({ issuer: `${idp.issuer}/` }) })]);
    assert.deepEqual([spelled.code, spelled.findings], [1, ['idp_unusable']], spelled.output);
    assert.match(spelled.output, /oidc\.issuer is "[^"]+\/", but the identity provider calls itself/);
    const keyless = await ask([testProvider(idp.issuer, { oidc: oidc({ id_token_signed_response_alg: 'ES512' }) })]);
    assert.ok(keyless.findings.includes('idp_keys'), keyless.output);
  });

  it('shows no secret, whatever is wrong', async () => {
    const { output } = await ask([testProvider(idp.issuer, { oidc: oidc({ client_secret: 's3cret-of-the-client' }) })]);
    assert.doesNotMatch(output, /s3cret|test-secret/);
  });

  it('says that a store cannot be used, and counts what is in one that can', async () => {
    const redis = await ask([], { store: { kind: 'redis', url: nowhere.replace('http', 'redis') } });
    assert.deepEqual([redis.code, redis.findings], [1, ['store_unreachable']], redis.output);
    const path = join(directory, 'data');
    const none = await ask([], { store: { kind: 'embedded', path } });
    assert.deepEqual([none.code, none.findings], [0, []]);
    assert.match(none.output, /there is none in .* yet, the daemon makes it/);
    const file = join(directory, 'a-file');
    writeFileSync(file, '');
    for (const impossible of [join(file, 'data'), join(file, 'below', 'data')]) {
      const { code, findings, output } = await ask([], { store: { kind: 'embedded', path: impossible } });
      assert.deepEqual([code, findings], [1, ['store_unreachable']], output);
      assert.match(output, /seen {4}store\.path: no store can be made below .*: ENOTDIR/);
    }
    const store = await openEmbeddedStore({ path, maxBytes: 1 << 24, now: Date.now });
    await store.close();
    assert.match((await ask([], { store: { kind: 'embedded', path } })).output, /^ok {7}store: embedded, 0 sessions$/m);
  });

  it('says that authentik cannot be asked, without the token', async () => {
    const env = { AUTHENTIK_HOST: nowhere, AUTHENTIK_TOKEN: 't0ken-of-the-outpost' };
    const { code, findings, output } = await ask([], {}, { env });
    assert.deepEqual([code, findings], [1, ['authentik_unreachable']], output);
    assert.doesNotMatch(output, /t0ken/);
  });

  for (const [what, from, until, host, wanted] of [
    ['that counts', -1, 90, 'whoami.localhost', []],
    ['that has ended', -90, -1, 'whoami.localhost', ['certificate_expired']],
    ['of tomorrow', 1, 90, 'whoami.localhost', ['certificate_expired']],
    ['that ends soon', -90, 7, 'whoami.localhost', ['certificate_ends']],
    ['of another host', -1, 90, 'other.localhost', ['certificate_name']],
  ] as const) {
    it(`looks at a certificate ${what}`, async () => {
      const pems = await generate([{ name: 'commonName', value: host }], {
        keyType: 'ec',
        notBeforeDate: new Date(Date.now() + from * DAY),
        notAfterDate: new Date(Date.now() + until * DAY),
        extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: host }] }],
      });
      const files = { '/etc/akprox/a.crt': pems.cert, '/etc/akprox/a.key': pems.private };
      const tls = { cert: 'a.crt', key: 'a.key' };
      const { findings, output } = await ask([testProvider(idp.issuer, { tls })], {}, { files });
      assert.deepEqual(
        findings.filter((code) => code.startsWith('certificate')),
        wanted,
        output,
      );
    });
  }

  it('has a remedy for each code, and docs/configuration.md has them', () => {
    const command = 'UPDATE_DOCS=1 npx tsx --test test/commands/check-online.test.ts';
    const rows = Object.entries(REMEDIES).map(
      ([code, { severity, meaning, change }]) => `| \`${code}\` | ${severity} | ${meaning} | ${change} |`,
    );
    const table = ['| code | | what it means | what to change |', '|---|---|---|---|', ...rows].join('\n');
    const page = new URL('../../docs/configuration.md', import.meta.url);
    assertMarked(page, 'online', table, process.env['UPDATE_DOCS'] === '1', command);
    for (const [code, { change, meaning }] of Object.entries(REMEDIES)) {
      assert.match(change, /`|renew|nothing|register/, code);
      assert.match(meaning, /\.$/, code);
    }
  });
});

describe('akprox check --print', () => {
  it('prints every setting with its source, as YAML, and no secret', async () => {
    const config = {
      listen: { https: null },
      store: { kind: 'redis', url: 'redis://me:s3cret@redis:6379', password: 's3cret-too' },
      providers: [
        testProvider('https://auth.company.tld/', {
          cookie_secret: 's3cret-s3cret-s3cret-s3cret-s3cret',
          oidc: { issuer: 'https://auth.company.tld/', client_id: 'a', client_secret: { file: '/run/secret' } },
        }),
      ],
    };
    const { code, output } = await checkOnline(config, {
      args: ['--print'],
      files: { '/run/secret': 's3cret-in-a-file' },
      env: { AKPROX_LOG_LEVEL: 'debug', AUTHENTIK_LISTEN__HTTP: ':8000' },
    });
    assert.equal(code, 0, output);
    assert.doesNotMatch(output, /s3cret/);
    const yaml = output.slice(output.indexOf('\nlisten:'));
    const printed = parse(yaml) as Record<string, Record<string, unknown>>;
    assert.deepEqual([printed['listen']?.['http'], printed['listen']?.['https']], ['[::]:8000', null]);
    assert.equal(printed['store']?.['password'], '(not shown)');
    assert.deepEqual((printed['providers'] as never)[0]['oidc']['client_secret'], { file: '/run/secret' });
    for (const line of [
      /^ {2}http: "\[::\]:8000" # AUTHENTIK_LISTEN__HTTP$/m,
      /^ {2}https: null # akprox\.yaml:1$/m,
      /^ {2}level: debug # AKPROX_LOG_LEVEL$/m,
      /^ {2}max_age: 60s # default$/m,
      /^ {4}external_host: \S+ # akprox\.yaml:1$/m,
      /^ {6}groups: groups # default$/m,
    ])
      assert.match(yaml, line);
  });
});
