// node --import tsx bench/unix.ts [--rounds 7] [--seconds 2] [--quick] [--markdown]: a check over a unix socket beside one over TCP, of akprox
// and of nginx (h2load). Exits with 1 when a budget is missed.
import { runBench } from './bench-command.js';
import { measureUnix, unixMissing, unixRows } from './unix-cells.js';

await runBench({ generator: 'h2load', seconds: 2, missing: unixMissing(), measure: measureUnix, rows: unixRows });
