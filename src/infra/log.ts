// The log: NDJSON on standard output, and readable lines where that is a terminal. Nothing secret or personal goes in; `redact` is the second line of defence.
import { isatty } from 'node:tty';
import { type DestinationStream, type Logger, pino } from 'pino';
import { explain } from './errors.js';
import { LogOutput } from './log-output.js';
import { ReadableLines } from './log-readable.js';

const REDACT = ['cookie', 'authorization', 'password', 'token', 'secret', 'headers.cookie', 'headers.authorization'];

/** Where a worker finds the primary's standard output. Its own is closed: native code of uWebSockets.js prints on it. */
export const WORKER_LOG_FD = 4;
const outputs = new Map<number, LogOutput>();

/** One for each descriptor, whoever asks. */
export function logTo(fd: number): LogOutput {
  const output = outputs.get(fd) ?? new LogOutput(fd, Date.now);
  outputs.set(fd, output);
  return output;
}

/** For whoever reads there: a program, or a person. */
export function linesTo(fd: number): DestinationStream {
  return isatty(fd) ? new ReadableLines(logTo(fd)) : logTo(fd);
}

export function createLog(
  level: string,
  name: string,
  to: DestinationStream = linesTo(process.stdout.fd || 1),
): Logger {
  const options = {
    level,
    base: { name, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACT, censor: '[redacted]' },
    // An error in the log is its messages and its code; a stack says nothing to an operator and may quote input.
    serializers: { err: (error: unknown) => explain(error) },
  };
  return pino(options, to);
}
