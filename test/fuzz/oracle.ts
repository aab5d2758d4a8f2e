// Says whether an answer was justified. It does not read the request: whoever built the request says with it what may come back.
import { type Answer, fieldValues } from './answers.js';
import type { Session, Site } from './world.js';

/** What may be answered to one request. Everything that is not in here is a complaint. */
export interface Rule {
  /** Whose identity a 200 may carry. */
  readonly sessions: readonly Session[];
  /** Whose empty identity set a 200 may carry: a public path. */
  readonly open: Site | null;
  /** 2xx that a step may answer, and what its body must have in it. */
  readonly step?: { readonly statuses: readonly number[]; readonly body?: RegExp };
  /** When the request is beyond doubt: the only statuses. */
  readonly must: readonly number[] | null;
  /** Whose pages a redirect may lead to. */
  readonly sites: readonly Site[];
  /** Whether our own check may be a login page that the browser asked for: `Location` then leads to the identity provider. */
  readonly mayAskIdp: boolean;
  /** Statuses from 500 on that the contract has for this. */
  readonly faults: readonly number[];
}

/** For bytes that may be read as another request: nothing but a refusal or a challenge. */
export function nothing(sites: readonly Site[]): Rule {
  return { sessions: [], open: null, must: null, sites, mayAskIdp: true, faults: [505] };
}

export class Oracle {
  private readonly issuer: string;
  /** Heads of allowed checks that were found right: the same bytes need not be read again. */
  private readonly right = new Map<string, Session | 'nobody'>();

  constructor(issuer: string) {
    this.issuer = issuer;
  }

  /** Null, or what is wrong. `isCheck`: whether a 2xx lets a request through to an application. */
  judge(rule: Rule, answer: Answer, isCheck: boolean): string | null {
    const { status, head } = answer;
    if (status >= 500 && !rule.faults.includes(status)) return `${status}, which nothing here accounts for`;
    if (status >= 200 && status < 300) {
      const wrong = isCheck ? this.judgeAllowed(rule, answer) : judgeStep(rule, answer);
      if (wrong !== null) return wrong;
    } else if (status >= 300 && status !== 302 && status < 400)
      return `a redirect of a kind that we never send: ${status}`;
    if (rule.must !== null && !rule.must.includes(status)) return `${status} instead of ${rule.must.join(' or ')}`;
    return status >= 200 && status < 300 ? null : this.judgePlaces(rule, head, answer.body);
  }

  private judgeAllowed(rule: Rule, { status, head, body }: Answer): string | null {
    if (status !== 200) return `a check answered ${status}`;
    if (rule.sessions.length === 0 && rule.open === null) return 'AN UNJUSTIFIED 2xx';
    const known = this.right.get(withoutDate(head));
    if (known !== undefined) {
      const justified = known === 'nobody' ? rule.open !== null : rule.sessions.includes(known);
      return justified && body === '' ? null : 'a 200 WITH THE IDENTITY OF SOMEBODY ELSE';
    }
    const fields = (name: string): string[] => fieldValues(head, name);
    if (body !== '' || fields('content-length').join() !== '0') return 'an allowed check with a body';
    if (fields('set-cookie').length > 0 || fields('location').length > 0)
      return 'an allowed check with a cookie or a Location';
    if (fields('cache-control').join() !== 'no-store') return 'an allowed check that may be cached';
    const owner = rule.sessions.find(({ identity }) =>
      [...identity].every(([name, value]) => fields(name).length === 1 && fields(name)[0] === value),
    );
    const names = [...(rule.sessions[0]?.identity.keys() ?? [])];
    const nobody = ANONYMOUS.every((name) => fields(name).join('') === '' && fields(name).length === 1);
    const whose = owner ?? (rule.open !== null && nobody ? 'nobody' : null);
    if (whose === null) {
      const got = (names.length > 0 ? names : ANONYMOUS).map((name) => `${name}=${fields(name).join(' AND ')}`);
      return `a 200 WITH THE IDENTITY OF SOMEBODY ELSE: ${got.join(' ')}`;
    }
    if (this.right.size < MOST_KEPT) this.right.set(withoutDate(head), whose);
    return null;
  }

  /** Every URL that an answer sends a browser to. */
  private judgePlaces(rule: Rule, head: string, body: string): string | null {
    const [location, ...others] = fieldValues(head, 'location');
    if (others.length > 0) return 'two Locations';
    if (location !== undefined) {
      const wrong = this.judgePlace(rule, location);
      if (wrong !== null) return wrong;
    } else if (/^HTTP\/1\.1 3/.test(head)) return 'a redirect to nowhere';
    const login = /"login_url":"([^"]*)"/.exec(body)?.[1];
    return login === undefined ? null : this.judgePlace(rule, login);
  }

  private judgePlace(rule: Rule, place: string): string | null {
    if (!/^[\x21-\x7e]*$/.test(place))
      return `a Location with bytes that do not belong there: ${JSON.stringify(place)}`;
    const idp = [`${this.issuer}/auth?`, `${this.issuer}/session/end?`].some((url) => place.startsWith(url));
    if (idp) {
      if (!rule.mayAskIdp) return `a Location at the identity provider: ${place}`;
      const own = parameter(place, 'redirect_uri');
      if (own !== null && !rule.sites.some(({ redirectUri }) => redirectUri === own))
        return `a redirect_uri of somebody else: ${own}`;
      const back = parameter(place, 'post_logout_redirect_uri');
      return back === null || isOn(rule.sites, back) ? null : `a sign-out that leads off site: ${back}`;
    }
    if (!isOn(rule.sites, place)) return `A LOCATION OFF SITE: ${place}`;
    const rd = parameter(place, 'rd');
    return rd === null || isOn(rule.sites, rd) ? null : `a login that leads off site: ${rd}`;
  }
}

const MOST_KEPT = 1_000;
const ANONYMOUS = [
  'x-auth-username',
  'x-forwarded-user',
  'x-authentik-username',
  'x-authentik-uid',
  'x-authentik-email',
];

function judgeStep(rule: Rule, { status, body, head }: Answer): string | null {
  if (rule.step === undefined || !rule.step.statuses.includes(status)) return `AN UNJUSTIFIED 2xx of a step: ${status}`;
  if (rule.step.body !== undefined && body !== '' && !rule.step.body.test(body))
    return `the body of somebody else: ${body}`;
  return fieldValues(head, 'x-auth-username').length === 0 ? null : 'a step with an identity';
}

/** `ownUrl` has no room for user-info or a backslash: it ends at the first `/` behind the host. */
function isOn(sites: readonly Site[], place: string): boolean {
  return sites.some(({ ownUrl }) => ownUrl.test(place));
}

function parameter(place: string, name: string): string | null {
  const raw = new RegExp(`[?&]${name}=([^&]*)`).exec(place)?.[1];
  if (raw === undefined) return null;
  try {
    return decodeURIComponent(raw.replaceAll('+', ' '));
  } catch {
    return `undecodable: ${raw}`;
  }
}

/** node:http writes the time into each answer, and both say whether the connection goes on. */
function withoutDate(head: string): string {
  return head.replace(/\r\n(?:Date|Connection|Keep-Alive): [^\r]*/gi, '');
}
