// The levels of the log, and authentik's names for them.

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Python's name of a level as ours; anything else as it is, in lower case. */
export function fromPythonLevel(name: string): string {
  const level = name.toLowerCase();
  if (level === 'warning') return 'warn';
  return level === 'critical' || level === 'fatal' ? 'error' : level;
}
