// Asking the running daemon over its control socket, which the configuration leads to.
import { request } from 'node:http';
import { dirname } from 'node:path';
import { controlPath, notOurs } from '../cluster/control-path.js';
import { loadDaemonPlace } from '../config/load.js';
import type { Problem } from '../config/problems.js';
import { explain } from '../infra/errors.js';
import { type Io, printProblems, sourcesOf } from './command.js';

/** Longer than a daemon takes for anything. */
const TIMEOUT_MS = 75_000;
const MOST_BYTES = 4_194_304;

/**
 * `none`: nobody answers there, and why may be among `problems`; path null: nowhere to ask. `refused`: somebody does, and not to this
 * question, or not to this user; or it may be anybody.
 */
export type DaemonAnswer<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'none'; readonly path: string | null; readonly problems: readonly Problem[] }
  | { readonly kind: 'refused'; readonly path: string; readonly why: string };

/** Never rejects. */
export async function askDaemon<T>(
  method: 'GET' | 'POST',
  what: string,
  { place, problems }: ReturnType<typeof loadDaemonPlace>,
  { cwd }: Pick<Io, 'cwd'>,
  body: unknown = null,
): Promise<DaemonAnswer<T>> {
  if (place === null) return { kind: 'none', path: null, problems };
  const path = controlPath(place, place.path, cwd);
  try {
    const why = notOurs(dirname(path));
    if (why !== null) return { kind: 'refused', path, why };
    const { status, text } = await ask(path, method, what, body === null ? '' : JSON.stringify(body));
    if (status !== 200) return { kind: 'refused', path, why: `it answered ${status}; is it of another version?` };
    return { kind: 'answered', value: JSON.parse(text) as T };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    return code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTDIR'
      ? { kind: 'none', path, problems }
      : { kind: 'refused', path, why: explain(error) };
  }
}

function ask(
  socketPath: string,
  method: string,
  path: string,
  body: string,
): Promise<{ status: number; text: string }> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(signal.aborted ? new Error(`no answer within ${TIMEOUT_MS / 1_000} s`) : error);
    const headers = { 'Content-Length': Buffer.byteLength(body) };
    const req = request({ socketPath, method, path, headers, agent: false, signal }, (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MOST_BYTES) res.destroy(new Error('the answer is too long'));
      });
      res.once('end', () => resolve({ status: res.statusCode ?? 0, text }));
      res.once('error', failed);
    });
    req.once('error', failed);
    req.end(body);
  });
}

/** The same of what only a running daemon can answer; null after it has been said why there is no answer. */
export async function askOrPrint<T>(method: 'GET' | 'POST', what: string, io: Io): Promise<T | null> {
  const answer = await askDaemon<T>(method, what, loadDaemonPlace(sourcesOf(io)), io);
  if (answer.kind === 'answered') return answer.value;
  if (answer.kind === 'none' && answer.problems.length > 0) printProblems(answer.problems, io);
  io.stderr(unanswered(answer));
  return null;
}

/** What to say when there is no answer. */
export function unanswered(answer: Exclude<DaemonAnswer<unknown>, { kind: 'answered' }>): string {
  if (answer.kind === 'refused') return `the running daemon cannot be asked on ${answer.path}: ${answer.why}\n`;
  if (answer.path === null) return 'no running daemon was looked for: the configuration leads to it\n';
  return `no running daemon was found: nobody answers on ${answer.path}\n`;
}
