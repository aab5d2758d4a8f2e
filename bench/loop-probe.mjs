// Loaded into every process of the daemon (NODE_OPTIONS): how late a worker's event loop is while the file `go` is there. When it goes,
// what was seen is written beside it.
import cluster from 'node:cluster';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const directory = process.env.LOOP_PROBE;
/** Milliseconds; the histogram has them in every value. */
const RESOLUTION = 1;

if (directory !== undefined && cluster.isWorker) {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION });
  const go = join(directory, 'go');
  let watching = false;
  setInterval(() => {
    if (existsSync(go) === watching) return;
    watching = !watching;
    if (watching) {
      delays.reset();
      delays.enable();
      return;
    }
    delays.disable();
    const ms = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION);
    const seen = { p99: ms(delays.percentile(99)), max: ms(delays.max), count: delays.count };
    const file = join(directory, `${process.pid}.json`);
    writeFileSync(`${file}.new`, JSON.stringify(seen));
    renameSync(`${file}.new`, file);
  }, 20).unref();
}
