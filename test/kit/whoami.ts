// An application for the tests and the demo: whatever it is asked for, it answers with the request as it arrived.
import { createServer, type IncomingMessage } from 'node:http';
import { IDENTITY_HEADERS } from './gateway.js';
import { type Listening, listenLocally } from './listening.js';

export type Whoami = Listening;

const IDENTITY = new Set<string>(IDENTITY_HEADERS.map((name) => name.toLowerCase()));

export async function startWhoami(options: { port: number }): Promise<Whoami> {
  const server = createServer((req, res) => {
    const [type, body] = answer(req);
    req.resume();
    res.writeHead(200, {
      'Content-Type': `${type}; charset=utf-8`,
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
    });
    res.end(body);
  });
  server.keepAliveTimeout = 0; // as in idp.ts
  return listenLocally(server, options.port);
}

function answer(req: IncomingMessage): [type: string, body: string] {
  const accept = req.headers.accept ?? '';
  const headers = headersOf(req);
  const first = `${req.method} ${req.url}`;
  if (!accept.includes('text/html') && accept.includes('application/json')) {
    const body = { method: req.method, url: req.url, headers: Object.fromEntries(headers) };
    return ['application/json', `${JSON.stringify(body, null, 2)}\n`];
  }
  if (!accept.includes('text/html') && accept.includes('text/plain')) {
    return ['text/plain', `${[first, ...headers.map(([name, value]) => `${name}: ${value}`)].join('\n')}\n`];
  }
  return ['text/html', page(first, headers)];
}

/** Identity headers first, each group in the order of arrival; lines of one name are joined, and read as UTF-8. */
function headersOf(req: IncomingMessage): [name: string, value: string][] {
  const headers = new Map<string, string>();
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = (req.rawHeaders[i] ?? '').toLowerCase();
    const value = Buffer.from(req.rawHeaders[i + 1] ?? '', 'latin1').toString('utf8');
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const all = [...headers];
  return [...all.filter(([name]) => IDENTITY.has(name)), ...all.filter(([name]) => !IDENTITY.has(name))];
}

function page(first: string, headers: [name: string, value: string][]): string {
  const table = (title: string, rows: [name: string, value: string][]): string => {
    const lines = rows.map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`);
    return `<h2>${title}</h2><table>${lines.join('\n')}</table>`;
  };
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>whoami</title><style>${STYLE}</style></head><body>
<h1>whoami</h1><p><code>${escapeHtml(first)}</code></p><p><a href="/akprox/sign_out">Sign out</a></p>
${table(
  'Who you are: identity headers',
  headers.filter(([name]) => IDENTITY.has(name)),
)}
${table(
  'The other request headers',
  headers.filter(([name]) => !IDENTITY.has(name)),
)}
</body></html>
`;
}

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}h2{font-size:1.1rem}' +
  'th,td{text-align:left;vertical-align:top;padding:.1rem 1rem .1rem 0;font:14px/1.5 ui-monospace,monospace}' +
  'td{overflow-wrap:anywhere}th{white-space:nowrap;color:#567}';

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
