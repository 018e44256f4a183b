import type { Headers, Priority, RetryPolicy } from '../common/index.ts';

/** What is known of an attempt. Instants in milliseconds since 1970. */
export interface Info {
  readonly taskToken: Uint8Array;
  readonly base64TaskToken: string;
  readonly activityId: string;
  readonly activityType: string;
  /** The namespace, under its three names. */
  readonly namespace: string;
  readonly activityNamespace: string;
  readonly workflowNamespace: string;
  readonly workflowType: string;
  readonly workflowExecution: { readonly workflowId: string; readonly runId: string };
  /** Whether a workflow scheduled it; always, in this release. */
  readonly inWorkflow: boolean;
  readonly taskQueue: string;
  /** From 1. */
  readonly attempt: number;
  readonly isLocal: boolean;
  readonly scheduledTimestampMs: number;
  readonly currentAttemptScheduledTimestampMs: number;
  readonly startToCloseTimeoutMs: number | undefined;
  readonly scheduleToCloseTimeoutMs: number | undefined;
  readonly heartbeatTimeoutMs: number | undefined;
  /** What the last attempt said with its last heartbeat. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the field's own type
  readonly heartbeatDetails: any;
  readonly retryPolicy?: RetryPolicy;
  readonly headers: Headers;
  readonly priority?: Priority;
}
