// The control socket: HTTP over a unix socket that only the user of the daemon (and root) may open. Nothing of it can be reached over TCP.
import { chmodSync, lstatSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import http from 'node:http';
import { dirname } from 'node:path';
import { InFlight } from '../http/in-flight.js';
import { answering, type NodeAnswer } from '../http/node-answer.js';
import { makeDirectory } from '../infra/make-directory.js';
import { isTooLong, notOurs } from './control-path.js';
import { temporaryName } from './publish-socket.js';
import { answers, identityOf } from './unix-sockets.js';

const LONGEST_REQUEST = 8_192;
const MOST_CONNECTIONS = 32;
const REQUEST_TIMEOUT = 5_000;

export interface ControlServerOptions {
  readonly path: string;
  /** Whether who answers there now is the daemon that this one replaces. */
  readonly replaces: boolean;
  /** `undefined`: there is no such thing. `body` null: it was too long. Never rejects for anything that is asked. */
  readonly answer: (
    method: string,
    path: string,
    body: string | null,
  ) => Promise<{ status: number; value: unknown } | undefined>;
  readonly onError: (error: unknown) => void;
}

/** Resolves with what takes it away again, if it is still ours. Rejects when there can be none, and says why. */
export async function openControlServer({
  path,
  replaces,
  answer,
  onError,
}: ControlServerOptions): Promise<() => void> {
  if (isTooLong(path)) throw new Error('the path is too long for a socket');
  prepare(dirname(path));
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSocket()) throw new Error('what is there is no socket');
  if (found !== undefined && !replaces && (await answers(path))) throw new Error('another daemon answers there');

  const server = http.createServer(
    { requestTimeout: REQUEST_TIMEOUT, headersTimeout: REQUEST_TIMEOUT },
    answering(
      LONGEST_REQUEST,
      async (req, body): Promise<NodeAnswer> => {
        const text = req.method === 'POST' ? await body.text() : '';
        const { status, value } = (await answer(req.method ?? '', req.url ?? '', text)) ?? { status: 404, value: null };
        return {
          status,
          headers: ['Content-Type', 'application/json', 'Cache-Control', 'no-store'],
          body: JSON.stringify(value),
        };
      },
      new InFlight(),
      onError,
    ),
  );
  server.maxConnections = MOST_CONNECTIONS;
  const name = temporaryName(path);
  rmSync(name, { force: true });
  await listen(server, name);
  chmodSync(name, 0o600);
  const identity = identityOf(name);
  renameSync(name, path);
  return () => {
    server.close();
    server.closeAllConnections();
    if (identity !== null && identityOf(path) === identity) unlinkSync(path);
  };
}

/** Whoever could write there could put another socket in the place of ours. */
function prepare(directory: string): void {
  makeDirectory(directory, 0o700);
  const why = notOurs(directory);
  if (why !== null) throw new Error(why);
}

/** Nobody else may ever open it: it is bound before `listen` returns. */
async function listen(server: http.Server, name: string): Promise<void> {
  const former = process.umask(0o177);
  try {
    const listening = new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(name, resolve);
    });
    process.umask(former);
    await listening;
  } finally {
    process.umask(former);
  }
}
