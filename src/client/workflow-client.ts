import {
  codeWire,
  type DataConverter,
  fromWire,
  fromWireMap,
  type LoadedDataConverter,
  loadDataConverter,
  type QueryDefinition,
  searchAttributesFromWire,
  type Segment,
  type SignalDefinition,
  TimeoutFailure,
  toWireList,
  type UpdateDefinition,
  type WireFailure,
  type WireOutcome,
  type Workflow,
  WorkflowExecutionAlreadyStartedError,
  type WorkflowResultType,
} from '../common/index.ts';
import type { RunTarget, UpdateAnswer, UpdateStage } from '../contract/index.ts';
import { loadModule, PleachError } from '../core/index.ts';
import { type Connection, defaultIdentity } from './connection.ts';
import {
  QueryNotRegisteredError,
  QueryRejectedError,
  serviceError,
  WorkflowContinuedAsNewError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from './errors.ts';
import type {
  WorkflowHandle,
  WorkflowHandleWithFirstExecutionRunId,
  WorkflowHandleWithSignaledRunId,
  WorkflowUpdateHandle,
  WorkflowExecutionDescription,
} from './handles.ts';
import {
  compileStart,
  optional,
  requireText,
  type WorkflowOptions,
  type WorkflowStartOptions,
} from './start-options.ts';

/** What a workflow client is made with. */
export interface WorkflowClientOptions {
  connection: Connection;
  namespace?: string;
  identity?: string;
  dataConverter?: DataConverter & Partial<LoadedDataConverter>;
  /** What a query does with a closed run. Default: it is answered. */
  queryRejectCondition?: 'NOT_OPEN' | 'NOT_COMPLETED_CLEANLY';
}

/** Options of an update. */
export interface WorkflowUpdateOptions {
  updateId?: string;
  args?: readonly unknown[];
}

/** How far an update must have come. */
export const WorkflowUpdateStage = { ADMITTED: 'ADMITTED', ACCEPTED: 'ACCEPTED', COMPLETED: 'COMPLETED' } as const;
/** See the constant of this name. */
export type WorkflowUpdateStage = UpdateStage;

/** A start that rides with an update. */
export class WithStartWorkflowOperation<W extends Workflow = Workflow> {
  readonly workflow: string | W;
  readonly options: WorkflowStartOptions<W>;
  /** The handle of the run, new or existing, once the update was taken in. */
  readonly workflowHandle: () => Promise<WorkflowHandle<W>>;
  #settle!: { resolve: (handle: WorkflowHandle<W>) => void; reject: (error: unknown) => void };
  used = false;

  constructor(workflow: string | W, options: WorkflowStartOptions<W>) {
    this.workflow = workflow;
    this.options = options;
    const handle = new Promise<WorkflowHandle<W>>((resolve, reject) => (this.#settle = { resolve, reject }));
    handle.catch(() => undefined);
    this.workflowHandle = () => handle;
  }

  /** Told by the client what became of the start. */
  settle(outcome: WorkflowHandle<W> | Error): void {
    if (outcome instanceof Error) this.#settle.reject(outcome);
    else this.#settle.resolve(outcome);
  }
}

/** Starts workflows and talks to them. */
export class WorkflowClient {
  readonly connection: Connection;
  readonly namespace: string;
  readonly #identity: string;
  readonly #converter: LoadedDataConverter;
  readonly #rejectWhen: WorkflowClientOptions['queryRejectCondition'];

  constructor(options: WorkflowClientOptions) {
    if (!options?.connection)
      throw new PleachError(
        'INVALID_ARGUMENT',
        'a client needs a connection: await Connection.connect({ address })',
        {},
      );
    this.connection = options.connection;
    this.namespace = options.namespace ?? 'default';
    this.#identity = options.identity ?? defaultIdentity();
    this.#converter = loadDataConverter(options.dataConverter, loadModule);
    this.#rejectWhen = options.queryRejectCondition;
  }

  /**
   * Starts a run. When this returns, it is durable.
   * @throws WorkflowExecutionAlreadyStartedError · ServiceError · PleachError INVALID_ARGUMENT
   */
  async start<W extends Workflow>(
    workflow: string | W,
    options: WorkflowStartOptions<W>,
  ): Promise<WorkflowHandleWithFirstExecutionRunId<W>> {
    const start = await this.#compile(workflow, options);
    const params = { namespace: this.namespace, start, ...this.#effect() };
    const { runId } = await this.#ask({ workflowId: start.workflowId, type: start.type }, () =>
      this.connection.caller.call('start', params, this.connection.callOptions()),
    );
    const handle = this.#handle<W>(
      { workflowId: start.workflowId },
      { firstRunId: runId, ...optional('followRuns', options.followRuns) },
    );
    return Object.assign(handle, { firstExecutionRunId: runId });
  }

  /** Starts a run and waits for its result. */
  async execute<W extends Workflow>(
    workflow: string | W,
    options: WorkflowStartOptions<W>,
  ): Promise<WorkflowResultType<W>> {
    return (await this.start(workflow, options)).result();
  }

  /** Signals a run, which is started first where none is open. */
  async signalWithStart<W extends Workflow>(
    workflow: string | W,
    options: WorkflowStartOptions<W> & { signal: string | SignalDefinition; signalArgs?: readonly unknown[] },
  ): Promise<WorkflowHandleWithSignaledRunId<W>> {
    const start = await this.#compile(workflow, options);
    const params = {
      namespace: this.namespace,
      start,
      name: nameOf(options.signal, 'signal'),
      input: await this.#input(options.signalArgs ?? []),
      ...this.#effect(),
    };
    const { runId } = await this.#ask({ workflowId: start.workflowId, type: start.type }, () =>
      this.connection.caller.call('signal-with-start', params, this.connection.callOptions()),
    );
    return Object.assign(this.#handle<W>({ workflowId: start.workflowId }, {}), { signaledRunId: runId });
  }

  /** Starts an update of a run, which is started first where none is open. */
  async startUpdateWithStart<Ret, W extends Workflow>(
    update: string | UpdateDefinition<Ret>,
    options: WorkflowUpdateOptions & {
      waitForStage: 'ACCEPTED';
      startWorkflowOperation: WithStartWorkflowOperation<W>;
    },
  ): Promise<WorkflowUpdateHandle<Ret>> {
    return this.#updateWithStart<Ret, W>(update, options, 'ACCEPTED');
  }

  /** The same, and waits for the update's result. */
  async executeUpdateWithStart<Ret, W extends Workflow>(
    update: string | UpdateDefinition<Ret>,
    options: WorkflowUpdateOptions & { startWorkflowOperation: WithStartWorkflowOperation<W> },
  ): Promise<Ret> {
    return (await this.#updateWithStart<Ret, W>(update, options, 'COMPLETED')).result();
  }

  async #updateWithStart<Ret, W extends Workflow>(
    update: string | UpdateDefinition<Ret>,
    options: WorkflowUpdateOptions & { startWorkflowOperation: WithStartWorkflowOperation<W> },
    waitFor: UpdateStage,
  ): Promise<WorkflowUpdateHandle<Ret>> {
    const operation = options.startWorkflowOperation;
    if (operation.used)
      throw new PleachError(
        'INVALID_ARGUMENT',
        'a WithStartWorkflowOperation is good for one update; make another',
        {},
      );
    operation.used = true;
    try {
      if (!operation.options.workflowIdConflictPolicy) {
        throw new PleachError(
          'INVALID_ARGUMENT',
          'a start that rides with an update needs workflowIdConflictPolicy: USE_EXISTING or FAIL',
          {},
        );
      }
      const start = await this.#compile(operation.workflow, operation.options);
      const updateId = options.updateId ?? this.connection.caller.newRequestId();
      const params = {
        namespace: this.namespace,
        start,
        updateId,
        name: nameOf(update, 'update'),
        input: await this.#input(options.args ?? []),
        waitFor,
        ...this.#effect(),
      };
      const answer = await this.#askUpdate(start.workflowId, () =>
        this.connection.caller.call('update-with-start', params, this.connection.callOptions(true)),
      );
      operation.settle(this.#handle<W>({ workflowId: start.workflowId }, { firstRunId: answer.runId }));
      return this.#updateHandle<Ret>(
        { namespace: this.namespace, workflowId: start.workflowId, runId: answer.runId },
        updateId,
        answer,
      );
    } catch (error) {
      operation.settle(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  /** A handle on a run that may be there already. */
  getHandle<W extends Workflow>(
    workflowId: string,
    runId?: string,
    options: { firstExecutionRunId?: string; followRuns?: boolean } = {},
  ): WorkflowHandle<W> {
    requireText('workflowId', workflowId);
    return this.#handle<W>(
      { workflowId, ...optional('runId', runId) },
      { ...optional('firstRunId', options.firstExecutionRunId), ...optional('followRuns', options.followRuns) },
    );
  }

  /** Waits for the result of a run, following its successors. */
  async result<W extends Workflow>(
    workflowId: string,
    runId?: string,
    options: { followRuns?: boolean } = {},
  ): Promise<WorkflowResultType<W>> {
    let target: RunTarget = { namespace: this.namespace, workflowId, ...optional('runId', runId) };
    for (;;) {
      const asked = target;
      const answer = await this.#ask({ workflowId, ...optional('runId', runId) }, () =>
        this.connection.caller.call('result', { target: asked }, this.connection.callOptions(true)),
      );
      if (answer.nextRunId !== undefined && (options.followRuns ?? true)) {
        target = { namespace: this.namespace, workflowId, runId: answer.nextRunId };
        continue;
      }
      const decoded = await codeWire(
        { value: answer.value, failure: answer.failure },
        this.#converter.payloadCodecs,
        'decode',
      );
      const cause = decoded.failure && this.#errorOf(decoded.failure);
      switch (answer.status) {
        case 'COMPLETED':
          return fromWire(this.#converter.payloadConverter, decoded.value);
        case 'CONTINUED_AS_NEW':
          throw new WorkflowContinuedAsNewError('Workflow execution continued as new', answer.nextRunId ?? '');
        case 'CANCELLED':
          throw new WorkflowFailedError('Workflow execution cancelled', cause, 'NON_RETRYABLE_FAILURE');
        case 'TERMINATED':
          throw new WorkflowFailedError('Workflow execution terminated', cause, 'NON_RETRYABLE_FAILURE');
        case 'TIMED_OUT':
          throw new WorkflowFailedError(
            'Workflow execution timed out',
            cause ?? new TimeoutFailure('Workflow execution timed out', undefined, 'START_TO_CLOSE'),
            'TIMEOUT',
          );
        default:
          throw new WorkflowFailedError('Workflow execution failed', cause, 'RETRY_POLICY_NOT_SET');
      }
    }
  }

  // ---- a handle's acts ----

  #handle<W extends Workflow>(
    at: { workflowId: string; runId?: string },
    options: { firstRunId?: string; followRuns?: boolean },
  ): WorkflowHandle<W> {
    const { workflowId } = at;
    const target: RunTarget = { namespace: this.namespace, ...at, ...optional('firstRunId', options.firstRunId) };
    const { caller } = this.connection;
    const call = () => this.connection.callOptions();
    const named = { workflowId, ...optional('runId', at.runId) };
    return {
      workflowId,
      runId: at.runId,
      client: this,
      result: () =>
        this.result<W>(workflowId, at.runId ?? options.firstRunId, { followRuns: options.followRuns ?? true }),
      signal: async (signal, ...args) => {
        const params = { target, name: nameOf(signal, 'signal'), input: await this.#input(args), ...this.#effect() };
        await this.#ask(named, () => caller.call('signal', params, call()));
      },
      query: async <Ret>(query: string | QueryDefinition<Ret>, ...args: unknown[]) =>
        this.#query<Ret>(target, query, args),
      executeUpdate: async <Ret>(update: string | UpdateDefinition<Ret>, given: WorkflowUpdateOptions = {}) =>
        (await this.#update<Ret>(target, update, given, 'COMPLETED')).result(),
      startUpdate: <Ret>(
        update: string | UpdateDefinition<Ret>,
        given: WorkflowUpdateOptions & { waitForStage: 'ACCEPTED' },
      ) => this.#update<Ret>(target, update, given, given?.waitForStage ?? 'ACCEPTED'),
      getUpdateHandle: <Ret>(updateId: string) =>
        this.#updateHandle<Ret>(target, requireText('updateId', updateId), undefined),
      cancel: async () => {
        await this.#ask(named, () => caller.call('cancel', { target, ...this.#effect() }, call()));
      },
      terminate: async (reason?: string) => {
        await this.#ask(named, () =>
          caller.call('terminate', { target, ...optional('reason', reason), ...this.#effect() }, call()),
        );
      },
      describe: () => this.#describe(target),
      fetchHistory: async () => {
        const segments: Segment[] = [];
        let runId = '';
        for (let fromSeq: number | undefined = 1; fromSeq !== undefined;) {
          const from: number = fromSeq;
          const page = await this.#ask(named, () => caller.call('history', { target, fromSeq: from }, call()));
          segments.push(...page.segments);
          runId = page.runId;
          fromSeq = page.next;
        }
        return { workflowId, runId, segments: await codeWire(segments, this.#converter.payloadCodecs, 'decode') };
      },
    };
  }

  async #query<Ret>(target: RunTarget, query: string | QueryDefinition<Ret>, args: unknown[]): Promise<Ret> {
    const params = {
      target,
      name: nameOf(query, 'query'),
      input: await this.#input(args),
      ...optional('rejectWhen', this.#rejectWhen),
    };
    const answer = await this.#ask(target, () =>
      this.connection.caller.call('query', params, this.connection.callOptions()),
    );
    if ('rejected' in answer) throw new QueryRejectedError(answer.rejected);
    if ('failure' in answer) {
      const failure = await codeWire(answer.failure, this.#converter.payloadCodecs, 'decode');
      if (answer.notRegistered) throw new QueryNotRegisteredError(failure.message);
      throw new QueryNotRegisteredError(failure.message, 3);
    }
    const { value } = await codeWire({ value: answer.value }, this.#converter.payloadCodecs, 'decode');
    return fromWire(this.#converter.payloadConverter, value);
  }

  async #update<Ret>(
    target: RunTarget,
    update: string | UpdateDefinition<Ret>,
    given: WorkflowUpdateOptions,
    waitFor: UpdateStage,
  ): Promise<WorkflowUpdateHandle<Ret>> {
    const updateId = given.updateId ?? this.connection.caller.newRequestId();
    const params = {
      target,
      updateId,
      name: nameOf(update, 'update'),
      input: await this.#input(given.args ?? []),
      waitFor,
      ...this.#effect(),
    };
    const answer = await this.#askUpdate(target.workflowId, () =>
      this.connection.caller.call('update', params, this.connection.callOptions(true)),
    );
    return this.#updateHandle<Ret>({ ...target, runId: answer.runId }, updateId, answer);
  }

  #updateHandle<Ret>(target: RunTarget, updateId: string, known: UpdateAnswer | undefined): WorkflowUpdateHandle<Ret> {
    return {
      updateId,
      workflowId: target.workflowId,
      workflowRunId: target.runId,
      result: async () => {
        const answer = known?.outcome
          ? known
          : await this.#askUpdate(target.workflowId, () =>
              this.connection.caller.call(
                'poll-update',
                { target, updateId, waitFor: 'COMPLETED' },
                this.connection.callOptions(true),
              ),
            );
        return this.#updateResult<Ret>(answer.outcome);
      },
    };
  }

  async #updateResult<Ret>(outcome: WireOutcome | undefined): Promise<Ret> {
    if (!outcome) throw new WorkflowUpdateRPCTimeoutOrCancelledError('the update has no result yet');
    const decoded = await codeWire(outcome, this.#converter.payloadCodecs, 'decode');
    if (decoded.status === 'completed') return fromWire(this.#converter.payloadConverter, decoded.value);
    throw new WorkflowUpdateFailedError('Workflow Update failed', this.#errorOf(decoded.failure));
  }

  async #describe(target: RunTarget): Promise<WorkflowExecutionDescription> {
    const raw = await this.#ask(target, () =>
      this.connection.caller.call('describe', { target }, this.connection.callOptions()),
    );
    const { memo } = await codeWire({ memo: raw.memo }, this.#converter.payloadCodecs, 'decode');
    const attributes = searchAttributesFromWire(raw.searchAttributes);
    return {
      ...raw,
      type: raw.type,
      taskQueue: raw.queue,
      status: { name: raw.status },
      startTime: new Date(raw.startedAt),
      ...(raw.closedAt === undefined ? {} : { closeTime: new Date(raw.closedAt) }),
      memo: fromWireMap(this.#converter.payloadConverter, memo),
      searchAttributes: attributes.untyped,
      typedSearchAttributes: attributes.typed,
      raw,
    };
  }

  #errorOf(failure: WireFailure): Error {
    return this.#converter.failureConverter.failureToError(failure, this.#converter.payloadConverter);
  }

  // ---- how questions are asked ----

  #effect() {
    return { requestId: this.connection.caller.newRequestId(), identity: this.#identity };
  }

  async #compile(workflow: unknown, options: WorkflowOptions & { args?: readonly unknown[] }) {
    return codeWire(
      compileStart(workflow, options, this.#converter.payloadConverter),
      this.#converter.payloadCodecs,
      'encode',
    );
  }

  async #input(args: readonly unknown[]) {
    if (!Array.isArray(args)) throw new PleachError('INVALID_ARGUMENT', `args is a list; it is a ${typeof args}`, {});
    const { input } = await codeWire(
      { input: toWireList(this.#converter.payloadConverter, args) },
      this.#converter.payloadCodecs,
      'encode',
    );
    return input;
  }

  async #ask<T>(about: { workflowId: string; runId?: string; type?: string }, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw translate(error, about);
    }
  }

  async #askUpdate<T>(workflowId: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof PleachError && error.code === 'DEADLINE_EXCEEDED') {
        throw new WorkflowUpdateRPCTimeoutOrCancelledError('waiting for the update took too long', {
          cause: serviceError(error),
        });
      }
      if (error instanceof Error && error.name === 'AbortError') {
        throw new WorkflowUpdateRPCTimeoutOrCancelledError('waiting for the update was given up', { cause: error });
      }
      throw translate(error, { workflowId });
    }
  }
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function nameOf(definition: unknown, what: string): string {
  return requireText(
    `the ${what} name`,
    typeof definition === 'object' && definition !== null ? (definition as { name?: unknown }).name : definition,
  );
}

function translate(error: unknown, about: { workflowId: string; runId?: string; type?: string }): unknown {
  if (!(error instanceof PleachError)) return error;
  switch (error.code) {
    case 'WORKFLOW_ALREADY_STARTED':
      return new WorkflowExecutionAlreadyStartedError(
        error.message,
        about.workflowId,
        about.type ?? textOf(error.details['workflowType']),
      );
    case 'WORKFLOW_NOT_FOUND':
      return new WorkflowNotFoundError(error.message, about.workflowId, about.runId);
    case 'WORKFLOW_CLOSED':
      return new WorkflowNotFoundError(error.message, about.workflowId, about.runId, textOf(error.details['status']));
    case 'INVALID_ARGUMENT':
    case 'LIMIT_EXCEEDED':
    case 'PAYLOAD_MALFORMED':
      return error;
    default:
      return serviceError(error);
  }
}
