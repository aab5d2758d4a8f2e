// How the answers that the doctor gets are read: whose they are, and what is told of them.
import { readLoginLink } from './login-link.js';
import type { Answer, Answered } from './probe.js';

/** What somebody who is not signed in should get. `signIn`: where the proxy redirects to in place of a 401. */
export function isRefusal(answer: Answered, asked: URL, signIn: string | null = null): boolean {
  const location = answer.header('location')[0];
  const redirects = readLoginLink(location, asked) !== null || (location !== undefined && location === signIn);
  return answer.status === 401 || (answer.status >= 300 && redirects);
}

/** Whether the outpost wrote this answer: its pages and its JSON have a code. */
export function isOutposts(answer: Answered): boolean {
  return codeOf(answer) !== '';
}

function codeOf(answer: Answered): string {
  const { error } = jsonOf(answer);
  if (typeof error === 'string' && /^[a-z_]{1,40}$/.test(error)) return error;
  return (
    /<section aria-labelledby="report">[\s\S]*<dd>([a-z_]{1,40})<\/dd><\/div><\/dl><\/section>/.exec(
      answer.body,
    )?.[1] ?? ''
  );
}

export function jsonOf(answer: Answered): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(answer.body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // Somebody else's answer: it has nothing to tell.
    return {};
  }
}

/** The status, and the outpost's code if it has one. */
export function tell(answer: Answer): string {
  if (answer.kind === 'failed') return answer.why;
  const code = codeOf(answer);
  return code === '' ? String(answer.status) : `${answer.status} (${code})`;
}
