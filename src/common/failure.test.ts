import vm from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ActivityFailure,
  ApplicationFailure,
  AUTHORS_CODE,
  CancelledFailure,
  ChildWorkflowFailure,
  cutoffStackTrace,
  DefaultFailureConverter,
  defaultPayloadConverter,
  ensureTemporalFailure,
  errorToFailure,
  failureToError,
  isCancellation,
  PayloadConverterError,
  rootCause,
  ServerFailure,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
  ValueError,
  type WireFailure,
} from './index.ts';

const there = (error: unknown): WireFailure => errorToFailure(error, defaultPayloadConverter);
const andBack = (error: unknown): TemporalFailure =>
  failureToError(JSON.parse(JSON.stringify(there(error))) as WireFailure, defaultPayloadConverter);

describe('instanceof', () => {
  it('knows an error of another copy of the package, by its mark', () => {
    const mark = Symbol.for('pleach.ApplicationFailure');
    const foreign = vm.runInNewContext(
      `const e = new Error('x'); e[Symbol.for('pleach.ApplicationFailure')] = true; e`,
    ) as object;
    expect(Object.getOwnPropertySymbols(foreign)).toContain(mark);
    expect(foreign instanceof Error).toBe(false);
    expect(foreign instanceof ApplicationFailure).toBe(true);
    expect(foreign instanceof CancelledFailure).toBe(false);
  });

  it('knows the classes above, and leaves classes that authors derive to the language', () => {
    class Own extends ApplicationFailure {}
    expect(new Own('x')).toBeInstanceOf(TemporalFailure);
    expect(new Own('x')).toBeInstanceOf(Own);
    expect(ApplicationFailure.create({ message: 'x' })).not.toBeInstanceOf(Own);
    expect(new PayloadConverterError('x')).toBeInstanceOf(ValueError);
    expect((null as unknown) instanceof ValueError).toBe(false);
    expect(new Own('x').name).toBe('ApplicationFailure');
  });
});

describe('an application failure', () => {
  it('is made in the four ways of the SDK', () => {
    expect(ApplicationFailure.create({ message: 'm' })).toMatchObject({ message: 'm', nonRetryable: false });
    expect(ApplicationFailure.retryable('m', 'T', 1, 2)).toMatchObject({
      type: 'T',
      nonRetryable: false,
      details: [1, 2],
    });
    expect(ApplicationFailure.nonRetryable('m')).toMatchObject({ type: 'Error', nonRetryable: true });
    const range = new RangeError('r', { cause: new Error('inner') });
    const made = ApplicationFailure.fromError(range, { nonRetryable: true });
    expect(made).toMatchObject({ message: 'r', type: 'RangeError', nonRetryable: true, cause: { message: 'inner' } });
    expect(made.stack).toBe(range.stack);
  });

  it('keeps what it was when it is made of another', () => {
    const first = ApplicationFailure.create({ message: 'm', type: 'T', details: [1], nextRetryDelay: '1s' });
    expect(ApplicationFailure.fromError(first, { message: 'n' })).toMatchObject({
      message: 'n',
      type: 'T',
      details: [1],
      nextRetryDelay: '1s',
    });
  });
});

describe('there and back', () => {
  it('keeps every class with its fields and its causes', () => {
    const cause = ApplicationFailure.create({
      message: 'inner',
      type: 'Inner',
      nonRetryable: true,
      details: [{ a: 1 }, 'b'],
      nextRetryDelay: '2s',
      category: 'BENIGN',
      cause: new TypeError('deepest'),
    });
    const read = andBack(new ActivityFailure('failed', 'act', '7', 'TIMEOUT', 'me', cause));
    expect(read).toBeInstanceOf(ActivityFailure);
    expect(read).toMatchObject({ activityType: 'act', activityId: '7', retryState: 'TIMEOUT', identity: 'me' });
    expect(read.cause).toBeInstanceOf(ApplicationFailure);
    expect(read.cause).toMatchObject({
      message: 'inner',
      type: 'Inner',
      nonRetryable: true,
      details: [{ a: 1 }, 'b'],
      nextRetryDelay: 2000,
      category: 'BENIGN',
      cause: { message: 'deepest', type: 'TypeError' },
    });
    const child = andBack(
      new ChildWorkflowFailure(
        'ns',
        { workflowId: 'w', runId: 'r' },
        'type',
        'MAXIMUM_ATTEMPTS_REACHED',
        new TerminatedFailure('t'),
      ),
    );
    expect(child).toMatchObject({ namespace: 'ns', execution: { workflowId: 'w', runId: 'r' }, workflowType: 'type' });
    expect(child.cause).toBeInstanceOf(TerminatedFailure);
    expect(andBack(new CancelledFailure('c', [1]))).toMatchObject({ message: 'c', details: [1] });
    expect(andBack(new ServerFailure('s', true))).toMatchObject({ nonRetryable: true });
    expect(andBack(new TimeoutFailure('t', { done: 3 }, 'HEARTBEAT'))).toMatchObject({
      timeoutType: 'HEARTBEAT',
      lastHeartbeatDetails: { done: 3 },
    });
  });

  it('makes an application failure of any other error, by its name, with the code beside', () => {
    class Custom extends Error {
      override name = 'Custom';
      code = 'ECONNRESET';
    }
    expect(there(new Custom('x'))).toMatchObject({ kind: 'application', type: 'Custom', code: 'ECONNRESET' });
    expect(there('text')).toMatchObject({ kind: 'application', message: 'text', type: 'Error' });
    expect(there({ some: 'thing' })).toMatchObject({ message: '{"some":"thing"}' });
    expect(there(undefined)).toMatchObject({ message: 'undefined' });
  });

  it('writes a failure that came from elsewhere as it came', () => {
    const wire: WireFailure = { kind: 'timeout', message: 'gone', timeoutType: 'START_TO_CLOSE', workerLost: true };
    expect(there(failureToError(wire, defaultPayloadConverter))).toBe(wire);
  });

  it('never throws, whatever was thrown', () => {
    const circle = new Error('round');
    circle.cause = circle;
    const hostile = {
      get message(): string {
        throw new Error('no');
      },
    };
    const unwritable = ApplicationFailure.create({ message: 'm', details: [10n] });
    for (const thrown of [circle, hostile, unwritable, Object.create(null), Symbol('s'), null])
      expect(() => JSON.stringify(there(thrown))).not.toThrow();
    fc.assert(
      fc.property(fc.anything(), (thrown) => {
        expect(there(thrown).kind).toBe('application');
      }),
    );
  });

  it('cuts messages that are too long to travel', () => {
    const { message } = there(new Error('x'.repeat(100_000)));
    expect(message.length).toBeLessThan(21_000);
    expect(message.endsWith('… (cut)')).toBe(true);
  });
});

describe('common attributes that are encoded', () => {
  const converter = new DefaultFailureConverter({ encodeCommonAttributes: true });

  it('leave message and stack in a payload, of the causes too, and come back', () => {
    const error = new Error('secret', { cause: new Error('secret too') });
    const wire = converter.errorToFailure(error, defaultPayloadConverter);
    expect(
      JSON.stringify({ ...wire, encodedAttributes: '', cause: { ...wire.cause, encodedAttributes: '' } }),
    ).not.toContain('secret');
    expect(wire).toMatchObject({ message: 'Encoded failure', stackTrace: '', type: 'Error' });
    const read = converter.failureToError(wire, defaultPayloadConverter);
    expect(read.message).toBe('secret');
    expect((read.cause as Error).message).toBe('secret too');
    expect(read.stack).toContain('failure.test.ts');
  });

  it('are not encoded twice when the error goes on its way', () => {
    const wire = converter.errorToFailure(new Error('secret'), defaultPayloadConverter);
    const read = converter.failureToError(wire, defaultPayloadConverter);
    expect(converter.errorToFailure(read, defaultPayloadConverter)).toEqual(wire);
  });
});

describe('looking at failures', () => {
  it('finds the root cause, and a cancellation wherever it is', () => {
    const cancelled = new ActivityFailure('f', 'a', '1', 'CANCEL_REQUESTED', undefined, new CancelledFailure('stop'));
    expect(isCancellation(cancelled)).toBe(true);
    expect(
      isCancellation(new ChildWorkflowFailure('n', { workflowId: 'w', runId: 'r' }, 't', 'TIMEOUT', cancelled)),
    ).toBe(true);
    expect(isCancellation(new Error('x', { cause: cancelled }))).toBe(false);
    expect(rootCause(cancelled)).toBe('stop');
    expect(rootCause('text')).toBe('text');
    expect(rootCause(undefined)).toBeUndefined();
    expect(ensureTemporalFailure(new Error('x'))).toBeInstanceOf(ApplicationFailure);
    expect(ensureTemporalFailure(cancelled)).toBe(cancelled);
  });

  it('cuts pleach’s own frames off a stack', () => {
    const stack = `Error: m\nmore\n    at author (a.ts:1:1)\n    at ${AUTHORS_CODE} (executor.ts:2:2)\n    at own (x.ts:3:3)`;
    expect(cutoffStackTrace(stack)).toBe('    at author (a.ts:1:1)');
    expect(cutoffStackTrace('Error: m\n    at author (a.ts:1:1)')).toBe('    at author (a.ts:1:1)');
    expect(cutoffStackTrace(undefined)).toBe('');
  });
});
