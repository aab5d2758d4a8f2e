// What an attacker forges: the headers that tell the outpost what was asked for, and those that tell the application who asks.
import { tell } from './answers.js';
import type { Collector } from './collector.js';
import { type Echo, IDENTITY } from './echo.js';
import { type LoginLink, readLoginLink, show } from './login-link.js';
import { type Answered, NAVIGATION } from './probe.js';
import type { Target } from './target.js';

const SPELLINGS: readonly (readonly [how: string, spell: (name: string) => string])[] = [
  ['-', (name) => name],
  ['_', (name) => name.replaceAll('-', '_')],
  ['.', (name) => name.replaceAll('-', '.')],
];

export async function forgeForwardedHeaders(
  target: Target,
  notes: Collector,
  navigation: Answered,
  link: LoginLink | null,
): Promise<void> {
  const { ask, url, echo, progress, mark } = target;
  progress('forged X-Forwarded and X-Original headers');
  const host = `${mark}.akprox-doctor.example`;
  const path = echo?.pathname ?? `/${mark}`;
  const otherScheme = url.protocol === 'https:' ? 'http' : 'https';
  const forgeries: readonly (readonly [name: string, value: string])[] = [
    ['X-Forwarded-Host', host],
    ['X-Forwarded-Uri', path],
    ['X-Forwarded-Proto', otherScheme],
    ['X-Forwarded-Method', 'OPTIONS'],
    ['X-Original-URL', `${url.protocol}//${host}${path}`],
    ['X-Original-URL', `${url.origin}${path}`],
    ['X-Original-URI', path],
    ['X-Original-Method', 'OPTIONS'],
  ];
  const before = notes.findings.length;
  const unanswered: string[] = [];
  for (const [name, value] of forgeries) {
    const answer = await ask(url, { headers: { ...NAVIGATION, [name]: value } });
    if (answer.kind === 'failed' || answer.status === 429 || answer.status >= 500) {
      unanswered.push(`${name} (${tell(answer)})`);
      continue;
    }
    const seen = `GET ${show(url)} with a forged ${name}`;
    if (answer.status < 300 && navigation.status >= 300) {
      notes.add('forwarded_headers_trusted', `${seen} was let through to the application (${tell(answer)})`);
    } else if (
      answer.status === 400 &&
      navigation.status !== 400 &&
      /no app for hostname|request_invalid/.test(answer.body)
    ) {
      notes.add('forwarded_headers_trusted', `${seen}: ${tell(answer)}, because the outpost believed it`);
    } else if (link?.back) {
      const back = readLoginLink(answer.header('location')[0], url)?.back;
      if (
        back &&
        (back.host !== link.back.host || back.pathname !== link.back.pathname || back.protocol !== link.back.protocol)
      ) {
        notes.add('forwarded_headers_trusted', `${seen}: the browser would come back to ${show(back)}`);
      }
    }
  }
  if (unanswered.length > 0) notes.unseen.push(`what a forged header does: ${unanswered.join(', ')}`);
  else if (notes.findings.length === before && link !== null)
    notes.passed.push('forged X-Forwarded and X-Original headers change nothing');
}

export async function forgeIdentity({ ask, mark }: Target, notes: Collector, echo: Echo): Promise<void> {
  for (const [how, spell] of SPELLINGS) {
    const forged = (i: number): string => `${mark}-${i}-forged`;
    const headers = Object.fromEntries(IDENTITY.map((name, i) => [spell(name), forged(i)]));
    const answer = await ask(echo.place, { headers: { ...echo.headers, ...headers } });
    const kept = IDENTITY.filter((_, i) => answer.kind === 'answered' && answer.body.includes(forged(i))).map(spell);
    if (kept.length > 0)
      notes.add('identity_header_survives', `the application got ${kept.join(', ')} as the client had written it`);
    else if (answer.kind === 'answered' && answer.status < 300 && answer.body.includes(mark))
      notes.passed.push(`forged identity headers written with “${how}” are taken away`);
    else
      notes.unseen.push(
        `whether identity headers written with “${how}” reach the application: GET ${show(echo.place)} with them: ${tell(answer)}`,
      );
  }
}
