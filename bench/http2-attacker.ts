// The attacker of http2-attack.ts, a process of its own: ORIGIN ATTACK SIZE. Says `full` over IPC at its height, and the tally at its end.
import { ATTACKS, type Tally } from './http2-attacks.js';

const [origin = '', name = '', size = '0'] = process.argv.slice(2);
const attack = ATTACKS.find((one) => one.name === name);
if (attack === undefined) throw new Error(`no attack ${name}`);
const tally: Tally = { connections: 0, frames: 0, open: 0 };
let stopped = false;
process.on('message', () => {
  stopped = true;
});
process.on('disconnect', () => process.exit(0));
await attack.run(origin, Number(size), { stopped: () => stopped, full: () => process.send?.('full'), tally });
process.send?.(tally, () => process.exit(0));
