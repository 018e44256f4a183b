import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type ActivityCancellationDetails,
  type Database,
  type Duration,
  IllegalStateError,
  type Logger,
  loggerOf,
  type MetricMeter,
  msToNumber,
  noopMetricMeter,
  requireFunction,
  requireObject,
  wrongArgument,
} from '../common/index.ts';
import { type Clock, type Log, PleachError, systemClock, type Wait } from '../core/index.ts';
import type { Info } from './info.ts';

/** What entries fill in: the client's type, which lies on a floor above this room. */
// oxlint-disable-next-line typescript/no-empty-object-type -- it is there to be added to
export interface ContextTypes {}

/** A client of the worker's own connection. */
export type ContextClient = ContextTypes extends { client: infer Client } ? Client : unknown;

/** What a worker makes a context of. */
export interface ContextParts {
  info: Info;
  cancelled: Promise<never>;
  cancellationSignal: AbortSignal;
  heartbeat: (details?: unknown) => void;
  log: Log;
  clock?: Clock;
  client?: () => unknown;
  cancellationDetails?: () => ActivityCancellationDetails | undefined;
  metricMeter?: MetricMeter;
  /** Authors' tables, where the worker's engine has a database. */
  database?: () => Database;
  /** Runs the activity's one transaction. */
  transact?: <T>(work: (tx: Database) => Promise<T> | T) => Promise<T>;
}

/** Carries the context through everything that an attempt awaits. */
export const asyncLocalStorage = new AsyncLocalStorage<Context>();

/** The attempt that is running. */
export class Context {
  readonly info: Info;
  /** Rejected with a `CancelledFailure` when the attempt should stop; never resolved. */
  readonly cancelled: Promise<never>;
  /** Aborted at the same time. */
  readonly cancellationSignal: AbortSignal;
  /** The worker's log, with the attempt's ids on each line. */
  log: Logger;
  readonly metricMeter: MetricMeter;
  /** Says that the attempt lives, and how far it has come; throttled by the worker, so it may be called often. */
  readonly heartbeat: (details?: unknown) => void;
  readonly #parts: ContextParts;

  /** @internal Made by workers and by `MockActivityEnvironment`. */
  constructor(parts: ContextParts) {
    requireObject('new Context', parts, '{ info, cancelled, cancellationSignal, heartbeat, log }');
    if (typeof parts.cancelled?.then !== 'function')
      throw wrongArgument('new Context: cancelled', 'is a promise', parts.cancelled);
    this.#parts = parts;
    this.info = parts.info;
    this.cancelled = parts.cancelled;
    this.cancellationSignal = parts.cancellationSignal;
    this.log = loggerTo(parts.log);
    this.metricMeter = parts.metricMeter ?? noopMetricMeter;
    this.heartbeat = parts.heartbeat;
    // A rejection that nobody awaits is not a fault of the activity's.
    this.cancelled.catch(() => undefined);
  }

  /** @throws Error outside an activity */
  static current(): Context {
    const context = asyncLocalStorage.getStore();
    if (!context) {
      throw new IllegalStateError(
        'Activity context not initialized: call this from an activity function, while that runs in a worker or in MockActivityEnvironment',
      );
    }
    return context;
  }

  /** Why the attempt was asked to stop; undefined while it was not. */
  get cancellationDetails(): ActivityCancellationDetails | undefined {
    return this.#parts.cancellationDetails?.();
  }

  /** A client of the worker's own connection. @throws Error where there is none */
  get client(): ContextClient {
    const client = this.#parts.client?.();
    if (client === undefined) {
      throw new IllegalStateError(
        'getClient: this activity has no client, since it runs outside a worker; make a Client',
      );
    }
    return client as ContextClient;
  }

  /** Authors' tables in the engine's database. @throws PleachError DATABASE_ELSEWHERE */
  get database(): Database {
    return requirePart(this.#parts.database, 'database')();
  }

  /** Runs the activity's one transaction; `transactional` does. @throws PleachError DATABASE_ELSEWHERE */
  async transact<T>(work: (tx: Database) => Promise<T> | T): Promise<T> {
    requireFunction('transactional', work);
    return requirePart(this.#parts.transact, 'transactional')(work);
  }

  /** Waits; ends at once with the cancellation's failure when the attempt should stop. */
  readonly sleep = async (duration: Duration): Promise<void> => {
    const ms = Math.max(0, msToNumber(duration, 'sleep: its duration'));
    const clock = this.#parts.clock ?? systemClock;
    let wait: Wait | undefined;
    const slept = new Promise<void>((resolve) => {
      wait = clock.after(ms, resolve);
    });
    return Promise.race([slept, this.cancelled]).finally(() => wait?.clear());
  };
}

function requirePart<Part>(part: Part | undefined, name: string): Part {
  if (part !== undefined) return part;
  throw new PleachError(
    'DATABASE_ELSEWHERE',
    `${name}: this activity runs outside a worker and has no database; run it in a worker on sqlite:./file.db`,
    {},
  );
}

const METHODS = { TRACE: 'debug', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const;

function loggerTo(log: Log): Logger {
  return loggerOf((level, message, meta) => log[METHODS[level]](message, meta));
}
