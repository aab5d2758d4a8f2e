// A signed-in check over a unix socket beside the same over TCP: the cells and the rows of the budget.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDaemon, testProvider } from '../test/kit/daemon.js';
import { startIdp } from '../test/kit/idp.js';
import { ACCOUNTS, APP, clientFor } from '../test/kit/world.js';
import { type Cell, makeCells, measure, recordAnswers, type Sample } from './measure.js';
import { openMint } from './mint.js';
import { installed, type Settings } from './options.js';
import { childrenOf, pin } from './processes.js';
import { CHECK_PATH, SCENARIOS, type Scenario } from './scenarios.js';
import { startNginx } from './targets/nginx.js';
import type { Target } from './targets/target.js';
import { type Row, ratios } from './verdict.js';

const HOUR_MS = 3_600_000;

/** Why it cannot be measured; null when it can. */
export function unixMissing(): string | null {
  const absent = ['h2load', 'nginx'].filter((program) => !installed(program));
  return absent.length === 0 ? null : `not installed: ${absent.join(', ')}`;
}

/** By h2load whatever the settings say, TCP too: one generator for all. */
export async function measureUnix(settings: Settings, progress: (text: string) => void): Promise<Cell[]> {
  const [signedIn] = SCENARIOS;
  if (signedIn === undefined) throw new Error('no scenario');
  const scenario: Scenario = { ...signedIn, name: 'unix', title: 'signed in, cached, over a unix socket (h2load)' };
  const closers: (() => unknown)[] = [];
  try {
    progress('starting akprox on TCP and on a unix socket');
    const directory = mkdtempSync(join(tmpdir(), 'akprox-bench-unix-'));
    closers.push(() => rmSync(directory, { recursive: true, force: true }));
    const idp = await startIdp({ clients: [clientFor('whoami', APP)], accounts: ACCOUNTS });
    closers.push(() => idp.close());
    const start = async (name: string, title: string, http: string): Promise<Target> => {
      const store = { kind: 'embedded', path: join(directory, name) };
      const providers = [testProvider(idp.issuer, { access: { groups: ['staff'] } })];
      const daemon = await startDaemon({ workers: 1, store, providers, listen: { http } });
      closers.push(() => daemon[Symbol.asyncDispose]());
      const mint = await openMint(idp.issuer, store, HOUR_MS);
      closers.push(() => mint.close());
      const [session = ''] = await mint.mint(1);
      const socket = daemon.http.startsWith('unix:') ? daemon.http.slice('unix:'.length) : undefined;
      return {
        name,
        title,
        only: null,
        url: () => (socket === undefined ? daemon.http : 'http://akprox') + CHECK_PATH,
        answers: 'outpost',
        session,
        pids: childrenOf(daemon.child.pid ?? 0),
        ...(socket !== undefined && { socket }),
        close: async () => {},
      };
    };
    const tcp = await start('akprox-tcp', 'akprox, TCP', '127.0.0.1:0');
    const unix = await start('akprox-unix', 'akprox, unix socket', `unix:${join(directory, 'akprox.sock')}`);
    const answers = await recordAnswers({ ...tcp, session: tcp.session ?? '' }, [scenario]);
    const nginx = await startNginx(answers);
    closers.push(() => nginx.close());
    const targets: Target[] = [
      tcp,
      unix,
      { ...nginx, name: 'nginx-tcp', title: 'nginx return 200, TCP' },
      { ...nginx, name: 'nginx-unix', title: 'nginx return 200, unix socket', socket: nginx.unixSocket },
    ];
    for (const { pids } of targets) pin(pids, settings.serverCpus);
    const cells = makeCells([scenario], targets, tcp.session ?? '');
    await measure(cells, answers, { ...settings, generator: 'h2load' }, progress);
    return cells;
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

export function unixRows(cells: readonly Cell[]): Row[] {
  const cpu = (target: string): (number | null)[] =>
    cells.find((cell) => cell.target.name === target)?.samples.map((sample: Sample) => sample.cpu) ?? [];
  const faults = cells.filter(({ fault }) => fault !== null).map(({ target, fault }) => `${target.title}: ${fault}`);
  const missing = faults.join('; ') || 'no /proc';
  return [
    {
      title: 'signed in over a unix socket: CPU ÷ nginx return 200 over TCP',
      limit: 0.65,
      rounds: ratios(cpu('akprox-unix'), cpu('nginx-tcp')),
      missing,
    },
    {
      title: 'signed in over a unix socket: CPU ÷ nginx return 200 over a unix socket',
      limit: 1,
      rounds: ratios(cpu('akprox-unix'), cpu('nginx-unix')),
      missing,
    },
  ];
}
