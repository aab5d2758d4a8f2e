// What SIGHUP makes of the configuration on disk: what may not replace the one that runs, and what a restart alone can change.
import type { Loaded } from '../config/load.js';
import type { Config } from '../config/schema.js';

const AT_RESTART_ONLY = ['listen', 'workers', 'store', 'cache', 'max_header_bytes'] as const;

/** What a configuration says that came from the disk, without the providers of authentik. */
export type OnDisk = Pick<Loaded, 'config' | 'settings'>;

/** How much of it there is. */
export interface Extent {
  readonly settings: number;
  readonly providers: number;
}

export function extentOf({ settings, config }: OnDisk): Extent {
  return { settings, providers: config.providers.length };
}

/**
 * Why `next` must not take the place of `former`; null when it may. An editor that truncates before it writes, a full disk or
 * a file that is replaced leave an empty file, or none, for a moment: that would take every application away.
 */
export function refusal(former: Extent, next: OnDisk & Pick<Loaded, 'path'>): string | null {
  if (next.settings === 0 && former.settings > 0) {
    return next.path === null ? 'the file is gone' : 'the file is empty';
  }
  const { providers } = former;
  if (next.config.providers.length === 0 && providers !== 0) {
    return `it has no provider where there were ${providers}; a restart would take it`;
  }
  return null;
}

/** `next` with what cannot change as it runs; `ignored`: what was written otherwise than at the start. */
export function withoutRestart(
  next: Config,
  running: Config,
  started: Config,
): { readonly config: Config; readonly ignored: readonly string[] } {
  const kept = Object.fromEntries(AT_RESTART_ONLY.map((setting) => [setting, running[setting]])) as Pick<
    Config,
    (typeof AT_RESTART_ONLY)[number]
  >;
  const { tls } = next.listen;
  const text = (config: Config, setting: (typeof AT_RESTART_ONLY)[number]): string =>
    JSON.stringify(setting === 'listen' ? withoutTls(config.listen) : config[setting]);
  return {
    config: { ...next, ...kept, listen: { ...withoutTls(running.listen), ...(tls && { tls }) } },
    ignored: AT_RESTART_ONLY.filter((setting) => text(next, setting) !== text(started, setting)),
  };
}

/** A certificate changes in place, another address does not. */
function withoutTls({ tls: _, ...addresses }: Config['listen']): Config['listen'] {
  return addresses;
}
