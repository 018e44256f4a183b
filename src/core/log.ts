import type { Log } from './ports.ts';

/** Writes warnings and errors to standard error, a line each. */
export const stderrLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message, fields) => writeLine('warn', message, fields),
  error: (message, fields) => writeLine('error', message, fields),
};

function writeLine(level: string, message: string, fields: Record<string, unknown> | undefined): void {
  process.stderr.write(`pleach ${level}: ${message}${fields ? ` ${JSON.stringify(fields)}` : ''}\n`);
}
