// The rows of the budget that need a Redis: a check that is not cached, and very many applications and sessions, beside the plain one.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRedis } from '../test/kit/redis-server.js';
import { makeCells, measure, recordAnswers } from './measure.js';
import { openMint } from './mint.js';
import type { Settings } from './options.js';
import { pin } from './processes.js';
import { THOUSAND_APPLICATIONS } from './scale.js';
import { isAlice, SCENARIOS, type Scenario } from './scenarios.js';
import { type Outpost, startQuiet } from './targets/akprox.js';
import { type Row, ratios } from './verdict.js';

const HOUR_MS = 3_600_000;
/** Each asked for in its turn, and more than the least cache holds. */
const UNCACHED = 5_000;
/** Cookies written down for each run: more than a run gets through. */
const LINES = 60_000;
const MILLION = 1_000_000;
const WARM_UP_S = 5;

/** `sessions`: in the store beside the one that is asked for. */
export async function measureStores(
  settings: Settings,
  progress: (text: string) => void,
  sessions = MILLION,
): Promise<Row[]> {
  const closers: (() => unknown)[] = [];
  try {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-bench-stores-'));
    closers.push(() => rmSync(directory, { recursive: true, force: true }));
    const [signedIn] = SCENARIOS;
    if (signedIn === undefined) throw new Error('no scenario');
    const start = async (name: string, minted: number, options: object = {}, config: object = {}) => {
      progress(`starting: ${name}`);
      const redis = await startRedis();
      closers.push(() => redis.stop());
      const store = { kind: 'redis', url: redis.url };
      const outpost = await startQuiet(1, { ...options, config: { store, ...config } });
      closers.push(() => outpost.close());
      pin(outpost.pids, settings.serverCpus);
      const mint = await openMint(outpost.world.idp.issuer, store, HOUR_MS, redis.client);
      closers.push(() => mint.close());
      const cookies = await mint.mint(minted, (soFar) => progress(`${name}: ${soFar} of ${minted} sessions written`));
      return { outpost: { ...outpost, name }, cookies };
    };
    const plain = await start('plain', 0);
    const large = await start('large', sessions, THOUSAND_APPLICATIONS);
    const uncached = await start('uncached', UNCACHED, {}, { cache: { max_bytes: 65_536 } });
    const path = join(directory, 'cookies');
    writeFileSync(
      path,
      `${Array.from({ length: LINES }, (_, turn) => uncached.cookies[turn % UNCACHED]).join('\n')}\n`,
    );
    const cellOf = async (outpost: Outpost, scenario: Scenario) => {
      const answers = await recordAnswers(outpost, [scenario]);
      return { answers, cells: makeCells([scenario], [outpost], outpost.session) };
    };
    const measured = [
      await cellOf(plain.outpost, signedIn),
      await cellOf(large.outpost, signedIn),
      await cellOf(uncached.outpost, { ...signedIn, name: 'uncached', fault: isAlice, cookies: () => path }),
    ];
    const answers = new Map(measured.flatMap((one) => [...one.answers]));
    const cells = measured.flatMap((one) => one.cells);
    await measure(cells, answers, settings, progress, WARM_UP_S);
    const [one = [], many = [], missed = []] = cells.map(({ samples }) => samples.map(({ cpu }) => cpu));
    const missing = cells
      .flatMap(({ target, fault }) => (fault === null ? [] : [`${target.name}: ${fault}`]))
      .join('; ');
    return [
      {
        title: `1 000 applications, ${sessions.toLocaleString('en').replaceAll(',', ' ')} sessions in the store: CPU ÷ one`,
        limit: 1.1,
        rounds: ratios(many, one),
        missing,
      },
      {
        title: 'signed in, not cached, Redis: CPU of the worker ÷ cached',
        limit: 3.5,
        rounds: ratios(missed, one),
        missing,
      },
    ];
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}
