import { type Log, stderrLog } from '../core/index.ts';

/** Writes lines of a level and above through a function. */
export class DefaultLogger implements Log {
  readonly level: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';
  readonly #write: (entry: { level: string; message: string; fields: Record<string, unknown> | undefined }) => void;

  constructor(
    level: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR' = 'WARN',
    write?: (entry: { level: string; message: string; fields: Record<string, unknown> | undefined }) => void,
  ) {
    this.level = level;
    this.#write =
      write ?? ((entry) => stderrLog[entry.level === 'ERROR' ? 'error' : 'warn'](entry.message, entry.fields));
  }

  #say(level: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR', message: string, fields: Record<string, unknown> | undefined): void {
    const order = ['DEBUG', 'INFO', 'WARN', 'ERROR'];
    if (order.indexOf(level) >= order.indexOf(this.level)) this.#write({ level, message, fields });
  }

  debug(message: string, fields?: Record<string, unknown>): void {
    this.#say('DEBUG', message, fields);
  }

  info(message: string, fields?: Record<string, unknown>): void {
    this.#say('INFO', message, fields);
  }

  warn(message: string, fields?: Record<string, unknown>): void {
    this.#say('WARN', message, fields);
  }

  error(message: string, fields?: Record<string, unknown>): void {
    this.#say('ERROR', message, fields);
  }
}

let installed: Runtime | undefined;

/** What all workers of this process share: the log. */
export class Runtime {
  readonly log: Log;

  private constructor(log: Log) {
    this.log = log;
  }

  /** Sets it, before the first worker. @throws Error when it is set already */
  static install(options: { logger?: Log }): Runtime {
    if (installed) throw new Error('Runtime singleton has already been instantiated');
    return (installed = new Runtime(options.logger ?? stderrLog));
  }

  static instance(): Runtime {
    return (installed ??= new Runtime(stderrLog));
  }
}
