// What serves `listen.http`: uWebSockets.js, and where that has no binary, node:http, with the same answers at a higher price.
import { AkproxError, explain } from '../infra/errors.js';
import type { NodeListenerOptions } from './http1-listener.js';
import type { Server } from './server.js';

export type Engine = 'uWebSockets.js' | 'node:http';

/** Rejects with `worker_unusable` when uWebSockets.js has a binary for this system that is no good. */
export async function findEngine(): Promise<Engine> {
  try {
    await import('./uws.js');
    return 'uWebSockets.js';
  } catch (error) {
    if (hasNoBinary(error)) return 'node:http';
    const what =
      'uWebSockets.js cannot be loaded, although it has a binary for this system: install the packages again (npm ci)';
    throw new AkproxError('worker_unusable', what, new Error(said(error)));
  }
}

/** Rejects as `findEngine` does, and when a file of ours is missing or damaged. */
export async function createPlainServer(engine: Engine, options: NodeListenerOptions): Promise<Server> {
  if (engine === 'node:http') return (await import('./node-server.js')).createNodeServer(options);
  return (await import('./server.js')).createServer(options);
}

/**
 * uWebSockets.js says the same whatever has happened, and behind it what the loader said. Only these mean that nothing was built for
 * this system: a file that is cut off or may not be read is a fault of the installation, and an operator has to know.
 */
const NO_BINARY: readonly RegExp[] = [
  // Another processor, another system, another Node.js.
  /Cannot find module '\.\/bin\/uws_/,
  // musl, which has not the libraries of glibc, or lacks what is in them.
  /Error loading shared library|Error relocating /,
  // A glibc, or a C++ library, that is older than the one that it was built for.
  /version `(?:GLIBC|GLIBCXX|CXXABI)_[\d.]+' not found/,
];

/** Without what it says each time, which is about other systems. */
function said(error: unknown): string {
  const text = explain(error);
  const end = text.indexOf('\n\n');
  return (end === -1 ? text : text.slice(end)).replace(/\s+/g, ' ').trim();
}

export function hasNoBinary(error: unknown): boolean {
  return error instanceof Error && NO_BINARY.some((pattern) => pattern.test(error.message));
}
