// `akprox status`: what the running daemon does. Exit code 0: it serves, and as well as it should.
import type { DaemonStatus } from '../cluster/control.js';
import { askOrPrint } from './ask-daemon.js';
import { counted, FAILED, type Io, OK } from './command.js';
import { timeOf } from './operate-daemon.js';

export async function showStatus(io: Io): Promise<number> {
  const status = await askOrPrint<DaemonStatus>('GET', '/status', io);
  if (status === null) return FAILED;
  for (const [name, value] of rowsOf(status)) io.stdout(`${name.padEnd(14)} ${value}\n`);
  return status.unready === null && status.degraded.length === 0 && status.current ? OK : FAILED;
}

function rowsOf(status: DaemonStatus): readonly (readonly [string, string])[] {
  const { workers, listen, idps, certificates } = status;
  const restarts = workers.restarts === 0 ? '' : `, ${counted(workers.restarts, 'restart')}`;
  const listeners = Object.entries(listen).flatMap(([name, address]) =>
    address === null ? [] : [`${name} ${address}`],
  );
  const unasked = status.providers - idps.length;
  return [
    [
      'daemon',
      `akprox ${status.version}, Node.js ${status.node}, process ${status.pid}, since ${timeOf(status.startedAt)}`,
    ],
    ['state', status.unready ?? (status.degraded.length === 0 ? 'ok' : `degraded: ${status.degraded.join('; ')}`)],
    ['workers', `${workers.ready} of ${workers.wanted} ready${restarts}`],
    ['listeners', listeners.join(', ')],
    ['engine', status.engine ?? 'none yet'],
    ['store', status.store],
    [
      'configuration',
      `generation ${status.generation}, ${status.current ? 'as on the disk when it was last read' : 'the last one that was read has not been taken, or not whole'}`,
    ],
    ['providers', String(status.providers)],
    ...idps.map(
      ([provider, isUp]) => ['idp', `${provider}: ${isUp ? 'answers' : 'did not answer the last call'}`] as const,
    ),
    ...(unasked > 0 ? [['idp', `of ${counted(unasked, 'provider')}: not asked yet`] as const] : []),
    ...certificates.map(([name, end]) => ['certificate', `${name}: ends ${timeOf(end)}`] as const),
  ];
}
