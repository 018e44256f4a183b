import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decideRetry } from './retry.ts';
import type { WireFailure, WireRetryPolicy, WireTimeoutType } from './wire/index.ts';

const plain: WireFailure = { kind: 'application', message: 'boom', type: 'Boom' };
const timeout = (timeoutType: WireTimeoutType, workerLost = false): WireFailure => ({
  kind: 'timeout',
  message: 'late',
  timeoutType,
  ...(workerLost ? { workerLost } : {}),
});
const after = (retryAfterMs: number) => ({ retryAfterMs });
const REFUSED = { stop: 'NON_RETRYABLE_FAILURE' };
const SPENT = { stop: 'MAXIMUM_ATTEMPTS_REACHED' };

describe('the wait before the next attempt', () => {
  test.each<[string, WireRetryPolicy, number, number]>([
    ['is 1 s after the first attempt', {}, 1, 1000],
    ['doubles', {}, 4, 8000],
    ['is at most 100 times the first', {}, 8, 100_000],
    ['stays there for ever', {}, 1_000_000, 100_000],
    ['begins with initialInterval', { initialIntervalMs: 50 }, 1, 50],
    ['grows by backoffCoefficient', { initialIntervalMs: 50, backoffCoefficient: 3 }, 3, 450],
    ['stays the same with a coefficient of 1', { initialIntervalMs: 50, backoffCoefficient: 1 }, 30, 50],
    ['is at most maximumInterval', { maximumIntervalMs: 3000 }, 3, 3000],
    ['comes from the list where there is one', { delaysMs: [5, 70, 9], initialIntervalMs: 1 }, 2, 70],
    ['may be nothing', { delaysMs: [0] }, 1, 0],
    ['is whole milliseconds', { initialIntervalMs: 1, backoffCoefficient: 1.5 }, 2, 2],
  ])('%s', (_, policy, attempt, expected) => {
    expect(decideRetry(policy, attempt, plain, 0.5)).toEqual(after(expected));
  });

  test('jitter keeps it within its share of the wait, and reaches from end to end', () => {
    const policies = fc.record({
      initialIntervalMs: fc.integer({ min: 1, max: 1e6 }),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    const fractions = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 50 }), fractions, (policy, attempt, fraction) => {
        const base = Math.min(policy.initialIntervalMs * 2 ** (attempt - 1), policy.initialIntervalMs * 100);
        const decision = decideRetry(policy, attempt, plain, fraction);
        if (!('retryAfterMs' in decision)) throw new Error(decision.stop);
        expect(decision.retryAfterMs).toBeGreaterThanOrEqual(Math.floor(base * (1 - policy.jitter)));
        expect(decision.retryAfterMs).toBeLessThanOrEqual(Math.ceil(base * (1 + policy.jitter)));
      }),
    );
    const policy = { initialIntervalMs: 1000, jitter: 0.5 };
    expect([0, 0.25, 0.5].map((fraction) => decideRetry(policy, 1, plain, fraction))).toEqual([
      after(500),
      after(750),
      after(1000),
    ]);
  });

  test('the failure itself may set it, but not past the last attempt', () => {
    const failure: WireFailure = { ...plain, kind: 'application', nextRetryDelayMs: 77 };
    expect(decideRetry({ jitter: 1 }, 3, failure, 0)).toEqual(after(77));
    expect(decideRetry({ maximumAttempts: 3 }, 3, failure, 0)).toEqual(SPENT);
    expect(decideRetry({ nonRetryableErrorTypes: ['Boom'] }, 1, failure, 0)).toEqual(REFUSED);
  });
});

describe('attempts end', () => {
  test.each<[string, WireRetryPolicy, number, object]>([
    ['not before maximumAttempts', { maximumAttempts: 3 }, 2, after(2000)],
    ['at maximumAttempts', { maximumAttempts: 3 }, 3, SPENT],
    ['past maximumAttempts', { maximumAttempts: 3 }, 9, SPENT],
    ['with the first where one is all', { maximumAttempts: 1 }, 1, SPENT],
    ['never where maximumAttempts is 0', { maximumAttempts: 0, backoffCoefficient: 1 }, 99, after(1000)],
    ['not while a listed delay is left', { delaysMs: [5, 6] }, 2, after(6)],
    ['with the last of the listed delays', { delaysMs: [5, 6] }, 3, SPENT],
    ['with the first where the list is empty', { delaysMs: [] }, 1, SPENT],
    ['at maximumAttempts though a listed delay is left', { delaysMs: [5, 6], maximumAttempts: 2 }, 2, SPENT],
  ])('%s', (_, policy, attempt, expected) => {
    expect(decideRetry(policy, attempt, plain, 0.5)).toEqual(expected);
  });
});

describe('by default', () => {
  test.each<[string, WireFailure, boolean]>([
    ['an application failure is retried', plain, true],
    ['a non-retryable one is not', { ...plain, kind: 'application', nonRetryable: true }, false],
    ['a server failure is retried', { kind: 'server', message: '' }, true],
    ['a non-retryable server failure is not', { kind: 'server', message: '', nonRetryable: true }, false],
    ['a cancellation is not', { kind: 'cancelled', message: '' }, false],
    ['a termination is not', { kind: 'terminated', message: '' }, false],
    ['START_TO_CLOSE is', timeout('START_TO_CLOSE'), true],
    ['HEARTBEAT is', timeout('HEARTBEAT'), true],
    ['a lost worker is', timeout('HEARTBEAT', true), true],
    ['SCHEDULE_TO_START is not', timeout('SCHEDULE_TO_START'), false],
    ['SCHEDULE_TO_CLOSE is not', timeout('SCHEDULE_TO_CLOSE'), false],
    [
      'an activity failure is',
      { kind: 'activity', message: '', activityType: 'a', activityId: '1', retryState: 'TIMEOUT' },
      true,
    ],
    [
      'a child failure is',
      {
        kind: 'child',
        message: '',
        namespace: '',
        workflowId: 'w',
        runId: 'r',
        workflowType: 't',
        retryState: 'TIMEOUT',
      },
      true,
    ],
  ])('%s', (_, failure, retried) => {
    expect(decideRetry({}, 1, failure, 0.5)).toEqual(retried ? after(1000) : REFUSED);
  });

  test('a type that the policy names is not retried, and its neighbours are', () => {
    const policy = { nonRetryableErrorTypes: ['Boom', 'Bang'] };
    expect(decideRetry(policy, 1, plain, 0.5)).toEqual(REFUSED);
    expect(decideRetry(policy, 1, { ...plain, type: 'boom' } as WireFailure, 0.5)).toEqual(after(1000));
    expect(decideRetry(policy, 1, { kind: 'application', message: '' }, 0.5)).toEqual(after(1000));
  });
});

describe('rules', () => {
  const refusedConnection: WireFailure = { kind: 'application', message: '', type: 'ECONNREFUSED' };
  test.each<[string, WireRetryPolicy['rules'], WireFailure, boolean]>([
    ['a kind stops what would be retried', [{ kind: 'application', retry: false }], plain, false],
    ['a kind leaves other kinds alone', [{ kind: 'timeout', retry: false }], plain, true],
    ['a type stops its failures', [{ type: 'Boom', retry: false }], plain, false],
    ['a type leaves other types alone', [{ type: 'Bang', retry: false }], plain, true],
    ['a type says nothing of a time-out', [{ type: 'Boom', retry: false }], timeout('HEARTBEAT'), true],
    ['kind and type must both match', [{ kind: 'timeout', type: 'Boom', retry: false }], plain, true],
    ['kind and type match together', [{ kind: 'application', type: 'Boom', retry: false }], plain, false],
    [
      'the first that matches wins',
      [
        { type: 'Boom', retry: true },
        { kind: 'application', retry: false },
      ],
      plain,
      true,
    ],
    [
      'a rule wins over non-retryable',
      [{ type: 'Boom', retry: true }],
      { ...plain, kind: 'application', nonRetryable: true },
      true,
    ],
    ['a time-out is told from a lost worker', [{ kind: 'timeout', retry: false }], timeout('HEARTBEAT', true), true],
    ['a lost worker is told from a time-out', [{ kind: 'worker-lost', retry: false }], timeout('HEARTBEAT'), true],
    ['a lost worker may be final', [{ kind: 'worker-lost', retry: false }], timeout('HEARTBEAT', true), false],
    ['a time-out that is never retried may be', [{ kind: 'timeout', retry: true }], timeout('SCHEDULE_TO_START'), true],
    [
      'transient is a connection refused',
      [
        { kind: 'transient', retry: true },
        { kind: 'application', retry: false },
      ],
      refusedConnection,
      true,
    ],
    [
      'transient is not just any failure',
      [
        { kind: 'transient', retry: true },
        { kind: 'application', retry: false },
      ],
      plain,
      false,
    ],
    ['transient is the server itself', [{ kind: 'transient', retry: false }], { kind: 'server', message: '' }, false],
    ['a rule of neither kind nor type matches nothing', [{ retry: false }], plain, true],
  ])('%s', (_, rules, failure, retried) => {
    expect(decideRetry({ rules: rules! }, 1, failure, 0.5)).toEqual(retried ? after(1000) : REFUSED);
  });

  test('a rule that retries does not lift the number of attempts', () => {
    expect(decideRetry({ rules: [{ type: 'Boom', retry: true }], maximumAttempts: 1 }, 1, plain, 0.5)).toEqual(SPENT);
  });
});
