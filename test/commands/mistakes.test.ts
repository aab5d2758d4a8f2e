// Mistakes of configuration and deployment as operators make them, one a row: the message that they get names the setting to change and
// the remedy, and quotes no secret. Where it is shown is what the row says: `check`, the start of the daemon, or the doctor.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pino from 'pino';
import { generate } from 'selfsigned';
import { startAdmin } from '../../src/cluster/admin.js';
import { choosePorts } from '../../src/cluster/ports.js';
import { run } from '../../src/commands/command-line.js';
import { configSchema, type StoreConfig } from '../../src/config/schema.js';
import { explain } from '../../src/infra/errors.js';
import { openStore } from '../../src/session/open-store.js';
import { OTHER, PAIR, provider, SECRET } from '../config/setup.js';
import { checkOnline } from '../kit/check-online.js';
import { testProvider } from '../kit/daemon.js';
import { startIdp } from '../kit/idp.js';
import { listenLocally } from '../kit/listening.js';
import { type RedisServer, redisMissing, startRedis } from '../kit/redis-server.js';
import { clientFor } from '../kit/world.js';
import type { Breakage } from './doctor/breakages.js';
import { type ModelClinic, startModelClinic } from './doctor/model-clinic.js';

const PASSWORD = 'pa55word-of-redis-that-nobody-may-see';
const SECRETS = [SECRET, PASSWORD, PAIR.private, OTHER.private];

interface Made {
  readonly settings?: unknown;
  /** In place of `settings`. */
  readonly yaml?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** By name, beside the configuration; null: this user may not read it. */
  readonly files?: Readonly<Record<string, string | null>>;
}

interface Mistake {
  readonly what: string;
  readonly setting: RegExp;
  readonly remedy: RegExp;
}

/** What `akprox check` prints. */
async function check({ settings, yaml, env = {}, files = {} }: Made): Promise<string> {
  let output = '';
  const write = (text: string): void => {
    output += text;
  };
  const no = (): Promise<never> => Promise.reject(new Error('it only checks'));
  const text = yaml ?? (settings === undefined ? undefined : JSON.stringify(settings));
  const disk: Readonly<Record<string, string | null>> = {
    ...(text !== undefined && { 'akprox.yaml': text }),
    ...files,
  };
  const code = await run(['check'], {
    env,
    cwd: '/etc/akprox',
    readFile: (path) => {
      const found = disk[path.replace('/etc/akprox/', '')];
      if (found === undefined || found === null)
        throw Object.assign(new Error('no'), { code: found === null ? 'EACCES' : 'ENOENT' });
      return found;
    },
    stdout: write,
    stderr: write,
    read: no,
    serve: no,
  });
  assert.equal(code, 1, output);
  return output.replaceAll(/, line \d+/g, '');
}

const domain = (cookie_domain: string): Record<string, unknown> =>
  provider({ mode: 'forward_domain', external_host: 'https://login.company.tld', cookie_domain });
const tls = (cert: string, key: string): unknown => ({ listen: { tls: { cert, key } } });

const OF_CONFIGURATION: readonly (Mistake & Made)[] = [
  {
    what: 'no configuration at all',
    setting: /^akprox\.yaml: not found/,
    remedy: /write one, name one in AKPROX_CONFIG/,
  },
  {
    what: 'AKPROX_CONFIG names a file that is not there',
    env: { AKPROX_CONFIG: '/etc/akprox.yml' },
    setting: /^AKPROX_CONFIG: file \/etc\/akprox\.yml cannot be read/,
    remedy: /correct the path, or put the file there/,
  },
  {
    what: 'the configuration belongs to another user',
    files: { 'akprox.yaml': null },
    setting: /^akprox\.yaml: .*EACCES/,
    remedy: /give the user that akprox runs as the right to read it/,
  },
  {
    what: 'a section stands there twice',
    yaml: 'listen: {}\nproviders: []\nlisten: {}\n',
    setting: /^akprox\.yaml:3:1: /,
    remedy: /Map keys must be unique/,
  },
  {
    what: 'a setting is misspelt',
    settings: { providers: [provider({ cookie_secrt: SECRET })] },
    setting: /cookie_secrt: unknown key/,
    remedy: /did you mean cookie_secret\?/,
  },
  {
    what: 'a variable is misspelt',
    settings: { providers: [provider()] },
    env: { AKPROX_LISTEN_HTPP: '0.0.0.0:9000' },
    setting: /^AKPROX_LISTEN_HTPP: no setting/,
    remedy: /did you mean AKPROX_LISTEN_HTTPS?\?/,
  },
  {
    what: 'a client is forgotten',
    settings: { providers: [provider({}, { client_id: undefined })] },
    setting: /oidc\.client_id: /,
    remedy: /is required/,
  },
  {
    what: 'external_host has a path',
    settings: { providers: [provider({ external_host: 'https://company.tld/wiki' })] },
    setting: /external_host: /,
    remedy: /expected an origin: http:\/\/ or https:\/\/, a host, nothing behind it/,
  },
  {
    what: 'two providers have the same host',
    settings: { providers: [provider(), provider({ name: 'other' })] },
    setting: /providers\[1\] \(other\): external_host: is taken by providers\[0\]/,
    remedy: /give it one of its own/,
  },
  {
    what: 'cookie_domain does not cover the host of the login',
    settings: { providers: [domain('apps.company.tld')] },
    setting: /cookie_domain: external_host is neither this domain nor below it/,
    remedy: /write the domain that the hosts of login and applications are below/,
  },
  {
    what: 'cookie_domain is a top-level domain',
    settings: { providers: [domain('tld')] },
    setting: /cookie_domain: has a single label/,
    remedy: /write a domain below it/,
  },
  {
    what: 'the cookie secret is a word',
    settings: { providers: [provider({ cookie_secret: 'changeme' })] },
    setting: /cookie_secret: is shorter than 32 bytes/,
    remedy: /`akprox secret` prints one/,
  },
  {
    what: 'the file of a secret is not there',
    settings: { providers: [provider({}, { client_secret: { file: '/run/secrets/whoami' } })] },
    setting: /oidc\.client_secret: file \/run\/secrets\/whoami cannot be read/,
    remedy: /correct the path, or put the file there/,
  },
  {
    what: 'the file of a secret is for root only',
    settings: { providers: [provider({ cookie_secret: { file: 'secret' } })] },
    files: { secret: null },
    setting: /cookie_secret: file secret cannot be read/,
    remedy: /give the user that akprox runs as the right to read it/,
  },
  {
    what: 'the variable of a secret is not passed to the container',
    settings: { providers: [provider({ cookie_secret: { env: 'COOKIE_SECRET' } })] },
    setting: /cookie_secret: environment variable COOKIE_SECRET is not set/,
    remedy: /set it where akprox is started/,
  },
  {
    what: 'the key is for root only',
    settings: tls('tls.crt', 'tls.key'),
    files: { 'tls.crt': PAIR.cert, 'tls.key': null },
    setting: /listen\.tls\.key: file tls\.key cannot be read/,
    remedy: /give the user that akprox runs as the right to read it/,
  },
  {
    what: 'the key is that of another certificate',
    settings: tls('tls.crt', 'tls.key'),
    files: { 'tls.crt': PAIR.cert, 'tls.key': OTHER.private },
    setting: /listen\.tls: certificate and key cannot be used together/,
    remedy: /`key` has to be that of the first certificate in `cert`, without a password/,
  },
  {
    what: 'a certificate is DER',
    settings: tls('tls.der', 'tls.key'),
    files: { 'tls.der': '\u0030\u0082', 'tls.key': PAIR.private },
    setting: /listen\.tls\.cert: file tls\.der is not a PEM file/,
    remedy: /convert it/,
  },
  {
    what: 'two listeners have one port',
    settings: { listen: { http: '0.0.0.0:9443' } },
    setting: /listen\.https: listens where listen\.http does/,
    remedy: /give it a port of its own/,
  },
  {
    what: 'a proxy is trusted by its name',
    settings: { trusted_proxies: ['traefik'] },
    setting: /trusted_proxies\[0\]/,
    remedy: /expected an IP address or a network such as 10\.0\.0\.0\/8/,
  },
  {
    what: 'a duration is a sentence',
    settings: { providers: [provider({ session: { lifetime: '1 day' } })] },
    setting: /session\.lifetime: /,
    remedy: /expected a duration such as 500ms, 60s, 5m, 24h or 7d/,
  },
  {
    what: 'Redis without an address',
    settings: { store: { kind: 'redis' } },
    setting: /^store.*: needs exactly one of/,
    remedy: /one of url, sentinels and cluster/,
  },
  {
    what: 'the issuer without its scheme',
    settings: { providers: [provider({}, { issuer: 'auth.company.tld/application/o/whoami/' })] },
    setting: /oidc\.issuer: /,
    remedy: /expected an http:\/\/ or https:\/\/ URL/,
  },
  {
    what: 'a key for the client, and the method is another',
    settings: { providers: [provider({}, { private_key: PAIR.private })] },
    setting: /oidc\.token_endpoint_auth_method: /,
    remedy: /must be private_key_jwt/,
  },
  {
    what: 'cookies for frames over http',
    settings: { providers: [provider({ external_host: 'http://whoami.company.tld', cookie: { same_site: 'none' } })] },
    setting: /cookie\.same_site: /,
    remedy: /needs an https external_host/,
  },
  {
    what: 'AUTHENTIK_HOST without a token',
    env: { AUTHENTIK_HOST: 'https://auth.company.tld' },
    setting: /^AUTHENTIK_TOKEN: /,
    remedy: /is required beside AUTHENTIK_HOST/,
  },
];

describe('mistakes that `akprox check` shows, and the start of the daemon', () => {
  for (const { what, setting, remedy, ...made } of OF_CONFIGURATION) {
    it(what, async () => assertHelps(await check(made), setting, remedy));
  }
});

describe('mistakes that show when the daemon starts', () => {
  let directory: string;
  let redis: RedisServer | null = null;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'akprox-mistakes-'));
    if (redisMissing() === null)
      redis = await startRedis({ args: ['--requirepass', PASSWORD], login: { password: PASSWORD } });
  });
  after(async () => {
    await redis?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** What is logged, and what ends the start. */
  async function opening(store: Record<string, unknown>): Promise<string> {
    let lines = '';
    const write = (line: string): void => {
      lines += line;
    };
    const log = pino({ base: null, timestamp: false }, { write });
    try {
      const config = configSchema.parse({ store }).store as StoreConfig;
      await (await openStore(config, Date.now, log)).close();
    } catch (error) {
      lines += explain(error);
    }
    return lines;
  }

  const rows: readonly (Mistake & { readonly message: () => Promise<string>; readonly skip?: string | null })[] = [
    {
      what: 'the port is taken',
      message: async () => {
        await using other = await taken();
        return await failure(choosePorts({ ...configSchema.parse({}).listen, https: null, http: other.address }, 1));
      },
      setting: /^listen\.http: cannot listen on 127\.0\.0\.1:\d+: the port is taken/,
      remedy: /stop that one, or set another port/,
    },
    {
      what: 'a second daemon on one host',
      message: async () => {
        await using other = await taken();
        const never = { ready: () => ({ ready: false, reason: '' }), dead: () => null, degraded: async () => [] };
        const log = { error: () => {} } as never;
        return await failure(startAdmin(other.address, { ...never, metrics: async () => Buffer.alloc(0), log }));
      },
      setting: /^listen\.metrics: cannot listen on 127\.0\.0\.1:\d+: the port is taken/,
      remedy: /if another akprox runs on this host, stop that one, or set another port/,
    },
    {
      what: 'the metrics listener is to be on an address of another host',
      message: async () => {
        const never = { ready: () => ({ ready: false, reason: '' }), dead: () => null, degraded: async () => [] };
        const log = { error: () => {} } as never;
        return await failure(startAdmin('192.0.2.1:9300', { ...never, metrics: async () => Buffer.alloc(0), log }));
      },
      setting: /^listen\.metrics: cannot listen on 192\.0\.2\.1:9300: this host has no such address/,
      remedy: /name one that it has, or \[::\] for all of them/,
    },
    {
      what: 'store.path is a file',
      message: () => {
        const path = join(directory, 'file');
        writeFileSync(path, '');
        return opening({ kind: 'embedded', path });
      },
      setting: /^store\.path "[^"]+" is not a directory/,
      remedy: /name one, akprox makes it/,
    },
    {
      what: 'store.path cannot be made',
      message: () => opening({ kind: 'embedded', path: join(directory, 'x'.repeat(300)) }),
      setting: /^store\.path "[^"]+" is not a directory that can be made and written/,
      remedy: /let the user that akprox runs as write there, or name another/,
    },
    {
      what: 'Redis is not there',
      message: () => opening({ kind: 'redis', url: 'redis://127.0.0.1:1' }),
      setting: /Redis cannot be reached.*`store`/,
      remedy: /Start it, or correct its address/,
    },
    {
      what: 'the password of Redis is wrong',
      skip: redisMissing(),
      message: () => opening({ kind: 'redis', url: redis?.url, password: `not-the-${PASSWORD.slice(0, 4)}` }),
      setting: /^store\.password: Redis refuses it/,
      remedy: /write what its requirepass, or its ACL for this user, says/,
    },
  ];
  for (const { what, message, setting, remedy, skip } of rows) {
    it(what, { skip: skip ?? false }, async () => assertHelps(await message(), setting, remedy));
  }
});

describe('mistakes that `akprox check --online` shows', () => {
  let idp: Awaited<ReturnType<typeof startIdp>>;
  before(async () => {
    idp = await startIdp({ clients: [clientFor('whoami', 'http://whoami.localhost:8080')], accounts: {} });
  });
  after(() => idp?.close());

  /** `oidc`: changes of the client; `settings`: beside the provider. */
  async function asked(oidc: Record<string, unknown>, settings = {}, files: Record<string, string> = {}) {
    const { issuer } = idp;
    const given = testProvider(issuer, {
      oidc: { issuer, client_id: 'whoami', client_secret: 'whoami-client-secret', ...oidc },
    });
    const store = { kind: 'embedded', path: join(tmpdir(), 'akprox-that-is-not-there') };
    const { code, output } = await checkOnline(
      { listen: { https: null }, store, ...settings, providers: [given] },
      { files },
    );
    assert.equal(code, 1, output);
    return output;
  }

  const rows: readonly (Mistake & { readonly output: () => Promise<string> })[] = [
    {
      what: 'the issuer is spelled otherwise than the identity provider has it',
      output: () => asked({ issuer: `${idp.issuer}/` }),
      setting: /oidc\.issuer is "[^"]+\/", but the identity provider calls itself/,
      remedy: /write what the identity provider says, `oidc\.issuer` with the very slash at its end/,
    },
    {
      what: 'the issuer has a path that the identity provider does not know',
      output: () => asked({ issuer: `${idp.issuer}/realms/compny` }),
      setting:
        /no discovery document at \S+\/realms\/compny\/\.well-known\/openid-configuration \(it answered 404\): is oidc\.issuer/,
      remedy: /change {2}look at `oidc\.issuer` \(host, port, path\)/,
    },
    {
      what: 'the secret is that of another client',
      output: () => asked({ client_secret: PASSWORD }),
      setting: /client_refused\n {2}where {3}providers\[0\] \(whoami\)/,
      remedy: /compare `oidc\.client_id`, `oidc\.client_secret`/,
    },
    {
      what: 'the certificate has expired',
      output: async () => {
        const day = new Date(2020, 1, 1);
        const dates = { notBeforeDate: day, notAfterDate: new Date(2020, 2, 1) };
        const old = await generate([{ name: 'commonName', value: 'old' }], { keyType: 'ec', ...dates });
        const files = { '/etc/akprox/tls.crt': old.cert, '/etc/akprox/tls.key': old.private };
        return asked({}, { listen: { https: '0.0.0.0:9443', tls: { cert: 'tls.crt', key: 'tls.key' } } }, files);
      },
      setting: /where {3}listen\.tls\n.* ended on 2020-/,
      remedy: /renew it/,
    },
    {
      what: 'Redis is elsewhere',
      output: () => asked({}, { store: { kind: 'redis', url: 'redis://127.0.0.1:1' } }),
      setting: /store_unreachable\n {2}where {3}store/,
      remedy: /look at `store`: address, password and TLS of Redis/,
    },
  ];
  for (const { what, output, setting, remedy } of rows) {
    it(what, async () => assertHelps(await output(), setting, remedy));
  }
});

describe('mistakes of the deployment, which the doctor shows', () => {
  let clinic: ModelClinic;
  before(async () => {
    clinic = await startModelClinic();
  });
  after(() => clinic?.[Symbol.asyncDispose]());

  const rows: readonly (Mistake & Pick<Breakage, 'edits'>)[] = [
    {
      what: 'a router without the middleware',
      edits: [['middlewares: [akprox]', 'middlewares: []']],
      setting: /`middlewares: \[akprox\]`/,
      remedy: /name the forwardAuth middleware in the router/,
    },
    {
      what: 'the address of the check leads nowhere',
      edits: [['/akprox/auth/traefik', '/akprox/auth/nothing']],
      setting: /`forwardAuth\.address`/,
      remedy: /its address or path/,
    },
    {
      what: 'cookies are kept from the check',
      edits: [
        [
          'trustForwardHeader: false',
          'trustForwardHeader: false\n        authRequestHeaders: [Accept, Sec-Fetch-Mode]',
        ],
      ],
      setting: /`authRequestHeaders`/,
      remedy: /must have Cookie/,
    },
    {
      what: 'everybody may ask the check',
      edits: [[' && !PathPrefix(`/akprox/auth`) && !PathPrefix(`/outpost.goauthentik.io/auth`)', '']],
      setting: /PathPrefix\(`\/akprox\/auth`\)/,
      remedy: /refuse \/akprox\/auth/,
    },
    {
      what: 'an identity header is forgotten',
      edits: [['          - X-Auth-Username\n', '']],
      setting: /`authResponseHeaders`/,
      remedy: /remove what the client says about itself/,
    },
  ];
  for (const { what, edits, setting, remedy } of rows) {
    it(what, async () => {
      const { findings } = await clinic.diagnosed('traefik', edits);
      assertHelps(findings.map(({ seen, change }) => `${seen}\n${change}`).join('\n'), setting, remedy);
    });
  }
});

function assertHelps(message: string, setting: RegExp, remedy: RegExp): void {
  assert.match(message, setting);
  assert.match(message, remedy);
  for (const secret of SECRETS) assert.ok(!message.includes(secret), 'it quotes a secret');
}

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return explain(error);
  }
  return assert.fail('it was taken');
}

/** A port that somebody else has. */
async function taken(): Promise<{ readonly address: string; [Symbol.asyncDispose](): Promise<void> }> {
  const { port, close } = await listenLocally(createServer());
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}
