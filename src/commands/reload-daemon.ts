// `akprox reload`: what SIGHUP does, and what came of it.
import type { ReloadAnswer } from '../cluster/control.js';
import { askDaemon, unanswered } from './ask-daemon.js';
import { FAILED, type Io, loadOrPrint, OK } from './command.js';

export async function reloadDaemon(io: Io): Promise<number> {
  // It leads to the daemon, and is what that one is to read.
  const loaded = await loadOrPrint(io);
  if (loaded === null) {
    io.stderr('the running daemon was not asked to read this\n');
    return FAILED;
  }
  const answer = await askDaemon<ReloadAnswer>('POST', '/reload', loaded, io);
  if (answer.kind !== 'answered') {
    io.stderr(unanswered(answer));
    return FAILED;
  }
  const { taken, problems, warnings, ignored, generation } = answer.value;
  for (const warning of warnings) io.stderr(`warning: ${warning}\n`);
  for (const setting of ignored) io.stderr(`${setting}: ignored until a restart\n`);
  for (const problem of problems) io.stderr(`${problem}\n`);
  if (!taken) {
    io.stderr('the configuration was not changed\n');
    return FAILED;
  }
  if (problems.length > 0) {
    io.stderr('the configuration was changed, but not all of it\n');
    return FAILED;
  }
  io.stdout(`the configuration was changed: every worker has generation ${generation}\n`);
  return OK;
}
