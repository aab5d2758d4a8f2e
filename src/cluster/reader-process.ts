// A process that reads the configuration, makes the certificate that the HTTPS listener begins with, answers and ends. What that needs
// (the schema, a parser of YAML, a maker of certificates) would weigh on the primary for as long as it lives.
import { type LoadOptions, loadConfig } from '../config/load.js';
import { explain } from '../infra/errors.js';
import type { ReaderAnswer } from './read-apart.js';

/** `atStart`: the daemon does not run yet, and needs a certificate where it is to listen with one. */
export async function answerReader(options: LoadOptions, atStart: boolean): Promise<void> {
  // Whoever asked is gone.
  process.on('disconnect', () => process.exit(1));
  const answer = await read(options, atStart).catch((error: unknown) => ({ failure: explain(error) }));
  process.send?.(answer, () => process.exit(0));
}

async function read(options: LoadOptions, atStart: boolean): Promise<ReaderAnswer> {
  const result = loadConfig(options);
  const needsCertificate = atStart && result.ok && result.config.listen.https !== null;
  if (!needsCertificate) return { result, selfSigned: null };
  return { result, selfSigned: await (await import('./self-signed.js')).makeSelfSigned() };
}
