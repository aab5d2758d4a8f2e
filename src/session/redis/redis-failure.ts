// What ioredis and Redis say when something is wrong, in our words. Never keys or values: ioredis hangs both on its errors.
import { ReplyError } from 'ioredis';
import { AkproxError } from '../../infra/errors.js';
import type { RedisTarget } from './redis-options.js';

/** `reply`: the code that Redis answered with (`OOM`, `WRONGTYPE`…), or '' when there was no answer. */
export class RedisFailure extends AkproxError {
  readonly command: string;
  readonly reason: string;
  readonly reply: string;

  constructor(command: string, reason: string, reply: string) {
    super('store_unavailable', `Redis: ${command}: ${reason}`);
    this.command = command;
    this.reason = reason;
    this.reply = reply;
  }
}

/** One line that quotes neither keys nor values. */
export function redisReason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const last = 'lastNodeError' in error && error.lastNodeError instanceof Error ? error.lastNodeError : null;
  if (last !== null) return redisReason(last);
  if (/max retries per request|Connection is closed|Command aborted/i.test(error.message))
    return 'the connection was lost';
  if (/isn't writeable|isn't ready/i.test(error.message)) return 'not connected';
  if (error.message === '' && 'code' in error) return String(error.code);
  return error.message.split(/,? with args/)[0]?.slice(0, 200) ?? '';
}

/** The code of Redis' own answer, or ''. */
export function replyOf(error: unknown): string {
  return error instanceof Error && error instanceof ReplyError ? (/^[A-Z]+/.exec(error.message)?.[0] ?? '') : '';
}

/** The key holds another type of value than ours: it is damaged, or somebody else's. */
export function isWrongType(error: unknown): boolean {
  return error instanceof RedisFailure && error.reply === 'WRONGTYPE';
}

/** Answers of a server that is not, or not yet, the one to ask. Nothing was done. */
export const MOVED = /READONLY|LOADING|MASTERDOWN/;

/** The connection went away before the answer came: nobody knows whether the command was run. */
export function isLost(error: unknown): boolean {
  return (
    error instanceof Error &&
    !(error instanceof ReplyError) &&
    /max retries per request|Connection is closed|Command aborted|isn't writeable/i.test(error.message)
  );
}

/** What no waiting will change, with the setting that is wrong. Null for what may pass by itself. */
export function refusalMessage(error: Error, target: RedisTarget): string | null {
  const { message } = error;
  // ioredis wraps what a Sentinel said into a sentence of its own.
  const bySentinel = /sentinel/i.test(message);
  const reason = redisReason(error);
  if (/WRONGPASS|invalid (username-)?password/i.test(message)) {
    if (bySentinel)
      return `store.sentinel_password: the Sentinel refuses it (${reason}): write what its own requirepass says`;
    const setting = target.options.username === undefined ? 'store.password' : 'store.username or store.password';
    return `${setting}: Redis refuses it (${reason}): write what its requirepass, or its ACL for this user, says`;
  }
  if (/NOAUTH/.test(message)) {
    // Sent in one go with a password that is refused: the refusal says more.
    const { password, sentinelPassword } = target.options;
    if ((bySentinel ? sentinelPassword : password) !== undefined) return null;
    return bySentinel
      ? `store.sentinel_password: the Sentinel asks for one (${reason})`
      : `store.password: Redis asks for one (${reason})`;
  }
  if (/NOPERM/.test(message)) return `store.username: this user may not do what is needed (${reason})`;
  if (/DB index is out of range/i.test(message)) {
    return `store.db: Redis has no database ${target.options.db} (${reason})`;
  }
  return null;
}
