// X-Original-URL is `scheme://host/path`, bare or between `<` and `>` (the delimiters of RFC 3986, appendix C). uWebSockets.js
// takes bytes above ASCII off both ends of a value, and nginx's `$request_uri` is what the client wrote: bare,
// `/wiki/<raw bytes>` is decided as `/wiki/`. Between brackets nothing of the client's is at an end, so nothing is lost. The scheme
// is nginx's own: no client can put the `<` there, nor make a bare value look like one with brackets.

/** Not as methods: see cookies.ts. */
const { charCodeAt, indexOf, slice, startsWith } = String.prototype;
const LESS_THAN = 0x3c;
const GREATER_THAN = 0x3e;

/** Where the host begins; -1 when it does not begin as a URL does. What `forwardUrl` refuses for its scheme is refused here too. */
function hostStart(url: string): number {
  const start = charCodeAt.call(url, 0) === LESS_THAN ? 1 : 0;
  if (start === 1 && !closes(url)) return -1;
  if (startsWith.call(url, 'https://', start)) return start + 'https://'.length;
  if (startsWith.call(url, 'http://', start)) return start + 'http://'.length;
  return /^<?(?:https?|wss?):\/\//i.exec(url)?.[0].length ?? -1;
}

function closes(url: string): boolean {
  return charCodeAt.call(url, url.length - 1) === GREATER_THAN;
}

/** Where the URL ends, of one that `hostStart` took. */
function lengthInside(url: string): number {
  return url.startsWith('<') ? url.length - 1 : url.length;
}

/** As it came when the brackets are no pair: that is no URL. */
export function withoutBrackets(url: string): string {
  return url.startsWith('<') && closes(url) ? url.slice(1, -1) : url;
}

/** `host`, without building a URL; '' when it has not that form. */
export function hostOf(url: string): string {
  const start = hostStart(url);
  if (start === -1) return '';
  const end = indexOf.call(url, '/', start);
  return end === -1 ? url.slice(start, lengthInside(url)) : slice.call(url, start, end);
}

export function pathOf(url: string): string {
  const start = hostStart(url);
  if (start === -1) return '';
  const end = url.indexOf('/', start);
  return end === -1 ? '/' : url.slice(end, lengthInside(url));
}
