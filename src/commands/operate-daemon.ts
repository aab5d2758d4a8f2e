// `akprox sessions`, done by the running daemon: with providers from authentik too, and at once in the cache of every worker.
import type { OperationAnswer } from '../cluster/control.js';
import { loadDaemonPlace } from '../config/load.js';
import { MOST_SHOWN, type Operation, type Outcome, type ShownSession } from '../session/operation.js';
import { askDaemon, unanswered } from './ask-daemon.js';
import { counted, FAILED, type Io, OK, sourcesOf } from './command.js';

/** The exit code; null when no daemon can be asked, and it has to be done to the store itself. */
export async function askToOperate(operation: Operation, io: Io): Promise<number | null> {
  const answer = await askDaemon<OperationAnswer>('POST', '/sessions', loadDaemonPlace(sourcesOf(io)), io, operation);
  if (answer.kind === 'none') return null;
  if (answer.kind === 'refused') {
    io.stderr(`${unanswered(answer)}What follows is done to the store alone.\n`);
    return null;
  }
  const { value } = answer;
  if ('problem' in value) {
    io.stderr(`the running daemon: ${value.problem}\n`);
    return FAILED;
  }
  for (const outcome of value.outcomes) printOutcome(outcome, operation.kind, io);
  if (value.outcomes.length > 0) return OK;
  if (operation.kind === 'count') {
    io.stdout('no sessions, and no providers\n');
    return OK;
  }
  io.stderr(
    operation.kind === 'all' || operation.provider === null
      ? 'providers: the running daemon has none\n'
      : `providers: the running daemon has none that is called '${operation.provider}'\n`,
  );
  return FAILED;
}

export function printOutcome({ provider, hash, ended, there, shown }: Outcome, kind: Operation['kind'], io: Io): void {
  if (there !== undefined) {
    io.stdout(`${provider}: ${counted(there, 'session')}\n`);
    return;
  }
  if (ended !== null) {
    io.stdout(`${provider}: ${counted(ended, 'session')} ended${hash === '' ? '' : `, ${kind} ${hash}`}\n`);
    return;
  }
  const more = shown.length === MOST_SHOWN ? ' (there may be more)' : '';
  io.stdout(`${provider}: ${counted(shown.length, 'session')}${more}, sub ${hash}\n`);
  for (const session of shown) io.stdout(`  ${line(session)}\n`);
}

function line({ createdAt, renewedAt, expiresAt, browser, client }: ShownSession): string {
  const end = `ends ${timeOf(expiresAt)}`;
  if (createdAt === null) return `${end}, of a former version: nothing else is known`;
  const renewed = renewedAt === null || renewedAt === createdAt ? 'not renewed' : `renewed ${timeOf(renewedAt)}`;
  return `began ${timeOf(createdAt)}, ${renewed}, ${end}, ${browser || 'unknown browser'}, ${client || 'unknown address'}`;
}

/** To the second, in UTC. */
export function timeOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}
