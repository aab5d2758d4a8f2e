// node --import tsx bench/through-traefik.ts [--rounds 7] [--seconds 3] [--rate 1000] [--quick] [--markdown]: what a check costs a real
// Traefik (TRAEFIK_BIN), by whom it asks and how. Traefik has one core, and everything else the others. Exits with 1 when a budget is missed.
import { runBench } from './bench-command.js';
import { installed } from './options.js';
import { measureTraefik, traefikRows } from './traefik-cells.js';
import { traefikMissing } from './traefik-scene.js';

const missing = traefikMissing() ?? (installed('wrk') ? null : 'wrk is not installed');
await runBench({ generator: 'wrk', seconds: 3, rate: 1_000, missing, measure: measureTraefik, rows: traefikRows });
