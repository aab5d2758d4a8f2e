// What the tests of the authentik side share: time that stands still until it is told to pass, a log that can be read, and
// a fake core with one outpost.

import type { OutpostInstance } from '../../src/authentik/api.js';
import type { SourceLog } from '../../src/authentik/socket.js';
import type { Timers } from '../../src/infra/timers.js';
import { type FakeCore, type FakeCoreOptions, startFakeCore } from '../kit/fake-core.js';

export const ACCOUNTS = {
  alice: { email: 'alice@company.tld', name: 'Alice', preferred_username: 'alice', groups: ['staff'] },
};

export interface Waiter {
  changed(): void;
  /** Resolves as soon as `test` holds; it is asked after every `changed`. */
  until(test: () => boolean): Promise<void>;
}

export function createWaiter(): Waiter {
  const waiting = new Set<{ test: () => boolean; done: () => void }>();
  return {
    changed() {
      for (const one of [...waiting]) {
        if (!one.test()) continue;
        waiting.delete(one);
        one.done();
      }
    },
    until: (test) => (test() ? Promise.resolve() : new Promise((done) => void waiting.add({ test, done }))),
  };
}

export interface TestTimers extends Timers {
  now(): number;
  /** Lets time pass; what comes due on the way runs. */
  pass(ms: number): void;
  /** Delays of what is waiting, soonest first. */
  waits(): number[];
}

export function createTestTimers(waiter: Waiter = createWaiter()): TestTimers {
  let at = 1_000_000;
  const pending = new Set<{ due: number; work: () => void }>();
  const soonest = () => [...pending].sort((left, right) => left.due - right.due)[0];
  return {
    now: () => at,
    after(ms, work) {
      const timer = { due: at + ms, work };
      pending.add(timer);
      waiter.changed();
      return () => pending.delete(timer);
    },
    pass(ms) {
      const end = at + ms;
      for (let timer = soonest(); timer !== undefined && timer.due <= end; timer = soonest()) {
        pending.delete(timer);
        at = timer.due;
        timer.work();
      }
      at = end;
    },
    waits: () => [...pending].map((timer) => timer.due - at).sort((left, right) => left - right),
  };
}

export interface TestLog extends SourceLog {
  readonly lines: { readonly level: string; readonly facts: object; readonly text: string }[];
  /** Everything that was logged, as text. */
  all(): string;
  texts(level: string): string[];
}

export function createTestLog(waiter: Waiter = createWaiter()): TestLog {
  const lines: TestLog['lines'] = [];
  const write =
    (level: string) =>
    (facts: object, text: string): void => {
      lines.push({ level, facts, text });
      waiter.changed();
    };
  return {
    lines,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    all: () => lines.map((line) => `${line.level} ${line.text} ${JSON.stringify(line.facts)}`).join('\n'),
    texts: (level) => lines.filter((line) => line.level === level).map((line) => line.text),
  };
}

export function startTestCore(options: Partial<FakeCoreOptions> = {}): Promise<FakeCore> {
  return startFakeCore({ accounts: ACCOUNTS, ...options });
}

export const WHOAMI = { name: 'whoami', external_host: 'http://whoami.localhost:8080' };
export const WIKI = { name: 'wiki', external_host: 'http://wiki.localhost:8080' };

export function instanceOf(config: Record<string, unknown> = {}): OutpostInstance {
  return { pk: 'outpost-pk', name: 'outpost', refreshInterval: 300, config };
}

/** One of core's providers as JSON; `undefined` leaves a field out. */
export function rawProvider(fields: Record<string, unknown> = {}): Record<string, unknown> {
  const application = 'https://auth.company.tld/application/o';
  const raw = {
    pk: 7,
    name: 'whoami',
    internal_host: '',
    external_host: 'https://whoami.company.tld',
    client_id: 'client-123',
    client_secret: 'client-secret',
    oidc_configuration: {
      issuer: `${application}/whoami/`,
      authorization_endpoint: `${application}/authorize/`,
      token_endpoint: `${application}/token/`,
      userinfo_endpoint: `${application}/userinfo/`,
      end_session_endpoint: `${application}/whoami/end-session/`,
      introspection_endpoint: `${application}/introspect/`,
      jwks_uri: `${application}/whoami/jwks/`,
      id_token_signing_alg_values_supported: ['RS256'],
    },
    cookie_secret: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345',
    certificate: null,
    skip_path_regex: '',
    mode: 'forward_single',
    cookie_domain: '',
    access_token_validity: 86400.0,
    intercept_header_auth: true,
    scopes_to_request: ['profile', 'openid', 'ak_proxy', 'email'],
    assigned_application_slug: 'whoami',
    ...fields,
  };
  return JSON.parse(JSON.stringify(raw)) as Record<string, unknown>;
}
