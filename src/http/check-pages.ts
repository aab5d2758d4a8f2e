// A check that ends in a page, because somebody sees the answer: what it says, and a line in the log that it names.
import type { Application } from '../application/application.js';
import type { Barred } from '../application/verdict.js';
import type { References } from '../infra/references.js';
import type { HeaderSource, Reply } from './exchange.js';
import { type PageContext, readerOf } from './page-layout.js';
import { forbiddenPage, tooLargePage, unavailablePage } from './pages.js';

interface Context extends PageContext {
  readonly references: References;
}

/** `url`: what was asked for. */
interface Asked {
  readonly req: HeaderSource;
  readonly application: Application;
  readonly url: string;
}

const BARRED = {
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

/** Signed in, and may not pass. */
export function barredPage(
  context: Context,
  { req, application, url }: Asked,
  { kind, user }: Pick<Barred, 'kind' | 'user'>,
): Reply {
  const { code, line, page } = BARRED[kind];
  const reference = context.references.write('info', { provider: application.name, code }, line);
  return page(readerOf(context, req), application, { user, url, reference });
}

const UNDECIDED = {
  store: { code: 'store_unavailable', line: 'access not decided: sessions cannot be read at the moment' },
  renewal: {
    code: 'idp_unreachable',
    line: 'access not decided: the identity provider cannot be asked to renew a session at the moment',
  },
} as const;

/** Perhaps signed in: nobody can say at the moment. */
export function undecidedPage(context: Context, { req, application, url }: Asked, what: keyof typeof UNDECIDED): Reply {
  const { code, line } = UNDECIDED[what];
  const reference = context.references.write('warn', { provider: application.name, code }, line);
  return unavailablePage(readerOf(context, req), application, { code, url, reference });
}
