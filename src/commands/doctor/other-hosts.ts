// Hosts that are not the application's: look-alikes, and two hosts in one request.
import { jsonOf, tell } from './answers.js';
import type { Collector } from './collector.js';
import { readLoginLink } from './login-link.js';
import { type Answered, NAVIGATION } from './probe.js';
import type { Target } from './target.js';

export async function askLookAlikes(target: Target, notes: Collector): Promise<void> {
  const { ask, url, echo, progress, mark } = target;
  progress('look-alike hosts');
  const place = echo ?? url;
  const labels = url.hostname.split('.');
  // Not below any domain that the host is below, whatever `cookie_domain` is.
  const domain = labels.with(Math.max(0, labels.length - 2), mark + (labels.at(-2) ?? '')).join('.');
  for (const host of [domain, `${url.hostname}.${mark}.example`]) {
    const answer = await ask(place, { host, headers: { ...NAVIGATION, 'X-Akprox-Doctor': mark } });
    if (answer.kind === 'failed') continue;
    const back = readLoginLink(answer.header('location')[0], url)?.back;
    const served = answer.status < 300 && echo !== null && answer.body.includes(mark);
    if (served || (back && back.host === host)) notes.add('look_alike_host', `Host: ${host}: ${tell(answer)}`);
  }
}

/** Has the proxy route by one host while it asks the outpost about another? Then the client chooses whose rules count. */
export async function confuseHosts(target: Target, notes: Collector, navigation: Answered): Promise<void> {
  const { ask, url, progress, mark } = target;
  progress('two hosts in one request');
  const other = `${mark}.akprox-doctor.example`;
  const absolute = `GET ${url.origin}/… and Host: ${other}`;
  const before = notes.findings.length;
  for (const [how, host] of [
    [`Host: ${other}`, other],
    [`Host: ${url.host},${other}`, `${url.host},${other}`],
    [`Host: ${other},${url.host}`, `${other},${url.host}`],
    [absolute, other],
  ] as const) {
    const answer = await ask(url, { host, absolute: how === absolute, headers: NAVIGATION });
    if (answer.kind === 'failed') continue; // no such request gets in
    // nginx has no other word for it that the outpost knows no such host. Others relay what the outpost says, and only a part
    // of a list counts: a list as such is no host. Of a single one, the host of the login may have said it.
    const shown = answer.status === 500 && navigation.status !== 500;
    const relayed = how !== `Host: ${other}` && jsonOf(answer)['host'] === other;
    if (shown || relayed)
      notes.add('host_confusion', `${how}: ${tell(answer)}, and the outpost was asked about that host`);
  }
  if (notes.findings.length === before) notes.passed.push('the outpost is asked about the host that answers');
}
