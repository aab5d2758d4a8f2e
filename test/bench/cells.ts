// Cells of a bench that was never run.
import type { Cell } from '../../bench/measure.js';
import type { Settings } from '../../bench/options.js';

export const SETTINGS: Settings = {
  generator: 'wrk',
  connections: 64,
  rounds: 3,
  seconds: 1,
  serverCpus: '0',
  loadCpus: '1',
};

/** A signed-in cell of one worker, with a sample for each µs in `cpu`. */
export function makeCell(parts: { cpu?: readonly number[]; fault?: string; title?: string }): Cell {
  const { cpu = [], fault = null, title = 'akprox, 1 worker' } = parts;
  return {
    scenario: {
      name: 'signed-in',
      title: 'signed in, cached',
      reconnect: false,
      headers: () => ({}),
      fault: () => null,
    },
    target: {
      name: 'akprox-1',
      title,
      only: null,
      url: () => '',
      answers: 'outpost',
      pids: [],
      close: async () => {},
    },
    headers: {},
    paced: [],
    samples: cpu.map((micros) => ({
      checksPerSecond: 1e6 / micros,
      cpu: micros,
      p50: 1,
      p99: 2,
      p999: 3,
      rss: 100 * 1_048_576,
    })),
    fault,
  };
}
