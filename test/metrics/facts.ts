// What the primary knows, for a page in a test.
import type { Facts } from '../../src/metrics/metric.js';

export const FACTS: Facts = {
  workers: 8,
  workersWanted: 8,
  restarts: 1,
  version: '1.2.3',
  node: 'v20.1.0',
  engine: 'uWebSockets.js',
  reloaded: true,
  certificates: [['whoami.company.tld', 1_800_000_000_500]],
  processes: {
    cpuSeconds: 1.5,
    residentBytes: 2_048,
    virtualBytes: 4_096,
    openFds: 30,
    maxFds: 1_024,
    startTime: 1_700_000_000,
  },
  outpost: null,
};
