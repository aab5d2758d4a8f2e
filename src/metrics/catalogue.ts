// Every metric, each once. A new one is a row here, and the place where it is counted: `Tally.count` with its name, or a plain
// number that the row takes. docs/metrics.md is made from this table. Names, labels and help are what operators' dashboards go by.
import { CHECK_RESULTS } from '../application/application.js';
import { LAG_BOUNDS } from '../session/revocation.js';
import { CHECK_BOUNDS, REQUEST_BOUNDS } from './check-timing.js';
import { laterCall } from './idp-health.js';
import { STORE_BOUNDS } from './measured-store.js';
import type { Facts, Metric, ProcessFacts, Row } from './metric.js';

/** As the official outpost has them. */
const OUTPOST = {
  outpost_name: ({ outpost }: Facts) => outpost?.name ?? 'akprox',
  outpost_type: () => 'proxy',
  uuid: ({ outpost }: Facts) => outpost?.uuid ?? '',
};
const BUILD = { ...OUTPOST, version: ({ version }: Facts) => version, build: () => '' };

export const METRICS = [
  {
    name: 'akprox_checks_total',
    type: 'counter',
    labels: ['provider', 'result'],
    help: 'Auth checks by provider and result.',
    columns: { label: 'result', values: CHECK_RESULTS },
    everyProvider: true,
    take: ({ applications }) => applications.flatMap(({ name, checks }) => rowIfAny([name], takeAll(checks))),
  },
  {
    name: 'akprox_logins_total',
    type: 'counter',
    labels: ['provider', 'result'],
    help: 'Logins by provider and result.',
  },
  {
    name: 'akprox_credentials_refused_total',
    type: 'counter',
    labels: ['provider', 'reason'],
    help: 'Authorization headers that were refused, by provider and reason.',
  },
  {
    name: 'akprox_revocations_total',
    type: 'counter',
    labels: ['source'],
    help: 'Sessions ended, by what ended them.',
    take: ({ sessions }) => {
      const rows = [...sessions.revocations].map(([source, count]): Row => [[source], [count]]);
      sessions.revocations.clear();
      return rows;
    },
  },
  {
    name: 'akprox_session_cache_hits_total',
    type: 'counter',
    labels: [],
    help: 'Checks answered from the session cache.',
    take: ({ sessions }) => countOf(sessions, 'hits'),
  },
  {
    name: 'akprox_session_cache_misses_total',
    type: 'counter',
    labels: [],
    help: 'Sessions that had to be read from the store.',
    take: ({ sessions }) => countOf(sessions, 'misses'),
  },
  {
    name: 'akprox_session_cache_evictions_total',
    type: 'counter',
    labels: [],
    help: 'Sessions that left the cache for want of room.',
    take: ({ sessions }) => countOf(sessions.cache, 'evictions'),
  },
  {
    name: 'akprox_session_cache_bytes',
    type: 'gauge',
    labels: [],
    help: 'Bytes in the session caches of all workers.',
    read: ({ sessions }) => single(sessions.cache.bytes),
    merge: sum,
  },
  {
    name: 'akprox_store_errors_total',
    type: 'counter',
    labels: ['op'],
    help: 'Store operations that failed.',
    // A zero too, of each operation that was tried since the durations below were taken.
    take: ({ store }) =>
      [...store.ops]
        .filter(([, { duration }]) => !duration.empty)
        .map(([op, stats]): Row => [[op], [takeNumber(stats, 'errors')]]),
  },
  {
    name: 'akprox_store_duration_seconds',
    type: 'histogram',
    labels: ['op'],
    help: 'Store operations.',
    bounds: STORE_BOUNDS,
    take: ({ store }) => [...store.ops].flatMap(([op, { duration }]) => rowIfAny([op], duration.take())),
  },
  {
    name: 'akprox_check_duration_seconds',
    type: 'histogram',
    labels: [],
    help: 'Auth checks, from the request to the answer; of those answered from the cache a sample.',
    bounds: CHECK_BOUNDS,
    take: ({ timing }) => rowIfAny([], timing.duration.take()),
  },
  {
    name: 'akprox_revocation_lag_seconds',
    type: 'histogram',
    labels: [],
    help: 'From the publication of a revocation to its effect in a worker that heard of it.',
    bounds: LAG_BOUNDS,
    take: ({ sessions }) => rowIfAny([], sessions.lag.take()),
  },
  {
    name: 'authentik_outpost_proxy_request_duration_seconds',
    type: 'histogram',
    labels: ['outpost_name', 'method', 'host', 'type'],
    help: 'Proxy request latencies in seconds',
    bounds: REQUEST_BOUNDS,
    filled: { outpost_name: OUTPOST.outpost_name, type: () => 'app' },
    take: ({ timing }) => timing.takeRequests(),
  },
  {
    name: 'akprox_workers',
    type: 'gauge',
    labels: [],
    help: 'Workers that are ready.',
    show: ({ workers }) => single(workers),
  },
  {
    name: 'akprox_workers_wanted',
    type: 'gauge',
    labels: [],
    help: 'Workers that should be ready.',
    show: ({ workersWanted }) => single(workersWanted),
  },
  {
    name: 'akprox_worker_restarts_total',
    type: 'counter',
    labels: [],
    help: 'Workers that died and were started again.',
    show: ({ restarts }) => single(restarts),
  },
  {
    name: 'akprox_build_info',
    type: 'gauge',
    labels: ['version', 'node', 'engine'],
    help: 'What runs: akprox, Node.js, and what serves listen.http.',
    show: ({ version, node, engine }) => (engine === null ? [] : [[[version, node, engine], [1]]]),
  },
  {
    name: 'akprox_config_last_reload_successful',
    type: 'gauge',
    labels: [],
    help: 'Whether the configuration was taken as it was last read, whole.',
    show: ({ reloaded }) => single(reloaded ? 1 : 0),
  },
  {
    name: 'akprox_certificate_expiry_seconds',
    type: 'gauge',
    labels: ['name'],
    help: 'Unix time at which a certificate of the HTTPS listener ends, by the host that it is for.',
    show: ({ certificates }) => certificates.map(([name, end]): Row => [[name], [end / 1_000]]),
  },
  {
    name: 'akprox_idp_up',
    type: 'gauge',
    labels: ['provider'],
    help: 'Whether the identity provider answered the last call to it, and not with 5xx.',
    read: ({ applications, idps }) =>
      applications.flatMap(({ name }) => {
        const last = idps.of(name);
        return last === undefined ? [] : rowIfAny([name], [last]);
      }),
    merge: laterCall,
    shown: (last) => (last > 0 ? 1 : 0),
  },
  ofProcesses('process_cpu_seconds_total', 'counter', 'CPU time of all processes.', (all) => all.cpuSeconds),
  ofProcesses(
    'process_resident_memory_bytes',
    'gauge',
    'Memory of all processes; what they share counts for each.',
    (all) => all.residentBytes,
  ),
  ofProcesses(
    'process_virtual_memory_bytes',
    'gauge',
    'Addresses that all processes have reserved.',
    (all) => all.virtualBytes,
  ),
  ofProcesses('process_open_fds', 'gauge', 'Open file descriptors of all processes.', (all) => all.openFds),
  ofProcesses('process_max_fds', 'gauge', 'Most that all processes may have open.', (all) => all.maxFds),
  ofProcesses(
    'process_start_time_seconds',
    'gauge',
    'Unix time at which the daemon was started.',
    (all) => all.startTime,
  ),
  {
    name: 'authentik_outpost_info',
    type: 'gauge',
    labels: Object.keys(BUILD),
    filled: BUILD,
    help: 'Outpost info',
    show: ({ outpost }) => (outpost === null ? [] : single(1)),
  },
  {
    name: 'authentik_outpost_connection',
    type: 'gauge',
    labels: Object.keys(OUTPOST),
    filled: OUTPOST,
    help: 'Connection status',
    show: ({ outpost }) => (outpost === null ? [] : single(outpost.connected ? 1 : 0)),
  },
  {
    name: 'authentik_outpost_last_update',
    type: 'gauge',
    labels: Object.keys(BUILD),
    filled: BUILD,
    help: 'Time of last update',
    show: ({ outpost }) => (outpost?.lastUpdate == null ? [] : single(outpost.lastUpdate / 1_000)),
  },
] as const satisfies readonly Metric[];

function ofProcesses<const N extends string, const T extends 'counter' | 'gauge'>(
  name: N,
  type: T,
  help: string,
  read: (all: ProcessFacts) => number,
) {
  const show = ({ processes }: Facts): Row[] => (processes === null ? [] : single(read(processes)));
  return { name, type, labels: [], help, show } as const;
}

function sum(one: number, other: number): number {
  return one + other;
}

function single(number: number): Row[] {
  return [[[], [number]]];
}

function rowIfAny(values: readonly string[], numbers: readonly number[]): Row[] {
  return numbers.length === 0 ? [] : [[values, numbers]];
}

/** A plain number of `owner` that something adds to, which begins anew. */
function takeNumber<K extends string>(owner: { [key in K]: number }, key: K): number {
  const count: number = owner[key];
  owner[key] = 0;
  return count;
}

function countOf<K extends string>(owner: { [key in K]: number }, key: K): Row[] {
  return owner[key] === 0 ? [] : single(takeNumber(owner, key));
}

function takeAll(numbers: Float64Array): number[] {
  let length = numbers.length;
  while (length > 0 && numbers[length - 1] === 0) length -= 1;
  if (length === 0) return [];
  const taken = Array.from(numbers.subarray(0, length));
  numbers.fill(0);
  return taken;
}
