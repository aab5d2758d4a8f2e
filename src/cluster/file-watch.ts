// Files that somebody renews, certificates and secrets: when one has changed, and then nothing for a moment, because a certificate and its
// key are two files. By asking for their state now and then: a file may be a symbolic link into a directory that is exchanged, as Kubernetes and
// certbot do it, or lie on another host, and no notice comes of that.
import { unwatchFile, watchFile } from 'node:fs';
import type { Timers } from '../infra/timers.js';

/** How often a file is asked for, in milliseconds. */
const INTERVAL = 5_000;
const SETTLED_AFTER = 1_000;

export interface FileWatchOptions {
  readonly timers: Timers;
  readonly changed: () => void;
  readonly interval?: number;
}

export class FileWatch {
  private readonly options: FileWatchOptions;
  private files: ReadonlySet<string> = new Set();
  private settling: (() => void) | null = null;

  constructor(options: FileWatchOptions) {
    this.options = options;
  }

  /** These from now on, by their absolute paths. */
  update(wanted: ReadonlySet<string>): void {
    for (const file of this.files) if (!wanted.has(file)) unwatchFile(file, this.see);
    for (const file of wanted) {
      if (this.files.has(file)) continue;
      watchFile(file, { interval: this.options.interval ?? INTERVAL, persistent: false }, this.see);
    }
    this.files = wanted;
  }

  private readonly see = (): void => {
    this.settling?.();
    this.settling = this.options.timers.after(SETTLED_AFTER, () => {
      this.settling = null;
      this.options.changed();
    });
  };

  close(): void {
    for (const file of this.files) unwatchFile(file, this.see);
    this.files = new Set();
    this.settling?.();
  }
}
