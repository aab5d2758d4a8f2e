// `akprox --version`: what runs, and by what it would serve here.
import { explain } from '../infra/errors.js';
import { VERSION } from '../infra/version.js';
import { FAILED, type Io, OK } from './command.js';

export async function showVersion({ stdout, stderr }: Io): Promise<number> {
  try {
    const { findEngine } = await import('../http/engine.js');
    stdout(`akprox ${VERSION} (Node.js ${process.version}, ${await findEngine()})\n`);
    return OK;
  } catch (error) {
    stdout(`akprox ${VERSION} (Node.js ${process.version})\n`);
    stderr(`akprox: ${explain(error)}\n`);
    return FAILED;
  }
}
