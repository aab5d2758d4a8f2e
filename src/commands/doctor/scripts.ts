// What is no page view and not signed in: a script's request, and a WebSocket.
import { isRefusal, tell } from './answers.js';
import type { Collector } from './collector.js';
import { parse, show } from './login-link.js';
import { type Answered, SCRIPT } from './probe.js';
import type { Target } from './target.js';

/** `navigation`: what a browser got. Where the proxy redirects a script to in place of a 401 of the outpost; null: it does not. */
export async function askAsScript(target: Target, notes: Collector, navigation: Answered): Promise<string | null> {
  const { ask, url, progress } = target;
  progress('a script that is not signed in');
  const answer = await ask(url, { headers: SCRIPT });
  const seen = `GET ${show(url)} with Accept: application/json and Sec-Fetch-Mode: cors: ${tell(answer)}`;
  if (answer.kind === 'failed') notes.add('unreachable', seen);
  else if (answer.status < 300) notes.add('not_protected', seen);
  else if (answer.status < 400) {
    // Taken for a browser, the script would get what a browser gets.
    const location = answer.header('location')[0];
    if (location === undefined || location === navigation.header('location')[0]) notes.add('xhr_redirected', seen);
    else {
      const to = parse(location, url);
      notes.add('signin_url', to === null ? seen : `${seen} to ${show(to)}, where a browser is sent to the login`);
      return location;
    }
  } else if (answer.status === 401) notes.passed.push('a script is answered with 401');
  else notes.add('check_failed', seen);
  return null;
}

export async function openWebSocket(target: Target, notes: Collector, signIn: string | null): Promise<void> {
  const { ask, url } = target;
  const answer = await ask(url, {
    headers: {
      ...SCRIPT,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'YWtwcm94LWRvY3Rvci0xIQ==',
    },
  });
  const seen = `a WebSocket to ${show(url)} with no session: ${tell(answer)}`;
  if (answer.kind === 'answered' && isRefusal(answer, url, signIn))
    notes.passed.push('a WebSocket with no session is refused');
  else if (answer.kind === 'answered' && answer.status < 400) notes.add('websocket_open', seen);
  else notes.unseen.push(`whether a WebSocket needs a session: ${seen}`);
}
