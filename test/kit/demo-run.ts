// The demo as a process: the lines it prints, and everything that it has started.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { endsWithTest } from './ends-with-test.js';

const MAIN = fileURLToPath(new URL('demo/main.ts', import.meta.url));
export const ANY_PORTS = ['--port', '--idp-port', '--outpost-port', '--metrics-port', '--app-port'].flatMap((flag) => [
  flag,
  '0',
]);

export interface Demo {
  readonly child: ChildProcess;
  output(): string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
}

export function startDemo(args: readonly string[], env: Record<string, string> = {}): Demo {
  const child = endsWithTest(
    spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
    'SIGTERM',
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, output: () => output, ended };
}

/** The value that the demo prints in a line; waits for it. */
export async function printed(demo: Demo, pattern: RegExp): Promise<string> {
  for (;;) {
    const found = pattern.exec(demo.output());
    if (found) return found[1] ?? found[0];
    if (demo.child.exitCode !== null) throw new Error(`the demo ended first:\n${demo.output()}`);
    await Promise.race([once(demo.child.stdout ?? process.stdin, 'data'), demo.ended]);
  }
}

/** Everything below this process, where the system tells (Linux). */
export function descendants(root: number): number[] {
  if (!existsSync('/proc/self/stat')) return [];
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has ended meanwhile.
    }
  }
  const below = (pid: number): number[] =>
    [...parents].filter(([, parent]) => parent === pid).flatMap(([child]) => [child, ...below(child)]);
  return below(root);
}

export function alive(pid: number): boolean {
  try {
    // A process that nobody has collected yet is dead all the same.
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
