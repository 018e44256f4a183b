import { ValueError } from './errors.ts';
import { requireObject, shown } from './shown.ts';
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
import { fromWire, fromWireList, toWire, toWireList } from './wire-payload.ts';
import type { WireFailure } from './wire/index.ts';

const SOURCE = 'TypeScriptSDK';
/** How far a chain of causes is followed; a longer one, or a circle, is cut. */
const CAUSES_MAX = 32;
/** Characters of a message or a stack that travel. */
const TEXT_CHARACTERS_MAX = 20_000;

/** Turns errors into failures as they travel, and back. A data converter may bring one of its own. */
export interface FailureConverter {
  errorToFailure(error: unknown, payloadConverter: PayloadConverter): WireFailure;
  failureToError(failure: WireFailure, payloadConverter: PayloadConverter): Error;
}

/** What the default converter may be told. */
export interface DefaultFailureConverterOptions {
  /** Moves message and stack into a payload, where codecs reach them (encryption). Default false. */
  encodeCommonAttributes: boolean;
}

/** The failure converter where nothing else is set, and the class that others extend. */
export class DefaultFailureConverter implements FailureConverter {
  readonly options: DefaultFailureConverterOptions;

  /** @throws TypeError for options that are none */
  constructor(options: Partial<DefaultFailureConverterOptions> = {}) {
    requireObject('DefaultFailureConverter', options, '{ encodeCommonAttributes: true }');
    this.options = { encodeCommonAttributes: options.encodeCommonAttributes ?? false };
  }

  errorToFailure(error: unknown, payloadConverter: PayloadConverter): WireFailure {
    const failure = errorToFailure(error, payloadConverter);
    return this.options.encodeCommonAttributes ? hide(failure, payloadConverter) : failure;
  }

  failureToError(failure: WireFailure, payloadConverter: PayloadConverter): Error {
    return failureToError(failure, payloadConverter);
  }
}

/** What converts errors where nothing else is set. */
export const defaultFailureConverter: FailureConverter = new DefaultFailureConverter();

/** The message that stands in for one that was moved into a payload. */
const HIDDEN_MESSAGE = 'Encoded failure';

/** Moves message and stack, of the causes too, into a payload. */
function hide(failure: WireFailure, converter: PayloadConverter): WireFailure {
  if (failure.encodedAttributes) return failure;
  const { message, stackTrace = '', cause } = failure;
  return {
    ...failure,
    message: HIDDEN_MESSAGE,
    stackTrace: '',
    encodedAttributes: toWire(converter, { message, stack_trace: stackTrace }),
    ...(cause ? { cause: hide(cause, converter) } : {}),
  };
}

/** Puts them back; what cannot be read (a codec is missing) stays as it is. */
function reveal(failure: WireFailure, converter: PayloadConverter): WireFailure {
  if (!failure.encodedAttributes) return failure;
  try {
    const { message, stack_trace: stackTrace } = fromWire<{ message: string; stack_trace: string }>(
      converter,
      failure.encodedAttributes,
    );
    return { ...failure, message, stackTrace };
  } catch {
    return failure;
  }
}

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
  const raw = error as { message?: unknown; stack?: unknown; cause?: unknown; name?: unknown; code?: unknown };
  const isObject = typeof error === 'object' && error !== null;
  const stack = isObject && typeof raw.stack === 'string' ? raw.stack : undefined;
  const cause = isObject && raw.cause !== undefined && raw.cause !== null && depth < CAUSES_MAX ? raw.cause : undefined;
  const base = {
    message: cut(isObject && 'message' in raw ? String(raw.message) : textOf(error)),
    source: SOURCE,
    ...(stack === undefined ? {} : { stackTrace: cut(cutoffStackTrace(stack)) }),
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
      ...(typeof raw.code === 'string' ? { code: cut(raw.code) } : {}),
    };
  }
  // The code of a system error (ECONNREFUSED, …) says more than its class: retry rules go by either.
  return {
    ...base,
    kind: 'application',
    type: isObject && typeof raw.name === 'string' ? raw.name : 'Error',
    ...(isObject && typeof raw.code === 'string' ? { code: cut(raw.code) } : {}),
  };
}

/** Reads an error back, with its chain of causes. @throws ValueError for what is no failure */
export function failureToError(given: WireFailure, converter: PayloadConverter): TemporalFailure {
  if (typeof given !== 'object' || given === null) throw noFailure(given);
  const failure = reveal(given, converter);
  const cause = failure.cause ? failureToError(failure.cause, converter) : undefined;
  const error = rebuild(failure, converter, cause);
  if (failure.stackTrace !== undefined) error.stack = `${error.name}: ${failure.message}\n${failure.stackTrace}`;
  // Not shown when the error is printed: it says the same once more.
  Object.defineProperty(error, 'failure', { value: given, writable: true, configurable: true, enumerable: false });
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
    default:
      throw noFailure(failure);
  }
}

function noFailure(given: unknown): ValueError {
  return new ValueError(
    `a failure is { kind, message }, this is ${shown(given)}; look at the failure converter or codec that made it`,
  );
}

function withCause<E extends TemporalFailure>(error: E, cause: TemporalFailure | undefined): E {
  if (cause)
    Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true, enumerable: false });
  return error;
}

/** The function by which pleach calls an author's: frames from it on are pleach's own. */
export const AUTHORS_CODE = 'pleachCallsAuthor';

/** The frames of a stack that are the author's: without name and message, and without pleach's own at its end. */
export function cutoffStackTrace(stack: string | undefined): string {
  const frames = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const end = frames.findIndex((line) => line.includes(AUTHORS_CODE));
  return (end < 0 ? frames : frames.slice(0, end)).join('\n');
}

/** What was thrown that is no error: text as it is, and the rest as JSON. */
function textOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  return (JSON.stringify(thrown) as string | undefined) ?? typeof thrown;
}

function cut(text: string): string {
  return text.length <= TEXT_CHARACTERS_MAX ? text : `${text.slice(0, TEXT_CHARACTERS_MAX)}… (cut)`;
}
