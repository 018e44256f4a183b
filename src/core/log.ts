import type { Log } from './ports.ts';

/** Writes warnings and errors to standard error, a line each. */
export const stderrLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message, fields) => writeLogLine('warn', message, fields),
  error: (message, fields) => writeLogLine('error', message, fields),
};

/** Writes one line to standard error. */
export function writeLogLine(level: string, message: string, fields?: Record<string, unknown>): void {
  process.stderr.write(`pleach ${level}: ${message}${fields ? ` ${JSON.stringify(fields)}` : ''}\n`);
}
