// Whether the proxy asks at the address that is another proxy's. The outpost then reads headers that this one does not send, or
// answers in a way that this one cannot show.
import { isOutposts, isRefusal, jsonOf, tell } from './answers.js';
import type { Collector } from './collector.js';
import { readLoginLink } from './login-link.js';
import { type Answered, SCRIPT } from './probe.js';
import type { Target } from './target.js';

/** `navigation`: what a browser that is not signed in got. `seen`, and what it means; null: nothing tells that it is the address. */
export async function lookForWrongDialect(
  target: Target,
  notes: Collector,
  navigation: Answered,
): Promise<string | null> {
  const { status } = navigation;
  if (status === 401) return withLocation(target, navigation);
  if (status === 400) return nameOfDialect(notes, navigation);
  return status === 500 && !isOutposts(navigation) ? askWithForwarded(target) : null;
}

/** Only nginx's dialect has a login beside a 401, and nginx itself never passes it on. */
function withLocation({ url }: Target, navigation: Answered): string | null {
  const link = readLoginLink(navigation.header('location')[0], url);
  return link === null ? null : 'with the login as its Location: so the outpost answers nginx, which would not show it';
}

/** The outpost knows no such host, and says in which dialect it was told of it. */
function nameOfDialect({ proxy }: Collector, navigation: Answered): string | null {
  const { message, detail } = jsonOf(navigation);
  const dialect =
    message === 'no app for hostname' ? /as the dialect (\w+) has it/.exec(String(detail))?.[1] : undefined;
  // nginx shows nobody what the outpost says. Envoy may have been told to send another host, and then the address is right.
  const wrong = dialect === 'nginx' || (dialect === 'envoy' && !proxy?.includes('Envoy'));
  return wrong ? `the outpost was asked as by ${dialect}, and read the host from Host` : null;
}

/**
 * nginx shows 500 for a redirect to the login and passes a 401 on. In its own dialect it gets 401 for everybody: where a script gets
 * another answer than a browser, the dialect is one of those that redirect. They read these headers, which nginx passes on from a client.
 */
async function askWithForwarded({ ask, url }: Target): Promise<string | null> {
  const answer = await ask(url, {
    headers: {
      ...SCRIPT,
      'X-Forwarded-Host': url.host,
      'X-Forwarded-Proto': url.protocol.slice(0, -1),
      'X-Forwarded-Method': 'GET',
      'X-Forwarded-Uri': url.pathname + url.search,
    },
  });
  return answer.kind === 'answered' && isRefusal(answer, url)
    ? `a script with the headers that Traefik would send gets ${tell(answer)}: the outpost answers browsers with a redirect, which nginx cannot show`
    : null;
}
