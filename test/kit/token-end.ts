// Waits for what only real time brings with a real identity provider: the end of a token.
import { setTimeout as pause } from 'node:timers/promises';

/** Resolves when this JWT is over, here and for whoever rounds to seconds. */
export async function tokenIsOver(jwt: string): Promise<void> {
  const { exp } = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as { exp: number };
  const end = (exp + 1) * 1_000;
  while (Date.now() < end) await pause(end - Date.now());
}
