// The examination: asks through the proxy as a browser would and as an attacker would, and reads the answers. Each step adds what
// it finds to the collector; the order is that of a login. Nothing is asked that would end a session or change one.
import { askWithBodies, askWithManyCookies, askWithRawBytes } from './bodies-and-bytes.js';
import { Collector, type Report } from './collector.js';
import { askOutpost } from './direct-check.js';
import { readEcho } from './echo.js';
import type { ProxyName } from './findings.js';
import { forgeForwardedHeaders, forgeIdentity } from './forgeries.js';
import { show } from './login-link.js';
import { examineLogin } from './login-steps.js';
import { readNavigation } from './navigation.js';
import { lookForOpenCheck } from './open-check.js';
import { askLookAlikes, confuseHosts } from './other-hosts.js';
import { type Answered, NAVIGATION } from './probe.js';
import { askAsScript, openWebSocket } from './scripts.js';
import { askSignedIn, lookForIdentity } from './signed-in.js';
import type { Target } from './target.js';
import { lookForCutAnswers } from './whole-answers.js';

export async function examine(target: Target): Promise<Report> {
  const notes = new Collector(target.proxy);
  const { url, ask, outpost, progress } = target;
  if (outpost !== null) progress('the outpost itself');
  const expected = await askOutpost(target, notes);

  progress('a browser that is not signed in');
  const navigation = await ask(url, { headers: NAVIGATION });
  if (navigation.kind === 'failed') {
    notes.add('unreachable', `GET ${show(url)}: ${navigation.why}`);
    return notes;
  }
  notes.proxy ??= proxyOf(navigation);
  const link = await readNavigation(target, notes, navigation, expected);
  // Without the login there is nothing to compare with: where everybody is let in, every host is, and every script.
  const guarded = link !== null;
  let signIn: string | null = null;
  if (guarded) {
    await examineLogin(target, notes, link);
    await lookForOpenCheck(target, notes, link);
    signIn = await askAsScript(target, notes, navigation);
    await lookForCutAnswers(target, notes);
    await askWithBodies(target, notes, navigation, signIn);
    await askWithManyCookies(target, notes, navigation);
  }
  await forgeForwardedHeaders(target, notes, navigation, link);
  if (guarded) {
    await askWithRawBytes(target, notes);
    await askLookAlikes(target, notes);
    await confuseHosts(target, notes, navigation);
    await openWebSocket(target, notes, signIn);
  }
  const echo = await readEcho(target, notes);
  if (echo !== null) {
    await forgeIdentity(target, notes, echo);
    await lookForIdentity(target, notes, echo);
  }
  if (guarded) await askSignedIn(target, notes);
  return notes;
}

function proxyOf(answer: Answered): readonly ProxyName[] | null {
  const server = (answer.header('server')[0] ?? '').toLowerCase();
  if (server.startsWith('nginx') || server.startsWith('openresty')) return ['nginx', 'ingress-nginx'];
  if (server.startsWith('caddy')) return ['Caddy'];
  if (server.startsWith('envoy')) return ['Envoy'];
  return null;
}
