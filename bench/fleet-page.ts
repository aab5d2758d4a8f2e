// The tables of docs/capacity.md: the model of fleet-model.ts for fleets from one Traefik to a thousand.
import { type Fleet, type FleetCosts, mostWithPorts, type Need, need, PORTS, TIME_WAIT_S } from './fleet-model.js';
import type { Result, ResultCell } from './report.js';

export const FLEETS = [1, 3, 10, 30, 100, 300, 1_000] as const;

/** Of each fleet, unless told otherwise. */
export const FLEET: Fleet = {
  traefiks: 1,
  rate: 500,
  users: 0,
  active: 0,
  signOuts: 2,
  workersPerNode: 4,
  load: 0.6,
  least: 2,
};
/** Signed in, and of those asking within a minute, for each Traefik. */
export const USERS_EACH = 5_000;
export const ACTIVE_EACH = 500;

const MIB = 1_048_576;

export function fleetOf(traefiks: number, told: Partial<Fleet> = {}): Fleet {
  return { ...FLEET, users: USERS_EACH * traefiks, active: ACTIVE_EACH * traefiks, ...told, traefiks };
}

/** From a saved result of bench/through-traefik.ts, and the two sizes. */
export function costsOf(outcome: Pick<Result, 'cells'>, sizes: Pick<FleetCosts, 'session' | 'stored'>): FleetCosts {
  const cell = (target: string): ResultCell => {
    const found = outcome.cells.find((one) => one.target === target);
    if (found === undefined) throw new Error(`the result has no ${target}`);
    return found;
  };
  const figure = (target: string, pick: (cell: ResultCell) => ResultCell['proxyMicrosPerCheck']): number => {
    const value = pick(cell(target));
    if (!value) throw new Error(`the result has no such figure of ${target}`);
    return value.median;
  };
  const both = (of: (target: string) => number) => ({ http: of('akprox-http'), https: of('akprox-https') });
  const proxy = (target: string): number => figure(target, (one) => one.proxyMicrosPerCheck);
  return {
    outpost: both((target) => figure(target, (one) => one.cpuMicrosPerCheck)),
    traefik: both((target) => proxy(target) - proxy('none')),
    opened: both((target) => figure(target, (one) => one.openedPerCheck)),
    ...sizes,
  };
}

/** What `bench/sizing.ts` has printed, as deploy/sizing.md has it. */
export function sizesOf(sizing: string): Pick<FleetCosts, 'session' | 'stored'> {
  const bytes = (row: string): number => {
    const line = sizing.split('\n').find((text) => text.startsWith(`| ${row}`));
    const value = Number(line?.split('|')[2]?.replaceAll(' ', ''));
    if (!(value > 0)) throw new Error(`deploy/sizing.md has no row “${row}”`);
    return value;
  };
  return { stored: bytes('A session in Redis'), session: bytes('A session in the cache of one worker') };
}

export function fleetTables(costs: FleetCosts, told: Partial<Fleet> = {}): string {
  const { rate, workersPerNode, load, signOuts } = fleetOf(1, told);
  const fleets = FLEETS.map((traefiks) => {
    const fleet = fleetOf(traefiks, told);
    return { fleet, http: need(fleet, costs, 'http'), https: need(fleet, costs, 'https') };
  });
  const table = (heads: readonly string[], cells: (row: (typeof fleets)[number]) => readonly string[]): string =>
    [
      `| ${heads.join(' | ')} |`,
      `|${'---:|'.repeat(heads.length)}`,
      ...fleets.map((row) => `| ${cells(row).join(' | ')} |`),
    ].join('\n');
  const ports = ({ opened, ports: waiting }: Need): string =>
    waiting > PORTS ? `${count(opened)}; **${count(waiting)}, out of ports**` : `${count(opened)}; ${count(waiting)}`;
  const most = (way: 'http' | 'https'): string => {
    const checks = mostWithPorts(costs.opened[way]);
    return Number.isFinite(checks) ? `${count(checks)} checks a second` : 'no bound';
  };
  return [
    `${count(rate)} checks a second from each Traefik at the peak, ${USERS_EACH.toLocaleString('en').replaceAll(',', ' ')} users signed in for each and ${ACTIVE_EACH} of them asking within a minute, ${signOuts} sign-outs of each user a day; nodes of ${workersPerNode} workers, cores at most ${load * 100} % busy, two nodes at least.`,
    '',
    `Measured: a check costs the outpost ${micros(costs.outpost.https)} over HTTPS (HTTP/2) and ${micros(costs.outpost.http)} over HTTP, Traefik ${micros(costs.traefik.https)} and ${micros(costs.traefik.http)}, and ${costs.opened.https.toFixed(3)} and ${costs.opened.http.toFixed(3)} new connections. A session takes ${count(costs.session)} bytes in a worker's cache and ${count(costs.stored)} in Redis.`,
    '',
    '### Outposts, over HTTPS',
    '',
    table(['Traefiks', 'checks/s', 'cores busy', 'nodes', 'workers', 'cache of all workers'], ({ fleet, https }) => [
      count(fleet.traefiks),
      count(https.checks),
      https.cores.toFixed(1),
      count(https.nodes),
      count(https.workers),
      mib(https.cacheBytes),
    ]),
    '',
    '### Each Traefik, and its ports',
    '',
    table(
      ['Traefiks', 'cores for checks, HTTPS', 'HTTP', 'connections/s and ports in TIME_WAIT, HTTPS', 'HTTP'],
      ({ fleet, http, https }) => [
        count(fleet.traefiks),
        https.traefikCores.toFixed(2),
        http.traefikCores.toFixed(2),
        ports(https),
        ports(http),
      ],
    ),
    '',
    `A host has ${count(PORTS)} ports for one address of an outpost, and each closed connection keeps one for ${TIME_WAIT_S} s: one Traefik can ask one address at most ${most('http')} over HTTP (${most('https')} over HTTPS) before it cannot assign a requested address.`,
    '',
    '### Redis and revocations',
    '',
    table(
      ['Traefiks', 'memory', 'connections', 'reads/s', 'heartbeats/s', 'sign-outs/s', 'messages delivered for them/s'],
      ({ fleet, https }) => [
        count(fleet.traefiks),
        mib(https.redisBytes),
        count(https.redisConnections),
        count(https.reads),
        count(https.heartbeats),
        https.revocations.toFixed(1),
        count(https.deliveries),
      ],
    ),
  ].join('\n');
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en').replaceAll(',', ' ');
}

function micros(value: number): string {
  return `${value.toFixed(0)} µs`;
}

function mib(bytes: number): string {
  return `${count(Math.ceil(bytes / MIB))} MiB`;
}
