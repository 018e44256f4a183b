import type {
  QueryDefinition,
  SearchAttributes,
  Segment,
  SignalDefinition,
  TypedSearchAttributes,
  UpdateDefinition,
  Workflow,
  WorkflowResultType,
} from '../common/index.ts';
import type { RunDescription, RunStatus } from '../contract/index.ts';
import type { WorkflowClient, WorkflowUpdateOptions } from './workflow-client.ts';

/** What is known of a run. Beside the SDK's fields, those of `RunDescription`: blocked, paused, waitingFor and so on. */
export interface WorkflowExecutionDescription extends Omit<RunDescription, 'status' | 'memo' | 'searchAttributes'> {
  taskQueue: string;
  status: { name: RunStatus };
  startTime: Date;
  closeTime?: Date;
  memo: Record<string, unknown>;
  searchAttributes: SearchAttributes;
  typedSearchAttributes: TypedSearchAttributes;
  raw: RunDescription;
}

/** A stored history. */
export interface WorkflowHistory {
  workflowId: string;
  runId: string;
  segments: Segment[];
}

/** A handle on an update. */
export interface WorkflowUpdateHandle<Ret> {
  updateId: string;
  workflowId: string;
  workflowRunId: string | undefined;
  /** Waits for the result. @throws WorkflowUpdateFailedError */
  result(): Promise<Ret>;
}

/** A handle on a workflow: on its open run, or on the run that it names. */
export interface WorkflowHandle<W extends Workflow = Workflow> {
  readonly workflowId: string;
  readonly runId: string | undefined;
  readonly client: WorkflowClient;
  /** Waits for the result. @throws WorkflowFailedError · WorkflowContinuedAsNewError */
  result(): Promise<WorkflowResultType<W>>;
  /** Sends a signal; when this returns, it is durable. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the field's own type
  signal<Args extends any[] = any[]>(signal: string | SignalDefinition<Args>, ...args: Args): Promise<void>;
  /** Asks the run; what it answers is durable. */
  // oxlint-disable-next-line typescript/no-explicit-any
  query<Ret, Args extends any[] = any[]>(query: string | QueryDefinition<Ret, Args>, ...args: Args): Promise<Ret>;
  /** Sends an update and waits for its result. @throws WorkflowUpdateFailedError */
  executeUpdate<Ret>(update: string | UpdateDefinition<Ret>, options?: WorkflowUpdateOptions): Promise<Ret>;
  /** Sends an update and waits until it is accepted. */
  startUpdate<Ret>(
    update: string | UpdateDefinition<Ret>,
    options: WorkflowUpdateOptions & { waitForStage: 'ACCEPTED' },
  ): Promise<WorkflowUpdateHandle<Ret>>;
  getUpdateHandle<Ret>(updateId: string): WorkflowUpdateHandle<Ret>;
  /** Asks the run to cancel itself. */
  cancel(): Promise<void>;
  /** Ends the run at once. */
  terminate(reason?: string): Promise<void>;
  describe(): Promise<WorkflowExecutionDescription>;
  fetchHistory(): Promise<WorkflowHistory>;
}

/** The handle of a run that this client started. */
export type WorkflowHandleWithFirstExecutionRunId<W extends Workflow = Workflow> = WorkflowHandle<W> & {
  readonly firstExecutionRunId: string;
};
/** The handle of a run that signal-with-start reached. */
export type WorkflowHandleWithSignaledRunId<W extends Workflow = Workflow> = WorkflowHandle<W> & {
  readonly signaledRunId: string;
};
