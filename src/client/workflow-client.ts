import {
  composeInterceptors,
  type Headers,
  fromWireMap,
  searchAttributesFromWire,
  shown,
  type UpdateDefinition,
  type WireOutcome,
  type WithWorkflowArgs,
  type Workflow,
  type WorkflowResultType,
} from '../common/index.ts';
import type { RunDescription, RunStatus, UpdateStage } from '../contract/index.ts';
import { PleachError } from '../core/index.ts';
import { BaseClient, type BaseClientOptions } from './base-client.ts';
import type {
  GetWorkflowHandleOptions,
  WorkflowExecutionDescription,
  WorkflowHandle,
  WorkflowHandleWithSignaledRunId,
  WorkflowHandleWithStartDetails,
  WorkflowResultOptions,
  WorkflowUpdateHandle,
} from './handles.ts';
import type {
  WorkflowCancelInput,
  WorkflowClientInterceptor,
  WorkflowClientInterceptors,
  WorkflowDescribeInput,
  WorkflowExecution,
  WorkflowQueryInput,
  WorkflowSignalInput,
  WorkflowSignalWithStartInput,
  WorkflowStartInput,
  WorkflowStartOutput,
  WorkflowStartUpdateInput,
  WorkflowStartUpdateWithStartInput,
  WorkflowTerminateInput,
} from './interceptors.ts';
import {
  optional,
  requireArgs,
  requireLine,
  requireOptions,
  requireStart,
  requireText,
  requireType,
  requireWord,
  type WorkflowSignalWithStartOptions,
  type WorkflowStartOptions,
} from './start-options.ts';
import type { WithStartWorkflowOperation, WorkflowUpdateOptions } from './update.ts';
import { WorkflowRequests } from './workflow-requests.ts';

/** What a workflow client is made with. */
export interface WorkflowClientOptions extends BaseClientOptions {
  interceptors?: WorkflowClientInterceptor[] | WorkflowClientInterceptors;
  /** What a query does with a closed run. Default NONE: it is answered. */
  queryRejectCondition?: QueryRejectCondition;
}

/** What a query does with a closed run. */
export const QueryRejectCondition = {
  NONE: 'NONE',
  NOT_OPEN: 'NOT_OPEN',
  NOT_COMPLETED_CLEANLY: 'NOT_COMPLETED_CLEANLY',
} as const;
/** See the constant of this name. */
export type QueryRejectCondition = (typeof QueryRejectCondition)[keyof typeof QueryRejectCondition];

/** The numbers that the field has for how a run stands. */
const STATUS_CODES: Record<RunStatus, number> = {
  RUNNING: 1,
  COMPLETED: 2,
  FAILED: 3,
  CANCELLED: 4,
  TERMINATED: 5,
  CONTINUED_AS_NEW: 6,
  TIMED_OUT: 7,
};

const NO_HEADERS: Headers = {};

// oxlint-disable typescript/no-explicit-any -- these are the field's own signatures: arguments are the author's

/** Starts workflows and talks to them. */
export class WorkflowClient extends BaseClient {
  readonly #requests: WorkflowRequests;
  readonly #interceptors: WorkflowClientOptions['interceptors'];
  readonly #rejectWhen: QueryRejectCondition | undefined;

  constructor(options: WorkflowClientOptions = {}) {
    super(options);
    if (options.queryRejectCondition !== undefined)
      requireWord(
        'queryRejectCondition',
        options.queryRejectCondition,
        QueryRejectCondition,
        'QUERY_REJECT_CONDITION_',
      );
    this.#requests = new WorkflowRequests(this);
    this.#interceptors = options.interceptors;
    this.#rejectWhen = options.queryRejectCondition;
  }

  /**
   * Starts a run. When this returns, it is durable.
   * @throws WorkflowExecutionAlreadyStartedError · ServiceError · PleachError INVALID_ARGUMENT
   */
  async start<W extends Workflow>(
    workflow: string | W,
    options: WorkflowStartOptions<W>,
  ): Promise<WorkflowHandleWithStartDetails<W>> {
    const given = requireStart(options);
    const input: WorkflowStartInput = { workflowType: requireType(workflow), headers: NO_HEADERS, options: given };
    const interceptors = this.#interceptorsFor({ workflowId: given.workflowId });
    const start = composeInterceptors(interceptors, 'start', async (last: WorkflowStartInput) => {
      const { runId } = await this.#requests.start(last);
      return runId;
    });
    const startWithDetails = composeInterceptors(
      interceptors,
      'startWithDetails',
      async (last: WorkflowStartInput): Promise<WorkflowStartOutput> => ({
        runId: await start(last),
        eagerlyStarted: false,
      }),
    );
    const { runId, eagerlyStarted } = await startWithDetails(input);
    const handle = this.#handle<W>(
      { workflowId: given.workflowId },
      { firstExecutionRunId: runId, followRuns: given.followRuns ?? true },
    );
    return Object.assign(handle, { firstExecutionRunId: runId, eagerlyStarted });
  }

  /** Starts a run and waits for its result. @throws as `start` and `result` do */
  async execute<W extends Workflow>(
    workflow: string | W,
    options: WorkflowStartOptions<W>,
  ): Promise<WorkflowResultType<W>> {
    return (await this.start(workflow, options)).result();
  }

  /** Signals a run, which is started first where none is open. Both are one act. */
  async signalWithStart<W extends Workflow, SignalArgs extends any[] = []>(
    workflow: string | W,
    options: WithWorkflowArgs<W, WorkflowSignalWithStartOptions<SignalArgs>>,
  ): Promise<WorkflowHandleWithSignaledRunId<W>> {
    requireStart(options as WorkflowStartOptions);
    const { signal, signalArgs, ...rest } = options as WorkflowSignalWithStartOptions<any[]> & { args?: unknown[] };
    const given = requireStart(rest);
    const call = composeInterceptors(
      this.#interceptorsFor({ workflowId: given.workflowId }),
      'signalWithStart',
      (last: WorkflowSignalWithStartInput) => this.#requests.signalWithStart(last),
    );
    const signaledRunId = await call({
      workflowType: requireType(workflow),
      signalName: nameOf(signal, 'signal'),
      signalArgs: requireArgs(signalArgs, 'signalArgs'),
      headers: NO_HEADERS,
      options: given,
    });
    const handle = this.#handle<W>({ workflowId: given.workflowId }, { followRuns: given.followRuns ?? true });
    return Object.assign(handle, { signaledRunId });
  }

  /** Starts an update of a run, which is started first where none is open; waits until the update is accepted. */
  async startUpdateWithStart<W extends Workflow, Ret, Args extends any[]>(
    update: UpdateDefinition<Ret, Args> | string,
    options: WorkflowUpdateOptions & {
      args?: Args;
      waitForStage: 'ACCEPTED';
      startWorkflowOperation: WithStartWorkflowOperation<W>;
    },
  ): Promise<WorkflowUpdateHandle<Ret>> {
    requireUpdateOptions(options);
    requireAccepted(options?.waitForStage);
    return this.#updateWithStart<Ret, W>(update, options, 'ACCEPTED');
  }

  /** The same, and waits for the update's result. */
  async executeUpdateWithStart<W extends Workflow, Ret, Args extends any[]>(
    update: UpdateDefinition<Ret, Args> | string,
    options: WorkflowUpdateOptions & { args?: Args; startWorkflowOperation: WithStartWorkflowOperation<W> },
  ): Promise<Ret> {
    return (await this.#updateWithStart<Ret, W>(update, options, 'COMPLETED')).result();
  }

  async #updateWithStart<Ret, W extends Workflow>(
    update: unknown,
    options: WorkflowUpdateOptions & { args?: any[]; startWorkflowOperation: WithStartWorkflowOperation<W> },
    waitFor: UpdateStage,
  ): Promise<WorkflowUpdateHandle<Ret>> {
    requireUpdateOptions(options);
    const { startWorkflowOperation: operation, args, ...updateOptions } = options ?? ({} as typeof options);
    if (typeof operation?.use !== 'function') {
      throw new PleachError(
        'INVALID_ARGUMENT',
        `startWorkflowOperation is new WithStartWorkflowOperation(workflow, { workflowId, taskQueue, … }); it is ${operation === undefined ? 'missing' : shown(operation)}`,
      );
    }
    try {
      operation.use();
      const given = requireStart(operation.options);
      const call = composeInterceptors(
        this.#interceptorsFor({ workflowId: given.workflowId }),
        'startUpdateWithStart',
        (last: WorkflowStartUpdateWithStartInput) => this.#requests.startUpdateWithStart(last, waitFor),
      );
      const output = await call({
        workflowType: requireType(operation.workflowTypeOrFunc),
        workflowStartOptions: given,
        workflowStartHeaders: NO_HEADERS,
        updateName: nameOf(update, 'update'),
        updateArgs: requireArgs(args),
        updateOptions,
        updateHeaders: NO_HEADERS,
      });
      const { workflowExecution } = output;
      operation.settle({
        handle: this.#handle<W>(
          { workflowId: workflowExecution.workflowId },
          { firstExecutionRunId: workflowExecution.runId!, followRuns: given.followRuns ?? true },
        ),
      });
      return this.#updateHandle<Ret>(workflowExecution, output.updateId, output.updateOutcome);
    } catch (error) {
      operation.settle({ error });
      throw error;
    }
  }

  /** A handle on a run that may be there already. */
  getHandle<W extends Workflow>(
    workflowId: string,
    runId?: string,
    options: GetWorkflowHandleOptions = {},
  ): WorkflowHandle<W> {
    requireText('workflowId', workflowId);
    if (runId !== undefined) requireText('runId', runId);
    requireOptions('getHandle', options, '{ followRuns, firstExecutionRunId }');
    return this.#handle<W>({ workflowId, ...optional('runId', runId) }, { ...options, isAnyRun: true });
  }

  /** Waits for the result of a run, following its successors. @throws WorkflowFailedError · WorkflowContinuedAsNewError */
  async result<W extends Workflow>(
    workflowId: string,
    runId?: string,
    options: WorkflowResultOptions = {},
  ): Promise<WorkflowResultType<W>> {
    requireText('workflowId', workflowId);
    if (runId !== undefined) requireText('runId', runId);
    requireOptions('result', options, '{ followRuns }');
    return this.#requests.awaitResult({ workflowId, ...optional('runId', runId) }, options.followRuns ?? true);
  }

  #interceptorsFor(execution: WorkflowExecution): WorkflowClientInterceptor[] {
    const given = this.#interceptors;
    if (!given || Array.isArray(given)) return given ?? [];
    return (given.calls ?? []).map((make) => make(execution));
  }

  #handle<W extends Workflow>(
    execution: WorkflowExecution,
    options: GetWorkflowHandleOptions & { isAnyRun?: boolean },
  ): WorkflowHandle<W> {
    const { workflowId, runId } = execution;
    const { firstExecutionRunId } = options;
    const requests = this.#requests;
    const interceptors = this.#interceptorsFor(execution);
    const signal = composeInterceptors(interceptors, 'signal', (last: WorkflowSignalInput) => requests.signal(last));
    const query = composeInterceptors(interceptors, 'query', (last: WorkflowQueryInput) => requests.query(last));
    const cancel = composeInterceptors(interceptors, 'cancel', (last: WorkflowCancelInput) => requests.cancel(last));
    const terminate = composeInterceptors(interceptors, 'terminate', (last: WorkflowTerminateInput) =>
      requests.terminate(last),
    );
    const describe = composeInterceptors(interceptors, 'describe', (last: WorkflowDescribeInput) =>
      requests.describe(last),
    );
    const startUpdate = async <Ret>(
      update: unknown,
      given: (WorkflowUpdateOptions & { args?: unknown }) | undefined,
      waitFor: UpdateStage,
    ): Promise<WorkflowUpdateHandle<Ret>> => {
      requireUpdateOptions(given);
      const { args, ...updateOptions } = given ?? {};
      const send = composeInterceptors(interceptors, 'startUpdate', (last: WorkflowStartUpdateInput) =>
        requests.startUpdate(last, waitFor),
      );
      const output = await send({
        updateName: nameOf(update, 'update'),
        args: requireArgs(args),
        workflowExecution: execution,
        ...optional('firstExecutionRunId', firstExecutionRunId),
        headers: NO_HEADERS,
        options: updateOptions,
      });
      return this.#updateHandle<Ret>({ workflowId, runId: output.workflowRunId }, output.updateId, output.outcome);
    };
    return {
      workflowId,
      runId,
      client: this,
      // What this client started is awaited from its first run on, whichever run of that id is the latest meanwhile.
      result: () => this.result<W>(workflowId, runId ?? (options.isAnyRun ? undefined : firstExecutionRunId), options),
      signal: async (definition: unknown, ...args: unknown[]) => {
        await signal({
          workflowExecution: execution,
          signalName: nameOf(definition, 'signal'),
          args,
          headers: NO_HEADERS,
        });
      },
      query: async <Ret>(definition: unknown, ...args: unknown[]) =>
        (await query({
          workflowExecution: execution,
          queryType: nameOf(definition, 'query'),
          args,
          queryRejectCondition: this.#rejectWhen,
          headers: NO_HEADERS,
        })) as Ret,
      executeUpdate: async <Ret>(update: unknown, given?: WorkflowUpdateOptions & { args?: unknown }) =>
        (await startUpdate<Ret>(update, given, 'COMPLETED')).result(),
      startUpdate: async <Ret>(
        update: unknown,
        given: WorkflowUpdateOptions & { args?: unknown; waitForStage: 'ACCEPTED' },
      ) => {
        requireAccepted(given?.waitForStage);
        const { waitForStage: _stage, ...rest } = given;
        return startUpdate<Ret>(update, rest, 'ACCEPTED');
      },
      getUpdateHandle: <Ret>(updateId: string, given: { workflowRunId?: string } = {}) =>
        this.#updateHandle<Ret>(
          { workflowId, ...optional('runId', given.workflowRunId ?? runId) },
          requireText('updateId', updateId),
          undefined,
        ),
      cancel: async () => {
        await cancel({ workflowExecution: execution, firstExecutionRunId });
      },
      terminate: async (reason?: string) => {
        requireLine('the reason', reason);
        await terminate({ workflowExecution: execution, reason, firstExecutionRunId });
      },
      pause: async (reason?: string) => requests.pause(execution, true, requireLine('the reason', reason)),
      resume: async (reason?: string) => requests.pause(execution, false, requireLine('the reason', reason)),
      describe: async () => this.#described(await describe({ workflowExecution: execution })),
      fetchHistory: () => requests.history(execution),
    };
  }

  #updateHandle<Ret>(
    execution: WorkflowExecution,
    updateId: string,
    outcome: WireOutcome | undefined,
  ): WorkflowUpdateHandle<Ret> {
    return {
      updateId,
      workflowId: execution.workflowId,
      ...optional('workflowRunId', execution.runId),
      result: () => this.#requests.updateResult<Ret>(execution, updateId, outcome),
    };
  }

  #described(raw: RunDescription): WorkflowExecutionDescription {
    const attributes = searchAttributesFromWire(raw.searchAttributes);
    return {
      ...raw,
      taskQueue: raw.queue,
      status: { code: STATUS_CODES[raw.status], name: raw.status },
      historySize: raw.historyBytes,
      startTime: new Date(raw.startedAt),
      executionTime: new Date(raw.startedAt),
      ...(raw.closedAt === undefined ? {} : { closeTime: new Date(raw.closedAt) }),
      ...(raw.parent ? { parentExecution: raw.parent } : {}),
      ...(raw.root ? { rootExecution: raw.root } : {}),
      memo: fromWireMap(this.converter.payloadConverter, raw.memo),
      searchAttributes: attributes.untyped,
      typedSearchAttributes: attributes.typed,
      staticSummary: async () => raw.staticSummary,
      staticDetails: async () => raw.staticDetails,
      raw,
    };
  }
}

/** The name of a signal, query or update, given as text or as its definition. @throws INVALID_ARGUMENT */
function nameOf(definition: unknown, what: 'signal' | 'query' | 'update'): string {
  const isDefinition = typeof definition === 'object' && definition !== null;
  const { name, type } = (isDefinition ? definition : { name: definition }) as { name?: unknown; type?: string };
  if (type !== undefined && type !== what) {
    throw new PleachError(
      'INVALID_ARGUMENT',
      `a ${what} is meant, and this is the definition of another sort: ${type}`,
      {
        what,
      },
    );
  }
  return requireText(`the ${what} name`, name);
}

function requireUpdateOptions(options: unknown): void {
  requireOptions('an update', options, '{ args, updateId }');
  const { updateId } = (options ?? {}) as WorkflowUpdateOptions;
  if (updateId !== undefined) requireText('updateId', updateId);
}

function requireAccepted(stage: unknown): void {
  if (stage === 'ACCEPTED') return;
  throw new PleachError(
    'INVALID_ARGUMENT',
    `waitForStage is 'ACCEPTED'; it is ${shown(stage)}. To wait for the result, use executeUpdate`,
    { stage },
  );
}
