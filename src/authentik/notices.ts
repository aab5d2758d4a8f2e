// What is wrong at authentik, in the log once and not with every poll: again only when it has changed, or has been put right and
// comes back.
import type { SourceLog } from './socket.js';

export class Notices {
  private readonly log: SourceLog;
  /** By what it is about. */
  private readonly written = new Map<string, string>();

  constructor(log: SourceLog) {
    this.log = log;
  }

  /** `topic`: a newer text about it replaces the former one. */
  warnOnce(topic: string, text: string): void {
    if (this.written.get(topic) === text) return;
    this.written.set(topic, text);
    this.log.warn({}, text);
  }

  /** Each its own topic. Those that were given last time and are not now have been put right. */
  warnAll(texts: readonly string[]): void {
    for (const [topic, text] of this.written) if (topic === text && !texts.includes(text)) this.written.delete(topic);
    for (const text of texts) this.warnOnce(text, text);
  }
}
