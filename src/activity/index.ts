/**
 * activity: what authors of activities import.
 *
 * Nouns: the context of the attempt that is running (`Context.current()`), its `info`, its heartbeat, its cancellation
 * (a promise and an `AbortSignal`), and the error by which an attempt says that it will be completed from elsewhere.
 *
 * It promises the names and behaviour of the Temporal TypeScript SDK's activity package. A context belongs to one
 * attempt and is found through asynchronous context, so it is there in everything that the attempt calls and awaits.
 *
 * When the world fails: an attempt that should stop sees its signal aborted and its `cancelled` promise rejected with a
 * `CancelledFailure`; one that ignores both is left to end by itself, and its result is refused.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { CancelledFailure, Duration, Headers, Priority } from '../common/index.ts';
import { msToNumber } from '../common/index.ts';
import { type Clock, type Log, systemClock } from '../core/index.ts';

export { ApplicationFailure, ApplicationFailureCategory, CancelledFailure } from '../common/index.ts';
export type { ActivityFunction, ActivityInterfaceFor, UntypedActivities } from '../common/index.ts';

/** What is known of an attempt. Instants in milliseconds since 1970. */
export interface Info {
  readonly taskToken: Uint8Array;
  readonly base64TaskToken: string;
  readonly activityId: string;
  readonly activityType: string;
  readonly activityNamespace: string;
  readonly workflowNamespace: string;
  readonly workflowType: string;
  readonly workflowExecution: { readonly workflowId: string; readonly runId: string };
  readonly taskQueue: string;
  /** From 1. */
  readonly attempt: number;
  readonly isLocal: boolean;
  readonly scheduledTimestampMs: number;
  readonly currentAttemptScheduledTimestampMs: number;
  readonly startToCloseTimeoutMs: number | undefined;
  readonly scheduleToCloseTimeoutMs: number | undefined;
  readonly heartbeatTimeoutMs: number | undefined;
  /** What the last attempt said with its last heartbeat. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the field's own type
  readonly heartbeatDetails: any;
  readonly headers: Headers;
  readonly priority?: Priority;
}

/** Why an attempt was asked to stop. */
export interface ActivityCancellationDetails {
  readonly notFound: boolean;
  readonly cancelRequested: boolean;
  readonly paused: boolean;
  readonly timedOut: boolean;
  readonly workerShutdown: boolean;
  readonly reset: boolean;
}

/** Thrown by an attempt that will be completed from elsewhere, by its task token or its id. */
export class CompleteAsyncError extends Error {
  override readonly name = 'CompleteAsyncError';
}

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
  readonly log: Log;
  /** Says that the attempt lives, and how far it has come; throttled by the worker, so it may be called often. */
  readonly heartbeat: (details?: unknown) => void;
  readonly #parts: ContextParts;

  constructor(parts: ContextParts) {
    this.#parts = parts;
    this.info = parts.info;
    this.cancelled = parts.cancelled;
    this.cancellationSignal = parts.cancellationSignal;
    this.log = parts.log;
    this.heartbeat = parts.heartbeat;
    // A rejection that nobody awaits is not a fault of the activity's.
    this.cancelled.catch(() => undefined);
  }

  /** @throws Error outside an activity */
  static current(): Context {
    const context = asyncLocalStorage.getStore();
    if (!context)
      throw new Error('Activity context not initialized: this is called from inside an activity function only');
    return context;
  }

  /** Why the attempt was asked to stop; undefined while it was not. */
  get cancellationDetails(): ActivityCancellationDetails | undefined {
    return this.#parts.cancellationDetails?.();
  }

  /** A client of the worker's own connection. */
  get client(): unknown {
    return this.#parts.client?.();
  }

  /** Waits; ends at once with the cancellation's failure when the attempt should stop. */
  readonly sleep = (duration: Duration): Promise<void> => {
    const clock = this.#parts.clock ?? systemClock;
    let wait: { clear(): void } | undefined;
    const slept = new Promise<void>((resolve) => {
      wait = clock.after(msToNumber(duration), resolve);
    });
    return Promise.race([slept, this.cancelled]).finally(() => wait?.clear());
  };
}

/** What is known of the attempt that is running. */
export function activityInfo(): Info {
  return Context.current().info;
}

/** Waits, unless the attempt should stop. */
export function sleep(duration: Duration): Promise<void> {
  return Context.current().sleep(duration);
}

/** Says that the attempt lives. */
export function heartbeat(details?: unknown): void {
  Context.current().heartbeat(details);
}

/** Rejected when the attempt should stop. */
export function cancelled(): Promise<never> {
  return Context.current().cancelled;
}

/** Aborted when the attempt should stop. */
export function cancellationSignal(): AbortSignal {
  return Context.current().cancellationSignal;
}

/** Why the attempt was asked to stop. */
export function cancellationDetails(): ActivityCancellationDetails | undefined {
  return Context.current().cancellationDetails;
}

/** A client of the worker's own connection. */
export function getClient(): unknown {
  return Context.current().client;
}

/** Writes to the worker's log, with the attempt's ids. */
export const log: Log = {
  debug: (message, fields) => Context.current().log.debug(message, fields),
  info: (message, fields) => Context.current().log.info(message, fields),
  warn: (message, fields) => Context.current().log.warn(message, fields),
  error: (message, fields) => Context.current().log.error(message, fields),
};

/** What a rejected `cancelled` carries. */
export type CancellationFailure = CancelledFailure;
