// Calls to an identity provider, seen by somebody who counts or traces them.
import { AkproxError } from '../infra/errors.js';

/** Told of each call as it begins; what it answers with, of its end: the status, or null when nobody answered. */
export type Watch = (url: string) => (status: number | null) => void;

/** What cannot be used of an answer has come all the same. */
const ANSWERED = 0;

export function watched<More extends unknown[], T extends { readonly status: number }>(
  ask: (url: string, ...more: More) => Promise<T>,
  watch: Watch | undefined,
): (url: string, ...more: More) => Promise<T> {
  if (watch === undefined) return ask;
  return async (url, ...more) => {
    const ended = watch(url);
    try {
      const answer = await ask(url, ...more);
      ended(answer.status);
      return answer;
    } catch (error) {
      ended(error instanceof AkproxError && error.code === 'idp_rejected' ? ANSWERED : null);
      throw error;
    }
  };
}
