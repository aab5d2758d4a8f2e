// node --import tsx bench/restart.ts [--times 10] [--only kept …]: SIGUSR2 under load, again and again, and what becomes of the checks.
// Exits with 1 when a verdict was wrong, a check was lost that came on a connection that was kept, or more than one in 10 000 with
// one connection each.
import { parseArgs } from 'node:util';
import { CONNECTIONS, lostIn, MOST_LOST, measureRestarts, RESTARTS } from './restart-rows.js';
import { buildIfStale } from './targets/akprox.js';

const { values } = parseArgs({
  options: { times: { type: 'string', default: '10' }, only: { type: 'string', multiple: true, default: [] } },
});
const times = Number(values.times);
if (!(times > 0)) throw new Error('--times is a number above 0');
const unknown = values.only.find((name) => !RESTARTS.some((scenario) => scenario.name === name));
if (unknown !== undefined) throw new Error(`--only: ${RESTARTS.map(({ name }) => name).join(', ')}, not ${unknown}`);

buildIfStale();
let failed = false;
console.log(`SIGUSR2 ${times} times, 2 workers, ${CONNECTIONS} connections, Node ${process.version}`);
for (const scenario of RESTARTS) {
  if (values.only.length > 0 && !values.only.includes(scenario.name)) continue;
  const restarted = await measureRestarts(scenario, times);
  const { sent, refused, cut, wrong, seconds, examples } = restarted;
  const share = refused + cut === 0 ? '' : `, one in ${Math.round(sent / (refused + cut))}`;
  console.log(`${scenario.title}: ${sent} checks, ${seconds.toFixed(0)} s of restarts`);
  console.log(`  ${wrong} wrong, ${refused} connections refused, ${cut} checks lost${share}`);
  for (const example of examples) console.log(`  wrong: ${example}`);
  if (wrong > 0 || lostIn(restarted) > (scenario.oneEach ? MOST_LOST * sent : 0)) failed = true;
}
console.log(failed ? 'FAIL' : 'ok');
process.exitCode = failed ? 1 : 0;
