import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readClaims } from '../../src/application/claims.js';
import {
  BLOCK_HEADER,
  blockHeaders,
  IDENTITY_NAMES,
  type IdentityFacts,
  renderIdentity,
} from '../../src/application/identity.js';

const facts: IdentityFacts = {
  name: 'whoami',
  families: ['akprox', 'authentik'],
  passJwt: true,
  assertion: true,
  jwksUri: '',
  outpostName: 'akprox',
  applicationSlug: 'whoami',
  version: 'goauthentik.io/outpost/0',
  basicAuth: { enabled: false, user_attribute: 'user', password_attribute: 'password' },
};
const basicOn: IdentityFacts = { ...facts, basicAuth: { ...facts.basicAuth, enabled: true } };

const utf8 = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8');
const render = (claims: Record<string, unknown>, changed: IdentityFacts = facts, token = '') => {
  const reported: string[] = [];
  const tokens = { jwt: token, assertion: token };
  const { bytes, dropped } = renderIdentity(changed, readClaims(claims), tokens, (name) => reported.push(name));
  assert.deepEqual(reported, dropped);
  return { headers: blockHeaders(bytes).map(([name, value]) => [name, utf8(value)] as const), dropped, bytes };
};
const withHeaders = (additionalHeaders: unknown, more: Record<string, unknown> = {}) => ({
  sub: 'a1',
  email: 'alice@example.com',
  ak_proxy: { user_attributes: { additionalHeaders, ...more } },
});
const valuesOf = (headers: readonly (readonly [string, string])[], name: string): string[] =>
  headers.filter(([other]) => other === name).map(([, value]) => value);

describe('the identity block', () => {
  it('is the value of one header, and then a line for each other', () => {
    const { bytes } = render(
      { preferred_username: 'alice' },
      { ...facts, families: ['akprox'], passJwt: false, assertion: false },
    );
    const lines = [
      'no-store',
      'X-Auth-Username: alice',
      'X-Auth-Groups: ',
      'X-Forwarded-Email: ',
      'X-Forwarded-Preferred-Username: alice',
      'X-Forwarded-User: ',
    ];
    assert.equal(Buffer.from(bytes).toString(), lines.join('\r\n'));
    assert.equal(bytes.byteLength, lines.join('\r\n').length);
  });

  it('loses every value that has a control character, of claims, of the configuration and of the token', () => {
    for (const bad of ['a\r\nX: y', 'a\nb', '\r', '\t', 'a\tb', '\0', '\x1f', '\x7f']) {
      const { headers, dropped } = render({ sub: bad, groups: ['ok', bad] }, { ...facts, jwksUri: bad }, bad);
      for (const name of [
        'X-Forwarded-User',
        'X-authentik-uid',
        'X-Auth-Groups',
        'X-authentik-meta-jwks',
        'X-authentik-jwt',
        'X-Akprox-Assertion',
      ]) {
        assert.deepEqual(valuesOf(headers, name), [''], name);
        assert.ok(dropped.includes(name), name);
      }
    }
  });

  it('replaces lone surrogates, and trims spaces but nothing that makes another name', () => {
    const { headers } = render({ sub: ' a\uD800b ', name: '\u00A0alice\uFEFF', preferred_username: '  ' });
    assert.deepEqual(valuesOf(headers, 'X-Forwarded-User'), ['a\uFFFDb']);
    assert.deepEqual(valuesOf(headers, 'X-authentik-name'), ['\u00A0alice\uFEFF']);
    assert.deepEqual(valuesOf(headers, 'X-Auth-Username'), ['']);
  });

  it('keeps different lists of groups apart: splitting and decoding gives back what went in', () => {
    const decode = (text: string): string => text.replace(/%(7C|25)/g, (_, hex: string) => (hex === '25' ? '%' : '|'));
    const piece = fc.constantFrom('|', '%', '%7C', '%7c', '%25', '%257C', '7C', '2', 'a', 'ü');
    const group = fc.array(piece, { minLength: 1 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(fc.array(group, { minLength: 1 }), (groups) => {
        const [value = ''] = valuesOf(render({ groups }).headers, 'X-authentik-groups');
        assert.deepEqual(value.split('|').map(decode), groups);
      }),
      { numRuns: 2_000 },
    );
    assert.deepEqual(valuesOf(render({ groups: ['100% club', '50%'] }).headers, 'X-Auth-Groups'), ['100% club|50%']);
  });

  it('of nobody has the complete set, empty, and no credentials', () => {
    const { bytes, dropped } = renderIdentity(basicOn, null, { jwt: 'token', assertion: 'token' });
    const expected = IDENTITY_NAMES.map((name) => [name, '']);
    assert.deepEqual(blockHeaders(bytes), [[BLOCK_HEADER, 'no-store'], ...expected]);
    assert.deepEqual(dropped, []);
  });

  it('never has a line end but ours, a name that is none, or a name that is reserved, whatever the claims are', () => {
    const wild = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        '\r\n',
        'a\r\nSet-Cookie: x=y',
        '\uD800\r',
        'X-Auth-Username',
        'x_auth_groups',
        'Set-Cookie',
        'X-Team',
        '__proto__',
        'x.authentik.uid',
      ),
    );
    const extra = fc.dictionary(wild, fc.oneof(wild, fc.jsonValue()));
    fc.assert(
      fc.property(wild, fc.array(wild), extra, fc.boolean(), (text, groups, additional, basic) => {
        const claims = {
          ...withHeaders(additional, { user: text, password: text }),
          ...{ sub: text, name: text, email: text, preferred_username: text, groups, entitlements: groups },
        };
        const changed = { ...(basic ? basicOn : facts), name: text, jwksUri: text, version: text, outpostName: text };
        const { bytes } = renderIdentity(changed, readClaims(claims), { jwt: text, assertion: text });
        const buffer = Buffer.from(bytes);
        const [first, ...lines] = buffer.toString('latin1').split('\r\n');
        assert.equal(first, 'no-store');
        const names = lines.map((line) => {
          assert.match(line, /^[\w!#$%&'*+.^`|~-]+: [\x20-\x7e\x80-\xff]*$/);
          return line.slice(0, line.indexOf(':'));
        });
        const own = IDENTITY_NAMES;
        assert.deepEqual(names.slice(0, own.length), own);
        const alike = names.map((name) => name.toLowerCase().replace(/[^a-z0-9]/g, '-'));
        assert.equal(new Set(alike).size, alike.length, 'no header twice, in any spelling');
        for (const name of alike.slice(own.length))
          assert.doesNotMatch(
            name,
            /^(?:x-auth-username|x-auth-groups|x-authentik-.*|x-forwarded-.*|set-cookie|location|content-.*|connection)$/,
          );
        assert.ok(Buffer.from(buffer.toString('utf8'), 'utf8').equals(buffer), 'is UTF-8');
      }),
      { numRuns: 2_000 },
    );
  });

  it('goes through node:http as the UTF-8 it is', async () => {
    const { bytes } = render({ name: 'Zoë 日本', sub: 'a1' });
    const server = createServer((_, res) => res.writeHead(200, blockHeaders(bytes).flat()).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const headers = await new Promise<NodeJS.Dict<string | string[]>>((resolve, reject) => {
      request({ host: '127.0.0.1', port, agent: false }, (res) => {
        res.resume();
        resolve(res.headers);
      })
        .on('error', reject)
        .end();
    });
    server.close();
    assert.equal(utf8(String(headers['x-authentik-name'])), 'Zoë 日本');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['x-authentik-email'], '');
  });
});

describe('additional headers', () => {
  it('may not say who the user is, how the connection works or what the answer means', () => {
    const refused = [
      ...IDENTITY_NAMES,
      ...[
        'X-Authentik-Anything',
        'x_akprox_assertion',
        'x_auth_username',
        'X.Auth.Username',
        'X_Forwarded-For',
        'X-Forwarded-Host',
        'x-envoy-auth-headers-to-remove',
      ],
      ...[
        'Connection',
        'Keep-Alive',
        'Proxy-Authorization',
        'TE',
        'Trailer',
        'Transfer-Encoding',
        'Upgrade',
        'Set-Cookie',
        'set_cookie',
        'Location',
      ],
      ...[
        'Content-Length',
        'content_type',
        'Cache-Control',
        'Date',
        'Host',
        'Server',
        'Status',
        'Forwarded',
        'X-Accel-Redirect',
      ],
      ...['', ' ', 'a b', 'a:b', 'a\r\nb', 'X-Tëam', 'X-Team:', '(x)', 'x'.repeat(129)],
    ];
    const { headers, dropped } = render(withHeaders(Object.fromEntries(refused.map((name) => [name, 'evil']))));
    assert.ok(headers.every(([, value]) => !value.includes('evil')));
    assert.equal(dropped.length, refused.length);
    for (const name of dropped) assert.match(name, /^[\x21-\x7e]{0,128}$/);
  });

  it('stay one header in every spelling', () => {
    const { headers, dropped } = render(withHeaders({ 'X-Team': 'red', x_team: 'blue', 'x-team': 'green' }));
    assert.deepEqual(valuesOf(headers, 'X-Team'), ['red']);
    assert.deepEqual(dropped, ['x_team', 'x-team']);
  });

  it('are text, null as empty, everything else as JSON', () => {
    const { headers } = render(withHeaders({ a: 'x', b: null, c: 1.5, d: true, e: { f: ['g'] } }));
    assert.deepEqual(headers.slice(-5), [
      ['a', 'x'],
      ['b', ''],
      ['c', '1.5'],
      ['d', 'true'],
      ['e', '{"f":["g"]}'],
    ]);
    for (const none of [null, 'X-Team: red', ['X-Team'], 7]) {
      assert.deepEqual(render(withHeaders(none)).headers, render({ sub: 'a1', email: 'alice@example.com' }).headers);
    }
  });

  it('are at most 64', () => {
    const many = Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`X-H${i}`, 'v']));
    assert.deepEqual(render(withHeaders(many)).dropped, ['X-H64', 'X-H65', 'X-H66', 'X-H67', 'X-H68', 'X-H69']);
  });
});

describe('basic credentials', () => {
  const authorization = (more: Record<string, unknown>, additional: unknown = {}) => {
    const { headers, dropped } = render(withHeaders(additional, more), basicOn);
    return { values: valuesOf(headers, 'Authorization'), dropped };
  };

  it('are UTF-8 in base64, and absent without a password', () => {
    const expected = `Basic ${Buffer.from('Zoë:pä:ss').toString('base64')}`;
    assert.deepEqual(authorization({ user: 'Zoë', password: 'pä:ss' }).values, [expected]);
    for (const more of [{ user: 'u' }, { user: 'u', password: '' }, { user: 'u', password: 7 }, { password: null }])
      assert.deepEqual(authorization(more), { values: [], dropped: [] });
  });

  it('are not sent when a colon or a control character would make other credentials of them', () => {
    for (const more of [
      { user: 'root:', password: 'p' },
      { user: 'a\r\nb', password: 'p' },
      { user: 'u', password: 'p\0' },
    ])
      assert.deepEqual(authorization(more), { values: [], dropped: ['Authorization'] });
  });

  it('win over an attribute of that name, which is let through otherwise', () => {
    assert.equal(authorization({ user: 'u', password: 'p' }, { authorization: 'Bearer x' }).values.length, 1);
    assert.deepEqual(authorization({ user: 'u', password: 'p' }, { authorization: 'Bearer x' }).dropped, [
      'authorization',
    ]);
    assert.deepEqual(authorization({}, { Authorization: 'Bearer x' }).values, ['Bearer x']);
  });
});
