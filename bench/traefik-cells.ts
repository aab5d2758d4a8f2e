// What a real Traefik makes of each way to ask: the cells and the rows of the budget.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { request } from '../test/kit/daemon.js';
import { APP, clientFor } from '../test/kit/world.js';
import { type Cell, makeCells, measure, pace, recordAnswers, type Sample } from './measure.js';
import type { Settings } from './options.js';
import { cpuMicros, openedConnections, pin } from './processes.js';
import { CHECK_PATH, SCENARIOS, type Scenario } from './scenarios.js';
import { startOutpost } from './targets/akprox.js';
import { startNginx } from './targets/nginx.js';
import { OAUTH2_CLIENT, oauth2ProxyMissing, startOauth2Proxy } from './targets/oauth2-proxy.js';
import type { Target } from './targets/target.js';
import { type Asking, SEEN, startTraefik, type TraefikScene } from './traefik-scene.js';
import { type Row, ratios } from './verdict.js';

const DEPLOYED = new URL('../deploy/proxies/traefik/dynamic.yaml', import.meta.url);

export const SCENARIO: Scenario = {
  name: 'traefik',
  title: 'through Traefik, which has a core to itself',
  reconnect: false,
  headers: (session) => ({ Host: new URL(APP).host, Cookie: session }),
  fault: ({ status, body }) => {
    if (status !== 200) return `status ${status} instead of 200`;
    return body === 'the application\n' ? null : 'an answer that is not the application’s';
  },
};

/** Who answers a route's checks. */
interface Way {
  readonly route: string;
  readonly title: string;
  readonly asking: Asking;
  readonly pids: readonly number[];
  readonly session?: string;
  /** What the application must see as X-Auth-Username. */
  readonly seen: string;
  /** Without a cookie; 200 where nobody is kept out. */
  readonly stranger: number;
}

/** `settings.serverCpus` is Traefik's, `settings.loadCpus` everybody else's. */
export async function measureTraefik(settings: Settings, progress: (text: string) => void): Promise<Cell[]> {
  const closers: (() => unknown)[] = [];
  try {
    progress('starting akprox and what it is compared with');
    const outpost = await startOutpost(1, {
      config: { listen: { https: '127.0.0.1:0' } },
      idp: { clients: [clientFor('whoami', APP), OAUTH2_CLIENT] },
    });
    closers.push(() => outpost.close());
    const [signedIn] = SCENARIOS;
    if (signedIn === undefined) throw new Error('no scenario');
    const answers = await recordAnswers(outpost, [signedIn]);
    const nginx = await startNginx(answers);
    closers.push(() => nginx.close());
    const peer = oauth2ProxyMissing() === null ? await startOauth2Proxy(outpost.world.idp.issuer) : null;
    if (peer !== null) closers.push(() => peer.close());

    const options = deployedOptions();
    const { http, https } = outpost.world.daemon;
    const ours = { pids: outpost.pids, session: outpost.session, stranger: 302 };
    const ways: Way[] = [
      { route: 'none', title: 'no middleware', asking: null, pids: [], seen: '', stranger: 200 },
      {
        route: 'nginx',
        title: 'nginx return 200, http://',
        asking: { ...options, address: nginx.url('signed-in') },
        pids: nginx.pids,
        seen: 'alice',
        stranger: 200,
      },
      {
        route: 'alone',
        title: 'akprox, http://, nothing set',
        asking: { address: http + CHECK_PATH },
        seen: '',
        ...ours,
      },
      {
        route: 'named',
        title: 'akprox, http://, headers named',
        asking: { address: http + CHECK_PATH, authResponseHeaders: options['authResponseHeaders'] },
        seen: 'alice',
        ...ours,
      },
      {
        route: 'http',
        title: 'akprox, http://',
        asking: { ...options, address: http + CHECK_PATH },
        seen: 'alice',
        ...ours,
      },
      {
        route: 'https',
        title: 'akprox, https:// (HTTP/2)',
        asking: { ...options, address: https + CHECK_PATH, tls: { insecureSkipVerify: true } },
        seen: 'alice',
        ...ours,
      },
    ];
    if (peer !== null) {
      const asking = { ...options, address: peer.url('signed-in') };
      const { title, pids, session } = peer;
      ways.push({ route: 'oauth2-proxy', title, asking, pids, seen: '', stranger: 401, ...(session && { session }) });
    }
    const others = settings.loadCpus;
    const scene = await startTraefik(new Map(ways.map(({ route, asking }) => [route, asking])), {
      proxy: settings.serverCpus,
      others,
    });
    closers.push(() => scene.close());
    for (const { pids } of ways) pin(pids, others);
    for (const way of ways) await prove(way, scene, outpost.session);
    const cells = makeCells(
      [SCENARIO],
      ways.map((way) => targetOf(way, scene)),
      outpost.session,
    );
    await measure(cells, new Map(), settings, progress);
    if (settings.rate !== undefined) await pace(cells, settings, settings.rate, progress);
    return cells;
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

/** `forwardAuth` of the file that is to be taken over, without where it asks. */
export function deployedOptions(text = readFileSync(DEPLOYED, 'utf8')): Record<string, unknown> {
  const file = parse(text) as { http: { middlewares: Record<string, { forwardAuth?: Record<string, unknown> }> } };
  const asking = Object.values(file.http.middlewares).find(({ forwardAuth }) => forwardAuth !== undefined)?.forwardAuth;
  if (asking === undefined) throw new Error('no forwardAuth in the file');
  const { address: _address, tls: _tls, ...options } = asking;
  return options;
}

/** The route asks whom it should: somebody signed in passes under the right name, and a stranger does not. */
async function prove({ route, title, session, seen, stranger }: Way, scene: TraefikScene, ours: string): Promise<void> {
  const passed = await request(scene.url(route), { headers: { ...SCENARIO.headers(session ?? ours) } });
  const fault =
    SCENARIO.fault(passed) ?? (String(passed.headers[SEEN] ?? '') === seen ? null : 'another name was passed on');
  if (fault !== null) throw new Error(`${title}: ${fault}`);
  const { status } = await request(scene.url(route), { headers: { Host: new URL(APP).host } });
  if (status !== stranger) throw new Error(`${title}: a stranger was answered ${status}, not ${stranger}`);
}

function targetOf({ route, title, pids, session, stranger }: Way, scene: TraefikScene): Target {
  return {
    name: stranger === 302 ? `akprox-${route}` : route,
    title,
    only: null,
    url: () => scene.url(route),
    answers: 'outpost',
    pids,
    ...(session !== undefined && { session }),
    meter: (connections) => meter(scene, connections),
    close: async () => {},
  };
}

/**
 * Connections are counted by the kernel, over the whole machine: those of the generator and those to the application, which counts
 * what it accepts, are taken off. What is left without any check is what else the machine does.
 */
async function meter(
  scene: TraefikScene,
  connections: number,
): Promise<(checks: number) => Promise<{ proxyCpu: number | null; opened: number | null }>> {
  const acceptsBefore = await scene.applicationAccepts();
  const cpuBefore = cpuMicros([scene.pid]);
  const openedBefore = openedConnections();
  return async (checks) => {
    const cpu = cpuMicros([scene.pid]);
    const opened = openedConnections();
    // Counts the question too.
    const toApplication = (await scene.applicationAccepts()) - acceptsBefore - 1;
    return {
      proxyCpu: cpu === null || cpuBefore === null ? null : (cpu - cpuBefore) / checks,
      opened:
        opened === null || openedBefore === null
          ? null
          : Math.max(0, opened - openedBefore - connections - toApplication) / checks,
    };
  };
}

export function traefikRows(cells: readonly Cell[]): Row[] {
  const cell = (target: string): Cell | undefined => cells.find((one) => one.target.name === target);
  const rounds = (target: string, pick: (sample: Sample) => number | null | undefined): (number | null)[] =>
    cell(target)?.samples.map((sample) => pick(sample) ?? null) ?? [];
  const rate = (sample: Sample): number => sample.checksPerSecond;
  const proxy = (sample: Sample): number | null | undefined => sample.proxyCpu;
  const present = (values: readonly (number | null)[]): number[] => values.filter((value) => value !== null);
  const rows: Row[] = [
    {
      title: 'through Traefik, https://: requests/s ÷ those with nginx return 200, http://',
      limit: 1.6,
      atLeast: true,
      rounds: ratios(rounds('akprox-https', rate), rounds('nginx', rate)),
    },
    {
      title: "through Traefik, https://: Traefik's CPU ÷ that with nginx, http://",
      limit: 0.6,
      rounds: ratios(rounds('akprox-https', proxy), rounds('nginx', proxy)),
    },
    {
      title: 'through Traefik, https://: connections opened per request',
      limit: 0.01,
      rounds: present(rounds('akprox-https', (sample) => sample.opened)),
      digits: 4,
    },
    {
      title: 'through Traefik, https://: CPU of the outpost per request',
      limit: 40,
      rounds: present(rounds('akprox-https', (sample) => sample.cpu)),
      unit: ' µs',
      digits: 1,
    },
    {
      title: "through Traefik, http://: Traefik's CPU with deploy/ ÷ with nothing set",
      limit: 1.05,
      rounds: ratios(rounds('akprox-http', proxy), rounds('akprox-alone', proxy)),
    },
  ];
  const faults = cells.filter(({ fault }) => fault !== null).map(({ target, fault }) => `${target.title}: ${fault}`);
  return rows.map((row) => (row.rounds.length > 0 ? row : { ...row, missing: faults.join('; ') || 'no /proc' }));
}
