// The commands: what they print, where, and their exit codes.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Io } from '../../src/commands/command.js';
import { run } from '../../src/commands/command-line.js';
import { type Loaded, loadConfig } from '../../src/config/load.js';
import { VERSION } from '../../src/infra/version.js';
import { endsWithTest } from '../kit/ends-with-test.js';
import { ENGINE } from '../kit/on-node-http.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const GOOD = `
providers:
  - name: whoami
    mode: forward_single
    external_host: https://whoami.company.tld
    cookie_secret: ${'s'.repeat(32)}
    oidc: { issuer: "https://auth.company.tld/", client_id: whoami }
`;

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly served: Loaded[];
}

async function akprox(argv: string[], yaml: string | null = GOOD, env: Io['env'] = {}): Promise<Ran> {
  const written = { stdout: '', stderr: '' };
  const served: Loaded[] = [];
  const readFile = (path: string): string => {
    if (yaml !== null && path === '/etc/akprox/akprox.yaml') return yaml;
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
  };
  const code = await run(argv, {
    env,
    cwd: '/etc/akprox',
    readFile,
    stdout: (text) => {
      written.stdout += text;
    },
    stderr: (text) => {
      written.stderr += text;
    },
    read: async (file) => ({
      result: loadConfig({ env, cwd: '/etc/akprox', readFile, ...(file !== undefined && { file }) }),
      selfSigned: null,
    }),
    serve: async ({ loaded }) => {
      served.push(loaded);
      return 7;
    },
  });
  return { code, ...written, served };
}

test('without a command it serves, and passes the exit code on', async () => {
  const { code, served } = await akprox([]);
  assert.equal(code, 7);
  assert.equal(served[0]?.config.providers[0]?.name, 'whoami');
});

test('--config names the file, before a command and behind it, over AKPROX_CONFIG', async () => {
  for (const argv of [
    ['--config', 'akprox.yaml'],
    ['--config=akprox.yaml'],
    ['check', '--config', 'akprox.yaml'],
    ['--config=/etc/akprox/akprox.yaml', 'check'],
  ]) {
    const { code, stderr } = await akprox(argv, GOOD, { AKPROX_CONFIG: 'none.yaml' });
    assert.deepEqual([code, stderr], [argv.includes('check') ? 0 : 7, ''], argv.join(' '));
  }
  const missing = await akprox(['check', '--config', 'none.yaml']);
  assert.deepEqual(
    [missing.code, missing.stderr],
    [
      1,
      '--config: file /etc/akprox/none.yaml cannot be read (ENOENT): correct the path, or put the file there\n1 problem\n',
    ],
  );
  for (const argv of [['--config'], ['--config='], ['--config', '--help']]) {
    const { code, stderr } = await akprox(argv);
    assert.deepEqual([code, stderr.split('\n')[0]], [2, "akprox: option '--config' needs a file"], argv.join(' '));
  }
});

test('a bad configuration is not served', async () => {
  const { code, served, stderr } = await akprox([], 'banana: 1\n');
  assert.deepEqual([code, served.length], [1, 0]);
  assert.equal(stderr, 'banana, line 1: unknown key\n1 problem\n');
});

test('check: ok', async () => {
  assert.deepEqual(await akprox(['check']), {
    code: 0,
    stdout: `akprox.yaml: ok, 1 provider, store embedded

whoami: register for the client whoami at https://auth.company.tld/
  redirect URI              https://whoami.company.tld/akprox/callback
  post-logout redirect URI  https://whoami.company.tld/akprox/signed_out
  back-channel logout URI   https://whoami.company.tld/akprox/backchannel_logout
  front-channel logout URI  https://whoami.company.tld/akprox/frontchannel_logout
`,
    stderr: '',
    served: [],
  });
});

test('check: what to register is at the login host, below the prefix of the provider', async () => {
  const yaml = `
providers:
  - name: company
    mode: forward_domain
    external_host: https://login.company.tld:8443/
    cookie_domain: company.tld
    prefix: /outpost.goauthentik.io
    cookie_secret: ${'s'.repeat(32)}
    oidc: { issuer: "https://auth.company.tld/", client_id: company }
`;
  const { code, stdout } = await akprox(['check'], yaml);
  assert.equal(code, 0);
  const uris = [...stdout.matchAll(/URI +(\S+)$/gm)].map(([, uri]) => uri);
  const below = 'https://login.company.tld:8443/outpost.goauthentik.io';
  assert.deepEqual(
    uris,
    ['callback', 'signed_out', 'backchannel_logout', 'frontchannel_logout'].map((end) => `${below}/${end}`),
  );
});

test('check: ok, with a warning', async () => {
  const { code, stdout, stderr } = await akprox(['check'], '{}');
  assert.deepEqual([code, stdout], [0, 'akprox.yaml: ok, 0 providers, store embedded\n']);
  assert.match(stderr, /^warning: there are no providers/);
});

test('check: the environment alone', async () => {
  const { code, stdout } = await akprox(['check'], null, {
    AUTHENTIK_HOST: 'https://ak.tld',
    AUTHENTIK_TOKEN: 't',
    AUTHENTIK_REDIS__HOST: 'r',
  });
  assert.deepEqual([code, stdout], [0, 'environment: ok, 0 providers and those of authentik, store redis\n']);
});

test('check: every problem on a line of its own, and how many', async () => {
  const { code, stdout, stderr } = await akprox(['check'], 'banana: 1\nworkers: 0\nlog: { level: loud }\n');
  assert.deepEqual([code, stdout], [1, '']);
  const lines = stderr.trimEnd().split('\n');
  assert.deepEqual(lines.slice(0, 2), [
    'banana, line 1: unknown key',
    'log.level, line 3: expected one of "trace", "debug", "info", "warn", "error"',
  ]);
  assert.match(lines[2] ?? '', /^workers, line 2: /);
  assert.equal(lines[3], '3 problems');
});

test('secret: a fresh one that the configuration accepts', async () => {
  const first = await akprox(['secret']);
  const second = await akprox(['secret']);
  assert.match(first.stdout, /^[A-Za-z0-9_-]{43}\n$/);
  assert.notEqual(first.stdout, second.stdout);
});

test('--help names every command and no other', async () => {
  const { code, stdout } = await akprox(['--help']);
  assert.equal(code, 0);
  for (const name of [
    'check',
    'healthcheck',
    'secret',
    'schema',
    'sessions',
    'status',
    'reload',
    'doctor',
    '--version',
  ])
    assert.match(stdout, new RegExp(`akprox ${name} `));
  const named = [...stdout.matchAll(/^ {2}akprox ([a-z]+) /gm)].map((match) => match[1]);
  assert.deepEqual(named, [
    'check',
    'healthcheck',
    'secret',
    'schema',
    'sessions',
    'import',
    'status',
    'reload',
    'doctor',
  ]);
  assert.equal((await akprox(['-h'])).stdout, stdout);
  assert.match((await akprox(['check', '--help'])).stdout, /^akprox check: /);
  assert.match((await akprox(['doctor', '--help'])).stdout, /--session-file FILE/);
  assert.match((await akprox(['sessions', '--help'])).stdout, /SUB is the claim `sub`/);
});

test('--version, and what serves', async () => {
  const stdout = `akprox ${VERSION} (Node.js ${process.version}, ${ENGINE})\n`;
  assert.deepEqual(await akprox(['--version']), { code: 0, stdout, stderr: '', served: [] });
});

for (const [argv, message] of [
  [['chek'], "akprox: unknown command 'chek', did you mean 'check'?"],
  [['sessions', '--all'], 'akprox: --all needs --provider'],
  [['doctor'], 'akprox: doctor wants one URL: https://whoami.company.tld/'],
  [['doctor', 'ftp://x/'], 'akprox: doctor wants an http or https URL, without user and password'],
  [['doctor', 'https://x/', '--echo', 'x'], 'akprox: --echo wants a path such as /headers'],
  [['sessions', '--provider', 'whoami'], 'akprox: --provider needs --sub, --sid or --all'],
  [['sessions', '--sub', 'a', '--sid', 'b'], 'akprox: --sub, --sid and --all exclude each other'],
  [['sessions', '--user', 'a'], "akprox: Unknown option '--user'"],
  [['--verbose'], "akprox: Unknown option '--verbose'"],
  [['check', '--fast'], "akprox: Unknown option '--fast'"],
  [['check', 'file.yaml'], "akprox: Unexpected argument 'file.yaml'. This command does not take positional arguments"],
  [['--version', 'x'], "akprox: Unexpected argument 'x'. This command does not take positional arguments"],
] as const) {
  test(`akprox ${argv.join(' ')} is a wrong call`, async () => {
    const { code, stdout, stderr } = await akprox([...argv]);
    // A command that exists explains itself.
    const hint = ['check', 'sessions', 'doctor'].includes(argv[0]) ? `${argv[0]} ` : '';
    assert.deepEqual([code, stdout, stderr], [2, '', `${message}\nTry 'akprox ${hint}--help'.\n`]);
  });
}

/** A metrics listener that answers `/livez` with `status`; on the loopback address, asked for through the wildcard. */
async function probe(t: { after: (done: () => void) => void }, status: number): Promise<Ran> {
  const server = createServer((req, res) =>
    res.writeHead(req.url === '/livez' ? status : 404).end(status === 503 ? 'nobody is ready\n' : ''),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  // The unknown key: a bad file on disk must not make a living daemon look dead.
  return akprox(['healthcheck'], `listen: { metrics: "0.0.0.0:${port}" }\nbanana: 1\n`);
}

test('healthcheck: alive', async (t) => {
  const { code, stdout, stderr } = await probe(t, 204);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^healthy: http:\/\/127\.0\.0\.1:\d+\/livez answered 204\n$/);
});

test('healthcheck: not alive', async (t) => {
  const { code, stdout, stderr } = await probe(t, 503);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /^unhealthy: .* answered 503: nobody is ready\n$/);
});

test('healthcheck: nobody listens', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const { code, stderr } = await akprox(['healthcheck'], `listen: { metrics: "127.0.0.1:${port}" }`);
  assert.equal(code, 1);
  assert.match(stderr, /^unhealthy: .*ECONNREFUSED.*\n$/);
});

test('healthcheck: nothing to ask', async () => {
  const { code, stderr } = await akprox(['healthcheck'], 'listen: { metrics: null }');
  assert.deepEqual([code, stderr], [1, 'unhealthy: listen.metrics is null, there is nothing to ask\n']);
});

test('whoever reads what it prints may go before the end; a full disk is a failure that is told', async () => {
  const start = (stdout: 'pipe' | number) =>
    endsWithTest(spawn(process.execPath, [MAIN, '--help'], { stdio: ['ignore', stdout, 'pipe'] }));
  const readers = start('pipe');
  readers.stdout?.destroy();
  assert.deepEqual(await endOf(readers), { code: 0, stderr: '' });
  if (!existsSync('/dev/full')) return;
  const full = openSync('/dev/full', 'w');
  const { code, stderr } = await endOf(start(full));
  closeSync(full);
  assert.equal(code, 1);
  assert.match(stderr, /^akprox: what is printed cannot be written: ENOSPC.*\n$/);
});

async function endOf(child: ChildProcess): Promise<{ code: unknown; stderr: string }> {
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code] = await once(child, 'close');
  return { code, stderr };
}
