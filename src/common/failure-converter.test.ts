import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { errorToFailure, failureToError } from './failure-converter.ts';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  ServerFailure,
  type TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
} from './failure.ts';
import { defaultPayloadConverter } from './payload.ts';
import type { WireFailure } from './wire/index.ts';

const write = (error: unknown): WireFailure => errorToFailure(error, defaultPayloadConverter);
const read = (failure: WireFailure): TemporalFailure =>
  failureToError(JSON.parse(JSON.stringify(failure)) as WireFailure, defaultPayloadConverter);

const root = (): ApplicationFailure =>
  ApplicationFailure.create({ message: 'root', type: 'Root', details: [{ n: 1 }] });
const timeoutWithCause = (): TimeoutFailure => {
  const error = new TimeoutFailure('late', { at: 3 }, 'HEARTBEAT');
  Object.defineProperty(error, 'cause', { value: root(), configurable: true });
  return error;
};

const each: [string, () => TemporalFailure, string[]][] = [
  [
    'ApplicationFailure',
    () =>
      ApplicationFailure.create({
        message: 'no',
        type: 'Odd',
        nonRetryable: true,
        details: [1, 'two'],
        nextRetryDelay: 50,
        category: 'BENIGN',
        cause: root(),
      }),
    ['type', 'nonRetryable', 'details', 'nextRetryDelay', 'category'],
  ],
  ['CancelledFailure', () => new CancelledFailure('stop', ['why'], root()), ['details']],
  ['TerminatedFailure', () => new TerminatedFailure('ended', root()), []],
  ['TimeoutFailure', timeoutWithCause, ['timeoutType', 'lastHeartbeatDetails']],
  ['ServerFailure', () => new ServerFailure('engine', true, root()), ['nonRetryable']],
  [
    'ActivityFailure',
    () => new ActivityFailure('activity', 'charge', '7', 'MAXIMUM_ATTEMPTS_REACHED', 'worker-1', root()),
    ['activityType', 'activityId', 'retryState', 'identity'],
  ],
  [
    'ChildWorkflowFailure',
    () =>
      new ChildWorkflowFailure('default', { workflowId: 'w', runId: 'r' }, 'order', 'NON_RETRYABLE_FAILURE', root()),
    ['namespace', 'execution', 'workflowType', 'retryState'],
  ],
];

describe('every class of failure', () => {
  test.each(each)('%s comes back as itself, with its fields and its cause', (name, make, fields) => {
    const error = make();
    const back = read(write(error));
    expect(back.constructor).toBe(error.constructor);
    expect(back).toMatchObject({ name, message: error.message });
    for (const field of fields) expect(Reflect.get(back, field), field).toEqual(Reflect.get(error, field));
    expect(back.cause).toBeInstanceOf(ApplicationFailure);
    expect(back.cause).toMatchObject({ message: 'root', type: 'Root', details: [{ n: 1 }] });
  });

  test.each(each)('%s travels a second time as it did the first', (_, make) => {
    const first = write(make());
    expect(write(read(first))).toEqual(first);
  });

  test('a chain of them all keeps its order', () => {
    let error: TemporalFailure = root();
    for (const [, make] of each) {
      const outer = make();
      Object.defineProperty(outer, 'cause', { value: error });
      error = outer;
    }
    const names: string[] = [];
    for (let at: Error | undefined = read(write(error)); at; at = at.cause as Error | undefined) names.push(at.name);
    expect(names).toEqual([...each.map(([name]) => name).reverse(), 'ApplicationFailure']);
  });

  test('the place where it was thrown comes along, without the message twice', () => {
    const failure = write(root());
    expect(failure.stackTrace).toMatch(/^\s+at /);
    expect(read(failure).stack).toContain(failure.stackTrace);
  });
});

describe('what is no failure of ours', () => {
  class OddError extends RangeError {
    override name = 'OddError';
  }

  test.each<[string, unknown, object]>([
    ['an error goes by its name', new OddError('x'), { type: 'OddError', message: 'x' }],
    [
      'a system error keeps its code',
      Object.assign(new Error('x'), { code: 'ECONNREFUSED' }),
      { type: 'Error', code: 'ECONNREFUSED' },
    ],
    ['a string is its own message', 'just text', { type: 'Error', message: 'just text' }],
    ['undefined is told', undefined, { message: 'undefined' }],
    ['null is told', null, { message: 'null' }],
    ['a number is told', 42, { message: '42' }],
    ['a symbol is told', Symbol('s'), { message: 'symbol' }],
    ['an object goes by its message', { message: 'm', name: 'N' }, { message: 'm', type: 'N' }],
  ])('%s', (_, thrown, expected) => {
    expect(write(thrown)).toMatchObject({ kind: 'application', ...expected });
  });

  test('its cause comes along', () => {
    expect(write(new Error('a', { cause: new TypeError('b', { cause: 'c' }) }))).toMatchObject({
      message: 'a',
      cause: { message: 'b', type: 'TypeError', cause: { message: 'c' } },
    });
  });
});

describe('what cannot be read', () => {
  const throwing = (key: string): object =>
    Object.defineProperty(new Error('x'), key, {
      get: () => {
        throw new Error('a trap');
      },
    });
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();

  test.each<[string, unknown]>([
    ['a message that throws', throwing('message')],
    ['a stack that throws', throwing('stack')],
    ['a cause that throws', throwing('cause')],
    ['a code that throws', throwing('code')],
    ['an object without a prototype', Object.create(null)],
    ['a message that is no text', { message: Object.create(null) as unknown }],
    ['a revoked proxy', revoked.proxy],
    ['details that JSON cannot say', ApplicationFailure.nonRetryable('x', 'T', 1n)],
    ['a wait that is no duration', ApplicationFailure.create({ message: 'x', nextRetryDelay: 'soon' as '1s' })],
  ])('%s is still a failure', (_, thrown) => {
    expect(read(write(thrown))).toBeInstanceOf(ApplicationFailure);
  });

  test('a circle of causes is cut', () => {
    const a = new Error('a');
    const b = new Error('b', { cause: a });
    a.cause = b;
    let length = 0;
    for (let at: WireFailure | undefined = write(a); at; at = at.cause) length++;
    expect(length).toBe(33);
  });

  test('a huge message and a huge stack are cut', () => {
    const error = new Error('x'.repeat(5_000_000));
    error.stack = `Error\n    at ${'y'.repeat(5_000_000)}`;
    const failure = write(error);
    expect(failure.message.length).toBeLessThan(21_000);
    expect(failure.message).toMatch(/\(cut\)$/);
    expect(failure.stackTrace!.length).toBeLessThan(21_000);
  });

  test('nothing that can be thrown makes the writing throw', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true, withSparseArray: true }), (thrown) => {
        const failure = write(thrown);
        expect(failure.kind).toBe('application');
        expect(() => read(failure)).not.toThrow();
      }),
    );
  });
});
