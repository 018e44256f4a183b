import type { Headers, Next, WireOutcome } from '../common/index.ts';
import type { RunDescription } from '../contract/index.ts';
import type { CompiledWorkflowOptions } from './start-options.ts';
import type { WorkflowUpdateOptions } from './update.ts';

export type { Headers, Next };

/** A workflow, and one of its runs where one is meant. */
export interface WorkflowExecution {
  workflowId: string;
  runId?: string;
}

/** What a start is made of. */
export interface WorkflowStartInput {
  readonly workflowType: string;
  readonly headers: Headers;
  readonly options: CompiledWorkflowOptions;
}

/** What a start came to. */
export interface WorkflowStartOutput {
  readonly runId: string;
  readonly eagerlyStarted: boolean;
}

/** What an update is made of. */
export interface WorkflowStartUpdateInput {
  readonly updateName: string;
  readonly args: unknown[];
  readonly workflowExecution: WorkflowExecution;
  readonly firstExecutionRunId?: string;
  readonly headers: Headers;
  readonly options: WorkflowUpdateOptions;
}

/** How far an update has come; `outcome` where it has an end. */
export interface WorkflowStartUpdateOutput {
  readonly updateId: string;
  readonly workflowRunId: string;
  readonly outcome?: WireOutcome;
}

/** What an update with its start is made of. */
export interface WorkflowStartUpdateWithStartInput {
  readonly workflowType: string;
  readonly workflowStartOptions: CompiledWorkflowOptions;
  readonly workflowStartHeaders: Headers;
  readonly updateName: string;
  readonly updateArgs: unknown[];
  readonly updateOptions: WorkflowUpdateOptions;
  readonly updateHeaders: Headers;
}

/** How far it has come, and at which run. */
export interface WorkflowStartUpdateWithStartOutput {
  readonly workflowExecution: WorkflowExecution;
  readonly updateId: string;
  readonly updateOutcome?: WireOutcome;
}

/** What a signal is made of. */
export interface WorkflowSignalInput {
  readonly signalName: string;
  readonly args: unknown[];
  readonly workflowExecution: WorkflowExecution;
  readonly headers: Headers;
}

/** What a signal with its start is made of. */
export interface WorkflowSignalWithStartInput {
  readonly workflowType: string;
  readonly signalName: string;
  readonly signalArgs: unknown[];
  readonly headers: Headers;
  readonly options: CompiledWorkflowOptions;
}

/** What a query is made of. */
export interface WorkflowQueryInput {
  readonly workflowExecution: WorkflowExecution;
  readonly queryType: string;
  readonly args: unknown[];
  readonly queryRejectCondition?: 'NONE' | 'NOT_OPEN' | 'NOT_COMPLETED_CLEANLY' | undefined;
  readonly headers: Headers;
}

/** What ends a run at once. */
export interface WorkflowTerminateInput {
  readonly workflowExecution: WorkflowExecution;
  readonly reason?: string | undefined;
  readonly details?: unknown[];
  readonly firstExecutionRunId?: string | undefined;
}

/** What asks a run to cancel itself. */
export interface WorkflowCancelInput {
  readonly workflowExecution: WorkflowExecution;
  readonly firstExecutionRunId?: string | undefined;
}

/** What is asked of a run. */
export interface WorkflowDescribeInput {
  readonly workflowExecution: WorkflowExecution;
}

/** Stands in front of what a workflow client does. Each method may change its input, and what comes of it. */
export interface WorkflowClientInterceptor {
  start?: (input: WorkflowStartInput, next: Next<this, 'start'>) => Promise<string>;
  startWithDetails?: (input: WorkflowStartInput, next: Next<this, 'startWithDetails'>) => Promise<WorkflowStartOutput>;
  startUpdate?: (
    input: WorkflowStartUpdateInput,
    next: Next<this, 'startUpdate'>,
  ) => Promise<WorkflowStartUpdateOutput>;
  startUpdateWithStart?: (
    input: WorkflowStartUpdateWithStartInput,
    next: Next<this, 'startUpdateWithStart'>,
  ) => Promise<WorkflowStartUpdateWithStartOutput>;
  signal?: (input: WorkflowSignalInput, next: Next<this, 'signal'>) => Promise<void>;
  signalWithStart?: (input: WorkflowSignalWithStartInput, next: Next<this, 'signalWithStart'>) => Promise<string>;
  query?: (input: WorkflowQueryInput, next: Next<this, 'query'>) => Promise<unknown>;
  terminate?: (input: WorkflowTerminateInput, next: Next<this, 'terminate'>) => Promise<unknown>;
  cancel?: (input: WorkflowCancelInput, next: Next<this, 'cancel'>) => Promise<unknown>;
  describe?: (input: WorkflowDescribeInput, next: Next<this, 'describe'>) => Promise<RunDescription>;
}

/** The older form: interceptors that are made for each handle. */
export interface WorkflowClientInterceptors {
  calls?: ((input: { workflowId: string; runId?: string }) => WorkflowClientInterceptor)[];
}

/** Interceptors of a client's parts. */
export interface ClientInterceptors {
  workflow?: WorkflowClientInterceptor[] | WorkflowClientInterceptors;
}
