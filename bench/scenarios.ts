// The scenarios of the budget (budget.ts has its ratios): what is sent, and what a right answer looks like.

import { issueTicket } from '../src/session/ticket.js';
import { makeApplication } from '../test/kit/application.js';
import type { Answer } from '../test/kit/daemon.js';
import { APP } from '../test/kit/world.js';

export const CHECK_PATH = '/akprox/auth/traefik';

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** `session`: `name=value` of a cookie that the outpost has handed out to alice. */
  readonly headers: (session: string) => Readonly<Record<string, string>>;
  /** A new connection for every check. */
  readonly reconnect: boolean;
  /** Writes a file of Cookie headers for one run and gives its path (LoadPlan.cookies). */
  readonly cookies?: () => string;
  /** Instead of the number in the settings. */
  readonly connections?: number;
  /** What is wrong with the outpost's answer; null when nothing is. */
  readonly fault: (answer: Answer) => string | null;
}

/** As a browser's navigation arrives through Traefik. */
const BROWSER = {
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Accept-Encoding': 'gzip, deflate',
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'X-Forwarded-For': '203.0.113.9',
  'X-Forwarded-Host': new URL(APP).host,
  'X-Forwarded-Method': 'GET',
  'X-Forwarded-Proto': 'http',
  'X-Forwarded-Uri': '/reports/2026?page=2',
};

const withCookie = (cookie: string): Record<string, string> => ({ ...BROWSER, Cookie: `theme=dark; ${cookie}` });
const nameOf = (session: string): string => session.slice(0, session.indexOf('=') + 1);

export const SCENARIOS: readonly Scenario[] = [
  { name: 'signed-in', title: 'signed in, cached', reconnect: false, headers: withCookie, fault: isAlice },
  { name: 'no-cookie', title: 'not signed in', reconnect: false, headers: () => BROWSER, fault: isLogin },
  {
    name: 'forged',
    title: 'forged cookie',
    reconnect: false,
    headers: (session) => withCookie(session.slice(0, -43) + 'A'.repeat(43)),
    fault: isLogin,
  },
  {
    name: 'unknown',
    title: 'cookie of an ended session',
    reconnect: false,
    headers: (session) => withCookie(nameOf(session) + issueTicket(makeApplication({ external_host: APP })).cookie),
    fault: isLogin,
  },
  {
    name: 'reconnect',
    title: 'one connection per check',
    reconnect: true,
    headers: (session) => ({ ...withCookie(session), Connection: 'close' }),
    fault: isAlice,
  },
];

export function isAlice(answer: Answer): string | null {
  if (answer.status !== 200) return `status ${answer.status} instead of 200`;
  const wanted = {
    'content-length': '0',
    'cache-control': 'no-store',
    'x-auth-username': 'alice',
    'x-forwarded-email': 'alice@example.com',
    'x-authentik-username': 'alice',
    'x-authentik-groups': 'staff|a%7Cb',
  };
  for (const [header, value] of Object.entries(wanted)) {
    if (answer.headers[header] !== value) return `${header}: ${answer.headers[header]} instead of ${value}`;
  }
  return null;
}

function isLogin(answer: Answer): string | null {
  if (answer.status !== 302) return `status ${answer.status} instead of 302`;
  if (answer.headers['set-cookie']) return 'a challenge set a cookie';
  const wanted = `${APP}/akprox/start?rd=${encodeURIComponent(APP + BROWSER['X-Forwarded-Uri'])}`;
  return answer.headers.location === wanted ? null : `location: ${answer.headers.location} instead of ${wanted}`;
}

/** What the targets beside the outpost are told to answer: what the outpost answered. */
export interface Recorded {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/** Written by every server in its own way, and so neither recorded nor compared. */
const OWN = new Set(['date', 'connection', 'content-length', 'keep-alive', 'server', 'uwebsockets']);

export function record(answer: Answer): Recorded {
  const headers: [string, string][] = [];
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) {
    const [name = '', value = ''] = answer.rawHeaders.slice(i, i + 2);
    if (!OWN.has(name.toLowerCase())) headers.push([name, value]);
  }
  return { status: answer.status, headers, body: answer.body };
}

/** Null when both say the same. Empty values do not count: nginx cannot send any. */
export function difference(answer: Recorded, wanted: Recorded): string | null {
  if (answer.status !== wanted.status) return `status ${answer.status} instead of ${wanted.status}`;
  if (answer.body !== wanted.body) return 'another body';
  const lines = (from: Recorded): string =>
    from.headers
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${name.toLowerCase()}: ${value}`)
      .sort()
      .join('\n');
  return lines(answer) === lines(wanted) ? null : `other headers:\n${lines(answer)}\ninstead of\n${lines(wanted)}`;
}
