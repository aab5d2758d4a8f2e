// Somebody who is signed in and may not pass asks for a page: as whom, what to do about it, and a line in the log that the page names.
import type { Application } from '../application/application.js';
import type { Barred } from '../application/verdict.js';
import type { References } from '../infra/references.js';
import type { HeaderSource, Reply } from './exchange.js';
import { type PageContext, readerOf } from './page-layout.js';
import { forbiddenPage, tooLargePage } from './pages.js';

const PAGES = {
  forbidden: {
    code: 'forbidden',
    line: 'access denied: the account is not among those that access.groups, access.emails or access.email_domains allow',
    page: forbiddenPage,
  },
  too_large: {
    code: 'identity_too_large',
    line: 'access denied: the identity headers of the account are larger than headers.max_bytes',
    page: tooLargePage,
  },
} as const;

/** `url`: what was asked for, where somebody else may be let in. */
export function barredPage(
  context: PageContext & { readonly references: References },
  req: HeaderSource,
  application: Application,
  { kind, user }: Barred,
  url: string,
): Reply {
  const { code, line, page } = PAGES[kind];
  const reference = context.references.write('info', { provider: application.name, code }, line);
  return page(readerOf(context, req), application, { user, url, reference });
}
