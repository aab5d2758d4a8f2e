// A Set-Cookie line as a browser reads it, and where it would send the cookie. Ours and not tough-cookie: that would bring the list of
// public suffixes into the product for what is ten lines here; the test holds them to tough-cookie.

export interface SetCookie {
  readonly name: string;
  /** `name=value`, as it is sent back. */
  readonly pair: string;
  /** Lower-case, without a leading dot; '' for this host only. */
  readonly domain: string;
  /** '' when it has none: then that of the page counts. */
  readonly path: string;
  readonly secure: boolean;
}

/** RFC 6265 §5.2, as far as the outpost's own cookies need it. */
export function readSetCookie(line: string): SetCookie {
  const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
  const of = (name: string): string | undefined =>
    attributes
      .find((attribute) => attribute.toLowerCase().startsWith(`${name}=`))
      ?.slice(name.length + 1)
      .trim();
  return {
    name: pair.slice(0, Math.max(0, pair.indexOf('='))),
    pair,
    domain: (of('domain') ?? '').toLowerCase().replace(/^\./, ''),
    path: of('path') ?? '',
    secure: attributes.some((attribute) => attribute.toLowerCase() === 'secure'),
  };
}

/** Whether a browser that got the cookie from `from` sends it to `to`. */
export function reaches(cookie: SetCookie, from: URL, to: URL): boolean {
  // An address has no domain above it, and no browser takes a top-level one (RFC 6265 §5.1.3, §5.3).
  const under = (host: string): boolean =>
    host === cookie.domain ||
    (host.endsWith(`.${cookie.domain}`) && cookie.domain.includes('.') && !/^[\d.]+$|^\[/.test(host));
  if (cookie.domain === '' ? from.hostname !== to.hostname : !under(from.hostname) || !under(to.hostname)) return false;
  return isOnPath(cookie.path.startsWith('/') ? cookie.path : defaultPath(from.pathname), to.pathname);
}

/** RFC 6265 §5.1.4: `/app` is not the way to `/application`. */
function isOnPath(path: string, asked: string): boolean {
  return asked === path || (asked.startsWith(path) && (path.endsWith('/') || asked[path.length] === '/'));
}

/** RFC 6265 §5.1.4: the page's own folder. */
function defaultPath(page: string): string {
  return page.slice(0, Math.max(1, page.lastIndexOf('/')));
}
