/**
 * activity: what authors of activities import.
 *
 * Nouns: the context of the attempt that is running (`Context.current()`), its `info`, its heartbeat, its cancellation
 * (a promise and an `AbortSignal`), and the error by which an attempt says that it will be completed from elsewhere.
 *
 * And, beyond that SDK: `transactional`, by which an activity's writes to the engine's own database and its result are one.
 *
 * It promises the names and behaviour of the Temporal TypeScript SDK's activity package. A context belongs to one
 * attempt and is found through asynchronous context, so it is there in everything that the attempt calls and awaits.
 *
 * When the world fails: an attempt that should stop sees its signal aborted and its `cancelled` promise rejected with a
 * `CancelledFailure`; one that ignores both is left to end by itself, and its result is refused.
 */
import {
  type ActivityCancellationDetails,
  type Duration,
  type Logger,
  loggerOf,
  type MetricMeter,
} from '../common/index.ts';
import { Context, type ContextClient } from './context.ts';
import type { Info } from './info.ts';

export {
  ActivityCancellationDetails,
  ApplicationFailure,
  ApplicationFailureCategory,
  CancelledFailure,
  CompleteAsyncError,
} from '../common/index.ts';
export type { ActivityFunction, ActivityInterface, ActivityInterfaceFor, UntypedActivities } from '../common/index.ts';
export { asyncLocalStorage, Context, type ContextClient, type ContextParts, type ContextTypes } from './context.ts';
export type { Info } from './info.ts';
export { database, transactional } from './transactional.ts';
export type { Database, DatabaseMigration, DatabaseRow, DatabaseValue } from '../common/index.ts';

/** What is known of the attempt that is running. */
export function activityInfo(): Info {
  return Context.current().info;
}

/** Waits, unless the attempt should stop. */
export function sleep(duration: Duration): Promise<void> {
  return Context.current().sleep(duration);
}

/** Says that the attempt lives, and how far it has come. */
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
export function getClient(): ContextClient {
  return Context.current().client;
}

/** Writes to the worker's log, with the attempt's ids. */
export const log: Logger = loggerOf((level, message, meta) => Context.current().log.log(level, message, meta));

/** Makes the instruments of the attempt that is running. */
export const metricMeter: MetricMeter = {
  createCounter: (...given) => Context.current().metricMeter.createCounter(...given),
  createHistogram: (...given) => Context.current().metricMeter.createHistogram(...given),
  createGauge: (...given) => Context.current().metricMeter.createGauge(...given),
  withTags: (tags) => Context.current().metricMeter.withTags(tags),
};
