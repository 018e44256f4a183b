import type { Priority, SearchAttributes, TypedSearchAttributes, WireRetryPolicy } from '../common/index.ts';

/** What a run knows of itself. Times by the run's clock. */
export interface WorkflowInfo {
  readonly workflowId: string;
  readonly runId: string;
  readonly workflowType: string;
  readonly namespace: string;
  /** The first run of this chain of retries and continue-as-new. */
  readonly firstExecutionRunId: string;
  readonly continuedFromExecutionRunId: string | undefined;
  /** From 1; more where the workflow's own retry policy made this run. */
  readonly attempt: number;
  readonly taskQueue: string;
  readonly parent: { workflowId: string; runId: string; namespace: string } | undefined;
  readonly root: { workflowId: string; runId: string } | undefined;
  readonly startTime: Date;
  readonly runStartTime: Date;
  readonly taskTimeoutMs: number;
  readonly executionTimeoutMs: number | undefined;
  readonly runTimeoutMs: number | undefined;
  readonly retryPolicy: WireRetryPolicy | undefined;
  readonly cronSchedule: string | undefined;
  readonly memo: Record<string, unknown> | undefined;
  readonly searchAttributes: SearchAttributes;
  readonly typedSearchAttributes: TypedSearchAttributes;
  readonly lastResult: unknown;
  readonly lastFailure: Error | undefined;
  /** Events in the history, and its bytes, before this activation. */
  readonly historyLength: number;
  readonly historySize: number;
  readonly continueAsNewSuggested: boolean;
  readonly priority: Priority | undefined;
  readonly staticSummary: string | undefined;
  readonly staticDetails: string | undefined;
  /** For those who know why they should not be used. */
  readonly unsafe: { readonly now: () => number; readonly isReplaying: boolean };
}
