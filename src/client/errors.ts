import {
  markInstances,
  type RetryState,
  type TemporalFailure,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '../common/index.ts';
import { type ErrorCode, PleachError } from '../core/index.ts';

/** The numbers of gRPC's status codes, which code written for that SDK looks at. */
export const status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

/** An error of the engine as a client sees it; `cause` carries `code`, the gRPC number, beside pleach's own code. */
export class ServiceError extends Error {
  declare readonly cause?: Error;

  constructor(message: string, options?: { cause: Error }) {
    super(message, options);
  }
}
markInstances(ServiceError, 'ServiceError');

const NUMBERS: Partial<Record<ErrorCode, number>> = {
  ADMISSION_DENIED: status.PERMISSION_DENIED,
  CALL_ABANDONED: status.CANCELLED,
  CONNECTION_CLOSED: status.UNAVAILABLE,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  LEASE_LOST: status.UNAVAILABLE,
  LIMIT_EXCEEDED: status.INVALID_ARGUMENT,
  NODE_STOPPED: status.UNAVAILABLE,
  PAYLOAD_MALFORMED: status.INVALID_ARGUMENT,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  STORE_FULL: status.RESOURCE_EXHAUSTED,
  STORE_READ_ONLY: status.FAILED_PRECONDITION,
  STORE_UNAVAILABLE: status.UNAVAILABLE,
  TOKEN_STALE: status.NOT_FOUND,
  UPDATE_NOT_FOUND: status.NOT_FOUND,
  WORKFLOW_ALREADY_STARTED: status.ALREADY_EXISTS,
  WORKFLOW_CLOSED: status.NOT_FOUND,
  WORKFLOW_NOT_FOUND: status.NOT_FOUND,
  QUERY_FAILED: status.FAILED_PRECONDITION,
};

/** What the cause of a `ServiceError` carries: the shape of a gRPC error, beside pleach's own code. */
export interface GrpcServiceError extends Error {
  /** One of `status`. */
  code: number;
  details: string;
  metadata: Record<string, unknown>;
  pleachCode?: ErrorCode;
  /** The values that the message speaks of. */
  values?: Readonly<Record<string, unknown>>;
}

/** Wraps an error of the engine. */
export function serviceError(error: PleachError): ServiceError {
  const cause: GrpcServiceError = Object.assign(new Error(error.message, { cause: error }), {
    name: error.code,
    pleachCode: error.code,
    code: NUMBERS[error.code] ?? status.UNKNOWN,
    details: error.message,
    metadata: {},
    values: error.details,
  });
  return new ServiceError(error.message, { cause });
}

/** Whether an error has the shape of a gRPC error, as the cause of a `ServiceError` has. */
export function isGrpcServiceError(error: unknown): error is GrpcServiceError {
  const { details, metadata } = (error ?? {}) as Partial<GrpcServiceError>;
  return error instanceof Error && typeof details === 'string' && typeof metadata === 'object' && metadata !== null;
}

/** Whether an error, or one that caused it, is a deadline that passed. */
export function isGrpcDeadlineError(error: unknown): error is Error {
  return hasStatus(error, status.DEADLINE_EXCEEDED);
}

/** Whether an error, or one that caused it, is a call that was given up by its signal. */
export function isGrpcCancelledError(error: unknown): error is Error {
  return hasStatus(error, status.CANCELLED);
}

function hasStatus(error: unknown, code: number): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (isGrpcServiceError(at) && at.code === code) return true;
  return false;
}

/** An error of the engine as the one that people catch. Mistakes in what was asked stay what they are. */
export function translateError(
  error: unknown,
  about: { workflowId: string; runId?: string | undefined; type?: string | undefined },
): unknown {
  if (!(error instanceof PleachError)) return error;
  const { workflowId, runId } = about;
  const detail = (key: string): string | undefined => {
    const value = error.details[key];
    return typeof value === 'string' ? value : undefined;
  };
  switch (error.code) {
    case 'WORKFLOW_ALREADY_STARTED':
      return new WorkflowExecutionAlreadyStartedError(
        error.message,
        workflowId,
        about.type ?? detail('workflowType') ?? '',
      );
    case 'WORKFLOW_NOT_FOUND':
      return new WorkflowNotFoundError(error.message, workflowId, runId);
    case 'WORKFLOW_CLOSED':
      return new WorkflowNotFoundError(error.message, workflowId, runId, detail('status'));
    case 'INVALID_ARGUMENT':
    case 'LIMIT_EXCEEDED':
    case 'PAYLOAD_MALFORMED':
      return error;
    default:
      return serviceError(error);
  }
}

/** The workflow ended in any way but well; `cause` is its failure. */
export class WorkflowFailedError extends Error {
  declare readonly cause: TemporalFailure | undefined;
  readonly retryState: RetryState;

  constructor(message: string, cause: Error | undefined, retryState: RetryState) {
    super(message, { cause });
    this.retryState = retryState;
  }
}
markInstances(WorkflowFailedError, 'WorkflowFailedError');

/** An update was rejected or failed; `cause` is its failure. */
export class WorkflowUpdateFailedError extends Error {
  declare readonly cause: Error | undefined;

  constructor(message: string, cause: Error | undefined) {
    super(message, { cause });
  }
}
markInstances(WorkflowUpdateFailedError, 'WorkflowUpdateFailedError');

/** Waiting for an update took too long, or was given up; the update may still take place. */
export class WorkflowUpdateRPCTimeoutOrCancelledError extends Error {
  declare readonly cause?: Error;

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
  }
}
markInstances(WorkflowUpdateRPCTimeoutOrCancelledError, 'WorkflowUpdateRPCTimeoutOrCancelledError');

/** The run went on as another, and its followers did not want to follow. */
export class WorkflowContinuedAsNewError extends Error {
  readonly newExecutionRunId: string;

  constructor(message: string, newExecutionRunId: string) {
    super(message);
    this.newExecutionRunId = newExecutionRunId;
  }
}
markInstances(WorkflowContinuedAsNewError, 'WorkflowContinuedAsNewError');

/** The run is not in a state in which it answers this query. */
export class QueryRejectedError extends Error {
  readonly status: string;

  constructor(closedAs: string) {
    super(`Query rejected: the workflow is ${closedAs}`);
    this.status = closedAs;
  }
}
markInstances(QueryRejectedError, 'QueryRejectedError');

/** The workflow has no handler of this name. */
export class QueryNotRegisteredError extends Error {
  /** INVALID_ARGUMENT. */
  readonly code: number;
  /** Beyond the SDK: QUERY_NOT_REGISTERED where there is no handler, QUERY_FAILED where the handler threw. */
  readonly pleachCode: ErrorCode;

  constructor(message: string, code: number = status.INVALID_ARGUMENT, pleachCode: ErrorCode = 'QUERY_NOT_REGISTERED') {
    super(message);
    this.code = code;
    this.pleachCode = pleachCode;
  }
}
markInstances(QueryNotRegisteredError, 'QueryNotRegisteredError');

/** The activity is not there (any more). */
export class ActivityNotFoundError extends Error {}
markInstances(ActivityNotFoundError, 'ActivityNotFoundError');
/** The completion was refused. */
export class ActivityCompletionError extends Error {}
markInstances(ActivityCompletionError, 'ActivityCompletionError');
/** Said to a heartbeat: the activity should stop. */
export class ActivityCancelledError extends Error {}
markInstances(ActivityCancelledError, 'ActivityCancelledError');
/** Said to a heartbeat: the activity is paused. */
export class ActivityPausedError extends Error {}
markInstances(ActivityPausedError, 'ActivityPausedError');
/** Said to a heartbeat: the activity was reset. */
export class ActivityResetError extends Error {}
markInstances(ActivityResetError, 'ActivityResetError');

/** The old name of `isGrpcServiceError`. */
export const isServerErrorResponse = isGrpcServiceError;
