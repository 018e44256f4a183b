import {
  codeWire,
  IllegalStateError,
  type LoadedDataConverter,
  loadDataConverter,
  msOptionalToNumber,
  msToNumber,
  type WireOutcome,
  wrongArgument,
} from '../common/index.ts';
import type { Context } from '../activity/index.ts';
import type { AttemptTask, FromKernel, ToKernel, WorkerRegistration } from '../contract/index.ts';
import { type Clock, loadModule, type Log, messageOf, systemClock } from '../core/index.ts';
import { NativeConnection, workerIdentity } from './connection.ts';
import { Executor } from './executor.ts';
import { LocalActivities, localKey } from './local-activities.ts';
import { GracefulShutdownPeriodExpiredError } from './errors.ts';
import { type Activities, activitiesOf, checkOptions, type WorkerOptions } from './options.ts';
import {
  replayHistories,
  replayHistory,
  type ReplayHistoriesIterable,
  type ReplayResult,
  type ReplayWorkerOptions,
} from './replay.ts';
import { Runtime } from './runtime.ts';
import {
  InlineSandbox,
  type SandboxOptions,
  startSandboxThread,
  ThreadedSandbox,
  type WorkflowBundle,
  type WorkflowSandbox,
} from './sandbox/index.ts';
import { withSinks } from './sinks.ts';
import { bundleOf } from './workflow-bundle.ts';

/** Where a worker stands. */
export type State = 'INITIALIZED' | 'RUNNING' | 'STOPPING' | 'DRAINING' | 'DRAINED' | 'STOPPED' | 'FAILED';

/** How much a worker has in hand. */
export interface WorkerStatus {
  runState: State;
  numInFlightActivities: number;
  numInFlightWorkflowActivations: number;
}

/** Makes the client that activities are given; set by the entry, since clients and workers do not know each other. */
let makeClient: ((options: WorkerOptions & { connection: NativeConnection }) => unknown) | undefined;

/** Says how the client of activities is made. */
export function setClientMaker(maker: NonNullable<typeof makeClient>): void {
  makeClient = maker;
}

let workers = 0;

function threadsOf({ workflowThreadPoolSize = 1 }: WorkerOptions): number {
  return Math.max(1, workflowThreadPoolSize);
}

/** Runs workflows and activities of one task queue. */
export class Worker {
  readonly options: Readonly<WorkerOptions>;
  readonly #connection: NativeConnection;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #converter: LoadedDataConverter;
  readonly #executor: Executor;
  readonly #sandbox: WorkflowSandbox | undefined;
  readonly #bundle: WorkflowBundle | undefined;
  readonly #workerId: string;
  readonly #ownsConnection: boolean;
  readonly #activities: Activities;
  #state: State = 'INITIALIZED';
  #send: ((message: ToKernel) => void) | undefined;
  /** Ends of attempts that the engine has not been told, for want of a link. */
  readonly #untold = new Map<string, ToKernel>();
  #unlisten: (() => void) | undefined;
  #unwatch: (() => void) | undefined;
  readonly #stopped = Promise.withResolvers<void>();
  #activations = 0;
  readonly #quiet: (() => void)[] = [];

  private constructor(
    options: WorkerOptions,
    connection: NativeConnection,
    converter: LoadedDataConverter,
    bundle: WorkflowBundle | undefined,
    ownsConnection: boolean,
    ahead: SandboxOptions['ahead'] = [],
  ) {
    this.options = options;
    this.#connection = connection;
    this.#converter = converter;
    this.#bundle = bundle;
    this.#ownsConnection = ownsConnection;
    const local = connection.caller.address.clock;
    this.#clock = local ?? systemClock;
    this.#log = Runtime.instance().log;
    this.#workerId = `${options.identity ?? workerIdentity()}/${connection.caller.newRequestId()}/${++workers}`;
    this.#activities = activitiesOf(options.activities);
    let client: unknown;
    this.#executor = new Executor({
      activities: this.#activities,
      converter,
      interceptors: [
        ...(options.interceptors?.activityInbound ?? []).map((make) => (context: Context) => ({
          inbound: make(context),
        })),
        ...(options.interceptors?.activity ?? []),
      ],
      clock: this.#clock,
      log: this.#log,
      meter: Runtime.instance().metricMeter,
      client: () => (client ??= makeClient?.({ ...options, connection })),
      maxHeartbeatThrottleMs: msToNumber(options.maxHeartbeatThrottleInterval ?? '60s'),
      defaultHeartbeatThrottleMs: msToNumber(options.defaultHeartbeatThrottleInterval ?? '30s'),
      heartbeat: (token, details) =>
        this.#send?.({ kind: 'heartbeat', workerId: this.#workerId, token, ...(details ? { details } : {}) }),
    });
    if (bundle) {
      const locals = new LocalActivities(
        this.#executor,
        this.#clock,
        options.taskQueue,
        options.maxConcurrentLocalActivityExecutions ?? 100,
      );
      const spinMs = msOptionalToNumber(options.workflowSpinTimeout);
      const sandbox: SandboxOptions = {
        bundle,
        log: withSinks(this.#log, options.sinks, Runtime.instance().metricMeter),
        clock: this.#clock,
        maxCachedRuns: options.maxCachedWorkflows ?? 1000,
        threads: threadsOf(options),
        failureErrorTypes: options.workflowFailureErrorTypes ?? [],
        runLocalActivity: (call) => locals.run(call),
        cancelLocalActivity: (runId, seq) => this.#executor.cancel(localKey(runId, seq), 'CANCELLED'),
        localResolved: (runId, seq, attempt, outcome) =>
          this.#send?.({ kind: 'local-resolved', workerId: this.#workerId, runId, seq, attempt, outcome }),
        ahead,
        ...(spinMs === undefined ? {} : { spinMs }),
        ...(options.workflowHeapMb === undefined ? {} : { heapMb: options.workflowHeapMb }),
      };
      this.#sandbox = connection.caller.address.isInThread ? new InlineSandbox(sandbox) : new ThreadedSandbox(sandbox);
    }
  }

  /**
   * Makes a worker: bundles its workflows and registers nothing yet; `run` does.
   * @throws PleachError INVALID_ARGUMENT · BUNDLE_FAILED · ADDRESS_UNSUPPORTED
   */
  static async create(options: WorkerOptions): Promise<Worker> {
    checkOptions(options);
    const converter = loadDataConverter(options.dataConverter, loadModule);
    // The threads start while the code is bundled: each takes as long as the other.
    const hasWorkflows = options.workflowsPath !== undefined || options.workflowBundle !== undefined;
    const isApart = options.connection !== undefined && !options.connection.caller.address.isInThread;
    const threads = hasWorkflows && isApart ? threadsOf(options) : 0;
    const ahead = Array.from({ length: threads }, () => startSandboxThread(options.workflowHeapMb));
    try {
      const bundle = await bundleOf(options);
      const connection = options.connection ?? (await NativeConnection.connect());
      return new Worker(options, connection, converter, bundle, options.connection === undefined, ahead);
    } catch (error) {
      await Promise.all(ahead.map((thread) => thread.terminate()));
      throw error;
    }
  }

  getState(): State {
    return this.#state;
  }

  getStatus(): WorkerStatus {
    return {
      runState: this.#state,
      numInFlightActivities: this.#executor.size,
      numInFlightWorkflowActivations: this.#activations,
    };
  }

  /** Runs until `shutdown`. @throws Error when it ran before */
  async run(): Promise<void> {
    if (this.#state !== 'INITIALIZED')
      throw new IllegalStateError(`a worker runs once; this one is ${this.#state}: make another`);
    this.#state = 'RUNNING';
    this.#unwatch = Runtime.instance().watch(() => {
      if (this.#state === 'RUNNING') this.shutdown();
    });
    this.#unlisten = this.#connection.caller.listen({
      opened: (send) => this.#opened(send),
      message: (message) => this.#receive(message),
      closed: () => {
        this.#send = undefined;
      },
    });
    await this.#stopped.promise;
  }

  /** Runs while a promise, or a function's promise, is pending; then shuts down and gives its value. */
  async runUntil<R>(work: Promise<R> | (() => Promise<R>)): Promise<R> {
    if (typeof work !== 'function' && typeof (work as Promise<R> | undefined)?.then !== 'function')
      throw wrongArgument('runUntil', 'takes a promise, or a function that gives one', work);
    const running = this.run();
    try {
      return await (typeof work === 'function' ? work() : work);
    } finally {
      if (this.#state === 'RUNNING') this.shutdown();
      await running;
    }
  }

  /** Takes nothing new; ends when what runs has ended, or has been asked to after the grace time. */
  shutdown(): void {
    if (this.#state !== 'RUNNING')
      throw new IllegalStateError(`Not running. Current state: ${this.#state}; only a running worker is shut down`);
    this.#state = 'STOPPING';
    this.#send?.({ kind: 'drain', workerId: this.#workerId });
    void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#state = 'DRAINING';
    const forceMs = msOptionalToNumber(this.options.shutdownForceTime);
    const force =
      forceMs === undefined
        ? undefined
        : this.#clock.after(
            forceMs,
            () =>
              void this.#end(
                new GracefulShutdownPeriodExpiredError(
                  `the worker still had ${this.#executor.size} activities and ${this.#activations} workflow tasks in hand after ${forceMs} ms`,
                ),
              ),
          );
    const graceMs = msToNumber(this.options.shutdownGraceTime ?? 0);
    if (this.#busy && graceMs > 0) {
      await Promise.race([this.#untilQuiet(), new Promise<void>((resolve) => this.#clock.after(graceMs, resolve))]);
    }
    if (this.#executor.size > 0) this.#executor.cancelAll('WORKER_SHUTDOWN');
    await this.#untilQuiet();
    await this.#sandbox?.quiet?.();
    force?.clear();
    await this.#end(undefined);
  }

  /** Lets go of everything; with an error, although something still runs. */
  async #end(error: Error | undefined): Promise<void> {
    if (this.#state !== 'DRAINING') return;
    this.#state = 'DRAINED';
    this.#send?.({ kind: 'unregister', workerId: this.#workerId });
    this.#unlisten?.();
    await this.#sandbox?.close();
    if (this.#ownsConnection) await this.#connection.close();
    this.#unwatch?.();
    this.#state = error ? 'FAILED' : 'STOPPED';
    if (error) this.#stopped.reject(error);
    else this.#stopped.resolve();
  }

  get #busy(): boolean {
    return this.#executor.size > 0 || this.#activations > 0;
  }

  #untilQuiet(): Promise<void> {
    return this.#busy ? new Promise((resolve) => this.#quiet.push(resolve)) : Promise.resolve();
  }

  #settleQuiet(): void {
    if (!this.#busy) for (const resolve of this.#quiet.splice(0)) resolve();
  }

  // ---- the link ----

  #opened(send: (message: ToKernel) => void): void {
    this.#send = send;
    const { address } = this.#connection.caller;
    // Payloads that a codec must open pass through this thread; others go straight to the workflow threads.
    const isRouted = this.#converter.payloadCodecs.length === 0;
    this.#sandbox?.route?.(this.#workerId, isRouted ? address.routeActivations?.(this.#workerId) : undefined);
    const activities = this.#activities;
    const names = Object.keys(activities);
    const registration: WorkerRegistration = {
      workerId: this.#workerId,
      identity: this.options.identity ?? workerIdentity(),
      namespace: this.options.namespace ?? 'default',
      queue: this.options.taskQueue,
      ...(this.#bundle ? { bundleId: this.#bundle.id, anyWorkflowType: true } : {}),
      ...(names.length > 0 ? { activityTypes: names, anyActivityType: 'default' in activities } : {}),
      activitySlots: this.options.maxConcurrentActivityTaskExecutions ?? 100,
      workflowSlots: this.options.maxConcurrentWorkflowTaskExecutions ?? 40,
      ...(this.options.maxActivitiesPerSecond === undefined
        ? {}
        : { maxActivitiesPerSecond: this.options.maxActivitiesPerSecond }),
      ...(this.options.maxTaskQueueActivitiesPerSecond === undefined
        ? {}
        : { maxTaskQueueActivitiesPerSecond: this.options.maxTaskQueueActivitiesPerSecond }),
      runningTokens: [...this.#executor.tokens, ...this.#untold.keys()],
    };
    send({ kind: 'register', worker: registration });
    for (const message of this.#untold.values()) send(message);
    this.#untold.clear();
    if (this.#state !== 'RUNNING') send({ kind: 'drain', workerId: this.#workerId });
  }

  #receive(message: FromKernel): void {
    if (!('workerId' in message) || message.workerId !== this.#workerId) return;
    switch (message.kind) {
      case 'activate':
        void this.#activate(message.activation);
        return;
      case 'evict':
        this.#sandbox?.evict(message.runId);
        return;
      case 'attempt':
        void this.#attempt(message.task);
        return;
      case 'attempt-cancel':
        this.#executor.cancel(message.token, message.reason);
        return;
      case 'registered':
      case 'grant-back':
        // The second is said between nodes.
        return;
    }
  }

  async #activate(given: Extract<FromKernel, { kind: 'activate' }>['activation']): Promise<void> {
    const { runId, token } = given;
    const codecs = this.#converter.payloadCodecs;
    this.#activations++;
    try {
      const activation = codecs.length > 0 ? await codeWire(given, codecs, 'decode') : given;
      let result = await this.#sandbox!.activate(activation);
      if (codecs.length > 0) result = await codeWire(result, codecs, 'encode');
      this.#send?.({ kind: 'activated', workerId: this.#workerId, runId, token, result });
    } catch (error) {
      this.#log.error('an activation failed in the worker', { runId, message: messageOf(error) });
      this.#send?.({
        kind: 'activated',
        workerId: this.#workerId,
        runId,
        token,
        result: {
          status: 'failed',
          cause: 'CONVERTER_FAILED',
          failure: { kind: 'application', type: 'ConverterFailed', message: messageOf(error) },
        },
      });
    } finally {
      this.#activations--;
      this.#settleQuiet();
    }
  }

  async #attempt(task: AttemptTask): Promise<void> {
    const { token } = task;
    const end = await this.#executor.run(task);
    const message: ToKernel =
      end.status === 'async'
        ? { kind: 'attempt-async', workerId: this.#workerId, token }
        : { kind: 'attempt-done', workerId: this.#workerId, token, outcome: end as WireOutcome };
    if (this.#send) this.#send(message);
    else this.#untold.set(token, message);
    this.#settleQuiet();
  }

  // ---- replay ----

  /**
   * Replays a history and returns when it gives the same commands.
   * @param history as `fetchHistory` gives it, or its JSON parsed
   * @throws DeterminismViolationError with the first difference · ReplayError · PleachError HISTORY_UNREADABLE
   */
  static async runReplayHistory(options: ReplayWorkerOptions, history: unknown, workflowId?: string): Promise<void> {
    const { error } = await replayHistory(options, history, workflowId);
    if (error) throw error;
  }

  /** Replays many histories; each result tells its error, if it has one. */
  static runReplayHistories(
    options: ReplayWorkerOptions,
    histories: ReplayHistoriesIterable,
  ): AsyncIterableIterator<ReplayResult> {
    return replayHistories(options, histories);
  }
}
