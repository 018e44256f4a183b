import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideRetry } from './retry.ts';
import { compileRetryPolicy, type RetryPolicy } from './retry-policy.ts';
import type { WireFailure, WireRetryPolicy } from './wire/index.ts';

const broken: WireFailure = { kind: 'application', message: 'no', type: 'Broken' };
const waits = (policy: WireRetryPolicy, failure: WireFailure, attempts: number): unknown[] =>
  Array.from({ length: attempts }, (_, index) => {
    const decision = decideRetry(policy, index + 1, failure, 0.5);
    return 'stop' in decision ? decision.stop : decision.retryAfterMs;
  });

describe('how long is waited', () => {
  it('by default 1 s, doubled each time, at most 100 s, for ever', () => {
    expect(waits({}, broken, 9)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 100_000, 100_000]);
    expect(decideRetry({}, 1_000_000, broken, 0)).toEqual({ retryAfterMs: 100_000 });
  });

  it('at most 100 times the first wait where no maximum is set', () => {
    expect(decideRetry({ initialIntervalMs: 7 }, 50, broken, 0)).toEqual({ retryAfterMs: 700 });
  });

  it('as a list says, and no longer than the list is', () => {
    expect(waits({ delaysMs: [5, 0, 70] }, broken, 4)).toEqual([5, 0, 70, 'MAXIMUM_ATTEMPTS_REACHED']);
  });

  it('as the failure says, before the policy', () => {
    const slow: WireFailure = { ...broken, nextRetryDelayMs: 12_345 } as WireFailure;
    expect(waits({ delaysMs: [5] }, slow, 1)).toEqual([12_345]);
    expect(waits({ maximumAttempts: 1 }, slow, 1)).toEqual(['MAXIMUM_ATTEMPTS_REACHED']);
  });

  it('within the share that jitter allows, and never less than nothing', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (initialIntervalMs, attempt, jitter, fraction) => {
          const plain = decideRetry({ initialIntervalMs }, attempt, broken, fraction) as { retryAfterMs: number };
          const { retryAfterMs } = decideRetry({ initialIntervalMs, jitter }, attempt, broken, fraction) as {
            retryAfterMs: number;
          };
          expect(retryAfterMs).toBeGreaterThanOrEqual(0);
          expect(Math.abs(retryAfterMs - plain.retryAfterMs)).toBeLessThanOrEqual(plain.retryAfterMs * jitter + 1);
        },
      ),
    );
  });
});

describe('whether there is another attempt', () => {
  it('never more attempts than the policy allows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 100 }), (maximumAttempts, attempt) => {
        const decision = decideRetry({ maximumAttempts }, attempt, broken, 0);
        expect('retryAfterMs' in decision).toBe(attempt < maximumAttempts);
      }),
    );
  });

  it.each<[string, WireFailure, boolean]>([
    ['a failure of the application', broken, true],
    ['one that says it is final', { ...broken, nonRetryable: true } as WireFailure, false],
    ['a type that the policy names', { kind: 'application', message: '', type: 'Named' }, false],
    ['a cancellation', { kind: 'cancelled', message: '' }, false],
    ['a termination', { kind: 'terminated', message: '' }, false],
    ['an attempt that took too long', { kind: 'timeout', message: '', timeoutType: 'START_TO_CLOSE' }, true],
    ['one that fell silent', { kind: 'timeout', message: '', timeoutType: 'HEARTBEAT' }, true],
    [
      'one whose worker is gone',
      { kind: 'timeout', message: '', timeoutType: 'START_TO_CLOSE', workerLost: true },
      true,
    ],
    ['one that nobody took', { kind: 'timeout', message: '', timeoutType: 'SCHEDULE_TO_START' }, false],
    ['all attempts together too long', { kind: 'timeout', message: '', timeoutType: 'SCHEDULE_TO_CLOSE' }, false],
    ['a failure of the engine', { kind: 'server', message: '' }, true],
    ['a final one of the engine', { kind: 'server', message: '', nonRetryable: true }, false],
  ])('%s', (_, failure, isRetried) => {
    const decision = decideRetry({ nonRetryableErrorTypes: ['Named'] }, 1, failure, 0);
    expect(decision).toEqual(isRetried ? { retryAfterMs: 1000 } : { stop: 'NON_RETRYABLE_FAILURE' });
  });

  it('by the first rule that speaks of the failure, whatever it says itself', () => {
    const rules = [
      { type: 'Broken', retry: false },
      { kind: 'transient' as const, retry: true },
      { kind: 'worker-lost' as const, retry: false },
      { kind: 'application' as const, retry: true },
    ];
    const decide = (failure: WireFailure): boolean => 'retryAfterMs' in decideRetry({ rules }, 1, failure, 0);
    expect(decide(broken)).toBe(false);
    expect(decide({ kind: 'application', message: '', type: 'Other', nonRetryable: true })).toBe(true);
    expect(decide({ kind: 'application', message: '', type: 'Error', code: 'ECONNREFUSED' })).toBe(true);
    expect(decide({ kind: 'timeout', message: '', timeoutType: 'START_TO_CLOSE', workerLost: true })).toBe(false);
    expect(decide({ kind: 'timeout', message: '', timeoutType: 'START_TO_CLOSE' })).toBe(true);
    expect(decide({ kind: 'server', message: '', nonRetryable: true })).toBe(true);
  });

  it('by a rule for the code of a system error', () => {
    const failure: WireFailure = { kind: 'application', message: '', type: 'Error', code: 'EACCES' };
    expect(decideRetry({ rules: [{ type: 'EACCES', retry: false }] }, 1, failure, 0)).toEqual({
      stop: 'NON_RETRYABLE_FAILURE',
    });
  });
});

describe('a policy as authors write it', () => {
  it('travels in milliseconds', () => {
    expect(
      compileRetryPolicy({
        initialInterval: '1s',
        backoffCoefficient: 3,
        maximumInterval: '1 minute',
        maximumAttempts: Infinity,
        nonRetryableErrorTypes: ['A'],
        delays: ['1s', 5],
        jitter: 0.2,
        rules: [{ kind: 'timeout', retry: false }],
      }),
    ).toEqual({
      initialIntervalMs: 1000,
      backoffCoefficient: 3,
      maximumIntervalMs: 60_000,
      nonRetryableErrorTypes: ['A'],
      delaysMs: [1000, 5],
      jitter: 0.2,
      rules: [{ kind: 'timeout', retry: false }],
    });
    expect(compileRetryPolicy({})).toEqual({});
  });

  it.each<[RetryPolicy, RegExp]>([
    [{ initialInterval: 0 }, /retry\.initialInterval is longer than nothing; this is 0/],
    [{ backoffCoefficient: 0.5 }, /retry\.backoffCoefficient is a number from 1 to 1000000/],
    [{ backoffCoefficient: NaN }, /retry\.backoffCoefficient/],
    [{ initialInterval: '2s', maximumInterval: '1s' }, /retry\.maximumInterval is no shorter than initialInterval/],
    [{ maximumInterval: 500 }, /retry\.maximumInterval/],
    [{ maximumAttempts: 0 }, /retry\.maximumAttempts is a whole number above 0/],
    [{ maximumAttempts: 1.5 }, /retry\.maximumAttempts/],
    [{ delays: [-1] }, /retry\.delays/],
    [{ jitter: 2 }, /retry\.jitter is a number from 0 to 1; this is 2/],
    [{ rules: [{ retry: true }] }, /retry\.rules is a list of/],
  ])('is refused where it cannot be: %o', (policy, message) => {
    expect(() => compileRetryPolicy(policy)).toThrow(message);
  });
});
