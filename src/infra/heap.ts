// How much memory V8 takes at a start, which reads and runs a lot once. Unless told otherwise V8 lets its young generation grow to three
// times 16 MiB for the garbage of it, and compiles for speed what never runs again; a process that is idle then gives nothing back.
import { setFlagsFromString } from 'node:v8';

/** Until `growAsNeeded`: the young generation stays small, and nothing is optimised. */
export function beginSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--no-opt');
}

/** What V8 does unless told otherwise, for what comes when the start is over. */
export function growAsNeeded(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
  setFlagsFromString('--opt');
}
