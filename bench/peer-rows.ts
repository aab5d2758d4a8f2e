// The rows of the budget against oauth2-proxy: both with their sessions in Redis, and its CPU counted on both sides; once as it comes, which is what
// the budget is about, and once without its request log.
import type { Answer } from '../test/kit/daemon.js';
import { startRedis } from '../test/kit/redis-server.js';
import { APP, clientFor } from '../test/kit/world.js';
import { type Cell, makeCells, measure, recordAnswers } from './measure.js';
import type { Settings } from './options.js';
import { pin } from './processes.js';
import { SCENARIOS } from './scenarios.js';
import { startOutpost } from './targets/akprox.js';
import { OAUTH2_CLIENT, startOauth2Proxy } from './targets/oauth2-proxy.js';
import { type Row, ratios } from './verdict.js';

export async function measurePeer(settings: Settings, progress: (text: string) => void): Promise<Row[]> {
  const closers: (() => unknown)[] = [];
  try {
    progress('starting akprox and oauth2-proxy, each with a Redis');
    const redis = await startRedis();
    closers.push(() => redis.stop());
    const redisPid = Number(/process_id:(\d+)/.exec(await redis.client.info('server'))?.[1]);
    const started = await startOutpost(1, {
      config: { store: { kind: 'redis', url: redis.url } },
      idp: { clients: [clientFor('whoami', APP), OAUTH2_CLIENT] },
    });
    closers.push(() => started.close());
    const ours = { ...started, pids: [...started.pids, redisPid] };
    const { issuer } = started.world.idp;
    const asItComes = await startOauth2Proxy(issuer, { logs: true });
    closers.push(() => asItComes.close());
    const withoutLog = await startOauth2Proxy(issuer);
    closers.push(() => withoutLog.close());
    const targets = [ours, asItComes, withoutLog];
    for (const { pids } of targets) pin(pids, settings.serverCpus);
    const scenarios = SCENARIOS.filter(({ name }) => name === 'signed-in' || name === 'reconnect').map((scenario) => ({
      ...scenario,
      fault: (answer: Answer) => (answer.headers['x-auth-request-user'] ? isPassed(answer) : scenario.fault(answer)),
    }));
    const cells = makeCells(scenarios, targets, ours.session);
    await measure(cells, await recordAnswers(ours, scenarios), settings, progress);
    return peerRows(cells);
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

/** As oauth2-proxy says it. */
function isPassed({ status, headers }: Answer): string | null {
  if (status !== 202) return `status ${status} instead of 202`;
  return headers['x-auth-request-email'] === 'alice@example.com' ? null : 'not alice';
}

export function peerRows(cells: readonly Cell[]): Row[] {
  const row = (peer: string, title: string, scenario: string, limit: number): Row => {
    const cpu = (target: string): (number | null)[] =>
      cells
        .find((cell) => cell.scenario.name === scenario && cell.target.name === target)
        ?.samples.map((sample) => sample.cpu) ?? [];
    const faults = cells.filter(({ fault }) => fault !== null).map(({ target, fault }) => `${target.title}: ${fault}`);
    return {
      title: `oauth2-proxy${peer === 'oauth2-proxy' ? ', request log off' : ''}, both with Redis, ${title}: its CPU ÷ ours`,
      limit,
      atLeast: true,
      rounds: ratios(cpu(peer), cpu('akprox-1')),
      missing: faults.join('; ') || 'no /proc',
      digits: 1,
    };
  };
  return ['oauth2-proxy-logs', 'oauth2-proxy'].flatMap((peer) => [
    row(peer, 'kept alive', 'signed-in', 15),
    row(peer, 'one connection each', 'reconnect', 6),
  ]);
}
