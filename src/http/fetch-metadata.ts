// What a browser says about why it asks (W3C Fetch Metadata, and what came before it). Nothing that opens something up hangs on
// it: a client may say what it likes.
import type { HeaderSource, Snapshot } from './exchange.js';
import { ACCEPT, SEC_FETCH_MODE, X_REQUESTED_WITH } from './header-names.js';

/** A request whose answer a person will see. `method` in upper case, '' when it is not known. */
export function isNavigation(method: string, req: HeaderSource): boolean {
  if (method !== 'GET' && method !== 'HEAD' && method !== '') return false;
  const mode = req.get(SEC_FETCH_MODE);
  if (mode !== '' && mode !== 'navigate') return false;
  if (req.get(X_REQUESTED_WITH) !== '') return false;
  const accept = req.get(ACCEPT);
  return accept === '' || accept.includes('text/html') || accept.includes('*/*');
}

/** A copy of a page for later: link prefetch, prerender, and the older headers of Safari, Chromium and Firefox. */
const PREFETCH_HEADERS = ['sec-purpose', 'purpose', 'x-moz'] as const;

/**
 * Nobody asked for this: the browser fetches it ahead of time, or some page names it as an image, a script, a frame, or
 * another site does so behind the person's back. A browser that says none of this is believed.
 */
export function isUnasked(request: Snapshot): boolean {
  const says = (name: string, fits: (value: string) => boolean): boolean =>
    request.getHeaders(name).some((value) => fits(value.trim().toLowerCase()));
  if (PREFETCH_HEADERS.some((name) => says(name, (value) => value.includes('prefetch')))) return true;
  if (says('sec-fetch-dest', (value) => value !== 'document' && value !== 'empty')) return true;
  return says('sec-fetch-site', (value) => value === 'cross-site') && !isNavigation(request.method, request);
}
