import { type MetricMeter, type MetricTags, type NumericMetricValueType, requireNameText } from '../common/index.ts';
import { type Activator, getActivator } from './activator.ts';
import { compose } from './interceptors.ts';

/** A function of a sink, as a workflow calls it: nothing comes back. */
// oxlint-disable-next-line typescript/no-explicit-any -- the field's own type: arguments are the author's
export type Sink = Record<string, (...args: any[]) => void>;
/** Sinks by name. */
export type Sinks = Record<string, Sink>;

/** The message of the log line that carries a call of a sink out of the sandbox; workers take it out of the log. */
export const SINK_CALL = '__pleach_sink_call';
/** The sink that measurements of workflows go to. */
export const METRICS_SINK = '__pleach_metrics';

/** What that line carries. */
export interface SinkCall {
  sink: string;
  fn: string;
  args: unknown[];
  isReplaying: boolean;
  /** What the run knows of itself; instants as text. */
  info: Record<string, unknown>;
}

/**
 * Functions of the worker that a workflow may call without awaiting them: `sinks` in the worker's options, for logs,
 * metrics and the like. A call is told to the worker and gone: no result, no order with what the workflow does, and once
 * more when the task is tried again. Arguments travel as JSON. On replay it is made only where the sink asks for it.
 *
 * ```ts
 * const { alerts } = proxySinks<{ alerts: { raise(text: string): void } }>();
 * alerts.raise('stock is low');
 * ```
 */
export function proxySinks<T extends Sinks>(): T {
  const sinkOf = (sink: string): unknown =>
    new Proxy(
      {},
      {
        get: (_, fn) => {
          if (typeof fn !== 'string') throw new TypeError(`a sink's function is named by text; this is ${String(fn)}`);
          return (...args: unknown[]): void => {
            const activator = getActivator(`${sink}.${fn}`);
            tell(activator, sink, fn, args);
          };
        },
      },
    );
  return new Proxy({} as T, {
    get: (_, sink) => {
      if (typeof sink !== 'string') throw new TypeError(`a sink is named by text; this is ${String(sink)}`);
      return sinkOf(sink);
    },
  });
}

function tell(activator: Activator, sink: string, fn: string, args: unknown[]): void {
  const { info, isReplaying } = activator;
  const { unsafe: _unsafe, lastFailure: _failure, ...told } = info;
  const call: SinkCall = { sink, fn, args, isReplaying, info: told };
  activator.parts.log('debug', SINK_CALL, { ...call });
}

/** Which instrument measures, with its tags. */
export interface Measurement {
  kind: 'counter' | 'histogram' | 'gauge';
  name: string;
  valueType?: NumericMetricValueType;
  unit?: string;
  description?: string;
  value: number;
  tags: MetricTags;
}

/** Measures from inside workflows, through the worker's `Runtime`; silent while a history is replayed. */
export const metricMeter: MetricMeter = meterWith({});

function meterWith(tags: MetricTags): MetricMeter {
  const instrument = <I>(of: Omit<Measurement, 'value' | 'tags'>, own: MetricTags): I => {
    requireNameText('metricMeter: the name of an instrument', of.name);
    const measure = (value: number, extra: MetricTags = {}): void => {
      const activator = getActivator('metricMeter');
      if (activator.isReplaying) return;
      const { workflowType, taskQueue, namespace } = activator.info;
      const tagsOf = compose(activator.interceptors, 'outbound', 'getMetricTags', (given: MetricTags) => given);
      const all = { ...tagsOf({ namespace, taskQueue, workflowType }), ...own, ...extra };
      tell(activator, METRICS_SINK, of.kind, [{ ...of, value, tags: all } satisfies Measurement]);
    };
    return {
      valueType: 'int',
      ...of,
      add: measure,
      record: measure,
      set: measure,
      withTags: (more: MetricTags) => instrument<I>(of, { ...own, ...more }),
    } as I;
  };
  const shape = (unit?: string, description?: string): { unit?: string; description?: string } => ({
    ...(unit === undefined ? {} : { unit }),
    ...(description === undefined ? {} : { description }),
  });
  return {
    createCounter: (name, unit, description) =>
      instrument({ kind: 'counter', name, valueType: 'int', ...shape(unit, description) }, tags),
    createHistogram: (name, valueType = 'int', unit, description) =>
      instrument({ kind: 'histogram', name, valueType, ...shape(unit, description) }, tags),
    createGauge: (name, valueType = 'int', unit, description) =>
      instrument({ kind: 'gauge', name, valueType, ...shape(unit, description) }, tags),
    withTags: (more) => meterWith({ ...tags, ...more }),
  };
}
