// The log: NDJSON on standard output. Nothing secret or personal goes in; `redact` is the second line of defence.
import { type DestinationStream, type Logger, pino } from 'pino';
import { explain } from './errors.js';

const REDACT = ['cookie', 'authorization', 'password', 'token', 'secret', 'headers.cookie', 'headers.authorization'];

export function createLog(level: string, name: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { name, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACT, censor: '[redacted]' },
    // An error in the log is its messages and its code; a stack says nothing to an operator and may quote input.
    serializers: { err: (error: unknown) => explain(error) },
  };
  return destination ? pino(options, destination) : pino(options);
}
