// `akprox secret`: a fresh `cookie_secret`, 256 bits.
import { randomBytes } from 'node:crypto';
import { type Io, OK } from './command.js';

export function secret(io: Io): number {
  io.stdout(`${randomBytes(32).toString('base64url')}\n`);
  return OK;
}
