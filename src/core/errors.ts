/**
 * Every code that pleach's own errors carry. A code is for ever once released; `docs/errors.md` has a line for each.
 */
export const ERROR_CODES = [
  'ADDRESS_UNSUPPORTED',
  'ADMISSION_DENIED',
  'ACTIVITY_AWAITS_ADMISSION',
  'ACTIVITY_NOT_FOUND',
  'ACTIVITY_NOT_REGISTERED',
  'BUNDLE_FAILED',
  'CALL_ABANDONED',
  'CONNECTION_CLOSED',
  'DATABASE_CORRUPT',
  'DATABASE_ELSEWHERE',
  'DATABASE_IN_USE',
  'DATABASE_NEWER',
  'DATABASE_NOT_OURS',
  'DATABASE_UNOPENABLE',
  'DEADLINE_EXCEEDED',
  'HISTORY_UNREADABLE',
  'INVALID_ARGUMENT',
  'LEASE_LOST',
  'LIMIT_EXCEEDED',
  'MIGRATION_CHANGED',
  'NODE_STOPPED',
  'NODE_UNREACHABLE',
  'NONDETERMINISM',
  'PARTITION_MOVED',
  'PAYLOAD_MALFORMED',
  'QUERY_FAILED',
  'QUERY_NOT_REGISTERED',
  'RESOURCE_EXHAUSTED',
  'SANDBOX_LOST',
  'STATEMENT_FAILED',
  'STORE_FULL',
  'STORE_READS_EXHAUSTED',
  'STORE_READ_ONLY',
  'STORE_UNAVAILABLE',
  'STORE_WENT_BACK',
  'TOKEN_STALE',
  'TRANSACTION_DECIDED',
  'TRANSACTION_ENGINE_CALL',
  'TRANSACTION_TIMEOUT',
  'UNEXPECTED',
  'UNIQUE_VIOLATION',
  'UPDATE_NOT_FOUND',
  'WORKFLOW_ALREADY_STARTED',
  'WORKFLOW_NOT_FOUND',
  'WORKFLOW_CLOSED',
  'WORKFLOW_NOT_REGISTERED',
] as const;

/** One of the closed set of codes. */
export type ErrorCode = (typeof ERROR_CODES)[number];

/** The one error class of pleach's own rooms: a code, the values in question, and the cause. */
export class PleachError extends Error {
  readonly code: ErrorCode;
  /** The values that the message speaks of; plain data. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, details: Record<string, unknown> = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PleachError';
    this.code = code;
    this.details = details;
  }
}

/** Stops the program where a promise of our own code is broken: a programmer's mistake, never the world's. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`pleach: broken assertion: ${message}`);
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
