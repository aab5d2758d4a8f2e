// A browser for the tests: a cookie jar over node:http that follows redirects only when asked. `*.localhost` is this
// machine, as in real browsers; `connect` sends other hosts elsewhere. It checks no certificates.
import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { CookieJar } from 'tough-cookie';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** What was asked for. */
  readonly url: string;
  /** `Location`, made absolute. */
  readonly location: string | null;
}

export interface Browser {
  readonly jar: CookieJar;
  get(url: string, headers?: OutgoingHttpHeaders): Promise<Answer>;
  post(url: string, form: Record<string, string> | URLSearchParams, headers?: OutgoingHttpHeaders): Promise<Answer>;
  request(method: string, url: string, headers?: OutgoingHttpHeaders, body?: string): Promise<Answer>;
  /** Follows redirects and self-submitting forms to the first answer that is neither, or that `until` accepts. */
  follow(answer: Answer, until?: (url: string) => boolean): Promise<Answer>;
  /** Opens a page, logs in at the provider's form if it asks, and ends where the redirects end (or `until`). */
  logIn(startUrl: string, user: string, until?: (url: string) => boolean): Promise<Answer>;
  /** `name=value` of what would be sent to this URL. */
  cookies(url: string): Promise<string[]>;
}

export interface BrowserOptions {
  /** Where a URL is really served. Default: `*.localhost` at 127.0.0.1, everything else by its name. */
  readonly connect?: (url: URL) => { host: string; port: number } | undefined;
}

const MOST_REDIRECTS = 20;

export function createBrowser(options: BrowserOptions = {}): Browser {
  const jar = new CookieJar(undefined, { rejectPublicSuffixes: false });

  const get = (url: string, headers: OutgoingHttpHeaders = {}) => request('GET', url, headers);
  const post = (url: string, form: Record<string, string> | URLSearchParams, headers: OutgoingHttpHeaders = {}) => {
    const type = { 'Content-Type': 'application/x-www-form-urlencoded' };
    return request('POST', url, { ...type, ...headers }, new URLSearchParams(form).toString());
  };

  async function request(method: string, url: string, headers: OutgoingHttpHeaders = {}, body = ''): Promise<Answer> {
    const target = new URL(url);
    target.hash = '';
    const cookie = await jar.getCookieString(target.href);
    const answer = await exchange(method, target, { ...(cookie ? { Cookie: cookie } : {}), ...headers }, body);
    for (const line of answer.headers['set-cookie'] ?? [])
      await jar.setCookie(line, target.href, { ignoreError: true });
    return answer;
  }

  function exchange(method: string, url: URL, headers: OutgoingHttpHeaders, body: string): Promise<Answer> {
    const secure = url.protocol === 'https:';
    const name = url.hostname.replace(/^\[|\]$/g, '');
    const local = name === 'localhost' || name.endsWith('.localhost');
    const port = Number(url.port) || (secure ? 443 : 80);
    const where = options.connect?.(url) ?? { host: local ? '127.0.0.1' : name, port };
    return new Promise((resolve, reject) => {
      const req = (secure ? httpsRequest : httpRequest)({
        ...where,
        method,
        path: url.pathname + url.search,
        agent: false,
        ...(secure ? { rejectUnauthorized: false, servername: /^[\d.:]+$/.test(name) ? '' : name } : {}),
        headers: {
          Host: url.host,
          Accept: 'text/html,*/*',
          ...(body ? { 'Content-Length': Buffer.byteLength(body) } : {}),
          ...headers,
        },
      });
      req.on('error', reject);
      req.on('response', (res) => {
        const chunks: Buffer[] = [];
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('error', reject);
        res.on('end', () => {
          const location = res.headers.location;
          resolve({
            status: res.statusCode ?? 0,
            headers: res.headers,
            body: Buffer.concat(chunks).toString('utf8'),
            url: url.href,
            location: location === undefined ? null : new URL(location, url).href,
          });
        });
      });
      req.end(body);
    });
  }

  async function follow(first: Answer, until: (url: string) => boolean = () => false): Promise<Answer> {
    let answer = first;
    for (let hop = 0; hop < MOST_REDIRECTS; hop += 1) {
      if (answer.location !== null && answer.status >= 300 && answer.status < 400) {
        if (until(answer.location)) return answer;
        answer = await get(answer.location);
        continue;
      }
      const form = /\.submit\(\)/.test(answer.body) ? readForm(answer) : null;
      if (form === null) return answer;
      answer = await post(form.action, form.fields);
    }
    throw new Error(`more than ${MOST_REDIRECTS} redirects, the last one at ${answer.url}`);
  }

  async function logIn(startUrl: string, user: string, until?: (url: string) => boolean): Promise<Answer> {
    const answer = await follow(await get(startUrl), until);
    const form = readForm(answer);
    if (form === null || !/name="login"/.test(answer.body)) return answer;
    return follow(await post(form.action, { login: user, password: 'any' }), until);
  }

  return {
    jar,
    get,
    post,
    request,
    follow,
    logIn,
    cookies: async (url) => (await jar.getCookies(url)).map((cookie) => cookie.cookieString()),
  };
}

/** The first form of a page: where it goes and what is hidden in it. */
function readForm(answer: Answer): { action: string; fields: Record<string, string> } | null {
  const action = /<form\b[^>]*\baction="([^"]*)"/i.exec(answer.body)?.[1];
  if (action === undefined) return null;
  const fields: Record<string, string> = {};
  for (const [tag] of answer.body.matchAll(/<input\b[^>]*type="hidden"[^>]*>/gi)) {
    const name = /\bname="([^"]*)"/.exec(tag)?.[1];
    if (name) fields[name] = unescapeHtml(/\bvalue="([^"]*)"/.exec(tag)?.[1] ?? '');
  }
  return { action: new URL(unescapeHtml(action), answer.url).href, fields };
}

export function unescapeHtml(text: string): string {
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replace(/&quot;/g, '"')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');
}
