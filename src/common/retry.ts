import type { WireFailure, WireRetryPolicy, WireRetryRule, WireRetryState } from './wire/index.ts';

/** What to do after an attempt has failed. */
export type RetryDecision = { retryAfterMs: number } | { stop: WireRetryState };

const INITIAL_MS = 1000;
const COEFFICIENT = 2;
const MAXIMUM_TIMES_INITIAL = 100;

/**
 * Decides whether a failed attempt is followed by another, and when. Pure: the same arguments give the same answer.
 * Defaults: first wait 1 s, doubled each time, at most 100 times the first, without end.
 * @param attempt the attempt that failed, from 1
 * @param fraction a number in [0, 1) that jitter draws from
 */
export function decideRetry(
  policy: WireRetryPolicy,
  attempt: number,
  failure: WireFailure,
  fraction: number,
): RetryDecision {
  if (!mayRetry(policy, failure)) return { stop: 'NON_RETRYABLE_FAILURE' };
  if (policy.maximumAttempts && attempt >= policy.maximumAttempts) return { stop: 'MAXIMUM_ATTEMPTS_REACHED' };
  if (failure.kind === 'application' && failure.nextRetryDelayMs !== undefined)
    return { retryAfterMs: failure.nextRetryDelayMs };
  let waitMs: number;
  if (policy.delaysMs) {
    const delayMs = policy.delaysMs[attempt - 1];
    if (delayMs === undefined) return { stop: 'MAXIMUM_ATTEMPTS_REACHED' };
    waitMs = delayMs;
  } else {
    const initialMs = policy.initialIntervalMs ?? INITIAL_MS;
    const maximumMs = policy.maximumIntervalMs ?? initialMs * MAXIMUM_TIMES_INITIAL;
    waitMs = Math.min(initialMs * (policy.backoffCoefficient ?? COEFFICIENT) ** (attempt - 1), maximumMs);
  }
  const jitter = policy.jitter ?? 0;
  return { retryAfterMs: Math.max(0, Math.round(waitMs * (1 + jitter * (2 * fraction - 1)))) };
}

/** Whether a failure of this kind is retried at all: the first rule that matches says so, else the field's defaults. */
function mayRetry(policy: WireRetryPolicy, failure: WireFailure): boolean {
  for (const rule of policy.rules ?? []) if (matches(rule, failure)) return rule.retry;
  switch (failure.kind) {
    case 'cancelled':
    case 'terminated':
      return false;
    case 'timeout':
      return failure.timeoutType === 'START_TO_CLOSE' || failure.timeoutType === 'HEARTBEAT';
    case 'application':
      return (
        !failure.nonRetryable && !(failure.type !== undefined && policy.nonRetryableErrorTypes?.includes(failure.type))
      );
    case 'server':
      return !failure.nonRetryable;
    case 'activity':
    case 'child':
      return true;
  }
}

/** Codes and types that say the other side was not there: worth another try whatever the rest of a policy says. */
const TRANSIENT = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'EAI_AGAIN',
  'ENOTFOUND',
  'EBUSY',
  'UND_ERR_SOCKET',
]);

/** Whether a rule speaks of a failure: of its kind and its type, where it names them. */
function matches(rule: WireRetryRule, failure: WireFailure): boolean {
  if (rule.type !== undefined) {
    if (failure.kind !== 'application' || (failure.type !== rule.type && failure.code !== rule.type)) return false;
  }
  if (rule.kind === undefined) return rule.type !== undefined;
  switch (rule.kind) {
    case 'application':
      return failure.kind === 'application';
    case 'timeout':
      return failure.kind === 'timeout' && !failure.workerLost;
    case 'worker-lost':
      return failure.kind === 'timeout' && failure.workerLost === true;
    case 'transient':
      return (
        failure.kind === 'server' ||
        (failure.kind === 'application' && (TRANSIENT.has(failure.type ?? '') || TRANSIENT.has(failure.code ?? '')))
      );
  }
}
