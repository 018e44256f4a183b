import { constants } from 'node:os';
import {
  IllegalStateError,
  type Logger,
  type LogLevel,
  type LogMetadata,
  loggerOf,
  type MetricMeter,
  noopMetricMeter,
  requireFunction,
  requireObject,
  requireWord,
  wrongArgument,
} from '../common/index.ts';
import { type Log, systemClock, writeLogLine } from '../core/index.ts';

/** One line of a log. */
export interface LogEntry {
  level: LogLevel;
  message: string;
  timestampNanos: bigint;
  meta?: LogMetadata;
}

const SEVERITY: Record<LogLevel, number> = { TRACE: 0, DEBUG: 1, INFO: 2, WARN: 3, ERROR: 4 };

/** Writes lines of a level and above through a function; without one, to standard error. */
export class DefaultLogger implements Logger {
  readonly level: LogLevel;
  protected readonly logFunction: (entry: LogEntry) => void;

  /** @throws TypeError */
  constructor(level: LogLevel = 'INFO', logFunction: (entry: LogEntry) => void = writeEntry) {
    requireLevel('DefaultLogger', level);
    requireFunction('DefaultLogger', logFunction);
    this.level = level;
    this.logFunction = logFunction;
  }

  log(level: LogLevel, message: string, meta?: LogMetadata): void {
    requireLevel('log', level);
    if (SEVERITY[level] < SEVERITY[this.level]) return;
    const timestampNanos = BigInt(systemClock.now()) * 1_000_000n;
    this.logFunction({ level, message, timestampNanos, ...(meta ? { meta } : {}) });
  }

  trace(message: string, meta?: LogMetadata): void {
    this.log('TRACE', message, meta);
  }

  debug(message: string, meta?: LogMetadata): void {
    this.log('DEBUG', message, meta);
  }

  info(message: string, meta?: LogMetadata): void {
    this.log('INFO', message, meta);
  }

  warn(message: string, meta?: LogMetadata): void {
    this.log('WARN', message, meta);
  }

  error(message: string, meta?: LogMetadata): void {
    this.log('ERROR', message, meta);
  }
}

function writeEntry({ level, message, timestampNanos, meta }: LogEntry): void {
  const at = new Date(Number(timestampNanos / 1_000_000n)).toISOString();
  writeLogLine(level.toLowerCase(), `${at} ${message}`, meta);
}

/** Options of the runtime. Those of telemetry are taken for the sake of code that has them, and not used. */
export interface RuntimeOptions {
  /** A `Logger`, or any object with its methods debug, info, warn and error. Default: warnings and errors. */
  logger?: Log;
  /** Signals at which the workers of this process shut down. Default SIGINT, SIGTERM; none where empty. */
  shutdownSignals?: NodeJS.Signals[];
  telemetryOptions?: unknown;
  /** Beyond the SDK: where workflows and activities measure to. Default nowhere. */
  metricMeter?: MetricMeter;
}

const { signals } = constants;
const SHUTDOWN_SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];

let installed: Runtime | undefined;

/** What all workers of this process share: the log, and what happens when the process is asked to end. */
export class Runtime {
  readonly logger: Logger;
  /** What `metricMeter` of workflows and activities measures to. */
  readonly metricMeter: MetricMeter;
  readonly options: Readonly<RuntimeOptions>;
  readonly #running = new Set<() => void>();
  readonly #onSignal = (): void => {
    // A second signal ends the process as signals do: the first has been heard.
    this.#forgetSignals();
    for (const shutdown of this.#running) shutdown();
  };

  private constructor(options: RuntimeOptions) {
    this.options = options;
    this.metricMeter = options.metricMeter ?? noopMetricMeter;
    this.logger = toLogger(options.logger ?? new DefaultLogger('WARN'));
  }

  /** Sets it, before the first worker. @throws Error when it is set already */
  static install(options: RuntimeOptions): Runtime {
    requireObject('Runtime.install', options, '{ logger, shutdownSignals }');
    const { logger, shutdownSignals } = options;
    if (logger !== undefined && !METHOD_NAMES.every((name) => typeof logger?.[name] === 'function'))
      throw wrongArgument('Runtime.install: logger', `has the methods ${METHOD_NAMES.join(', ')}`, logger);
    if (shutdownSignals !== undefined && !(Array.isArray(shutdownSignals) && shutdownSignals.every(isSignal)))
      throw wrongArgument(
        'Runtime.install: shutdownSignals',
        "is a list of signals, such as ['SIGTERM']",
        shutdownSignals,
      );
    if (installed) {
      throw new IllegalStateError(
        'Runtime.install: Runtime singleton has already been instantiated; install it once, before the first worker, or shut that one down first',
      );
    }
    return (installed = new Runtime(options));
  }

  static instance(): Runtime {
    return (installed ??= new Runtime({}));
  }

  /** Forgets it, so that another may be installed; its workers go on. */
  async shutdown(): Promise<void> {
    this.#forgetSignals();
    if (installed === this) installed = undefined;
  }

  get log(): Log {
    return this.logger;
  }

  /** @internal Shuts a worker down with the process. Returns what ends that. */
  watch(shutdown: () => void): () => void {
    requireFunction('Runtime.watch', shutdown);
    if (this.#running.size === 0) for (const signal of this.#signals) process.on(signal, this.#onSignal);
    this.#running.add(shutdown);
    return () => {
      this.#running.delete(shutdown);
      if (this.#running.size === 0) this.#forgetSignals();
    };
  }

  get #signals(): readonly NodeJS.Signals[] {
    return this.options.shutdownSignals ?? SHUTDOWN_SIGNALS;
  }

  #forgetSignals(): void {
    for (const signal of this.#signals) process.off(signal, this.#onSignal);
  }
}

const METHODS = { TRACE: 'debug', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

function toLogger(given: Log & Partial<Logger>): Logger {
  if (typeof given.log === 'function' && typeof given.trace === 'function') return given as Logger;
  return loggerOf((level, message, meta) => given[METHODS[level]](message, meta));
}

const METHOD_NAMES = ['debug', 'info', 'warn', 'error'] as const;
const isSignal = (name: unknown): boolean => typeof name === 'string' && Object.hasOwn(signals, name);

function requireLevel(what: string, level: unknown): void {
  requireWord(`${what}: the level`, level, METHODS);
}

/** The filter of the field's own telemetry; accepted by `telemetryOptions`, which are not used. */
export function makeTelemetryFilterString(options: { core: LogLevel; other?: LogLevel }): string {
  requireObject('makeTelemetryFilterString', options, "{ core: 'WARN' }");
  requireLevel('makeTelemetryFilterString: core', options.core);
  if (options.other !== undefined) requireLevel('makeTelemetryFilterString: other', options.other);
  return `${options.other ?? 'ERROR'},core=${options.core}`;
}
