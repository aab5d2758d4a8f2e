// Cookie lines, good and bad. Whoever makes one here knows whose session is in it: nobody has to read it again.
import { type Random, URL_SAFE } from './random.js';
import type { FuzzWorld, Session, SessionKind, Site } from './world.js';

export interface CookieChoice {
  readonly what: string;
  /** Values of as many Cookie lines. */
  readonly lines: readonly string[];
  /** Whose identity may be answered, at the site that this was made for. */
  readonly sessions: readonly Session[];
  /** `in`: it has to be answered. `barred`: it has to be refused with 403. `nobody`: it is as good as no cookie. `open`: who knows. */
  readonly verdict: 'in' | 'barred' | 'nobody' | 'open';
}

const NOBODY = { sessions: [], verdict: 'nobody' } as const;
const NONE: CookieChoice = { what: 'no cookie', lines: [], ...NOBODY };

/**
 * `site`: who will be asked; null: nobody's host, so no cookie is good. `mayEnd`: the request may sign somebody out, so nobody who
 * has to stay.
 */
export function chooseCookies(r: Random, world: FuzzWorld, site: Site | null, mayEnd: boolean): CookieChoice {
  if (r.chance(0.12)) return NONE;
  if (site === null) {
    const { what, lines } = chooseCookies(r, world, r.pick(world.sites), mayEnd);
    return { what: `nobody's host, ${what}`, lines, ...NOBODY };
  }
  const of = (kind: SessionKind): Session[] => world.sessions.filter((s) => s.kind === kind && s.site === site);
  const good = r.pick(of(mayEnd ? 'spare' : 'kept'));
  const name = site.cookieName;
  const cookie = `${name}=${good.value}`;
  const junk = (): string => `${name}=${r.text(43)}.${r.text(43)}`;
  const other = (): string => `${r.text(1 + r.below(12))}=${r.text(r.below(60))}`;
  const inside = (what: string, ...lines: string[]): CookieChoice => ({
    what,
    lines,
    sessions: [good],
    verdict: mayEnd ? 'open' : 'in',
  });
  const perhaps = (what: string, ...lines: string[]): CookieChoice => ({
    what,
    lines,
    sessions: [good],
    verdict: 'open',
  });
  const nobody = (what: string, ...lines: string[]): CookieChoice => ({ what, lines, ...NOBODY });

  switch (r.below(28)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
      return inside('a session', cookie);
    case 7:
      return inside('a session among others', `${other()}; ${cookie}; ${other()}`);
    case 8:
      return inside(
        'a session behind planted ones',
        `${Array.from({ length: 1 + r.below(14) }, junk).join('; ')}; ${cookie}`,
      );
    case 9:
      return inside('a session behind a planted line', junk(), cookie);
    case 10:
      return inside('a session twice', `${cookie}; ${cookie}`);
    case 11: {
      const many = Array.from({ length: 17 + r.below(20) }, junk).join('; ');
      return perhaps('a session behind many planted ones', `${many}; ${cookie}`);
    }
    case 12:
      return perhaps(
        'a session joined with a comma',
        r.chance(0.5) ? `${other()}, ${cookie}` : `${cookie}, ${other()}`,
      );
    case 13: {
      const spare = r.pick(of('spare'));
      return { ...perhaps('a session that may have ended', `${name}=${spare.value}`), sessions: [spare] };
    }
    case 14: {
      const ended = r.pick(of('ended'));
      if (r.chance(0.5)) return nobody('an ended session', `${name}=${ended.value}`);
      return inside('a session behind an ended one', `${name}=${ended.value}; ${cookie}`);
    }
    case 15: {
      const barred = of('barred');
      if (barred.length === 0 || mayEnd) return NONE;
      return { what: 'barred', lines: [`${name}=${r.pick(barred).value}`], sessions: [], verdict: 'barred' };
    }
    case 16: {
      const theirs = r.pick(world.sessions.filter((session) => session.site !== site));
      return nobody("another provider's session", `${theirs.site.cookieName}=${theirs.value}`);
    }
    case 17: {
      const theirs = r.pick(world.sessions.filter((session) => session.site !== site));
      return nobody("another provider's session under this name", `${name}=${theirs.value}`);
    }
    case 18:
      return nobody('cut off', `${name}=${good.value.slice(0, r.below(good.value.length))}`);
    case 19:
    case 20:
      return nobody('one letter changed', `${name}=${changed(r, good.value)}`);
    case 21:
      return nobody(
        'longer',
        `${name}=${r.chance(0.5) ? r.text(1) + good.value : good.value + r.text(1 + r.below(90))}`,
      );
    case 22: {
      const stranger = r.pick(world.sessions.filter((s) => s.site === site && s !== good));
      return nobody('halves of two', `${name}=${good.value.slice(0, 44)}${stranger.value.slice(44)}`);
    }
    case 23:
      return nobody(
        'another name',
        r.pick([`x${cookie}`, `${name.toUpperCase()}=${good.value}`, `other=${cookie}`, `${name}x=${good.value}`]),
      );
    case 24:
      return nobody(
        'in quotes or escaped',
        r.pick([`${name}="${good.value}"`, `${name}=${good.value.replace('.', '%2E')}`, `${name}==${good.value}`]),
      );
    case 25:
      return nobody(
        'empty',
        r.pick([`${name}=`, name, ';;;;==;;', '=', `${name}=; ${name}`, `${name}=.`, `${name}=${'.'.repeat(87)}`]),
      );
    case 26:
      return nobody('forged', `${name}=${r.text(43)}.${r.text(43)}`);
    default:
      return nobody('bytes', `${name}=${printable(r.bytes(r.below(120)))}`);
  }
}

function changed(r: Random, value: string): string {
  const at = r.below(value.length);
  const letter = r.pick([...`${URL_SAFE}.~`].filter((candidate) => candidate !== value[at]));
  return value.slice(0, at) + letter + value.slice(at + 1);
}

/** Without what would end the line. */
export function printable(bytes: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what goes
  return bytes.replace(/[\x00-\x1f\x7f]/g, '~');
}
