import {
  type ActivityCancellationDetails as Details,
  ApplicationFailure,
  AUTHORS_CODE,
  CancelledFailure,
  codeWire,
  composeInterceptors,
  type Database,
  fromWire,
  fromWireList,
  type Headers,
  IllegalStateError,
  isCancellation,
  type LoadedDataConverter,
  type MetricMeter,
  type MetricTags,
  nearestNames,
  noopMetricMeter,
  payloadFromWire,
  type RetryPolicy,
  toWire,
  type WireOutcome,
  type WirePayload,
  type WirePayloadMap,
  type WireRetryPolicy,
} from '../common/index.ts';
import {
  ActivityCancellationDetails,
  asyncLocalStorage,
  CompleteAsyncError,
  Context,
  type Info,
} from '../activity/index.ts';
import type { AttemptCancelReason, AttemptTask } from '../contract/index.ts';
import { type Clock, type ErrorCode, type Log, PleachError } from '../core/index.ts';
import { Heartbeats } from './heartbeats.ts';
import type { ActivityExecuteInput, ActivityInterceptorsFactory } from './interceptors.ts';
import type { Activities } from './options.ts';
import { taggedMeter } from './tagged-meter.ts';
import type { WorkerDatabase } from './worker-database.ts';

/** What an executor is given. */
export interface ExecutorOptions {
  activities: Activities;
  converter: LoadedDataConverter;
  interceptors: readonly ActivityInterceptorsFactory[];
  clock: Clock;
  log: Log;
  /** Where attempts measure to. Default nowhere. */
  meter?: MetricMeter;
  client: () => unknown;
  /** Authors' tables. @throws DATABASE_ELSEWHERE */
  database: () => WorkerDatabase;
  maxHeartbeatThrottleMs: number;
  defaultHeartbeatThrottleMs: number;
  heartbeat(token: string, details: WirePayload[] | undefined): void;
}

/** How an attempt ended here. */
export type AttemptEnd = WireOutcome | { status: 'async' };

/** One attempt, ordinary or local, as the executor takes it. */
export interface Work {
  /** What it is cancelled by. */
  key: string;
  type: string;
  input: WirePayload[];
  headers: WirePayloadMap | undefined;
  heartbeatMs: number | undefined;
  heartbeatDetails: WirePayload[] | undefined;
  retry: WireRetryPolicy | undefined;
  info: Omit<
    Info,
    'headers' | 'heartbeatDetails' | 'retryPolicy' | 'inWorkflow' | 'activityNamespace' | 'workflowNamespace'
  >;
}

/** Share of the heartbeat time-out after which a held heartbeat is sent. */
const THROTTLE_SHARE = 0.8;

/** Runs attempts of activities. */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #running = new Map<string, (reason: AttemptCancelReason) => void>();

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /** Tokens of the ordinary attempts that run. */
  get tokens(): string[] {
    return [...this.#running.keys()].filter((key) => !key.startsWith('local:'));
  }

  get size(): number {
    return this.#running.size;
  }

  /** Asks an attempt to stop. */
  cancel(key: string, reason: AttemptCancelReason): void {
    this.#running.get(key)?.(reason);
  }

  cancelAll(reason: AttemptCancelReason): void {
    for (const cancel of this.#running.values()) cancel(reason);
  }

  /** Has something that is no attempt cancelled by the same key: the wait between attempts of a local activity. */
  hold(key: string, onCancel: (reason: AttemptCancelReason) => void): () => void {
    this.#running.set(key, onCancel);
    return () => this.#running.delete(key);
  }

  /** Runs one ordinary attempt to its end. */
  run(task: AttemptTask): Promise<AttemptEnd> {
    const { options } = task;
    return this.execute({
      key: task.token,
      type: task.type,
      input: task.input,
      headers: task.headers,
      heartbeatMs: options.heartbeatMs,
      heartbeatDetails: task.heartbeatDetails,
      retry: options.retry,
      info: {
        taskToken: new TextEncoder().encode(task.token),
        base64TaskToken: Buffer.from(task.token).toString('base64'),
        activityId: task.activityId,
        activityType: task.type,
        namespace: task.namespace,
        workflowType: task.workflowType,
        workflowExecution: { workflowId: task.workflowId, runId: task.runId },
        taskQueue: task.queue,
        attempt: task.attempt,
        isLocal: false,
        scheduledTimestampMs: task.scheduledAt,
        currentAttemptScheduledTimestampMs: task.currentScheduledAt,
        startToCloseTimeoutMs: options.startToCloseMs,
        scheduleToCloseTimeoutMs: options.scheduleToCloseMs,
        heartbeatTimeoutMs: options.heartbeatMs,
        ...(options.priority === undefined ? {} : { priority: { priorityKey: options.priority } }),
      },
    });
  }

  /** Runs one attempt of either sort. Never rejects: what is thrown is how the attempt ended. */
  async execute(work: Work): Promise<AttemptEnd> {
    const { converter } = this.#options;
    const { payloadConverter, failureConverter, payloadCodecs } = converter;
    const cancellation = this.#cancellable(work.key);
    const beats = this.#heartbeats(work);
    try {
      const value = await this.#call(work, cancellation, beats);
      await beats.stop(false);
      const outcome = { status: 'completed' as const, value: toWire(payloadConverter, value) };
      return await codeWire(outcome, payloadCodecs, 'encode');
    } catch (error) {
      const isAsync = error instanceof CompleteAsyncError;
      await beats.stop(!isAsync || work.heartbeatMs !== undefined);
      if (isAsync) return { status: 'async' };
      const stopped = cancellation.endOf(error);
      if (stopped) return stopped;
      const failure = failureConverter.errorToFailure(error, payloadConverter);
      return await codeWire({ status: 'failed' as const, failure }, payloadCodecs, 'encode').catch(
        (codecError: unknown): AttemptEnd => ({
          status: 'failed',
          failure: failureConverter.errorToFailure(codecError, payloadConverter),
        }),
      );
    } finally {
      this.#running.delete(work.key);
    }
  }

  async #call(work: Work, cancellation: Cancellation, beats: Heartbeats): Promise<unknown> {
    const { activities, converter, interceptors, log } = this.#options;
    const { payloadConverter, payloadCodecs } = converter;
    const activity = activities[work.type] ?? activities['default'];
    if (!activity) throw notRegistered(work.type, activities);
    const { input, details } = await codeWire(
      { input: work.input, details: work.heartbeatDetails ?? [] },
      payloadCodecs,
      'decode',
    );
    const headers: Headers = {};
    for (const [key, wire] of Object.entries(work.headers ?? {})) headers[key] = payloadFromWire(wire);
    const { namespace, workflowExecution } = work.info;
    const info: Info = {
      ...work.info,
      activityNamespace: namespace,
      workflowNamespace: namespace,
      inWorkflow: true,
      headers,
      heartbeatDetails: fromWire<unknown>(payloadConverter, details[0]),
      ...(work.retry ? { retryPolicy: retryPolicyOf(work.retry) } : {}),
    };
    const attributes = {
      activityId: info.activityId,
      activityType: info.activityType,
      attempt: info.attempt,
      isLocal: info.isLocal,
      ...workflowExecution,
      workflowType: info.workflowType,
      namespace,
      taskQueue: info.taskQueue,
    };
    const { meter = noopMetricMeter } = this.#options;
    const tags = { namespace, taskQueue: info.taskQueue, activityType: info.activityType };
    let metricTags = (): MetricTags => tags;
    let logAttributes = (): Record<string, unknown> => attributes;
    const context = new Context({
      info,
      cancelled: cancellation.cancelled,
      cancellationSignal: cancellation.signal,
      heartbeat: (given) => beats.beat(given),
      log: withFields(log, () => logAttributes()),
      clock: this.#options.clock,
      client: this.#options.client,
      database: this.#options.database,
      transact: (tx) => this.#transact(work, tx),
      cancellationDetails: () => cancellation.details,
      metricMeter: taggedMeter(meter, () => metricTags()),
    });
    return asyncLocalStorage.run(context, async () => {
      const made = interceptors.map((factory) => factory(context));
      const outbound = made.flatMap((one) => one.outbound ?? []);
      const inbound = made.flatMap((one) => one.inbound ?? []);
      if (outbound.length > 0) {
        const attributesOf = composeInterceptors(
          outbound,
          'getLogAttributes',
          (given: Record<string, unknown>) => given,
        );
        logAttributes = () => attributesOf(attributes);
        const tagsOf = composeInterceptors(outbound, 'getMetricTags', (given: MetricTags) => given);
        metricTags = () => tagsOf(tags);
      }
      // Named, and awaited inside: stacks are cut at this name, which hides what is pleach's own from authors.
      const call = {
        [AUTHORS_CODE]: async ({ args }: ActivityExecuteInput): Promise<unknown> => await activity(...args),
      }[AUTHORS_CODE]!;
      const execute = composeInterceptors(inbound, 'execute', call);
      return execute({ args: fromWireList(payloadConverter, input), headers });
    });
  }

  /** The activity's one transaction: what its function gives is recorded with its writes, or what was recorded is given. */
  async #transact<T>(work: Work, run: (tx: Database) => Promise<T> | T): Promise<T> {
    const { info, key: token } = work;
    if (info.isLocal)
      throw new IllegalStateError(
        'transactional: a local activity has no result that is its own; call it through proxyActivities',
      );
    const { payloadConverter, payloadCodecs } = this.#options.converter;
    const key = { runId: info.workflowExecution.runId, activityId: info.activityId };
    const end = await this.#options.database().transact({ token, key }, async (tx) => {
      const value = await run(tx);
      const outcome: WireOutcome = { status: 'completed', value: toWire(payloadConverter, value) };
      return { value, outcome: JSON.stringify(await codeWire(outcome, payloadCodecs, 'encode')) };
    });
    if (end.status === 'committed') return end.value;
    if (end.status === 'decided') {
      const outcome = await codeWire(JSON.parse(end.outcome) as WireOutcome, payloadCodecs, 'decode');
      if (outcome.status === 'completed') return fromWire<T>(payloadConverter, outcome.value) as T;
    }
    throw new PleachError(
      'TRANSACTION_DECIDED',
      `the transaction of activity "${key.activityId}" was not begun: ${end.status === 'closed' ? 'its run is closed' : 'the activity was given up before'}`,
      { ...key },
    );
  }

  #cancellable(key: string): Cancellation {
    const cancellation = new Cancellation();
    this.#running.set(key, (reason) => cancellation.request(reason));
    return cancellation;
  }

  #heartbeats(work: Work): Heartbeats {
    const { clock, converter, maxHeartbeatThrottleMs, defaultHeartbeatThrottleMs } = this.#options;
    const { heartbeatMs, info } = work;
    const everyMs = heartbeatMs === undefined ? defaultHeartbeatThrottleMs : heartbeatMs * THROTTLE_SHARE;
    return new Heartbeats(clock, Math.min(maxHeartbeatThrottleMs, everyMs), converter, (details) => {
      // A local activity lives inside its workflow task: nobody asks for its signs of life.
      if (!info.isLocal) this.#options.heartbeat(work.key, details);
    });
  }
}

/** How an attempt is asked to stop, and what its end then is. */
class Cancellation {
  readonly #controller = new AbortController();
  readonly #cancelled = Promise.withResolvers<never>();
  #reason: AttemptCancelReason | undefined;

  constructor() {
    this.#cancelled.promise.catch(() => undefined);
  }

  get cancelled(): Promise<never> {
    return this.#cancelled.promise;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get details(): Details | undefined {
    return this.#reason === undefined ? undefined : detailsOf(this.#reason);
  }

  request(reason: AttemptCancelReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    const failure = new CancelledFailure(reason);
    this.#cancelled.reject(failure);
    this.#controller.abort(failure);
  }

  /** The end of an attempt that stopped because it was asked to; undefined for any other error. */
  endOf(error: unknown): WireOutcome | undefined {
    if (this.#reason === undefined) return undefined;
    if (!isCancellation(error) && !(error instanceof Error && error.name === 'AbortError')) return undefined;
    if (this.#reason === 'CANCELLED')
      return { status: 'cancelled', failure: { kind: 'cancelled', message: 'Activity cancelled' } };
    if (this.#reason === 'PAUSED')
      return { status: 'failed', failure: { kind: 'application', type: 'ActivityPause', message: 'Activity paused' } };
    if (this.#reason === 'WORKER_SHUTDOWN') {
      const message = 'the worker shut down; the attempt is made again elsewhere';
      return { status: 'failed', failure: { kind: 'application', type: 'WorkerShutdown', message } };
    }
    return undefined;
  }
}

function notRegistered(type: string, activities: Activities): ApplicationFailure {
  const names = Object.keys(activities);
  const near = nearestNames(type, names);
  const failure = ApplicationFailure.create({
    type: 'NotFoundError',
    message: `Activity function ${type} is not registered on this Worker, available activities: ${JSON.stringify(names)}${near.length > 0 ? `; near to it: ${near.join(', ')}` : ''}. Register it, or mend the name`,
  });
  return Object.assign(failure, { code: 'ACTIVITY_NOT_REGISTERED' satisfies ErrorCode });
}

function detailsOf(reason: AttemptCancelReason): Details {
  return new ActivityCancellationDetails({
    notFound: reason === 'NOT_FOUND' || reason === 'WORKFLOW_CLOSED',
    cancelRequested: reason === 'CANCELLED',
    paused: reason === 'PAUSED',
    timedOut: reason === 'TIMED_OUT',
    workerShutdown: reason === 'WORKER_SHUTDOWN',
    reset: reason === 'RESET',
  });
}

function retryPolicyOf(wire: WireRetryPolicy): RetryPolicy {
  const { initialIntervalMs, maximumIntervalMs, delaysMs, ...rest } = wire;
  return {
    ...rest,
    ...(initialIntervalMs === undefined ? {} : { initialInterval: initialIntervalMs }),
    ...(maximumIntervalMs === undefined ? {} : { maximumInterval: maximumIntervalMs }),
    ...(delaysMs === undefined ? {} : { delays: delaysMs }),
  };
}

function withFields(log: Log, own: () => Record<string, unknown>): Log {
  return {
    debug: (message, fields) => log.debug(message, { ...own(), ...fields }),
    info: (message, fields) => log.info(message, { ...own(), ...fields }),
    warn: (message, fields) => log.warn(message, { ...own(), ...fields }),
    error: (message, fields) => log.error(message, { ...own(), ...fields }),
  };
}
