// The demo's command line: flags, help, and whether the ports that it wants are free.
import { createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { freePort } from '../ports.js';
import { PROXIES, type ProxyName } from './proxies.js';

export const PORT_FLAGS = {
  port: { fallback: 8080, about: 'gateway: the port in the URL to open' },
  'idp-port': { fallback: 9080, about: 'OpenID provider' },
  'outpost-port': { fallback: 9000, about: 'outpost, asked by the gateway' },
  'metrics-port': { fallback: 9300, about: "outpost's metrics, /livez and /readyz" },
  'app-port': { fallback: 8081, about: 'application behind the gateway' },
} as const;

export type PortFlag = keyof typeof PORT_FLAGS;
export type Ports = Readonly<Record<PortFlag, number>>;
export type GatewayName = ProxyName | 'builtin';

export interface DemoOptions {
  /** 0: any free one. */
  readonly ports: Ports;
  readonly workers: number;
  readonly gateway: GatewayName | 'auto';
  /** A stand-in for authentik core takes the place of the OpenID provider and configures the outpost. */
  readonly authentik: boolean;
  /** Null: a new directory, removed at the end. */
  readonly data: string | null;
}

/** Something that whoever started the demo can put right. */
export class DemoError extends Error {}

const GATEWAYS = ['auto', ...PROXIES, 'builtin'] as const;

export function help(): string {
  const ports = Object.entries(PORT_FLAGS).map(
    ([flag, { fallback, about }]) => `  ${`--${flag} PORT`.padEnd(22)}${about} (${fallback})\n`,
  );
  return `npm run demo -- [flags]

Starts an OpenID provider, an application, the outpost and a gateway on this machine. Ctrl-C stops everything.

${ports.join('')}  --workers N           worker processes of the outpost (2)
  --gateway NAME        ${GATEWAYS.join(', ')} (auto: the first of ${PROXIES.join(', ')} on PATH, else builtin)
  --authentik           a stand-in for authentik core configures the outpost, as AUTHENTIK_HOST and AUTHENTIK_TOKEN do
  --data DIR            where configuration, sessions and logs are kept (a new directory, removed at the end)
  --help

Port 0 stands for any free port.
`;
}

/** `help` when help was asked for. */
export function parseOptions(argv: string[]): DemoOptions | 'help' {
  const text = { type: 'string' } as const;
  const { values } = parse(argv, {
    port: text,
    'idp-port': text,
    'outpost-port': text,
    'metrics-port': text,
    'app-port': text,
    workers: text,
    gateway: text,
    data: text,
    authentik: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) return 'help';
  const port = (flag: PortFlag): number => integer(flag, values[flag], PORT_FLAGS[flag].fallback, 0, 65_535);
  const gateway = GATEWAYS.find((name) => name === (values.gateway ?? 'auto'));
  if (gateway === undefined) throw new DemoError(`--gateway: expected one of ${GATEWAYS.join(', ')}.`);
  return {
    ports: {
      port: port('port'),
      'idp-port': port('idp-port'),
      'outpost-port': port('outpost-port'),
      'metrics-port': port('metrics-port'),
      'app-port': port('app-port'),
    },
    workers: integer('workers', values.workers, 2, 1, 256),
    gateway,
    authentik: values.authentik === true,
    data: values.data ?? null,
  };
}

function parse<T extends Record<string, { type: 'string' | 'boolean'; short?: string }>>(argv: string[], options: T) {
  try {
    return parseArgs({ args: argv, options });
  } catch (error) {
    throw new DemoError(`${error instanceof Error ? error.message : error}\n--help lists the flags.`);
  }
}

function integer(flag: string, text: string | undefined, fallback: number, least: number, most: number): number {
  if (text === undefined) return fallback;
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) throw new DemoError(`--${flag}: expected a number from ${least} to ${most}.`);
  return value;
}

/** Real numbers for all ports, no two the same; throws one line for every port that cannot be had. */
export async function claimPorts(wanted: Ports): Promise<Ports> {
  const problems: string[] = [];
  const claimed = { ...wanted };
  const owners = new Map<number, PortFlag>();
  for (const flag of Object.keys(PORT_FLAGS) as PortFlag[]) {
    if (wanted[flag] === 0) continue;
    const instead = `Choose another one with --${flag} PORT.`;
    const rival = owners.get(wanted[flag]);
    if (rival !== undefined) {
      problems.push(`Port ${wanted[flag]} is asked for twice, by --${rival} and --${flag}.`);
      continue;
    }
    owners.set(wanted[flag], flag);
    try {
      await bind('127.0.0.1', wanted[flag]);
      // Somebody may hold it on every address, which not every system counts as a conflict with the line above.
      await bind('0.0.0.0', wanted[flag]);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const trouble = { EADDRINUSE: 'is in use', EACCES: 'needs privileges that you do not have' }[code ?? ''];
      problems.push(`Port ${wanted[flag]} ${trouble ?? `cannot be used (${message})`}. ${instead}`);
    }
  }
  if (problems.length > 0) throw new DemoError(problems.join('\n'));
  for (const flag of Object.keys(PORT_FLAGS) as PortFlag[]) {
    while (claimed[flag] === 0) {
      const port = await freePort();
      if (owners.has(port)) continue;
      owners.set(port, flag);
      claimed[flag] = port;
    }
  }
  return claimed;
}

/** Binds and lets go again. */
function bind(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}
