import { type Duration } from './duration.ts';
import { requireObject } from './shown.ts';
import { markInstances } from './symbol-instanceof.ts';
import type { WireFailure, WireRetryState, WireTimeoutType } from './wire/index.ts';

/** Why no further attempt was made. */
export const RetryState = {
  IN_PROGRESS: 'IN_PROGRESS',
  NON_RETRYABLE_FAILURE: 'NON_RETRYABLE_FAILURE',
  TIMEOUT: 'TIMEOUT',
  MAXIMUM_ATTEMPTS_REACHED: 'MAXIMUM_ATTEMPTS_REACHED',
  RETRY_POLICY_NOT_SET: 'RETRY_POLICY_NOT_SET',
  INTERNAL_SERVER_ERROR: 'INTERNAL_SERVER_ERROR',
  CANCEL_REQUESTED: 'CANCEL_REQUESTED',
} as const satisfies { [S in WireRetryState]: S };
/** See the constant of this name. */
export type RetryState = WireRetryState;

/** Which time-out it was. */
export const TimeoutType = {
  START_TO_CLOSE: 'START_TO_CLOSE',
  SCHEDULE_TO_START: 'SCHEDULE_TO_START',
  SCHEDULE_TO_CLOSE: 'SCHEDULE_TO_CLOSE',
  HEARTBEAT: 'HEARTBEAT',
} as const satisfies { [T in WireTimeoutType]: T };
/** See the constant of this name. */
export type TimeoutType = WireTimeoutType;

/** What every failure that travels is: thrown from a workflow it fails the workflow, where another error fails a task. */
export class TemporalFailure extends Error {
  /** The failure as it travelled, where it did. */
  failure?: WireFailure;
  declare readonly cause?: Error;

  constructor(message?: string | null, cause?: unknown) {
    super(message ?? undefined, cause === undefined ? undefined : { cause });
  }
}
markInstances(TemporalFailure, 'TemporalFailure');

/** A failure of the engine. */
export class ServerFailure extends TemporalFailure {
  readonly nonRetryable: boolean;

  constructor(message: string | undefined, nonRetryable: boolean, cause?: unknown) {
    super(message, cause);
    this.nonRetryable = nonRetryable;
  }
}
markInstances(ServerFailure, 'ServerFailure');

/** Whether a failure is an everyday one that need not be looked at. */
export const ApplicationFailureCategory = { BENIGN: 'BENIGN' } as const;
/** See the constant of this name. */
export type ApplicationFailureCategory = (typeof ApplicationFailureCategory)[keyof typeof ApplicationFailureCategory];

/** What an application failure is made of. */
export interface ApplicationFailureOptions {
  message?: string;
  /** What retry policies and callers tell failures apart by. Default: the error's name. */
  type?: string;
  /** No further attempt is made, whatever the policy says. Default false. */
  nonRetryable?: boolean;
  details?: unknown[];
  /** The wait before the next attempt, instead of the policy's. */
  nextRetryDelay?: Duration;
  cause?: Error;
  category?: ApplicationFailureCategory;
}

/** A failure of the application's own: what activities and workflows throw. */
export class ApplicationFailure extends TemporalFailure {
  readonly type: string | undefined | null;
  readonly nonRetryable: boolean | undefined | null;
  readonly details: unknown[] | undefined | null;
  readonly nextRetryDelay: Duration | undefined | null;
  readonly category: ApplicationFailureCategory | undefined | null;

  constructor(
    message?: string | null,
    type?: string | null,
    nonRetryable?: boolean | null,
    details?: unknown[] | null,
    cause?: Error,
    nextRetryDelay?: Duration | null,
    category?: ApplicationFailureCategory | null,
  ) {
    super(message, cause);
    this.type = type;
    this.nonRetryable = nonRetryable;
    this.details = details;
    this.nextRetryDelay = nextRetryDelay;
    this.category = category;
  }

  /** @throws TypeError for options that are none */
  static create(options: ApplicationFailureOptions): ApplicationFailure {
    requireObject('ApplicationFailure.create', options, '{ message, type, nonRetryable }');
    const { message, type, nonRetryable = false, details, nextRetryDelay, cause, category } = options;
    return new this(message, type, nonRetryable, details, cause, nextRetryDelay, category);
  }

  /** Makes one of any error; options win over what the error says. */
  static fromError(error: unknown, overrides: ApplicationFailureOptions = {}): ApplicationFailure {
    requireObject('ApplicationFailure.fromError: overrides', overrides, '{ message, type, nonRetryable }');
    const given: Partial<ApplicationFailure> = error instanceof ApplicationFailure ? error : {};
    const raw = error as Partial<Error> | null | undefined;
    const failure = new this(
      overrides.message ?? String(raw?.message ?? error),
      overrides.type ?? given.type ?? raw?.constructor?.name ?? raw?.name,
      overrides.nonRetryable ?? given.nonRetryable ?? false,
      overrides.details ?? given.details,
      overrides.cause ?? (raw?.cause as Error | undefined),
      overrides.nextRetryDelay ?? given.nextRetryDelay,
      overrides.category ?? given.category,
    );
    if (raw?.stack !== undefined) failure.stack = raw.stack;
    return failure;
  }

  /** One that is retried as the policy says. */
  static retryable(message?: string | null, type?: string | null, ...details: unknown[]): ApplicationFailure {
    return new this(message, type ?? 'Error', false, details);
  }

  /** One that ends the attempts. */
  static nonRetryable(message?: string | null, type?: string | null, ...details: unknown[]): ApplicationFailure {
    return new this(message, type ?? 'Error', true, details);
  }
}
markInstances(ApplicationFailure, 'ApplicationFailure');

/** Cancelled: a workflow, an activity, a child or a scope. */
export class CancelledFailure extends TemporalFailure {
  readonly details: unknown[];

  constructor(message: string | undefined, details: unknown[] = [], cause?: unknown) {
    super(message, cause);
    this.details = details;
  }
}
markInstances(CancelledFailure, 'CancelledFailure');

/** Terminated: ended from outside with no chance to clean up. */
export class TerminatedFailure extends TemporalFailure {}
markInstances(TerminatedFailure, 'TerminatedFailure');

/** A deadline passed, or the worker that ran an attempt is gone. */
export class TimeoutFailure extends TemporalFailure {
  readonly lastHeartbeatDetails: unknown;
  readonly timeoutType: TimeoutType;

  constructor(message: string | undefined, lastHeartbeatDetails: unknown, timeoutType: TimeoutType) {
    super(message);
    this.lastHeartbeatDetails = lastHeartbeatDetails;
    this.timeoutType = timeoutType;
  }
}
markInstances(TimeoutFailure, 'TimeoutFailure');

/** An activity failed for good; the cause says why. */
export class ActivityFailure extends TemporalFailure {
  readonly activityType: string;
  readonly activityId: string | undefined;
  readonly retryState: RetryState;
  readonly identity: string | undefined;

  constructor(
    message: string | undefined,
    activityType: string,
    activityId: string | undefined,
    retryState: RetryState,
    identity: string | undefined,
    cause?: unknown,
  ) {
    super(message, cause);
    this.activityType = activityType;
    this.activityId = activityId;
    this.retryState = retryState;
    this.identity = identity;
  }
}
markInstances(ActivityFailure, 'ActivityFailure');

/** A child workflow failed; the cause says why. */
export class ChildWorkflowFailure extends TemporalFailure {
  readonly namespace: string | undefined;
  readonly execution: { workflowId: string; runId: string };
  readonly workflowType: string;
  readonly retryState: RetryState;

  constructor(
    namespace: string | undefined,
    execution: { workflowId: string; runId: string },
    workflowType: string,
    retryState: RetryState,
    cause?: unknown,
  ) {
    super('Child Workflow execution failed', cause);
    this.namespace = namespace;
    this.execution = execution;
    this.workflowType = workflowType;
    this.retryState = retryState;
  }
}
markInstances(ChildWorkflowFailure, 'ChildWorkflowFailure');

/** A run of that workflow id is open, or its reuse is forbidden. */
export class WorkflowExecutionAlreadyStartedError extends TemporalFailure {
  readonly workflowId: string;
  readonly workflowType: string;

  constructor(message: string, workflowId: string, workflowType: string) {
    super(message);
    this.workflowId = workflowId;
    this.workflowType = workflowType;
  }
}
markInstances(WorkflowExecutionAlreadyStartedError, 'WorkflowExecutionAlreadyStartedError');

/** The message at the bottom of a chain of causes. */
export function rootCause(error: unknown): string | undefined {
  if (error instanceof Error)
    return error.cause === undefined ? error.message : (rootCause(error.cause) ?? error.message);
  if (error !== null && typeof error === 'object' && 'message' in error) return String(error.message);
  return typeof error === 'string' ? error : undefined;
}

/** Whether an error is a cancellation, its own or one that an activity or a child reports. */
export function isCancellation(error: unknown): boolean {
  if (error instanceof CancelledFailure) return true;
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) return isCancellation(error.cause);
  return false;
}

/** The error as an application failure, unless it is a failure already. */
export function ensureTemporalFailure(error: unknown): TemporalFailure {
  return error instanceof TemporalFailure ? error : ApplicationFailure.fromError(error);
}

/** The error as an application failure. */
export function ensureApplicationFailure(error: unknown): ApplicationFailure {
  return error instanceof ApplicationFailure ? error : ApplicationFailure.fromError(error);
}
