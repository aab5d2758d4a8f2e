// node --import tsx bench/fleet.ts [rate=N] [users=N] [active=N] [signOuts=N] [workersPerNode=N] [load=0…1] [least=N]: the tables of
// docs/capacity.md, from the newest saved result of bench/through-traefik.ts and the sizes in deploy/sizing.md.
import { FLEET, fleetTables } from './fleet-page.js';
import { fleetCosts } from './saved.js';

const told: Record<string, number> = {};
for (const word of process.argv.slice(2)) {
  const [name = '', text = ''] = word.split('=');
  const value = Number(text);
  if (name === 'traefiks' || !(name in FLEET) || text === '' || !(value >= 0))
    throw new Error(`${word} is not understood`);
  told[name] = value;
}
const costs = fleetCosts();
if (costs === null) throw new Error('no saved result of bench/through-traefik.ts (--save)');
process.stdout.write(`${fleetTables(costs.costs, told)}\n\nMeasured at commit ${costs.commit}.\n`);
