import {
  ApplicationFailure,
  CancelledFailure,
  type Command,
  defaultPayloadConverter,
  defaultFailureConverter,
  type FailureConverter,
  fromWire,
  fromWireList,
  fromWireMap,
  type Headers,
  IllegalStateError,
  isCancellation,
  nearestNames,
  type PayloadConverter,
  searchAttributesFromWire,
  type StartJob,
  TemporalFailure,
  toWire,
  toWireList,
  type WireFailure,
  type WireOutcome,
  type WireQuery,
  type WireQueryResult,
  type Workflow,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowJob,
} from '../common/index.ts';
import { ContinueAsNew, DeterminismViolationError } from './errors.ts';
import { headersFromWire } from './headers.ts';
import type { WorkflowInfo } from './info.ts';
import { compose, type WorkflowInterceptors } from './interceptors.ts';
import { Prng } from './prng.ts';
import { CancellationScope, runInScope } from './scope.ts';

/** Something that a job will settle. */
export interface Pending {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

// oxlint-disable-next-line typescript/no-explicit-any -- handlers are the author's
type Handler = (...args: any[]) => unknown;

/** An update's handler with its options. */
export interface UpdateEntry {
  handler: Handler;
  validator?: Handler | undefined;
  unfinishedPolicy: 'ABANDON' | 'WARN_AND_ABANDON';
  description?: string | undefined;
}

/** A signal's handler with its options. */
export interface SignalEntry {
  handler: Handler;
  unfinishedPolicy: 'ABANDON' | 'WARN_AND_ABANDON';
  description?: string | undefined;
}

/** What makes an instance: where its code comes from, and how its values are converted. */
export interface ActivatorParts {
  start: StartJob;
  findWorkflow(name: string): Workflow | undefined;
  workflowNames(): string[];
  interceptors: WorkflowInterceptors[];
  converter?: PayloadConverter;
  failureConverter?: FailureConverter;
  historyLength: number;
  historyBytes: number;
  time: number;
  log: (level: string, message: string, fields: Record<string, unknown>) => void;
  /** Error types that fail the workflow, where others fail its task. */
  failureTypes: readonly string[];
}

type JobOf<K extends WorkflowJob['kind']> = Extract<WorkflowJob, { kind: K }>;

/**
 * One instance of a workflow function: what it has asked for, what it waits for, and how jobs reach it. It lives in the
 * sandbox; the host calls `apply`, drains the microtasks, and takes the commands.
 */
export class Activator {
  readonly start: StartJob;
  readonly converter: PayloadConverter;
  readonly failures: FailureConverter;
  readonly rootScope = new CancellationScope({ cancellable: true, parent: undefined });
  readonly interceptors: WorkflowInterceptors[];
  readonly parts: ActivatorParts;
  info: WorkflowInfo;
  now: number;
  isReplaying = false;
  random: Prng;
  commands: Command[] = [];
  /** Sequence numbers given out, by kind. */
  readonly seqs = { timer: 0, activity: 0, localActivity: 0, child: 0, signal: 0, cancel: 0, condition: 0 };
  readonly timers = new Map<number, Pending>();
  readonly activities = new Map<number, Pending>();
  readonly localActivities = new Map<
    number,
    Pending & { command: Extract<Command, { kind: 'schedule-local-activity' }> }
  >();
  readonly childStarts = new Map<number, Pending>();
  readonly children = new Map<number, Pending>();
  readonly externalSignals = new Map<number, Pending>();
  readonly externalCancels = new Map<number, Pending>();
  readonly conditions = new Map<number, { check: () => boolean; resolve: () => void }>();
  readonly signalHandlers = new Map<string, SignalEntry>();
  readonly queryHandlers = new Map<string, { handler: Handler; description?: string | undefined }>();
  readonly updateHandlers = new Map<string, UpdateEntry>();
  defaultSignalHandler: Handler | undefined;
  defaultQueryHandler: Handler | undefined;
  defaultUpdateHandler: Handler | undefined;
  #bufferedSignals: JobOf<'signalled'>[] = [];
  #bufferedUpdates: JobOf<'update-requested'>[] = [];
  /** Updates that this run's history has rejected: a replay rejects them again, whatever the validator says now. */
  readonly knownRejections = new Map<string, WireFailure>();
  /** Patches that this run's history has, and what `patched` has answered. */
  readonly knownPatches = new Set<string>();
  readonly patchAnswers = new Map<string, boolean>();
  readonly sentPatches = new Set<string>();
  readonly memo: Record<string, unknown>;
  failureTypes: readonly string[];
  handlersRunning = 0;
  currentDetails = '';
  closed = false;
  /** Set when something fails this workflow task rather than the workflow. */
  taskFailure: { failure: WireFailure; cause: 'ERROR_THROWN' | 'TYPE_NOT_REGISTERED' | 'CONVERTER_FAILED' } | undefined;
  /** What interceptors and authors attach to this run. */
  readonly sagas: unknown[] = [];

  constructor(parts: ActivatorParts) {
    const { start } = parts;
    this.parts = parts;
    this.start = start;
    this.converter = parts.converter ?? defaultPayloadConverter;
    this.failures = parts.failureConverter ?? defaultFailureConverter;
    this.interceptors = parts.interceptors;
    this.now = parts.time;
    this.random = new Prng(start.randomSeed);
    this.failureTypes = parts.failureTypes;
    this.memo = fromWireMap(this.converter, start.memo);
    const attributes = searchAttributesFromWire(start.searchAttributes);
    this.info = {
      workflowId: start.workflowId,
      runId: start.runId,
      workflowType: start.type,
      namespace: start.namespace,
      firstExecutionRunId: start.firstRunId,
      attempt: start.attempt,
      taskQueue: start.queue,
      startTime: new Date(start.startedAt),
      runStartTime: new Date(parts.time),
      taskTimeoutMs: start.taskTimeoutMs ?? 10_000,
      executionTimeoutMs: start.executionTimeoutMs,
      runTimeoutMs: start.runTimeoutMs,
      retryPolicy: start.retry,
      cronSchedule: start.cronSchedule,
      continuedFromExecutionRunId: start.continuedFrom,
      parent: start.parent && {
        workflowId: start.parent.workflowId,
        runId: start.parent.runId,
        namespace: start.parent.namespace,
      },
      root: start.root,
      memo: start.memo ? this.memo : undefined,
      searchAttributes: attributes.untyped,
      typedSearchAttributes: attributes.typed,
      lastResult: fromWire(this.converter, start.lastResult),
      lastFailure: start.lastFailure && this.failures.failureToError(start.lastFailure, this.converter),
      historyLength: parts.historyLength,
      historySize: parts.historyBytes,
      continueAsNewSuggested: false,
      priority: start.priority === undefined ? undefined : { priorityKey: start.priority },
      staticSummary: start.staticSummary,
      staticDetails: start.staticDetails,
      unsafe: { now: () => this.now, isReplaying: false },
    };
  }

  /** Brings clock and figures up to date for an activation. */
  begin(at: {
    time: number;
    historyLength: number;
    historyBytes: number;
    isReplaying: boolean;
    suggestContinue: boolean;
  }): void {
    this.now = at.time;
    this.isReplaying = at.isReplaying;
    this.info = {
      ...this.info,
      historyLength: at.historyLength,
      historySize: at.historyBytes,
      continueAsNewSuggested: at.suggestContinue,
      unsafe: { now: () => this.now, isReplaying: at.isReplaying },
    };
  }

  push(command: Command): void {
    if (!this.closed) this.commands.push(command);
  }

  /** The commands since the last call, as text. */
  takeCommands(): Command[] {
    const { commands } = this;
    this.commands = [];
    const conclude = compose(
      this.interceptors,
      'internals',
      'concludeActivation',
      (output: { commands: Command[] }) => output,
    );
    return conclude({ commands }).commands;
  }

  /** Told when the instance leaves memory; what interceptors hold for it, they let go. */
  dispose(): void {
    compose(this.interceptors, 'internals', 'dispose', (_input: object) => undefined)({});
  }

  // ---- jobs ----

  /** Hands jobs to the instance, in order. */
  apply(jobs: readonly WorkflowJob[]): void {
    const activate = compose(
      this.interceptors,
      'internals',
      'activate',
      (input: { activation: { jobs: readonly WorkflowJob[] }; batchIndex: number }) => {
        for (const job of input.activation.jobs) this.#apply(job);
      },
    );
    activate({ activation: { jobs }, batchIndex: 0 });
  }

  #apply(job: WorkflowJob): void {
    switch (job.kind) {
      case 'start':
        this.#begin();
        return;
      case 'timer-fired':
        take(this.timers, job.seq)?.resolve(undefined);
        return;
      case 'activity-resolved':
        this.#settle(take(this.activities, job.seq), job.outcome);
        return;
      case 'local-activity-resolved':
        this.#settle(take(this.localActivities, job.seq), job.outcome);
        return;
      case 'child-started':
        take(this.childStarts, job.seq)?.resolve(job.runId);
        return;
      case 'child-start-failed': {
        const error =
          job.failure.kind === 'already-started'
            ? new WorkflowExecutionAlreadyStartedError('Workflow execution already started', job.failure.workflowId, '')
            : this.failures.failureToError(job.failure, this.converter);
        take(this.childStarts, job.seq)?.reject(error);
        take(this.children, job.seq)?.reject(error);
        return;
      }
      case 'child-resolved':
        // A child that was cancelled before it started never says that it started.
        if (job.outcome.status !== 'completed')
          take(this.childStarts, job.seq)?.reject(this.failures.failureToError(job.outcome.failure, this.converter));
        this.#settle(take(this.children, job.seq), job.outcome);
        return;
      case 'signal-external-resolved': {
        const pending = take(this.externalSignals, job.seq);
        if (job.failure) pending?.reject(this.failures.failureToError(job.failure, this.converter));
        else pending?.resolve(undefined);
        return;
      }
      case 'cancel-external-resolved': {
        const pending = take(this.externalCancels, job.seq);
        if (job.failure) pending?.reject(this.failures.failureToError(job.failure, this.converter));
        else pending?.resolve(undefined);
        return;
      }
      case 'signalled':
        this.#signal(job);
        return;
      case 'update-requested':
        this.#update(job);
        return;
      case 'cancel-requested':
        this.rootScope.cancel(job.reason);
        return;
      case 'seed-changed':
        this.random = new Prng(job.randomSeed);
        return;
    }
  }

  #settle(pending: Pending | undefined, outcome: WireOutcome): void {
    if (!pending) return;
    if (outcome.status === 'completed') pending.resolve(fromWire(this.converter, outcome.value));
    else pending.reject(this.failures.failureToError(outcome.failure, this.converter));
  }

  #begin(): void {
    const workflow = this.parts.findWorkflow(this.start.type);
    if (!workflow) {
      const names = this.parts.workflowNames();
      const near = nearestNames(this.start.type, names);
      this.failTask(
        Object.assign(
          new TypeError(
            `no workflow "${this.start.type}" is exported; ${near.length > 0 ? `near to it: ${near.join(', ')}` : `there are: ${names.join(', ') || 'none'}`}. Export it under that name, or start it by another`,
          ),
          { code: 'WORKFLOW_NOT_REGISTERED' },
        ),
        'TYPE_NOT_REGISTERED',
      );
      return;
    }
    const execute = compose(
      this.interceptors,
      'inbound',
      'execute',
      async (input: { args: unknown[]; headers: unknown }) => (workflow as Handler)(...input.args),
    );
    runInScope(this.rootScope, () => {
      let done: Promise<unknown>;
      try {
        const args = fromWireList(this.converter, this.start.input);
        done = Promise.resolve(execute({ args, headers: headersFromWire(this.start.headers) }));
      } catch (error) {
        done = Promise.reject(error);
      }
      done.then(
        (value) => this.#complete(value),
        (error: unknown) => this.failWorkflow(error),
      );
    });
  }

  #complete(value: unknown): void {
    try {
      this.#close({ kind: 'complete', value: toWire(this.converter, value) });
    } catch (error) {
      this.failTask(error, 'CONVERTER_FAILED');
    }
  }

  #close(command: Command): void {
    if (this.closed || this.taskFailure) return;
    this.commands.push(command);
    this.closed = true;
  }

  /** What an error means that leaves the workflow function: the end of the run, or of this try of its task. */
  failWorkflow(error: unknown): void {
    if (this.closed) return;
    if (error instanceof ContinueAsNew) {
      this.#close(error.command);
      return;
    }
    if (this.rootScope.cancelRequestedFlag && isCancellation(error)) {
      this.#close({ kind: 'cancel' });
      return;
    }
    if (error instanceof TemporalFailure || this.#failsWorkflow(error)) {
      const failure = error instanceof TemporalFailure ? error : ApplicationFailure.fromError(error);
      this.#close({ kind: 'fail', failure: this.failures.errorToFailure(failure, this.converter) });
      return;
    }
    this.failTask(error, 'ERROR_THROWN');
  }

  #failsWorkflow(error: unknown): boolean {
    return this.failureTypes.some((name) => {
      if (name === '*' || name === 'Error') return true;
      for (let proto: unknown = error; proto; proto = Object.getPrototypeOf(proto)) {
        if ((proto as { constructor?: { name?: string } }).constructor?.name === name) return true;
      }
      return false;
    });
  }

  /** Fails the workflow task: it is tried again until the code is mended. */
  failTask(error: unknown, cause: 'ERROR_THROWN' | 'TYPE_NOT_REGISTERED' | 'CONVERTER_FAILED' = 'ERROR_THROWN'): void {
    this.taskFailure ??= { failure: this.failures.errorToFailure(error, this.converter), cause };
  }

  // ---- signals ----

  #signal(job: JobOf<'signalled'>): void {
    const entry = this.signalHandlers.get(job.name);
    if (!entry && !this.defaultSignalHandler) {
      this.#bufferedSignals.push(job);
      return;
    }
    this.#runHandler(async () => {
      const args = fromWireList(this.converter, job.input);
      const handle = compose(
        this.interceptors,
        'inbound',
        'handleSignal',
        async (input: { signalName: string; args: unknown[]; headers: unknown }) =>
          entry ? entry.handler(...input.args) : this.defaultSignalHandler!(input.signalName, ...input.args),
      );
      await handle({ signalName: job.name, args, headers: headersFromWire(job.headers) });
    }).catch((error: unknown) => {
      // The rule for workflow functions holds for signal handlers too.
      this.failWorkflow(error);
    });
  }

  /** Hands buffered signals on, now that a handler is there. */
  flushSignals(): void {
    const waiting = this.#bufferedSignals;
    this.#bufferedSignals = [];
    for (const job of waiting) this.#signal(job);
  }

  async #runHandler<T>(work: () => Promise<T>): Promise<T> {
    this.handlersRunning++;
    try {
      return await runInScope(this.rootScope, work);
    } finally {
      this.handlersRunning--;
    }
  }

  // ---- updates ----

  #update(job: JobOf<'update-requested'>): void {
    const entry = this.updateHandlers.get(job.name) ?? this.#defaultUpdate(job.name);
    if (!entry) {
      this.#bufferedUpdates.push(job);
      return;
    }
    const { updateId, name } = job;
    const rejection = this.isReplaying ? this.knownRejections.get(updateId) : undefined;
    if (rejection) {
      this.push({ kind: 'update-rejected', updateId, failure: rejection });
      return;
    }
    const input = { updateId, name, args: [] as unknown[], headers: headersFromWire(job.headers) };
    const before = this.#snapshot();
    try {
      input.args = fromWireList(this.converter, job.input);
      const validate = compose(this.interceptors, 'inbound', 'validateUpdate', (given: typeof input) => {
        const answer: unknown = entry.validator?.(...given.args);
        if (answer instanceof Promise) throw new TypeError('an update validator is synchronous');
      });
      if (!this.isReplaying)
        runInScope(this.rootScope, () => withUpdate({ id: updateId, name }, () => validate(input)));
      else before.restore();
    } catch (error) {
      before.restore();
      this.push({
        kind: 'update-rejected',
        updateId,
        failure: this.failures.errorToFailure(asFailure(error), this.converter),
      });
      return;
    }
    before.restore();
    this.push({ kind: 'update-accepted', updateId });
    this.#runHandler(() =>
      withUpdate({ id: updateId, name }, async () => {
        const handle = compose(this.interceptors, 'inbound', 'handleUpdate', async (given: typeof input) =>
          entry.handler(...given.args),
        );
        return handle(input);
      }),
    ).then(
      (value) => {
        try {
          this.push({
            kind: 'update-completed',
            updateId,
            outcome: { status: 'completed', value: toWire(this.converter, value) },
          });
        } catch (error) {
          this.failTask(error, 'CONVERTER_FAILED');
        }
      },
      (error: unknown) => {
        if (error instanceof TemporalFailure || this.#failsWorkflow(error)) {
          this.push({
            kind: 'update-completed',
            updateId,
            outcome: { status: 'failed', failure: this.failures.errorToFailure(asFailure(error), this.converter) },
          });
        } else this.failTask(error);
      },
    );
  }

  #defaultUpdate(name: string): UpdateEntry | undefined {
    const handler = this.defaultUpdateHandler;
    return handler && { handler: (...args: unknown[]) => handler(name, ...args), unfinishedPolicy: 'WARN_AND_ABANDON' };
  }

  /** Hands buffered updates on, now that a handler is there. */
  flushUpdates(): void {
    const waiting = this.#bufferedUpdates;
    this.#bufferedUpdates = [];
    for (const job of waiting) this.#update(job);
  }

  /** At the end of an activation: an update that found no handler is rejected. */
  rejectBufferedUpdates(): void {
    for (const { updateId, name } of this.#bufferedUpdates.splice(0)) {
      const failure: WireFailure = {
        kind: 'application',
        type: 'UpdateNotRegistered',
        nonRetryable: true,
        message: `No registered handler for update: ${name}; there are: ${[...this.updateHandlers.keys()].join(', ') || 'none'}`,
      };
      this.push({ kind: 'update-rejected', updateId, failure });
    }
  }

  /** Generator, counters and clock, to be put back by what must leave no trace. */
  #snapshot(): { restore(): void } {
    const seqs = { ...this.seqs };
    const random = this.random.state();
    const count = this.commands.length;
    return {
      restore: () => {
        Object.assign(this.seqs, seqs);
        this.random.restore(random);
        this.commands.length = Math.min(this.commands.length, count);
      },
    };
  }

  // ---- queries ----

  /** Answers a question; leaves everything as it was. */
  query(query: WireQuery): WireQueryResult {
    const before = this.#snapshot();
    try {
      const entry = this.queryHandlers.get(query.name);
      if (!entry && !this.defaultQueryHandler) {
        const names = [...this.queryHandlers.keys()];
        return {
          id: query.id,
          notRegistered: true,
          failure: {
            kind: 'application',
            type: 'QueryNotRegistered',
            code: 'QUERY_NOT_REGISTERED',
            message: `Workflow did not register a handler for ${query.name}. Registered queries: [${names.join(' ')}]`,
          },
        };
      }
      const args = fromWireList(this.converter, query.input);
      const handle = compose(
        this.interceptors,
        'inbound',
        'handleQuery',
        (input: { queryName: string; args: unknown[]; headers: Headers }) =>
          entry ? entry.handler(...input.args) : this.defaultQueryHandler!(input.queryName, ...input.args),
      );
      const value: unknown = runInScope(this.rootScope, () =>
        handle({ queryName: query.name, args, headers: headersFromWire(query.headers) }),
      );
      if (value instanceof Promise && this.interceptors.length === 0) {
        throw new DeterminismViolationError('Query handlers should not return a Promise');
      }
      return { id: query.id, value: toWire(this.converter, value) };
    } catch (error) {
      return { id: query.id, failure: this.failures.errorToFailure(asFailure(error), this.converter) };
    } finally {
      before.restore();
    }
  }

  // ---- conditions ----

  /** Resolves the conditions that hold; the host calls it until none does. */
  unblockConditions(): number {
    let unblocked = 0;
    for (const [seq, condition] of this.conditions) {
      let holds: boolean;
      try {
        holds = condition.check();
      } catch (error) {
        this.conditions.delete(seq);
        this.failTask(error);
        continue;
      }
      if (!holds) continue;
      this.conditions.delete(seq);
      condition.resolve();
      unblocked++;
    }
    return unblocked;
  }

  toFailure(error: unknown): WireFailure {
    return this.failures.errorToFailure(asFailure(error), this.converter);
  }

  toWireArgs(args: readonly unknown[]) {
    return toWireList(this.converter, args);
  }
}

function asFailure(error: unknown): unknown {
  return error instanceof TemporalFailure || error instanceof CancelledFailure
    ? error
    : ApplicationFailure.fromError(error);
}

function take<T>(entries: Map<number, T>, seq: number): T | undefined {
  const entry = entries.get(seq);
  entries.delete(seq);
  return entry;
}

let current: Activator | undefined;
let storage: { run<R>(store: unknown, work: () => R): R; getStore(): unknown } | undefined;

/** The instance whose code is running. @throws outside a workflow */
export function getActivator(what = 'this function'): Activator {
  if (current) return current;
  throw new IllegalStateError(
    `${what}: Workflow APIs can only be called from inside a workflow; call it from a workflow function, while that runs in a worker`,
  );
}

/** The same, or undefined. */
export function maybeActivator(): Activator | undefined {
  return current;
}

/** Says whose code runs next; one evaluation activates one run. */
export function setActivator(activator: Activator | undefined): void {
  current = activator;
}

/** The update whose handler is running, carried through what it awaits. */
export function setUpdateStorage(given: typeof storage): void {
  storage = given;
}

/** Runs work as the handler of an update. */
function withUpdate<R>(update: { id: string; name: string }, work: () => R): R {
  return storage ? storage.run(update, work) : work();
}

/** The update whose handler is running. */
export function currentUpdate(): { id: string; name: string } | undefined {
  return storage?.getStore() as { id: string; name: string } | undefined;
}
