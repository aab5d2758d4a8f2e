// The last answer of authentik, kept on disk for a start while core is down. It holds every client secret, so it is sealed
// under a key that comes from the token: whoever has the file and not the token has nothing.
import { createHash, hkdfSync } from 'node:crypto';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuthentikEnv } from '../config/environment.js';
import { makeDirectory } from '../infra/make-directory.js';
import { seal, unseal } from '../infra/seal.js';
import { isRecord } from '../infra/untyped.js';
import type { OutpostSnapshot } from './outpost-snapshot.js';

export interface LastKnownGood {
  /** Null when there is none, or none that this token opens. */
  read(): Promise<OutpostSnapshot | null>;
  /** Rejects when the directory cannot be written. */
  write(snapshot: OutpostSnapshot): Promise<void>;
}

/** `directory` is made if it is absent, and private. */
export function openLastKnownGood(directory: string, env: Pick<AuthentikEnv, 'host' | 'token'>): LastKnownGood {
  const key = Buffer.from(hkdfSync('sha256', env.token, env.host, 'akprox last-known-good v1', 32));
  // By host: two outposts of two authentiks may share a data directory during a move.
  const name = `providers-${createHash('sha256').update(env.host).digest('hex').slice(0, 16)}.sealed`;
  const file = join(directory, name);
  const context = `last-known-good\0${env.host}`;
  return {
    async read() {
      const sealed = await readFile(file).catch(() => null);
      const plain = sealed && unseal(key, context, sealed);
      return plain && parse(plain.toString('utf8'));
    },
    async write(snapshot) {
      makeDirectory(directory, 0o700);
      await chmod(directory, 0o700);
      const temporary = `${file}.${process.pid}.new`;
      await writeFile(temporary, seal(key, context, Buffer.from(JSON.stringify(snapshot))), {
        mode: 0o600,
        flush: true,
      });
      await rename(temporary, file);
    },
  };
}

function parse(text: string): OutpostSnapshot | null {
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value) || !isRecord(value['instance']) || !Array.isArray(value['results'])) return null;
    if (!isRecord(value['certificates'])) return null;
    // Sealed by us, so the inside is what we wrote.
    return value as unknown as OutpostSnapshot;
  } catch {
    return null;
  }
}
