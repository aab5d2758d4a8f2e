// `akprox reload`: what SIGHUP does, and what came of it.
import type { ReloadAnswer } from '../cluster/control.js';
import { askOrPrint } from './ask-daemon.js';
import { FAILED, type Io, OK } from './command.js';

export async function reloadDaemon(io: Io): Promise<number> {
  const answer = await askOrPrint<ReloadAnswer>('POST', '/reload', io);
  if (answer === null) return FAILED;
  const { taken, problems, warnings, ignored, generation } = answer;
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
