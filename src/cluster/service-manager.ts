// What systemd is told: that we are ready, and which process is the main one from now on. Its socket is of a kind that Node.js has not;
// systemd brings a program along that waits until systemd has read it.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { AkproxError, explain } from '../infra/errors.js';

export type TellSystemd = (...words: readonly string[]) => Promise<void>;

const PATIENCE = 10_000;

/** Rejects when systemd was not told. */
export const tellSystemd: TellSystemd = async (...words) => {
  try {
    await promisify(execFile)('systemd-notify', [...words], { timeout: PATIENCE });
  } catch (cause) {
    throw new AkproxError('internal', `systemd-notify: ${explain(cause)}`, cause);
  }
};

export const whatIsReady = (pid: number): readonly string[] => ['--ready', `MAINPID=${pid}`];
