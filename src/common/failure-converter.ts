import { msOptionalToNumber } from './duration.ts';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  ServerFailure,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
} from './failure.ts';
import type { PayloadConverter } from './payload.ts';
import { fromWireList, toWireList } from './wire-payload.ts';
import type { WireFailure } from './wire/index.ts';

const SOURCE = 'TypeScriptSDK';
/** How far a chain of causes is followed; a longer one, or a circle, is cut. */
const CAUSES_MAX = 32;
/** Characters of a message or a stack that travel. */
const TEXT_CHARACTERS_MAX = 20_000;

/** Writes an error as it travels. Never throws: what cannot be read of an error is left out. */
export function errorToFailure(error: unknown, converter: PayloadConverter, depth = 0): WireFailure {
  try {
    return convert(error, converter, depth);
  } catch {
    // A getter or a converter that throws must not hide that there was a failure.
    return { kind: 'application', message: 'the error could not be read', type: 'Error', source: SOURCE };
  }
}

function convert(error: unknown, converter: PayloadConverter, depth: number): WireFailure {
  if (error instanceof TemporalFailure && error.failure) return error.failure;
  const raw = error as { message?: unknown; stack?: unknown; cause?: unknown; name?: unknown };
  const isObject = typeof error === 'object' && error !== null;
  const stack = isObject && typeof raw.stack === 'string' ? raw.stack : undefined;
  const cause = isObject && raw.cause !== undefined && raw.cause !== null && depth < CAUSES_MAX ? raw.cause : undefined;
  const base = {
    message: cut(isObject && 'message' in raw ? String(raw.message) : String(error)),
    source: SOURCE,
    ...(stack === undefined ? {} : { stackTrace: cut(withoutHead(stack)) }),
    ...(cause === undefined ? {} : { cause: errorToFailure(cause, converter, depth + 1) }),
  };
  if (error instanceof ActivityFailure) {
    return {
      ...base,
      kind: 'activity',
      activityType: error.activityType,
      activityId: error.activityId ?? '',
      retryState: error.retryState,
      ...(error.identity === undefined ? {} : { identity: error.identity }),
    };
  }
  if (error instanceof ChildWorkflowFailure) {
    return {
      ...base,
      kind: 'child',
      namespace: error.namespace ?? '',
      ...error.execution,
      workflowType: error.workflowType,
      retryState: error.retryState,
    };
  }
  if (error instanceof CancelledFailure) {
    return {
      ...base,
      kind: 'cancelled',
      ...(error.details.length ? { details: toWireList(converter, error.details) } : {}),
    };
  }
  if (error instanceof TimeoutFailure) {
    return {
      ...base,
      kind: 'timeout',
      timeoutType: error.timeoutType,
      ...(error.lastHeartbeatDetails === undefined
        ? {}
        : { lastHeartbeatDetails: toWireList(converter, [error.lastHeartbeatDetails]) }),
    };
  }
  if (error instanceof ServerFailure) return { ...base, kind: 'server', nonRetryable: error.nonRetryable };
  if (error instanceof TerminatedFailure) return { ...base, kind: 'terminated' };
  if (error instanceof ApplicationFailure) {
    const nextRetryDelayMs = msOptionalToNumber(error.nextRetryDelay ?? undefined);
    return {
      ...base,
      kind: 'application',
      ...(error.type === undefined || error.type === null ? {} : { type: error.type }),
      ...(error.nonRetryable ? { nonRetryable: true } : {}),
      ...(error.details?.length ? { details: toWireList(converter, error.details) } : {}),
      ...(nextRetryDelayMs === undefined ? {} : { nextRetryDelayMs }),
      ...(error.category ? { category: error.category } : {}),
    };
  }
  // The code of a system error (ECONNREFUSED, …) says more than its class, and retry rules go by it.
  const { code } = (isObject ? raw : {}) as { code?: unknown };
  const type = typeof code === 'string' ? code : isObject && typeof raw.name === 'string' ? raw.name : 'Error';
  return { ...base, kind: 'application', type };
}

/** Reads an error back, with its chain of causes. */
export function failureToError(failure: WireFailure, converter: PayloadConverter): TemporalFailure {
  const cause = failure.cause ? failureToError(failure.cause, converter) : undefined;
  const error = rebuild(failure, converter, cause);
  if (failure.stackTrace !== undefined) error.stack = `${error.name}: ${failure.message}\n${failure.stackTrace}`;
  // Not shown when the error is printed: it says the same once more.
  Object.defineProperty(error, 'failure', { value: failure, writable: true, configurable: true, enumerable: false });
  return error;
}

function rebuild(
  failure: WireFailure,
  converter: PayloadConverter,
  cause: TemporalFailure | undefined,
): TemporalFailure {
  switch (failure.kind) {
    case 'application':
      return new ApplicationFailure(
        failure.message,
        failure.type,
        failure.nonRetryable ?? false,
        failure.details ? fromWireList(converter, failure.details) : [],
        cause,
        failure.nextRetryDelayMs,
        failure.category,
      );
    case 'timeout':
      return withCause(
        new TimeoutFailure(
          failure.message,
          fromWireList(converter, failure.lastHeartbeatDetails)[0],
          failure.timeoutType,
        ),
        cause,
      );
    case 'cancelled':
      return new CancelledFailure(failure.message, fromWireList(converter, failure.details), cause);
    case 'terminated':
      return new TerminatedFailure(failure.message, cause);
    case 'server':
      return new ServerFailure(failure.message, failure.nonRetryable ?? false, cause);
    case 'activity':
      return new ActivityFailure(
        failure.message,
        failure.activityType,
        failure.activityId,
        failure.retryState,
        failure.identity,
        cause,
      );
    case 'child':
      return new ChildWorkflowFailure(
        failure.namespace,
        { workflowId: failure.workflowId, runId: failure.runId },
        failure.workflowType,
        failure.retryState,
        cause,
      );
  }
}

function withCause<E extends TemporalFailure>(error: E, cause: TemporalFailure | undefined): E {
  if (cause)
    Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true, enumerable: false });
  return error;
}

/** A stack without its first line, which repeats name and message. */
function withoutHead(stack: string): string {
  const at = stack.search(/^\s+at /m);
  return at < 0 ? '' : stack.slice(at);
}

function cut(text: string): string {
  return text.length <= TEXT_CHARACTERS_MAX ? text : `${text.slice(0, TEXT_CHARACTERS_MAX)}… (cut)`;
}
