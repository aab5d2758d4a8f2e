// What a check can end in, and the one place that makes an HTTP answer of it, for each dialect.
// `render` never answers 2xx: that is for a decision of kind `allow`, which is none of its cases.
import { type Application, type CheckResult, countCheck } from '../application/application.js';
import type { Barred } from '../application/verdict.js';
import type { Person } from '../session/audit.js';
import type { BadHeader } from './bad-header.js';
import type { Dialect } from './dialects.js';
import { empty, json, type Reply, redirect } from './exchange.js';

export interface Allow {
  readonly kind: 'allow';
  readonly application: Application;
  /** Rendered identity headers, complete. */
  readonly block: ArrayBuffer;
  /** Name of the session in the store; '' without one. */
  readonly key: string;
}

/** Somebody who is signed in, for the log. */
export interface Known extends Person {
  /** '' without a session. */
  readonly key: string;
}

export type Decision =
  | Allow
  | { readonly kind: 'challenge'; readonly loginUrl: string; readonly navigation: boolean }
  | {
      readonly kind: 'forbidden';
      readonly why: Barred['kind'];
      /** For a person; null where nobody sees it. */
      readonly page: Reply | null;
      readonly who: Known;
    }
  | { readonly kind: 'refused'; readonly scheme: 'basic' | 'bearer' }
  | { readonly kind: 'unavailable'; readonly what: 'store' | 'renewal' | 'idp'; readonly page: Reply | null }
  | { readonly kind: 'no_app'; readonly host: string; readonly readFrom: string; readonly dialect: string }
  | ({ readonly kind: 'invalid' } & BadHeader)
  | { readonly kind: 'in_band'; readonly reply: Reply };

/** The decision, counted. */
export function counted(application: Application, result: CheckResult, decision: Decision): Decision {
  countCheck(application, result);
  return decision;
}

/** RFC 9110 §11.6.1: a 401 names the scheme. It is the one that was tried: a browser asks for a password at `Basic`. */
const SCHEMES = {
  basic: ['WWW-Authenticate', 'Basic realm="akprox", charset="UTF-8"'],
  bearer: ['WWW-Authenticate', 'Bearer error="invalid_token"'],
} as const;

const BARRED_TEXTS = {
  forbidden: { error: 'forbidden', message: 'this account may not use this application' },
  too_large: {
    error: 'identity_too_large',
    message: 'what is known about this account is more than can be passed on to the application (headers.max_bytes)',
  },
} as const;

const UNAVAILABLE_TEXTS = {
  store: { error: 'store_unavailable', message: 'sessions cannot be read at the moment; nobody is signed out' },
  renewal: {
    error: 'idp_unreachable',
    message:
      'the session has to be renewed, and the identity provider cannot be asked at the moment; nobody is signed out',
  },
  idp: {
    error: 'idp_unreachable',
    message: 'the identity provider cannot be asked about these credentials at the moment',
  },
} as const;

/** The one place where a decision that is not `allow` becomes a status. Never 2xx, whatever a handler answered. */
export function render(decision: Exclude<Decision, Allow>, dialect: Dialect): Reply {
  switch (decision.kind) {
    case 'challenge':
      if (!dialect.relaysAnswers) return empty(401, [['Location', decision.loginUrl]]);
      if (decision.navigation) return redirect(decision.loginUrl);
      return json(401, { error: 'login_required', login_url: decision.loginUrl });
    case 'forbidden':
      if (!dialect.relaysAnswers) return empty(403);
      return decision.page === null ? json(403, BARRED_TEXTS[decision.why]) : { ...decision.page, status: 403 };
    case 'refused':
      return dialect.relaysAnswers
        ? json(401, { error: 'invalid_credentials' }, [SCHEMES[decision.scheme]])
        : empty(401, [SCHEMES[decision.scheme]]);
    case 'unavailable':
      return decision.page === null
        ? json(503, UNAVAILABLE_TEXTS[decision.what], [['Retry-After', '2']])
        : { ...decision.page, status: 503 };
    case 'no_app':
      return unknownHost(
        decision.host,
        `; the host was read from ${decision.readFrom}, as the dialect ${decision.dialect} has it (another proxy asks with ?traefik, ?caddy, ?nginx or below /auth/envoy)`,
      );
    case 'invalid':
      return json(400, {
        error: 'request_invalid',
        message: `${decision.header} ${decision.problem}`,
        header: decision.header,
        hint: decision.hint,
      });
    case 'in_band':
      return decision.reply.status < 300 ? { ...decision.reply, status: 401 } : decision.reply;
    default:
      return decision satisfies never;
  }
}

/** `host`: cut off to what can be one. Providers are the configuration's word for applications. */
export function unknownHost(host: string, more = ''): Reply {
  return json(400, {
    message: 'no app for hostname',
    host,
    detail: `no provider has external_host ${JSON.stringify(host)} or a cookie_domain above it${more}`,
  });
}
