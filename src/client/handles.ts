import type {
  BaseWorkflowHandle,
  QueryDefinition,
  SearchAttributes,
  TypedSearchAttributes,
  UpdateDefinition,
  Workflow,
} from '../common/index.ts';
import type { History, RunDescription, RunStatus } from '../contract/index.ts';
import type { WorkflowUpdateOptions } from './update.ts';
import type { WorkflowClient } from './workflow-client.ts';

// oxlint-disable typescript/no-explicit-any -- these are the field's own signatures: arguments are the author's

/** How a run stands, by name. */
export type WorkflowExecutionStatusName = RunStatus;

/**
 * What is known of a run. Beside the SDK's fields, those of `RunDescription`: `blocked`, `paused`, `waitingFor`,
 * `queuesWithoutWorker`, `activities`, `timers`, `children`, `currentDetails` and so on.
 */
export interface WorkflowExecutionDescription extends Omit<
  RunDescription,
  'status' | 'memo' | 'searchAttributes' | 'staticSummary' | 'staticDetails'
> {
  taskQueue: string;
  status: { code: number; name: WorkflowExecutionStatusName };
  /** Bytes of its history. */
  historySize: number;
  startTime: Date;
  executionTime: Date;
  closeTime?: Date;
  memo: Record<string, unknown>;
  searchAttributes: SearchAttributes;
  typedSearchAttributes: TypedSearchAttributes;
  parentExecution?: { workflowId: string; runId: string };
  rootExecution?: { workflowId: string; runId: string };
  staticSummary(): Promise<string | undefined>;
  staticDetails(): Promise<string | undefined>;
  raw: RunDescription;
}

/** A stored history: the field's events, and beside them what makes it exact for a replay here. Plain JSON. */
export interface WorkflowHistory extends History {
  workflowId: string;
  runId: string;
}

/** A handle on an update. */
export interface WorkflowUpdateHandle<Ret> {
  updateId: string;
  workflowId: string;
  workflowRunId?: string;
  /** Waits for the result. @throws WorkflowUpdateFailedError · WorkflowUpdateRPCTimeoutOrCancelledError */
  result(): Promise<Ret>;
}

/** Which update a handle is for. */
export interface GetWorkflowUpdateHandleOptions {
  workflowRunId?: string;
}

/** How a result is awaited. */
export interface WorkflowResultOptions {
  /** Follow continue-as-new, retries and cron. Default true. */
  followRuns?: boolean;
}

/** Which run a handle is for. */
export interface GetWorkflowHandleOptions extends WorkflowResultOptions {
  /** Cancel and terminate only a chain of runs that began with this one. */
  firstExecutionRunId?: string;
}

/** A handle on a workflow: on its open run, or on the run that it names. */
export interface WorkflowHandle<W extends Workflow = Workflow> extends BaseWorkflowHandle<W> {
  /** Beyond the SDK: the run that the handle is for; undefined for the open or latest one. */
  readonly runId: string | undefined;
  readonly client: WorkflowClient;
  /** Asks the run; what it answers is durable. @throws QueryNotRegisteredError · QueryRejectedError */
  query<Ret, Args extends any[] = []>(query: QueryDefinition<Ret, Args> | string, ...args: Args): Promise<Ret>;
  /** Sends an update and waits for its result. @throws WorkflowUpdateFailedError */
  executeUpdate<Ret, Args extends [any, ...any[]], Name extends string = string>(
    update: UpdateDefinition<Ret, Args, Name> | string,
    options: WorkflowUpdateOptions & { args: Args },
  ): Promise<Ret>;
  executeUpdate<Ret, Args extends [], Name extends string = string>(
    update: UpdateDefinition<Ret, Args, Name> | string,
    options?: WorkflowUpdateOptions & { args?: Args },
  ): Promise<Ret>;
  /** Sends an update and waits until it is accepted. */
  startUpdate<Ret, Args extends [any, ...any[]], Name extends string = string>(
    update: UpdateDefinition<Ret, Args, Name> | string,
    options: WorkflowUpdateOptions & { args: Args; waitForStage: 'ACCEPTED' },
  ): Promise<WorkflowUpdateHandle<Ret>>;
  startUpdate<Ret, Args extends [], Name extends string = string>(
    update: UpdateDefinition<Ret, Args, Name> | string,
    options: WorkflowUpdateOptions & { args?: Args; waitForStage: 'ACCEPTED' },
  ): Promise<WorkflowUpdateHandle<Ret>>;
  getUpdateHandle<Ret>(updateId: string, options?: GetWorkflowUpdateHandleOptions): WorkflowUpdateHandle<Ret>;
  /** Asks the run to cancel itself. */
  cancel(): Promise<void>;
  /** Ends the run at once. */
  terminate(reason?: string): Promise<void>;
  /** Beyond the SDK: the run keeps what comes in, and its code is not called, until it is resumed. */
  pause(reason?: string): Promise<void>;
  /** Beyond the SDK: ends a pause. */
  resume(reason?: string): Promise<void>;
  describe(): Promise<WorkflowExecutionDescription>;
  /** Its history as JSON that `Worker.runReplayHistory` takes. Payloads stay encoded where codecs have encoded them. */
  fetchHistory(): Promise<WorkflowHistory>;
}

/** The handle of a run that this client started. */
export interface WorkflowHandleWithFirstExecutionRunId<W extends Workflow = Workflow> extends WorkflowHandle<W> {
  readonly firstExecutionRunId: string;
}

/** The same, with how it was started. */
export interface WorkflowHandleWithStartDetails<
  W extends Workflow = Workflow,
> extends WorkflowHandleWithFirstExecutionRunId<W> {
  /** Whether the first task rode back with the answer; it never does here, and need not. */
  readonly eagerlyStarted: boolean;
}

/** The handle of a run that signal-with-start reached. */
export interface WorkflowHandleWithSignaledRunId<W extends Workflow = Workflow> extends WorkflowHandle<W> {
  readonly signaledRunId: string;
}
