import * as common from '../../src/entry/common.ts';
import { anything, circle, noDurations, noNames, noOptions, type Row, refuses, takes, trap } from './trial.ts';

const { ValueError } = common;
const bytes = (text: string): Uint8Array => common.encode(text);
const json = (text: unknown): common.Payload => ({
  metadata: { encoding: bytes('json/plain') },
  data: typeof text === 'string' ? bytes(text) : (text as Uint8Array),
});
const noBytes = [5, 'text', {}, circle, trap, true];
const noPayloads = [undefined, null, 5, 'text', {}, { metadata: {} }, { metadata: { encoding: 'json/plain' } }, circle];
const unwritable = [5n, circle, trap, Symbol('s'), () => 1];
/** What a message may be, by mistake: errors carry it as text. */
const anyText = anything.filter((value) => typeof value !== 'symbol' && value !== circle && value !== trap);
const key = common.defineSearchAttributeKey('ok', 'INT');
const noPairs = [null, 5, 'text', {}, [null], [5], [{}], [{ key: 'ok' }], [{ key: { name: 'a', type: 'NONE' } }]];

const error =
  (make: (message: never) => Error): Row =>
  () =>
    takes(anyText, make);

/** Failures and errors only carry what they are given: making one must not hide the failure that it speaks of. */
const errors: Record<string, Row> = {
  'common.new TemporalFailure': error((m) => new common.TemporalFailure(m, m)),
  'common.new ServerFailure': error((m) => new common.ServerFailure(m, m, m)),
  'common.new ApplicationFailure': error((m) => new common.ApplicationFailure(m, m, m, m, m, m, m)),
  'common.new CancelledFailure': error((m) => new common.CancelledFailure(m, m, m)),
  'common.new TerminatedFailure': error((m) => new common.TerminatedFailure(m, m)),
  'common.new TimeoutFailure': error((m) => new common.TimeoutFailure(m, m, m)),
  'common.new ActivityFailure': error((m) => new common.ActivityFailure(m, m, m, m, m, m)),
  'common.new ChildWorkflowFailure': error((m) => new common.ChildWorkflowFailure(m, m, m, m, m)),
  'common.new WorkflowExecutionAlreadyStartedError': error(
    (m) => new common.WorkflowExecutionAlreadyStartedError(m, m, m),
  ),
  'common.new WorkflowNotFoundError': error((m) => new common.WorkflowNotFoundError(m, m, m)),
  'common.new NamespaceNotFoundError': error((m) => new common.NamespaceNotFoundError(m)),
  'common.new CompleteAsyncError': error((m) => new common.CompleteAsyncError(m)),
  'common.new IllegalStateError': error((m) => new common.IllegalStateError(m)),
  'common.new ValueError': error((m) => new common.ValueError(m, m)),
  'common.new PayloadConverterError': error((m) => new common.PayloadConverterError(m, m)),
  'common.ApplicationFailure.retryable': error((m) => common.ApplicationFailure.retryable(m, m, m)),
  'common.ApplicationFailure.nonRetryable': error((m) => common.ApplicationFailure.nonRetryable(m, m, m)),
  'common.ApplicationFailure.create': () =>
    refuses(TypeError, /ApplicationFailure\.create takes an object such as/, [undefined, ...noOptions], (value) =>
      common.ApplicationFailure.create(value),
    ),
  'common.ApplicationFailure.fromError': () => [
    ...takes(anything, (value) => common.ApplicationFailure.fromError(value)),
    ...refuses(TypeError, /fromError: overrides takes an object such as/, noOptions, (value) =>
      common.ApplicationFailure.fromError(new Error('x'), value),
    ),
  ],
  'common.ensureTemporalFailure': () => takes(anything, (value) => common.ensureTemporalFailure(value)),
  'common.ensureApplicationFailure': () => takes(anything, (value) => common.ensureApplicationFailure(value)),
  'common.isCancellation': () => takes(anything, (value) => common.isCancellation(value)),
  'common.rootCause': () => takes(anything, (value) => common.rootCause(value)),
};

const converters: Record<string, Row> = {
  'common.new RawValue': () =>
    refuses(ValueError, /cannot be converted to a payload.*pass plain data/, [5n, circle, trap], (value) =>
      Reflect.construct(common.RawValue, [value]),
    ),
  'common.RawValue.fromPayload': () =>
    refuses(ValueError, /a payload is \{ metadata/, noPayloads, (value) => common.RawValue.fromPayload(value)),
  'common.new UndefinedPayloadConverter': () => takes([1], () => new common.UndefinedPayloadConverter()),
  'common.new BinaryPayloadConverter': () => takes([1], () => new common.BinaryPayloadConverter()),
  'common.new JsonPayloadConverter': () => takes([1], () => new common.JsonPayloadConverter()),
  'common.new DefaultPayloadConverter': () => takes([1], () => new common.DefaultPayloadConverter()),
  'common.UndefinedPayloadConverter#toPayload': () =>
    takes(anything, (value) => new common.UndefinedPayloadConverter().toPayload(value)),
  'common.UndefinedPayloadConverter#fromPayload': () =>
    takes(anything, (value) => new common.UndefinedPayloadConverter().fromPayload(value)),
  'common.BinaryPayloadConverter#toPayload': () =>
    takes(anything, (value) => new common.BinaryPayloadConverter().toPayload(value)),
  'common.BinaryPayloadConverter#fromPayload': () =>
    refuses(ValueError, /a payload is \{ metadata/, noPayloads, (value) =>
      new common.BinaryPayloadConverter().fromPayload(value),
    ),
  'common.JsonPayloadConverter#toPayload': () =>
    refuses(ValueError, /cannot be converted to a payload: .*; pass plain data/, [5n, circle, trap], (value) =>
      new common.JsonPayloadConverter().toPayload(value),
    ),
  'common.JsonPayloadConverter#fromPayload': () => [
    ...refuses(ValueError, /a payload is \{ metadata/, noPayloads, (value) =>
      new common.JsonPayloadConverter().fromPayload(value),
    ),
    ...refuses(ValueError, /says that it is JSON and is not.*look at the payload converter/, ['', '{', 'x'], (value) =>
      new common.JsonPayloadConverter().fromPayload(json(value)),
    ),
  ],
  'common.new CompositePayloadConverter': () => [
    ...refuses(TypeError, /takes converters with toPayload and fromPayload/, [undefined, ...noOptions, {}], (value) =>
      Reflect.construct(common.CompositePayloadConverter, [value]),
    ),
    ...refuses(TypeError, /needs at least one converter; there is none/, ['none'], () =>
      Reflect.construct(common.CompositePayloadConverter, []),
    ),
  ],
  'common.CompositePayloadConverter#toPayload': () =>
    unwritable.flatMap((value) =>
      refuses(ValueError, /cannot be converted to a payload.*pass plain data/, [value], () =>
        common.defaultPayloadConverter.toPayload(value),
      ),
    ),
  'common.CompositePayloadConverter#fromPayload': () => [
    ...refuses(ValueError, /a payload is \{ metadata/, noPayloads, (value) =>
      common.defaultPayloadConverter.fromPayload(value),
    ),
    ...refuses(ValueError, /no converter reads the encoding.*there are binary\/null/, ['own/kind'], (value) =>
      common.defaultPayloadConverter.fromPayload({ metadata: { encoding: bytes(value) } }),
    ),
  ],
  'common.new DefaultFailureConverter': () =>
    refuses(TypeError, /DefaultFailureConverter takes an object such as/, noOptions, (value) =>
      Reflect.construct(common.DefaultFailureConverter, [value]),
    ),
  'common.DefaultFailureConverter#errorToFailure': () =>
    takes(anything, (value) => common.defaultFailureConverter.errorToFailure(value, common.defaultPayloadConverter)),
  'common.DefaultFailureConverter#failureToError': () =>
    refuses(
      ValueError,
      /a failure is \{ kind, message \}.*look at the failure converter or codec/,
      [undefined, null, 5, 'text', {}, { kind: 'none' }, circle],
      (value) => common.defaultFailureConverter.failureToError(value, common.defaultPayloadConverter),
    ),
  'common.encode': () => refuses(TypeError, /encode takes text/, [undefined, null, 5, {}], common.encode),
  'common.decode': () => refuses(TypeError, /decode takes a Uint8Array/, noBytes, common.decode),
  'common.toBase64': () =>
    refuses(TypeError, /toBase64 takes a Uint8Array/, [undefined, null, ...noBytes], common.toBase64),
  'common.fromBase64': () => [
    ...refuses(TypeError, /fromBase64 takes text/, [undefined, null, 5, {}], common.fromBase64),
    ...refuses(ValueError, /fromBase64 takes base64, padded or not/, ['*', 'a', 'ab=c'], common.fromBase64),
  ],
};

const meter = common.noopMetricMeter;

const rest: Record<string, Row> = {
  'common.msToNumber': () => [
    ...refuses(TypeError, /a duration is (a finite number.*"10s"|at most 10,000 years)/, noDurations, (value) =>
      common.msToNumber(value),
    ),
    ...refuses(TypeError, /a duration is a finite number/, [undefined], (value) => common.msToNumber(value)),
  ],
  'common.msOptionalToNumber': () =>
    refuses(TypeError, /a duration is (a finite number.*"10s"|at most 10,000 years)/, noDurations, (value) =>
      common.msOptionalToNumber(value),
    ),
  'common.compileRetryPolicy': () => [
    ...refuses(TypeError, /retry takes an object such as/, [undefined, ...noOptions], common.compileRetryPolicy),
    ...refuses(TypeError, /retry\.initialInterval is/, [...noDurations, 0, -1], (initialInterval) =>
      common.compileRetryPolicy({ initialInterval }),
    ),
    ...refuses(TypeError, /retry\.maximumInterval is/, [...noDurations, 0, -1, 1], (maximumInterval) =>
      common.compileRetryPolicy({ maximumInterval }),
    ),
    ...refuses(
      TypeError,
      /retry\.maximumAttempts is a whole number above 0/,
      [null, 0, -1, 1.5, Number.NaN, '3', {}],
      (value) => common.compileRetryPolicy({ maximumAttempts: value }),
    ),
    ...refuses(
      TypeError,
      /retry\.backoffCoefficient is a number from 1/,
      [null, 0, 0.5, -1, Number.NaN, Infinity, 1e300, '2'],
      (backoffCoefficient) => common.compileRetryPolicy({ backoffCoefficient }),
    ),
    ...refuses(TypeError, /retry\.jitter is a number from 0 to 1/, [null, -0.1, 1.1, Number.NaN, '0.5'], (jitter) =>
      common.compileRetryPolicy({ jitter }),
    ),
    ...refuses(TypeError, /retry\.nonRetryableErrorTypes is a list of names/, [5, 'Error', {}, [5]], (value) =>
      common.compileRetryPolicy({ nonRetryableErrorTypes: value }),
    ),
    ...refuses(TypeError, /retry\.delays is a list of waits/, [5, '1s', {}], (delays) =>
      common.compileRetryPolicy({ delays }),
    ),
    ...refuses(TypeError, /a wait in retry\.delays is|retry\.delays is a list/, [...noDurations, -1], (delay) =>
      common.compileRetryPolicy({ delays: [delay] }),
    ),
    ...refuses(TypeError, /retry\.rules is a list of \{ kind or type, retry \}/, [5, 'x', {}], (rules) =>
      common.compileRetryPolicy({ rules }),
    ),
    ...refuses(
      TypeError,
      /retry\.rules is a list of \{ kind or type, retry \}/,
      [null, 5, {}, { kind: 'none', retry: true }],
      (rule) => common.compileRetryPolicy({ rules: [rule] }),
    ),
  ],
  'common.extractWorkflowType': () => [
    ...refuses(
      TypeError,
      /a workflow is named by its type, or given as its function/,
      [undefined, null, '', 5, {}, trap],
      (value) => common.extractWorkflowType(value),
    ),
    ...refuses(TypeError, /a workflow function needs a name; this one is anonymous/, ['anonymous'], () =>
      common.extractWorkflowType(
        (
          () => () =>
            undefined
        )(),
      ),
    ),
  ],
  'common.defineSearchAttributeKey': () => [
    ...refuses(TypeError, /the name of a search attribute is text of 1 to 1000/, [undefined, ...noNames], (name) =>
      common.defineSearchAttributeKey(name, 'INT'),
    ),
    ...refuses(TypeError, /the type of a search attribute is one of TEXT/, [undefined, null, 'NONE', 5, {}], (type) =>
      common.defineSearchAttributeKey('name', type),
    ),
  ],
  'common.new TypedSearchAttributes': () => [
    ...refuses(TypeError, /typed search attribute/, noPairs, (pairs) => new common.TypedSearchAttributes(pairs)),
    ...refuses(
      TypeError,
      /search attribute "ok" holds INT/,
      ['text', 1.5, Number.NaN, {}, circle],
      (value) => new common.TypedSearchAttributes([{ key, value }]),
    ),
    ...refuses(
      TypeError,
      /Duplicate search attribute key.*give each once/,
      ['ok'],
      () =>
        new common.TypedSearchAttributes([
          { key, value: 1 },
          { key, value: 2 },
        ]),
    ),
  ],
  'common.TypedSearchAttributes#get': () =>
    refuses(TypeError, /get takes a key of defineSearchAttributeKey/, [undefined, null, 5, 'ok', {}], (value) =>
      new common.TypedSearchAttributes().get(value),
    ),
  'common.TypedSearchAttributes#updateCopy': () =>
    refuses(TypeError, /typed search attribute/, [undefined, ...noPairs], (pairs) =>
      new common.TypedSearchAttributes().updateCopy(pairs),
    ),
  'common.TypedSearchAttributes#getAll': () => takes([1], () => new common.TypedSearchAttributes().getAll()),
  'common.TypedSearchAttributes#toJSON': () => takes([1], () => new common.TypedSearchAttributes().toJSON()),
  'common.TypedSearchAttributes#copy': () => takes([1], () => new common.TypedSearchAttributes().copy()),
  'common.new ActivityCancellationDetails': () =>
    refuses(TypeError, /ActivityCancellationDetails takes an object such as/, noOptions, (value) =>
      Reflect.construct(common.ActivityCancellationDetails, [value]),
    ),
  // Measuring must never be what fails, whatever is measured.
  'common.noopMetricMeter.createCounter': () => takes(anything, (name) => meter.createCounter(name).add(name)),
  'common.noopMetricMeter.createGauge': () => takes(anything, (name) => meter.createGauge(name).set(name)),
  'common.noopMetricMeter.createHistogram': () => takes(anything, (name) => meter.createHistogram(name).record(name)),
  'common.noopMetricMeter.withTags': () => takes(anything, (tags) => meter.withTags(tags)),
};

/** Bad inputs to what `pleach/common` exports. */
export const commonRows: Record<string, Row> = { ...errors, ...converters, ...rest };
