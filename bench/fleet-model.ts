// What a fleet of Traefiks asks of outposts, ports and Redis: a model of a few sums, fed by what the benches have measured. docs/capacity.md
// has its tables (fleet.ts prints them) and says what it assumes.

/** What is asked of it. */
export interface Fleet {
  readonly traefiks: number;
  /** Requests per second of each, at the peak, all of them checked. */
  readonly rate: number;
  /** Signed in at the same time, over all. */
  readonly users: number;
  /** Of those, asking within `cache.max_age`. */
  readonly active: number;
  /** Sign-outs, of each user in a day. */
  readonly signOuts: number;
  readonly workersPerNode: number;
  /** Share of a core that may be busy at the peak. */
  readonly load: number;
  /** Least number of nodes. */
  readonly least: number;
}

/** What was measured. */
export interface FleetCosts {
  /** CPU µs of the outpost per check, by how Traefik asks. */
  readonly outpost: { readonly http: number; readonly https: number };
  /** CPU µs of Traefik that a check adds to a request. */
  readonly traefik: { readonly http: number; readonly https: number };
  /** Connections that Traefik opens per check. */
  readonly opened: { readonly http: number; readonly https: number };
  /** Bytes of a cached session in a worker, and of one in Redis with its indexes. */
  readonly session: number;
  readonly stored: number;
}

export interface Need {
  readonly checks: number;
  readonly nodes: number;
  readonly workers: number;
  /** Cores of the workers, busy at the peak. */
  readonly cores: number;
  /** Cores that checks take on each Traefik. */
  readonly traefikCores: number;
  /** Connections opened in a second by each Traefik, and ports of its host that wait in TIME_WAIT for it. */
  readonly opened: number;
  readonly ports: number;
  /** Of all workers together, bytes. */
  readonly cacheBytes: number;
  readonly redisBytes: number;
  readonly redisConnections: number;
  /** Sessions read again in a second: those in use, by each worker that is asked for them. */
  readonly reads: number;
  readonly heartbeats: number;
  /** Sign-outs in a second, and the messages that Redis delivers for them. */
  readonly revocations: number;
  readonly deliveries: number;
}

/** Seconds: an entry of the cache is read again after 45 to 60 of them, with the default `cache.max_age`. */
const REREAD_S = 45;
const DAY_S = 86_400;
/** Seconds that a closed connection keeps its port (Linux). */
export const TIME_WAIT_S = 60;
/** `net.ipv4.ip_local_port_range` of Linux: 32768 to 60999. */
export const PORTS = 28_232;

export function need(fleet: Fleet, costs: FleetCosts, way: 'http' | 'https'): Need {
  const { traefiks, rate, users, active, signOuts, workersPerNode, load, least } = fleet;
  const checks = traefiks * rate;
  const cores = (checks * costs.outpost[way]) / 1e6;
  const nodes = Math.max(least, Math.ceil(cores / load / workersPerNode));
  const workers = nodes * workersPerNode;
  const opened = rate * costs.opened[way];
  const revocations = (users * signOuts) / DAY_S;
  return {
    checks,
    nodes,
    workers,
    cores,
    traefikCores: (rate * costs.traefik[way]) / 1e6,
    opened,
    ports: opened * TIME_WAIT_S,
    cacheBytes: workers * active * costs.session,
    redisBytes: users * costs.stored,
    // Two for each worker, one for each primary.
    redisConnections: nodes * (2 * workersPerNode + 1),
    // No session is read more often than it is asked for.
    reads: Math.min(checks, (active * workers) / REREAD_S),
    heartbeats: workers,
    revocations,
    deliveries: revocations * workers,
  };
}

/** Checks per second at which a Traefik has no port left for one address of an outpost. */
export function mostWithPorts(opened: number): number {
  return opened === 0 ? Number.POSITIVE_INFINITY : PORTS / TIME_WAIT_S / opened;
}
