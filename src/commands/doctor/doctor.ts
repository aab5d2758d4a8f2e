// `akprox doctor URL`: the command line, and how the findings are shown.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { ReadFile } from '../../config/environment.js';
import { explain } from '../../infra/errors.js';
import { parseHostPort } from '../../infra/host-port.js';
import { counted, FAILED, type Io, OK, usage } from '../command.js';
import type { Report } from './collector.js';
import { examine } from './examine.js';
import type { ProxyName } from './findings.js';
import { createProbe } from './probe.js';
import type { Target } from './target.js';

type Output = Pick<Io, 'stdout' | 'stderr'>;

export type DoctorRequest = Omit<Target, 'progress'> & { readonly json: boolean; readonly insecure: boolean };

export const DOCTOR_HELP = `akprox doctor URL: ask a protected application through its proxy, as a browser and as an attacker would, and say in
plain words what is misconfigured

  URL                    a page that needs a login, as the browser has it: https://whoami.company.tld/
  --outpost ORIGIN       the outpost itself (http://127.0.0.1:9000), to compare with
  --echo PATH            a page of the same host that answers with the headers it got (whoami): shows whether forged ones survive;
                         public (skip_path_regex), or with --session-file
  --session-file FILE    the Cookie header of a browser that is signed in, from its developer tools; shows whether sessions reach
                         the check. It is sent to the URL's host and to --outpost
  --proxy NAME           tell the settings of this proxy only: traefik, nginx, ingress-nginx, caddy, envoy, haproxy
  --connect HOST:PORT    connect there instead of to the host of the URL
  --insecure             take any certificate
  --timeout SECONDS      for each answer, 10 unless told
  --json                 the findings as JSON

Exit code: 0 nothing found, 1 something found, 2 called wrongly. The login is begun once and refused, and one
is ended that nobody has begun: they are counted as denied and as failed.
`;

const NAMES: readonly ProxyName[] = ['Traefik', 'nginx', 'ingress-nginx', 'Caddy', 'Envoy', 'HAProxy'];
const MOST_COOKIE = 32_768;

export async function doctor(args: string[], io: Io): Promise<number> {
  const readFile: ReadFile = (path) => io.readFile?.(path) ?? readFileSync(resolve(io.cwd, path), 'utf8');
  const request = readDoctorRequest(args, readFile);
  return typeof request === 'string' ? usage(request, io, 'doctor') : runDoctor(request, io);
}

/** A text says what is wrong with the arguments. Throws what `parseArgs` throws. */
export function readDoctorRequest(args: string[], readFile: ReadFile): DoctorRequest | string {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      outpost: { type: 'string' },
      echo: { type: 'string' },
      'session-file': { type: 'string' },
      proxy: { type: 'string' },
      connect: { type: 'string' },
      insecure: { type: 'boolean' },
      timeout: { type: 'string' },
      json: { type: 'boolean' },
    },
  });
  if (positionals.length !== 1) return 'doctor wants one URL: https://whoami.company.tld/';
  const url = httpUrl(positionals[0] ?? '');
  if (url === null) return 'doctor wants an http or https URL, without user and password';
  const outpost = values.outpost === undefined ? null : httpUrl(values.outpost);
  if (values.outpost !== undefined && outpost === null)
    return '--outpost wants an origin such as http://127.0.0.1:9000';
  const echo = values.echo === undefined ? null : pathOn(url, values.echo);
  if (values.echo !== undefined && echo === null) return '--echo wants a path such as /headers';
  const proxy = NAMES.find((name) => name.toLowerCase() === values.proxy?.toLowerCase()) ?? null;
  if (values.proxy !== undefined && proxy === null) return `--proxy wants one of ${NAMES.join(', ')}`;
  const connect = values.connect === undefined ? null : parseHostPort(values.connect);
  if (values.connect !== undefined && (connect === null || connect.port > 65_535)) return '--connect wants HOST:PORT';
  const seconds = Number(values.timeout ?? 10);
  if (!(seconds > 0 && seconds <= 300)) return '--timeout wants seconds, at most 300';
  let session: string | null = null;
  if (values['session-file'] !== undefined) {
    const cookie = readCookie(values['session-file'], readFile);
    if ('problem' in cookie) return cookie.problem;
    session = cookie.header;
  }
  const common = { insecure: values.insecure ?? false, timeoutMs: seconds * 1_000 };
  return {
    url,
    ask: createProbe({ ...common, connect }),
    outpost: outpost === null ? null : { origin: outpost, ask: createProbe({ ...common, connect: null }) },
    echo,
    session,
    proxy,
    mark: `d${randomBytes(6).toString('hex')}`,
    json: values.json ?? false,
    insecure: common.insecure,
  };
}

export async function runDoctor(request: DoctorRequest, io: Output): Promise<number> {
  const progress = (what: string): void => {
    if (!request.json) io.stderr(`asking: ${what}\n`);
  };
  if (request.session !== null && (request.insecure || request.url.protocol === 'http:') && !isLoopback(request.url)) {
    io.stderr('warning: the session cookie is sent to whoever answers: nothing proves that it is your host\n');
  }
  const report = await examine({ ...request, progress });
  io.stdout(request.json ? `${JSON.stringify(jsonOf(report), null, 2)}\n` : textOf(report));
  return report.findings.length === 0 ? OK : FAILED;
}

function jsonOf({ findings, passed, unseen }: Report): Report {
  return { findings, passed, unseen };
}

function textOf({ findings, passed, unseen }: Report): string {
  const lines: string[] = [];
  for (const what of passed) lines.push(`ok       ${what}`);
  for (const what of unseen) lines.push(`unseen   ${what}`);
  for (const { code, severity, seen, change } of findings) {
    lines.push('', `${severity.padEnd(7)}  ${code}`, `  seen    ${seen}`);
    for (const [i, line] of change.split('\n').entries()) lines.push(`  ${i === 0 ? 'change' : '      '}  ${line}`);
  }
  const count = findings.length;
  lines.push('', count === 0 ? 'nothing is wrong that could be seen from here' : counted(count, 'finding'));
  // Whatever came from outside: it moves no cursor and begins no line of its own.
  return `${lines.map((line) => line.replace(/[\p{Cc}\p{Cf}]/gu, '?')).join('\n')}\n`;
}

function isLoopback({ hostname }: URL): boolean {
  return /^(?:127\.[\d.]+|\[::1\]|localhost|.*\.localhost)$/.test(hostname);
}

function httpUrl(text: string): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  // A password in it would be shown with what was asked.
  if (!['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') return null;
  url.hash = '';
  return url;
}

/** Null unless it is a page of the same origin: `//host/` would be another's, and gets the session cookie. */
function pathOn(url: URL, path: string): URL | null {
  const page = path.startsWith('/') && URL.canParse(path, url.href) ? new URL(path, url) : null;
  return page?.origin === url.origin ? page : null;
}

function readCookie(path: string, readFile: ReadFile): { header: string } | { problem: string } {
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    return { problem: `--session-file: ${explain(error)}` };
  }
  const header = text.trim().replace(/^cookie:\s*/i, '');
  if (header === '' || header.length > MOST_COOKIE || /[^\x20-\x7e]/.test(header)) {
    return { problem: '--session-file wants one line: the Cookie header of a browser that is signed in' };
  }
  return { header };
}
