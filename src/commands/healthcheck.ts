// `akprox healthcheck`: whether the running daemon lives, for container probes. It must not care whether the configuration on disk is
// good: the daemon goes on with the one that it has.
import { get } from 'node:http';
import { loadMetricsAddress } from '../config/load.js';
import { explain } from '../infra/errors.js';
import { FAILED, type Io, OK, sourcesOf } from './command.js';

const TIMEOUT_MS = 3_000;
const MOST_TEXT = 500;

export async function healthcheck(io: Io): Promise<number> {
  const address = loadMetricsAddress(sourcesOf(io));
  if (address === null) {
    io.stderr('unhealthy: listen.metrics is null, there is nothing to ask\n');
    return FAILED;
  }
  // A listener on every address is asked on the loopback one, which IPv4 has on every host.
  const url = `http://${address.replace(/^(?:0\.0\.0\.0|\[::\]):/, '127.0.0.1:')}/livez`;
  try {
    const { status, text } = await ask(url);
    if (status >= 200 && status < 300) {
      io.stdout(`healthy: ${url} answered ${status}\n`);
      return OK;
    }
    io.stderr(`unhealthy: ${url} answered ${status}${text === '' ? '' : `: ${text}`}\n`);
  } catch (error) {
    io.stderr(`unhealthy: ${url}: ${explain(error)}\n`);
  }
  return FAILED;
}

/** Connects afresh and leaves nothing open; `fetch` would keep the process alive with its pool. */
function ask(url: string): Promise<{ status: number; text: string }> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(signal.aborted ? new Error(`no answer within ${TIMEOUT_MS / 1_000} s`) : error);
    const req = get(url, { agent: false, signal }, (res) => {
      let text = '';
      const done = (): void => {
        resolve({ status: res.statusCode ?? 0, text: text.trim() });
        res.destroy();
      };
      res.setEncoding('utf8');
      res.on('data', (chunk: string) => {
        text += chunk.slice(0, MOST_TEXT);
        if (text.length >= MOST_TEXT) done();
      });
      res.once('end', done);
      res.once('error', failed);
    });
    req.once('error', failed);
  });
}
