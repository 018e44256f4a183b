import {
  ApplicationFailure,
  CancelledFailure,
  codeWire,
  decideRetry,
  fromWire,
  fromWireList,
  isCancellation,
  type LoadedDataConverter,
  nearestNames,
  payloadFromWire,
  toWire,
  type WireActivityOptions,
  type WireFailure,
  type WireOutcome,
  type WirePayload,
  type WirePayloadMap,
  type WireRetryState,
} from '../common/index.ts';
import {
  type ActivityCancellationDetails,
  asyncLocalStorage,
  CompleteAsyncError,
  Context,
  type Info,
} from '../activity/index.ts';
import type { AttemptCancelReason, AttemptTask } from '../contract/index.ts';
import type { Clock, Log, Wait } from '../core/index.ts';
import type { LocalActivityCall } from './sandbox/index.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- activities are the author's
type Activities = Record<string, (...args: any[]) => unknown>;

/** Interceptors of activities. */
export interface ActivityInterceptors {
  inbound?: {
    execute?(
      input: { args: unknown[]; headers: Info['headers'] },
      next: (input: { args: unknown[]; headers: Info['headers'] }) => Promise<unknown>,
    ): Promise<unknown>;
  };
  outbound?: {
    getLogAttributes?(
      input: Record<string, unknown>,
      next: (input: Record<string, unknown>) => Record<string, unknown>,
    ): Record<string, unknown>;
  };
}

/** Makes the interceptors of an attempt. */
export type ActivityInterceptorsFactory = (context: Context) => ActivityInterceptors;

/** What an executor is given. */
export interface ExecutorOptions {
  activities: Activities;
  converter: LoadedDataConverter;
  interceptors: readonly ActivityInterceptorsFactory[];
  clock: Clock;
  log: Log;
  client: () => unknown;
  maxHeartbeatThrottleMs: number;
  defaultHeartbeatThrottleMs: number;
  heartbeat(token: string, details: WirePayload[] | undefined): void;
}

/** How an attempt ended here. */
export type AttemptEnd = WireOutcome | { status: 'async' };

interface Running {
  cancel(reason: AttemptCancelReason): void;
}

interface Work {
  token: string;
  type: string;
  input: WirePayload[];
  headers: WirePayloadMap | undefined;
  info: Omit<Info, 'headers' | 'heartbeatDetails'> & { heartbeatDetailsWire: WirePayload[] | undefined };
  heartbeatMs: number | undefined;
}

/** Runs attempts of activities, ordinary and local. */
export class Executor {
  readonly #options: ExecutorOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: ExecutorOptions) {
    this.#options = options;
  }

  /** Tokens of the attempts that run. */
  get tokens(): string[] {
    return [...this.#running.keys()].filter((token) => !token.startsWith('local:'));
  }

  get size(): number {
    return this.#running.size;
  }

  /** Asks an attempt to stop. */
  cancel(token: string, reason: AttemptCancelReason): void {
    this.#running.get(token)?.cancel(reason);
  }

  cancelAll(reason: AttemptCancelReason): void {
    for (const running of this.#running.values()) running.cancel(reason);
  }

  /** Runs one attempt to its end. */
  async run(task: AttemptTask): Promise<AttemptEnd> {
    return this.#execute({
      token: task.token,
      type: task.type,
      input: task.input,
      headers: task.headers,
      heartbeatMs: task.options.heartbeatMs,
      info: {
        taskToken: new TextEncoder().encode(task.token),
        base64TaskToken: Buffer.from(task.token).toString('base64'),
        activityId: task.activityId,
        activityType: task.type,
        activityNamespace: task.namespace,
        workflowNamespace: task.namespace,
        workflowType: task.workflowType,
        workflowExecution: { workflowId: task.workflowId, runId: task.runId },
        taskQueue: task.queue,
        attempt: task.attempt,
        isLocal: false,
        scheduledTimestampMs: task.scheduledAt,
        currentAttemptScheduledTimestampMs: task.currentScheduledAt,
        startToCloseTimeoutMs: task.options.startToCloseMs,
        scheduleToCloseTimeoutMs: task.options.scheduleToCloseMs,
        heartbeatTimeoutMs: task.options.heartbeatMs,
        heartbeatDetailsWire: task.heartbeatDetails,
      },
    });
  }

  /** Runs a local activity to its end: its attempts and the waits between them happen here. */
  async runLocal(call: LocalActivityCall, taskQueue: string): Promise<WireOutcome> {
    const { clock } = this.#options;
    const { command, runId } = call;
    const { options } = command;
    const key = localKey(runId, command.seq);
    const scheduledAt = clock.now();
    const endsAt = options.scheduleToCloseMs === undefined ? Infinity : clock.monotonicMs() + options.scheduleToCloseMs;
    let isCancelled = false;
    let wake: () => void = () => undefined;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attemptLocal(
        key,
        call,
        taskQueue,
        attempt,
        scheduledAt,
        Math.min(options.startToCloseMs ?? Infinity, endsAt - clock.monotonicMs()),
      );
      if (outcome.status === 'completed') return outcome;
      if (outcome.status === 'cancelled')
        return { status: 'cancelled', failure: wrapLocal(command, outcome.failure, 'CANCEL_REQUESTED') };
      const decision = decideRetry(options.retry ?? {}, attempt, outcome.failure, 0.5);
      if ('stop' in decision) return { status: 'failed', failure: wrapLocal(command, outcome.failure, decision.stop) };
      if (clock.monotonicMs() + decision.retryAfterMs >= endsAt)
        return { status: 'failed', failure: wrapLocal(command, outcome.failure, 'TIMEOUT') };
      this.#running.set(key, {
        cancel: () => {
          isCancelled = true;
          wake();
        },
      });
      await new Promise<void>((resolve) => {
        wake = resolve;
        clock.after(decision.retryAfterMs, resolve);
      });
      this.#running.delete(key);
      if (isCancelled) {
        return {
          status: 'cancelled',
          failure: wrapLocal(command, { kind: 'cancelled', message: 'Activity cancelled' }, 'CANCEL_REQUESTED'),
        };
      }
    }
  }

  async #attemptLocal(
    key: string,
    call: LocalActivityCall,
    taskQueue: string,
    attempt: number,
    scheduledAt: number,
    timeoutMs: number,
  ): Promise<WireOutcome> {
    const { command, runId, workflowId, namespace, workflowType } = call;
    const { clock } = this.#options;
    let wait: Wait | undefined;
    const timedOut = new Promise<WireOutcome>((resolve) => {
      if (timeoutMs === Infinity) return;
      wait = clock.after(Math.max(0, timeoutMs), () => {
        this.cancel(key, 'TIMED_OUT');
        resolve({
          status: 'failed',
          failure: {
            kind: 'timeout',
            timeoutType: 'START_TO_CLOSE',
            message: 'local activity start-to-close time-out',
          },
        });
      });
    });
    const ran = this.#execute({
      token: key,
      type: command.type,
      input: command.input,
      headers: command.headers,
      heartbeatMs: undefined,
      info: {
        taskToken: new Uint8Array(0),
        base64TaskToken: '',
        activityId: command.activityId,
        activityType: command.type,
        activityNamespace: namespace,
        workflowNamespace: namespace,
        workflowType,
        workflowExecution: { workflowId, runId },
        taskQueue,
        attempt,
        isLocal: true,
        scheduledTimestampMs: scheduledAt,
        currentAttemptScheduledTimestampMs: clock.now(),
        startToCloseTimeoutMs: command.options.startToCloseMs,
        scheduleToCloseTimeoutMs: command.options.scheduleToCloseMs,
        heartbeatTimeoutMs: undefined,
        heartbeatDetailsWire: undefined,
      },
    }).then((end): WireOutcome =>
      end.status === 'async'
        ? {
            status: 'failed',
            failure: {
              kind: 'application',
              nonRetryable: true,
              type: 'CompleteAsyncError',
              message: 'a local activity cannot be completed from elsewhere',
            },
          }
        : end,
    );
    const outcome = await Promise.race([ran, timedOut]);
    wait?.clear();
    return outcome;
  }

  async #execute(work: Work): Promise<AttemptEnd> {
    const { activities, converter, interceptors, log } = this.#options;
    const { payloadConverter, payloadCodecs } = converter;
    const { token } = work;
    const controller = new AbortController();
    let reject: (error: CancelledFailure) => void = () => undefined;
    let why: AttemptCancelReason | undefined;
    const cancelled = new Promise<never>((_, no) => (reject = no));
    cancelled.catch(() => undefined);
    this.#running.set(token, {
      cancel(reason) {
        if (why !== undefined) return;
        why = reason;
        const failure = new CancelledFailure(reason);
        reject(failure);
        controller.abort(failure);
      },
    });
    const beats = this.#heartbeats(work);
    try {
      const activity = Object.hasOwn(activities, work.type) ? activities[work.type] : activities['default'];
      if (typeof activity !== 'function') throw notRegistered(work.type, activities);
      const { input, details } = await codeWire(
        { input: work.input, details: work.info.heartbeatDetailsWire ?? [] },
        payloadCodecs,
        'decode',
      );
      const { heartbeatDetailsWire: _wire, ...plain } = work.info;
      const headers = Object.fromEntries(
        Object.entries(work.headers ?? {}).map(([key, value]) => [key, payloadFromWire(value)]),
      );
      const info: Info = { ...plain, headers, heartbeatDetails: fromWire<unknown>(payloadConverter, details[0]) };
      const context = new Context({
        info,
        cancelled,
        cancellationSignal: controller.signal,
        heartbeat: (given) => beats.beat(given),
        log: withFields(log, {
          activityId: info.activityId,
          activityType: info.activityType,
          attempt: info.attempt,
          ...info.workflowExecution,
        }),
        clock: this.#options.clock,
        client: this.#options.client,
        cancellationDetails: () => (why === undefined ? undefined : detailsOf(why)),
      });
      const value = await asyncLocalStorage.run(context, async () => {
        let execute = async (given: { args: unknown[]; headers: Info['headers'] }): Promise<unknown> =>
          Object.hasOwn(activities, work.type) ? activity(...given.args) : activity(...given.args);
        for (const factory of [...interceptors].reverse()) {
          const inbound = factory(context).inbound;
          if (!inbound?.execute) continue;
          const next = execute;
          execute = (given) => inbound.execute!(given, next);
        }
        return execute({ args: fromWireList(payloadConverter, input), headers });
      });
      return await codeWire(
        { status: 'completed' as const, value: toWire(payloadConverter, value) },
        payloadCodecs,
        'encode',
      );
    } catch (error) {
      if (error instanceof CompleteAsyncError) return { status: 'async' };
      const isOwnCancel =
        why !== undefined && (isCancellation(error) || (error instanceof Error && error.name === 'AbortError'));
      if (isOwnCancel && why === 'CANCELLED') {
        return { status: 'cancelled', failure: { kind: 'cancelled', message: 'Activity cancelled' } };
      }
      if (isOwnCancel && why === 'WORKER_SHUTDOWN') {
        return {
          status: 'failed',
          failure: {
            kind: 'application',
            type: 'WorkerShutdown',
            message: 'the worker shut down; the attempt is made again elsewhere',
          },
        };
      }
      const failure: WireFailure = converter.failureConverter.errorToFailure(error, payloadConverter);
      return await codeWire({ status: 'failed' as const, failure }, payloadCodecs, 'encode');
    } finally {
      beats.stop();
      this.#running.delete(token);
    }
  }

  /** Sends the first heartbeat at once, and then at most one in each throttle interval: the last of them. */
  #heartbeats(work: Work): { beat(details?: unknown): void; stop(): void } {
    const { clock, converter } = this.#options;
    if (work.info.isLocal) return { beat: () => undefined, stop: () => undefined };
    const everyMs = Math.min(
      this.#options.maxHeartbeatThrottleMs,
      work.heartbeatMs === undefined ? this.#options.defaultHeartbeatThrottleMs : work.heartbeatMs * 0.8,
    );
    let wait: Wait | undefined;
    let held: { details: unknown } | undefined;
    let stopped = false;
    const send = (details: unknown): void => {
      const wire = details === undefined ? undefined : [toWire(converter.payloadConverter, details)];
      wait = clock.after(everyMs, () => {
        wait = undefined;
        const next = held;
        held = undefined;
        if (next && !stopped) send(next.details);
      });
      void codeWire({ details: wire }, converter.payloadCodecs, 'encode').then((coded) => {
        if (!stopped) this.#options.heartbeat(work.token, coded.details);
      });
    };
    return {
      beat: (details) => {
        if (stopped) return;
        if (wait) held = { details };
        else send(details);
      },
      stop: () => {
        stopped = true;
        wait?.clear();
      },
    };
  }
}

/** The key under which a local activity runs. */
export function localKey(runId: string, seq: number): string {
  return `local:${runId}/${seq}`;
}

function wrapLocal(
  command: { type: string; activityId: string; options: WireActivityOptions },
  cause: WireFailure,
  retryState: WireRetryState,
): WireFailure {
  return {
    kind: 'activity',
    message: 'Activity task failed',
    activityType: command.type,
    activityId: command.activityId,
    retryState,
    cause,
  };
}

function notRegistered(type: string, activities: Activities): ApplicationFailure {
  const names = Object.keys(activities);
  const near = nearestNames(type, names);
  return ApplicationFailure.create({
    type: 'NotFoundError',
    message: `Activity function ${type} is not registered on this Worker, available activities: ${JSON.stringify(names)}${near.length > 0 ? `; near to it: ${near.join(', ')}` : ''}`,
  });
}

function detailsOf(reason: AttemptCancelReason): ActivityCancellationDetails {
  return {
    notFound: reason === 'NOT_FOUND' || reason === 'WORKFLOW_CLOSED',
    cancelRequested: reason === 'CANCELLED',
    paused: reason === 'PAUSED',
    timedOut: reason === 'TIMED_OUT',
    workerShutdown: reason === 'WORKER_SHUTDOWN',
    reset: reason === 'RESET',
  };
}

function withFields(log: Log, own: Record<string, unknown>): Log {
  return {
    debug: (message, fields) => log.debug(message, { ...own, ...fields }),
    info: (message, fields) => log.info(message, { ...own, ...fields }),
    warn: (message, fields) => log.warn(message, { ...own, ...fields }),
    error: (message, fields) => log.error(message, { ...own, ...fields }),
  };
}
