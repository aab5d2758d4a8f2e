// node --import tsx bench/chaos.ts [--only kill …] [--kills 20] [--seconds 6]: what checks are answered while things break.
// Two workers under load, by people who are signed in (some never seen by a worker yet), by nobody, with forged cookies and
// with ended sessions; every check is counted. A wrong verdict is somebody signed in who is sent to log in or refused, or
// somebody else who is let in. Exits with 1 when there was one, or a check was lost that need not have been.
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { FAULTS, type Fault } from './chaos-faults.js';
import type { Tally } from './chaos-load.js';
import { buildIfStale } from './targets/akprox.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    kills: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '6' },
  },
});
const settings = { kills: Number(values.kills), seconds: Number(values.seconds) };
if (!(settings.kills > 0) || !(settings.seconds > 0)) throw new Error('--kills and --seconds are numbers above 0');
const unknown = values.only.find((name) => !FAULTS.some((fault) => fault.name === name));
if (unknown !== undefined) throw new Error(`--only: ${FAULTS.map(({ name }) => name).join(', ')}, not ${unknown}`);

buildIfStale();
let failed = false;
console.log(
  `${new Date().toISOString()}, 2 workers, Node ${process.version}, load average ${loadavg()
    .map((load) => load.toFixed(1))
    .join(' ')}`,
);
console.log(
  'ended: checks in flight on a connection that broke. refused: attempts to connect. hung: no answer in a minute.',
);
for (const fault of FAULTS) {
  if (values.only.length > 0 && !values.only.includes(fault.name)) continue;
  await tryOut(fault);
}
console.log(failed ? 'FAIL' : 'ok');
process.exitCode = failed ? 1 : 0;

async function tryOut({ name, title, missing, run }: Fault): Promise<void> {
  const lacks = missing();
  if (lacks !== null) {
    console.log(`\n${name}: skipped, ${lacks}`);
    return;
  }
  console.log(`\n${name}: ${title}`);
  console.log(
    `  ${'phase'.padEnd(34)}${['checks', 'allowed', 'sent to log in', '503', 'wrong', 'ended', 'refused', 'hung'].map((head) => head.padStart(15)).join('')}`,
  );
  const problems: string[] = [];
  await run(settings, {
    phase: (phase, tally, expected) => {
      print(phase, tally);
      for (const example of tally.examples) console.log(`    wrong: ${example}`);
      if (tally.wrong > 0) problems.push(`${phase}: ${tally.wrong} wrong verdicts`);
      if (tally.hung > 0) problems.push(`${phase}: ${tally.hung} checks hung`);
      if (!expected.cuts && tally.cut.length > 0) problems.push(`${phase}: ${tally.cut.length} checks were lost`);
      if (!expected.refusals && tally.refused.length > 0)
        problems.push(`${phase}: ${tally.refused.length} connections were refused`);
      if (!expected.outage && tally.unavailable > 0) problems.push(`${phase}: ${tally.unavailable} checks got 503`);
      if (tally.sent === 0) problems.push(`${phase}: nothing was asked`);
    },
    note: (text) => console.log(`  ${text}`),
    problem: (text) => problems.push(text),
  });
  for (const problem of problems) console.log(`  FAIL ${problem}`);
  failed ||= problems.length > 0;
}

function print(phase: string, tally: Tally): void {
  const { sent, allowed, challenged, unavailable, wrong, cut, refused, hung } = tally;
  const figures = [sent, allowed, challenged, unavailable, wrong, cut.length, refused.length, hung];
  console.log(`  ${phase.padEnd(34)}${figures.map((figure) => String(figure).padStart(15)).join('')}`);
}
