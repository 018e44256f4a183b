import {
  codeWire,
  type LoadedDataConverter,
  loadDataConverter,
  msOptionalToNumber,
  msToNumber,
  type Segment,
  type WireOutcome,
} from '../common/index.ts';
import type { AttemptTask, FromKernel, ToKernel, WorkerRegistration } from '../contract/index.ts';
import { type Clock, loadModule, type Log, messageOf, PleachError, systemClock } from '../core/index.ts';
import { NativeConnection, workerIdentity } from './connection.ts';
import { Executor, localKey } from './executor.ts';
import { checkOptions, type WorkerOptions } from './options.ts';
import { Runtime } from './runtime.ts';
import {
  bundleWorkflowCode,
  InlineSandbox,
  type SandboxOptions,
  ThreadedSandbox,
  WorkflowContext,
  type WorkflowBundle,
  type WorkflowSandbox,
} from './sandbox/index.ts';

/** Where a worker stands. */
export type State = 'INITIALIZED' | 'RUNNING' | 'STOPPING' | 'DRAINING' | 'DRAINED' | 'STOPPED' | 'FAILED';

/** A history did not replay. */
export class ReplayError extends Error {
  readonly workflowId: string;
  readonly runId: string;
  readonly isNonDeterminism: boolean;

  constructor(message: string, workflowId: string, runId: string, isNonDeterminism: boolean) {
    super(message);
    this.name = isNonDeterminism ? 'DeterminismViolationError' : 'ReplayError';
    this.workflowId = workflowId;
    this.runId = runId;
    this.isNonDeterminism = isNonDeterminism;
  }
}

let workers = 0;

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
  #state: State = 'INITIALIZED';
  #send: ((message: ToKernel) => void) | undefined;
  /** Ends of attempts that the engine has not been told, for want of a link. */
  readonly #untold = new Map<string, ToKernel>();
  #unlisten: (() => void) | undefined;
  #stopped: { resolve(): void; promise: Promise<void> } = withResolvers();
  #activations = 0;
  readonly #quiet: (() => void)[] = [];

  private constructor(
    options: WorkerOptions,
    connection: NativeConnection,
    converter: LoadedDataConverter,
    bundle: WorkflowBundle | undefined,
    ownsConnection: boolean,
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
    this.#executor = new Executor({
      activities: options.activities ?? {},
      converter,
      interceptors: options.interceptors?.activity ?? [],
      clock: this.#clock,
      log: this.#log,
      client: () => connection,
      maxHeartbeatThrottleMs: msToNumber(options.maxHeartbeatThrottleInterval ?? '60s'),
      defaultHeartbeatThrottleMs: msToNumber(options.defaultHeartbeatThrottleInterval ?? '30s'),
      heartbeat: (token, details) =>
        this.#send?.({ kind: 'heartbeat', workerId: this.#workerId, token, ...(details ? { details } : {}) }),
    });
    if (bundle) {
      const spinMs = msOptionalToNumber(options.workflowSpinTimeout);
      const sandbox: SandboxOptions = {
        bundle,
        log: this.#log,
        clock: this.#clock,
        maxCachedRuns: options.maxCachedWorkflows ?? 1000,
        threads: options.workflowThreadPoolSize ?? 1,
        failureErrorTypes: options.workflowFailureErrorTypes ?? [],
        runLocalActivity: (call) => this.#executor.runLocal(call, options.taskQueue),
        cancelLocalActivity: (runId, seq) => this.#executor.cancel(localKey(runId, seq), 'CANCELLED'),
        localResolved: (runId, seq, attempt, outcome) =>
          this.#send?.({ kind: 'local-resolved', workerId: this.#workerId, runId, seq, attempt, outcome }),
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
    const bundle =
      options.workflowBundle ??
      (options.workflowsPath === undefined ? undefined : await bundleFor(options.workflowsPath, options));
    const connection = options.connection ?? (await NativeConnection.connect());
    return new Worker(options, connection, converter, bundle, options.connection === undefined);
  }

  getState(): State {
    return this.#state;
  }

  /** Runs until `shutdown`. @throws Error when it ran before */
  async run(): Promise<void> {
    if (this.#state !== 'INITIALIZED') throw new Error(`a worker runs once; this one is ${this.#state}`);
    this.#state = 'RUNNING';
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
    if (this.#state !== 'RUNNING') throw new Error(`Not running. Current state: ${this.#state}`);
    this.#state = 'STOPPING';
    this.#send?.({ kind: 'drain', workerId: this.#workerId });
    void this.#drain();
  }

  async #drain(): Promise<void> {
    this.#state = 'DRAINING';
    const graceMs = msToNumber(this.options.shutdownGraceTime ?? 0);
    if (this.#busy && graceMs > 0) {
      await Promise.race([this.#untilQuiet(), new Promise<void>((resolve) => this.#clock.after(graceMs, resolve))]);
    }
    if (this.#executor.size > 0) this.#executor.cancelAll('WORKER_SHUTDOWN');
    await this.#untilQuiet();
    this.#state = 'DRAINED';
    this.#send?.({ kind: 'unregister', workerId: this.#workerId });
    this.#unlisten?.();
    await this.#sandbox?.close();
    if (this.#ownsConnection) await this.#connection.close();
    this.#state = 'STOPPED';
    this.#stopped.resolve();
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
    const activities = this.options.activities;
    const registration: WorkerRegistration = {
      workerId: this.#workerId,
      identity: this.options.identity ?? workerIdentity(),
      namespace: this.options.namespace ?? 'default',
      queue: this.options.taskQueue,
      ...(this.#bundle ? { bundleId: this.#bundle.id, anyWorkflowType: true } : {}),
      ...(activities
        ? { activityTypes: Object.keys(activities), anyActivityType: typeof activities['default'] === 'function' }
        : {}),
      activitySlots: this.options.maxConcurrentActivityTaskExecutions ?? 100,
      workflowSlots: this.options.maxConcurrentWorkflowTaskExecutions ?? 40,
      ...(this.options.maxActivitiesPerSecond === undefined
        ? {}
        : { maxActivitiesPerSecond: this.options.maxActivitiesPerSecond }),
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
   * @throws ReplayError with the first difference
   */
  static async runReplayHistory(
    options: Omit<WorkerOptions, 'taskQueue' | 'connection'>,
    history: { workflowId?: string; runId?: string; segments: Segment[] },
    workflowId?: string,
  ): Promise<void> {
    const bundle = options.workflowBundle ?? (await bundleFor(options.workflowsPath ?? '', options));
    const runId = startOf(history.segments)?.runId ?? history.runId ?? '';
    const context = new WorkflowContext(bundle, {
      log: Runtime.instance().log,
      failureErrorTypes: options.workflowFailureErrorTypes ?? [],
    });
    const converter = loadDataConverter(options.dataConverter, loadModule);
    const segments = await codeWire(history.segments, converter.payloadCodecs, 'decode');
    const replayed = context.replay(runId, segments);
    if (!('failure' in replayed)) return;
    const { cause, failure } = replayed.failure;
    throw new ReplayError(failure.message, workflowId ?? history.workflowId ?? '', runId, cause === 'NONDETERMINISM');
  }

  /** Replays many histories; each result tells its error, if it has one. */
  static async *runReplayHistories(
    options: Omit<WorkerOptions, 'taskQueue' | 'connection'>,
    histories:
      | AsyncIterable<{ workflowId: string; history: { segments: Segment[] } }>
      | Iterable<{ workflowId: string; history: { segments: Segment[] } }>,
  ): AsyncIterableIterator<{ workflowId: string; error?: ReplayError }> {
    const workflowBundle = options.workflowBundle ?? (await bundleFor(options.workflowsPath ?? '', options));
    for await (const { workflowId, history } of histories) {
      try {
        await Worker.runReplayHistory({ ...options, workflowBundle }, history, workflowId);
        yield { workflowId };
      } catch (error) {
        if (!(error instanceof ReplayError)) throw error;
        yield { workflowId, error };
      }
    }
  }
}

function startOf(segments: readonly Segment[]) {
  for (const job of segments[0]?.rounds[0]?.jobs ?? []) if (job.kind === 'start') return job;
  return undefined;
}

async function bundleFor(
  workflowsPath: string,
  options: Omit<WorkerOptions, 'taskQueue' | 'connection'>,
): Promise<WorkflowBundle> {
  if (workflowsPath === '') throw new PleachError('INVALID_ARGUMENT', 'workflowsPath or workflowBundle is needed', {});
  return bundleWorkflowCode({
    workflowsPath,
    ...(options.interceptors?.workflowModules ? { interceptorModules: options.interceptors.workflowModules } : {}),
    ...(options.dataConverter?.payloadConverterPath === undefined
      ? {}
      : { payloadConverterPath: options.dataConverter.payloadConverterPath }),
    ...(options.dataConverter?.failureConverterPath === undefined
      ? {}
      : { failureConverterPath: options.dataConverter.failureConverterPath }),
    ...(options.bundlerOptions?.ignoreModules ? { ignoreModules: options.bundlerOptions.ignoreModules } : {}),
  });
}

function withResolvers(): { resolve(): void; promise: Promise<void> } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((yes) => (resolve = yes));
  return { resolve, promise };
}
