// Every page in every state, as it goes to a browser.
import type { Application } from '../../src/application/application.js';
import type { Reply } from '../../src/http/exchange.js';
import { MOST_LISTED, mySessionsPage } from '../../src/http/my-sessions-page.js';
import type { Reader } from '../../src/http/page-layout.js';
import {
  callbackNotRoutedPage,
  errorPage,
  forbiddenPage,
  notFoundPage,
  signedOutHerePage,
  tooLargePage,
  unavailablePage,
  unknownHostPage,
} from '../../src/http/pages.js';
import { nobodyPage, signedInPage, signedOutPage } from '../../src/http/session-pages.js';
import { AkproxError, ERROR_CODES, type ErrorCode } from '../../src/infra/errors.js';

const IDP_URL = 'https://idp.company.tld/logout?a=1&b=2';
const REFERENCE = 'ABCD-EFGH';
const IDP_SESSIONS = ['sent', 'kept', 'unreachable'] as const;

/** By the function that makes it, and the state; `user`, `host` and `path` are what somebody else has chosen. */
export function allPages(
  reader: Reader,
  application: Application,
  user = 'alice (alice@company.tld)',
  host = 'nobody.company.tld',
  path = '/wiki?a=1&b=2',
): Readonly<Record<string, Reply>> {
  const url = application.origin + path;
  const denial = { user, url, reference: REFERENCE };
  const failure = {
    application,
    reference: REFERENCE,
    retryUrl: `${application.startUrl}?rd=${encodeURIComponent(url)}`,
  };
  const codes = Object.keys(ERROR_CODES) as ErrorCode[];
  const signedOut = IDP_SESSIONS.flatMap((idpSession) =>
    [null, url].map((target): [string, Reply] => [
      `signedOutPage ${idpSession}${target === null ? '' : ', on to a target'}`,
      signedOutPage(reader, application, { idpSession, target, somebodyElse: false }),
    ]),
  );
  return {
    ...Object.fromEntries(
      codes.map((code) => [`errorPage ${code}`, errorPage(reader, new AkproxError(code, 'of no interest'), failure)]),
    ),
    'callbackNotRoutedPage ': callbackNotRoutedPage(reader, application, null),
    'forbiddenPage ': forbiddenPage(reader, application, denial),
    'tooLargePage ': tooLargePage(reader, application, denial),
    'unavailablePage store': unavailablePage(reader, application, {
      code: 'store_unavailable',
      url,
      reference: REFERENCE,
    }),
    'unavailablePage renewal': unavailablePage(reader, application, {
      code: 'idp_unreachable',
      url,
      reference: REFERENCE,
    }),
    'notFoundPage ': notFoundPage(reader, application),
    'unknownHostPage ': unknownHostPage(reader, host),
    'signedOutHerePage ': signedOutHerePage(reader, application, null),
    'signedOutHerePage, not at the identity provider': signedOutHerePage(reader, application, IDP_URL),
    ...Object.fromEntries(signedOut),
    'signedOutPage of no sign-out that is known': signedOutPage(reader, application, null),
    'signedInPage ': signedInPage(reader, application, user),
    ...Object.fromEntries(
      ([1, 40] as const).map((all): [string, Reply] => [
        `mySessionsPage of ${all}`,
        mySessionsPage(reader, application, {
          user,
          isStale: all === 1,
          sessions: Array.from({ length: Math.min(all, MOST_LISTED) }, (_, i) => ({
            about:
              i === 1
                ? null
                : {
                    createdAt: 1e12,
                    renewedAt: i === 2 ? 1e12 : 2e12,
                    device:
                      i === 2
                        ? null
                        : { browser: 'Samsung Internet, Android', client: '2001:db8:1111:2222:3333:4444:5555:6666' },
                  },
            handle: i === 0 ? null : 'h'.repeat(98),
          })),
          all,
          others: 'h'.repeat(50),
        }),
      ]),
    ),
    'nobodyPage ': nobodyPage(reader, application),
  };
}
