// node --import tsx bench/restart.ts [--times 10] [--only kept …]: SIGUSR2 under load, again and again, and what becomes of the checks.
// Exits with 1 when a verdict was wrong, a check was lost that came on a connection that was kept, or more than one in 10 000 with
// one connection each.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Daemon, startDaemon, testProvider } from '../test/kit/daemon.js';
import { until } from '../test/kit/until.js';
import { type Ask, askOf, ChaosLoad, type Tally } from './chaos-load.js';
import { openMint } from './mint.js';
import { buildIfStale } from './targets/akprox.js';

const SCENARIOS = [
  { name: 'kept', title: 'TCP, connections that are kept', unix: false, oneEach: false },
  { name: 'each', title: 'TCP, one connection for each check', unix: false, oneEach: true },
  { name: 'unix-kept', title: 'unix sockets, connections that are kept', unix: true, oneEach: false },
  { name: 'unix-each', title: 'unix sockets, one connection for each check', unix: true, oneEach: true },
] as const;
type Scenario = (typeof SCENARIOS)[number];

const { values } = parseArgs({
  options: { times: { type: 'string', default: '10' }, only: { type: 'string', multiple: true, default: [] } },
});
const times = Number(values.times);
if (!(times > 0)) throw new Error('--times is a number above 0');
const unknown = values.only.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown !== undefined) throw new Error(`--only: ${SCENARIOS.map(({ name }) => name).join(', ')}, not ${unknown}`);

const KNOWN = 200;
const CONNECTIONS = 32;
/** Between one successor that serves and the next SIGUSR2, in milliseconds. */
const PAUSE = 1_000;
const MOST_LOST = 1 / 10_000;

buildIfStale();
let failed = false;
console.log(`SIGUSR2 ${times} times, 2 workers, ${CONNECTIONS} connections, Node ${process.version}`);
for (const scenario of SCENARIOS) {
  if (values.only.length === 0 || values.only.includes(scenario.name)) await tryOut(scenario);
}
console.log(failed ? 'FAIL' : 'ok');
process.exitCode = failed ? 1 : 0;

async function tryOut(scenario: Scenario): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-restart-'));
  const store = { kind: 'embedded', path: join(directory, 'data') };
  const issuer = 'http://127.0.0.1:9';
  const first = join(directory, 'akprox.sock');
  const daemon = await startDaemon(
    {
      store,
      providers: [testProvider(issuer, { access: { groups: ['staff'] } })],
      listen: scenario.unix ? { http: `unix:${first}` } : {},
    },
    { succeeds: true },
  );
  try {
    const mint = await openMint(issuer, store, 86_400_000);
    const cookies = await mint.mint(KNOWN);
    await mint.close();
    const next = asks(cookies);
    // One lane of load for each socket, as proxies spread checks over them.
    const targets = scenario.unix ? [`unix:${first}`, `unix:${first}.2`] : [daemon.http];
    const loads = targets.map((target) => new ChaosLoad(target, next, CONNECTIONS / targets.length, scenario.oneEach));
    for (const load of loads) load.start();
    await until(() => loads.every(({ tally }) => tally.sent > 10 * KNOWN));
    for (const load of loads) load.phase();
    const begun = performance.now();
    for (let i = 0; i < times; i += 1) {
      await replace(daemon, i);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    const seconds = (performance.now() - begun) / 1_000;
    await until(() => count(daemon, 'the former daemon has ended') === times);
    for (const load of loads) await load.stop();
    judge(
      scenario,
      loads.map(({ tally }) => tally),
      seconds,
    );
  } finally {
    await daemon[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Most by people who are signed in; the others by nobody, or with a cookie that somebody made up. */
function asks(cookies: readonly string[]): () => Ask {
  const known = cookies.map((cookie, i) => askOf(cookie, `user-${i + 1}`));
  const others = [askOf('', null), ...cookies.slice(0, 10).map((cookie) => askOf(`${cookie.slice(0, -4)}AAAA`, null))];
  let turn = 0;
  return () => {
    turn += 1;
    const ask = turn % 5 === 1 ? others[turn % others.length] : known[turn % known.length];
    return ask ?? askOf('', null);
  };
}

/** The daemon that serves now, by the one after it. */
async function replace(daemon: Daemon, already: number): Promise<void> {
  const serving = daemon.lines.filter(({ msg }) => msg === 'listening').at(-1)?.['pid'];
  process.kill(Number(serving), 'SIGUSR2');
  await until(() => count(daemon, 'the successor serves; draining') > already);
}

function count({ lines }: Daemon, text: string): number {
  return lines.filter(({ msg }) => msg === text).length;
}

function judge({ title, oneEach }: Scenario, tallies: readonly Tally[], seconds: number): void {
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0);
  const sent = sum((tally) => tally.sent);
  const refused = sum((tally) => tally.refused.length);
  const cut = sum((tally) => tally.cut.length);
  const wrong = sum((tally) => tally.wrong + tally.unavailable + tally.hung);
  const lost = refused + cut;
  const share = lost === 0 ? '' : `, one in ${Math.round(sent / lost)}`;
  console.log(`${title}: ${sent} checks, ${seconds.toFixed(0)} s of restarts`);
  console.log(`  ${wrong} wrong, ${refused} connections refused, ${cut} checks lost${share}`);
  for (const { examples } of tallies) for (const example of examples) console.log(`  wrong: ${example}`);
  if (wrong > 0 || lost > (oneEach ? MOST_LOST * sent : 0)) failed = true;
}
