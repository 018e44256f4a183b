import { type Duration, msOptionalToNumber, msToNumber } from './duration.ts';
import { requireObject, wrongArgument } from './shown.ts';
import type { WireRetryPolicy } from './wire/index.ts';

/** How a failed attempt is repeated. */
export interface RetryPolicy {
  /** The first wait. Default 1 s. */
  initialInterval?: Duration;
  /** What each wait is multiplied by for the next; at least 1. Default 2. */
  backoffCoefficient?: number;
  /** The longest wait. Default 100 times the first. */
  maximumInterval?: Duration;
  /** Attempts in all, the first included; Infinity or absent: no end. */
  maximumAttempts?: number;
  /** Types of application failure that are not retried. */
  nonRetryableErrorTypes?: string[];
  /** Beyond the SDK: the waits themselves, one for each further attempt; after the last there is none. */
  delays?: Duration[];
  /** Beyond the SDK: the share of each wait that is drawn at random, 0 to 1. */
  jitter?: number;
  /** Beyond the SDK: what is retried, by kind or type of failure; the first rule that matches wins. */
  rules?: RetryRule[];
}

/** Says of a kind, or of a type of application failure, whether it is retried. */
export interface RetryRule {
  /** `transient`: the other side was not there (connection refused, reset, timed out). */
  kind?: 'application' | 'timeout' | 'transient' | 'worker-lost';
  type?: string;
  retry: boolean;
}

/**
 * Checks a retry policy and writes it as it travels.
 * @throws TypeError that names the field, its value and what it may be
 */
export function compileRetryPolicy(policy: RetryPolicy): WireRetryPolicy {
  const wrong = (field: string, value: unknown, may: string): never => {
    throw wrongArgument(`retry.${field}`, `is ${may}`, value);
  };
  requireObject('retry', policy, "{ initialInterval: '1s', maximumAttempts: 5 }");
  const wire: WireRetryPolicy = {};
  const initialMs = msOptionalToNumber(policy.initialInterval, 'retry.initialInterval');
  const maximumMs = msOptionalToNumber(policy.maximumInterval, 'retry.maximumInterval');
  if (initialMs !== undefined) {
    if (initialMs <= 0) wrong('initialInterval', policy.initialInterval, 'longer than nothing');
    wire.initialIntervalMs = initialMs;
  }
  if (maximumMs !== undefined) {
    if (maximumMs < (initialMs ?? 1000))
      wrong('maximumInterval', policy.maximumInterval, 'no shorter than initialInterval');
    wire.maximumIntervalMs = maximumMs;
  }
  if (policy.backoffCoefficient !== undefined) {
    if (!isNumberWithin(policy.backoffCoefficient, 1, BACKOFF_COEFFICIENT_MAX))
      wrong('backoffCoefficient', policy.backoffCoefficient, `a number from 1 to ${BACKOFF_COEFFICIENT_MAX}`);
    wire.backoffCoefficient = policy.backoffCoefficient;
  }
  const { maximumAttempts } = policy;
  if (maximumAttempts !== undefined && maximumAttempts !== Infinity) {
    if (!Number.isInteger(maximumAttempts) || maximumAttempts <= 0)
      wrong('maximumAttempts', maximumAttempts, 'a whole number above 0, or Infinity');
    wire.maximumAttempts = maximumAttempts;
  }
  const types: unknown = policy.nonRetryableErrorTypes;
  if (types !== undefined && !(Array.isArray(types) && types.every((type) => typeof type === 'string')))
    wrong('nonRetryableErrorTypes', policy.nonRetryableErrorTypes, 'a list of names');
  if (policy.nonRetryableErrorTypes) wire.nonRetryableErrorTypes = [...policy.nonRetryableErrorTypes];
  if (policy.delays) {
    if (!Array.isArray(policy.delays)) wrong('delays', policy.delays, "a list of waits, such as ['1s', '1m']");
    wire.delaysMs = policy.delays.map((delay) => {
      const ms = msToNumber(delay, 'a wait in retry.delays');
      return ms >= 0 ? ms : wrong('delays', delay, 'a list of waits of 0 or more');
    });
  }
  if (policy.jitter !== undefined) {
    if (!isNumberWithin(policy.jitter, 0, 1)) wrong('jitter', policy.jitter, 'a number from 0 to 1');
    wire.jitter = policy.jitter;
  }
  if (policy.rules) {
    if (!Array.isArray(policy.rules)) wrong('rules', policy.rules, 'a list of { kind or type, retry }');
    wire.rules = policy.rules.map((rule) => {
      if ((rule?.kind === undefined && rule?.type === undefined) || !KINDS.has(rule.kind))
        wrong('rules', rule, 'a list of { kind or type, retry }');
      return { ...rule };
    });
  }
  return wire;
}

/** Past it the wait is the longest there is after one failure, whatever else the policy says. */
const BACKOFF_COEFFICIENT_MAX = 1_000_000;

const KINDS = new Set<unknown>([
  undefined,
  'application',
  'timeout',
  'transient',
  'worker-lost',
] satisfies RetryRule['kind'][]);

const isNumberWithin = (value: unknown, least: number, most: number): boolean =>
  typeof value === 'number' && value >= least && value <= most;
