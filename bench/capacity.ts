// How many cores, how much memory and how many Redis commands for a number of users: a model of a few sums, fed by what the
// bench has measured on the machine that it is asked on. Its assumptions are in docs/capacity.md.

export interface Demand {
  /** Signed in at the same time. */
  readonly users: number;
  /** Checks per second, over all hosts, at the peak. */
  readonly rate: number;
  /** Share of the checks of signed-in users that are answered from the cache, 0 to 1. */
  readonly hit: number;
  readonly workers: number;
  /** Share of a core that may be busy at the peak. */
  readonly load: number;
}

export interface Costs {
  /** Worker CPU µs of a check that is answered from the cache. */
  readonly cached: number;
  /** Worker CPU µs of one that has to ask Redis. */
  readonly uncached: number;
  /** Bytes of a worker before any session is cached. */
  readonly idle: number;
  /** Bytes of a cached session in a worker. */
  readonly session: number;
  /** Bytes of a session in Redis, indexes included. */
  readonly stored: number;
}

export interface Capacity {
  readonly microsPerCheck: number;
  /** Cores that the workers need. */
  readonly cores: number;
  /** Bytes of all workers together. */
  readonly workerBytes: number;
  readonly redisBytes: number;
  /** Reads of sessions; logins and sign-outs come on top (deploy/sizing.md). */
  readonly redisCommandsPerSecond: number;
}

export function capacity(demand: Demand, costs: Costs): Capacity {
  const { users, rate, hit, workers, load } = demand;
  const microsPerCheck = hit * costs.cached + (1 - hit) * costs.uncached;
  return {
    microsPerCheck,
    cores: Math.ceil((rate * microsPerCheck) / 1e6 / load),
    workerBytes: workers * (costs.idle + users * costs.session),
    redisBytes: users * costs.stored,
    redisCommandsPerSecond: rate * (1 - hit),
  };
}

export const CAPACITY_USAGE =
  'npm run bench -- --capacity users=N rate=N hit=0…1 [workers=N] [load=0…1] [cached=µs] [uncached=µs] [idle=bytes] [session=bytes] [stored=bytes]';

const NAMES = ['users', 'rate', 'hit', 'workers', 'load', 'cached', 'uncached', 'idle', 'session', 'stored'] as const;
type Name = (typeof NAMES)[number];

/**
 * Reads `name=value` words. What is not given is taken from `measured`; throws with a readable message when it is in
 * neither: nothing is made up.
 */
export function readCapacity(words: readonly string[], measured: Partial<Costs>): { demand: Demand; costs: Costs } {
  const given = new Map<string, number>();
  for (const word of words) {
    const [name = '', text = ''] = word.split('=');
    const value = Number(text);
    if (!NAMES.some((known) => known === name) || text === '' || !Number.isFinite(value) || value < 0) {
      throw new Error(`${word} is not understood\n${CAPACITY_USAGE}`);
    }
    given.set(name, value);
  }
  const need = (name: Name, otherwise?: number): number => {
    const value = given.get(name) ?? otherwise;
    if (value === undefined) throw new Error(`${name}= is missing, and no saved result has it\n${CAPACITY_USAGE}`);
    return value;
  };
  const demand = {
    users: need('users'),
    rate: need('rate'),
    hit: need('hit'),
    workers: need('workers', 2),
    load: need('load', 0.6),
  };
  if (demand.hit > 1 || demand.load > 1 || demand.load === 0) {
    throw new Error(`hit and load are shares, at most 1\n${CAPACITY_USAGE}`);
  }
  return {
    demand,
    costs: {
      cached: need('cached', measured.cached),
      uncached: need('uncached', measured.uncached),
      idle: need('idle', measured.idle),
      session: need('session', measured.session),
      stored: need('stored', measured.stored),
    },
  };
}

export function showCapacity(demand: Demand, costs: Costs): string {
  const { microsPerCheck, cores, workerBytes, redisBytes, redisCommandsPerSecond } = capacity(demand, costs);
  const mib = (bytes: number): string => `${Math.ceil(bytes / 1_048_576)} MiB`;
  return [
    `${demand.users} users, ${demand.rate} checks/s, hit ratio ${demand.hit}, ${demand.workers} workers, cores at most ${demand.load * 100} % busy`,
    `costs: cached ${costs.cached.toFixed(2)} µs, not cached ${costs.uncached.toFixed(2)} µs, idle worker ${mib(costs.idle)}, cached session ${costs.session} bytes, stored session ${costs.stored} bytes`,
    `CPU per check     ${microsPerCheck.toFixed(2)} µs`,
    `cores             ${cores}`,
    `worker memory     ${mib(workerBytes)}`,
    `Redis memory      ${mib(redisBytes)}`,
    `Redis commands    ${Math.ceil(redisCommandsPerSecond)} per second, for checks`,
  ].join('\n');
}
