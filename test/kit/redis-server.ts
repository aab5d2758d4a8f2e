// Redis servers for a test, real ones: single, Sentinel, Cluster. Each has a directory and ports of its own and ends with `stop`.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import { endsWithTest } from './ends-with-test.js';
import { freePort, freePorts } from './ports.js';
import { until } from './until.js';

export interface RedisServer {
  readonly port: number;
  readonly url: string;
  /** A connection for the test's own questions. */
  readonly client: Redis;
  /** kill -9. */
  kill(): Promise<void>;
  /** Again on the same port, after `kill`; empty. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  readonly args?: readonly string[];
  /** Lines of an ACL file. */
  readonly acl?: readonly string[];
  /** Files: `ca`, `cert`, `key`. The plain port is closed then. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** How the test's own connection logs in. */
  readonly login?: { readonly username?: string; readonly password?: string };
  readonly port?: number;
}

/** Null when there is a Redis on this machine. */
export function redisMissing(): string | null {
  return spawnSync('redis-server', ['--version']).status === 0 ? null : 'redis-server is not installed';
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const directory = mkdtempSync(join(tmpdir(), 'akprox-redis-'));
  const { tls, acl } = options;
  if (acl !== undefined) writeFileSync(join(directory, 'users.acl'), `${acl.join('\n')}\n`);
  const args = [
    ...(tls
      ? ['--port', '0', '--tls-port', `${port}`, '--tls-cert-file', tls.cert, '--tls-key-file', tls.key]
      : ['--port', `${port}`]),
    ...(tls ? ['--tls-ca-cert-file', tls.ca, '--tls-auth-clients', 'no'] : []),
    ...['--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no', '--enable-debug-command', 'yes'],
    ...(acl === undefined ? [] : ['--aclfile', join(directory, 'users.acl')]),
    ...(options.args ?? []),
  ];
  let child = await launch(args, /Ready to accept connections/);
  const client = new Redis({
    host: '127.0.0.1',
    port,
    ...options.login,
    ...(tls && { tls: { rejectUnauthorized: false } }),
    lazyConnect: true,
    retryStrategy: () => 20,
  });
  client.on('error', () => undefined);
  const kill = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  return {
    port,
    url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    client,
    kill,
    restart: async () => {
      child = await launch(args, /Ready to accept connections/);
    },
    stop: async () => {
      client.disconnect();
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface SentinelSet {
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  readonly sentinels: readonly string[];
  stop(): Promise<void>;
}

/** A primary and a replica under three Sentinels, all with the passwords given. The primary is called `akprox`. */
export async function startSentinel(passwords: { data: string; sentinel: string }): Promise<SentinelSet> {
  const auth = ['--requirepass', passwords.data, '--masterauth', passwords.data];
  const login = { password: passwords.data };
  const primary = await startRedis({ args: auth, login });
  const replica = await startRedis({
    args: [...auth, '--replicaof', `127.0.0.1 ${primary.port}`, '--repl-diskless-sync-delay', '0'],
    login,
  });
  await until(async () => (await replica.client.info('replication')).includes('master_link_status:up'));
  const directory = mkdtempSync(join(tmpdir(), 'akprox-sentinel-'));
  const sentinels: string[] = [];
  const children: ChildProcess[] = [];
  const ports = await freePorts(3);
  for (const port of ports) {
    const file = join(directory, `${port}.conf`);
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${directory}`,
      `requirepass ${passwords.sentinel}`,
      `sentinel sentinel-pass ${passwords.sentinel}`,
      `sentinel monitor akprox 127.0.0.1 ${primary.port} 2`,
      `sentinel auth-pass akprox ${passwords.data}`,
      'sentinel down-after-milliseconds akprox 1000',
      'sentinel failover-timeout akprox 3000',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    children.push(await launch([file, '--sentinel'], /\+monitor/));
    sentinels.push(`127.0.0.1:${port}`);
  }
  // Each has to know the replica and the other Sentinels before it can fail over.
  for (const port of ports) {
    const client = new Redis({ port, host: '127.0.0.1', password: passwords.sentinel });
    await until(async () => {
      const text = await client.info('sentinel');
      return text.includes('slaves=1') && text.includes('sentinels=3');
    });
    client.disconnect();
  }
  return {
    primary,
    replica,
    sentinels,
    stop: async () => {
      for (const child of children) child.kill('SIGKILL');
      await Promise.all([primary.stop(), replica.stop()]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export interface RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly addresses: readonly string[];
  /** Moves a slot to another primary, key by key, as `redis-cli --cluster reshard` does. */
  moveSlot(slot: number): Promise<void>;
  stop(): Promise<void>;
}

/** `size` nodes: half of them primaries, each with a replica. */
export async function startCluster(size: number): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  for (let i = 0; i < size; i += 1) {
    const args = [
      '--cluster-enabled',
      'yes',
      '--cluster-node-timeout',
      '2000',
      '--cluster-port',
      `${await freePort()}`,
    ];
    nodes.push(await startRedis({ args: [...args, '--repl-diskless-sync-delay', '0'] }));
  }
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
  execFileSync('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes']);
  for (const { client } of nodes) await until(async () => (await client.cluster('INFO')).includes('cluster_state:ok'));
  return {
    nodes,
    addresses,
    moveSlot: (slot) => moveSlot(nodes, slot),
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

async function moveSlot(nodes: readonly RedisServer[], slot: number): Promise<void> {
  const [first] = nodes;
  if (first === undefined) throw new Error('no nodes');
  const ranges = await first.client.cluster('SLOTS');
  const source = ranges.find(([from, to]) => from <= slot && slot <= to)?.[2];
  const target = ranges.find(([, , node]) => node?.[2] !== source?.[2])?.[2];
  const at = (port: number | undefined) => nodes.find((node) => node.port === port)?.client;
  const [from, to] = [at(source?.[1]), at(target?.[1])];
  if (!source || !target || !from || !to) throw new Error('no other primary');
  await to.cluster('SETSLOT', slot, 'IMPORTING', source[2]);
  await from.cluster('SETSLOT', slot, 'MIGRATING', target[2]);
  for (;;) {
    const keys = (await from.cluster('GETKEYSINSLOT', slot, 1)) as string[];
    if (keys.length === 0) break;
    await from.call('MIGRATE', '127.0.0.1', target[1], '', 0, 1_000, 'KEYS', ...keys);
  }
  await to.cluster('SETSLOT', slot, 'NODE', target[2]);
  await from.cluster('SETSLOT', slot, 'NODE', target[2]);
}

/** A CA that is its own server certificate, for 127.0.0.1. */
export function makeCertificate(): { ca: string; cert: string; key: string; remove: () => void } {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-tls-'));
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=redis',
    ]
      .concat(['-addext', 'subjectAltName=IP:127.0.0.1'])
      .concat(['-keyout', key, '-out', cert]),
    { stdio: 'ignore' },
  );
  return { ca: cert, cert, key, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

async function launch(args: readonly string[], ready: RegExp): Promise<ChildProcess> {
  const child = endsWithTest(spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] }));
  const lines: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (ready.test(line)) resolve();
    });
    child.once('exit', (code) => reject(new Error(`redis-server ended (${code}):\n${lines.join('\n')}`)));
  });
  return child;
}
