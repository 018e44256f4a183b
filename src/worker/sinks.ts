import {
  type MetricMeter,
  type SearchAttributePair,
  shown,
  TypedSearchAttributes,
  wrongArgument,
} from '../common/index.ts';
import { type Log, messageOf, systemClock } from '../core/index.ts';
import type {
  Measurement,
  METRICS_SINK as MetricsSinkName,
  SINK_CALL as SinkCallName,
  SinkCall,
  Sinks,
  WorkflowInfo,
} from '../workflow/index.ts';

/** One function of a sink, as a worker has it. What it throws is logged and goes no further. */
export interface InjectedSinkFunction<F extends (...args: never[]) => void> {
  fn(info: WorkflowInfo, ...args: Parameters<F>): void | Promise<void>;
  /** Default false: a replay makes no calls. */
  callDuringReplay?: boolean;
}

/** The functions of a sink, as a worker has them. */
export type InjectedSink<T extends Sinks[string]> = { [F in keyof T]: InjectedSinkFunction<T[F]> };
/** The sinks of a worker: what `proxySinks` calls. */
export type InjectedSinks<T extends Sinks> = { [S in keyof T]: InjectedSink<T[S]> };

// oxlint-disable-next-line typescript/no-explicit-any -- sinks of whatever shape
type AnySinks = InjectedSinks<any>;

// Said here again: a worker that only works needs nothing of the workflow room in this thread.
const SINK_CALL: typeof SinkCallName = '__pleach_sink_call';
const METRICS_SINK: typeof MetricsSinkName = '__pleach_metrics';

/** @throws TypeError that names the sink, for what is none */
export function checkSinks(sinks: unknown): void {
  if (sinks === undefined) return;
  const may = 'is { name: { function: { fn, callDuringReplay } } }';
  if (typeof sinks !== 'object' || sinks === null) throw wrongArgument('sinks', may, sinks);
  for (const [name, sink] of Object.entries(sinks)) {
    if (typeof sink !== 'object' || sink === null) throw wrongArgument(`sinks.${name}`, may, sink);
    for (const [fn, entry] of Object.entries(sink as Record<string, { fn?: unknown } | undefined>))
      if (typeof entry?.fn !== 'function') throw wrongArgument(`sinks.${name}.${fn}`, may, entry);
  }
}

/** The log of a sandbox: calls of sinks are taken out of it and made, the other lines go on. */
export function withSinks(log: Log, sinks: AnySinks | undefined, meter: MetricMeter): Log {
  const measure = measuring(meter);
  const call = (given: SinkCall): void => {
    if (given.sink === METRICS_SINK) {
      measure(given.args[0] as Measurement);
      return;
    }
    const { sink, fn, args } = given;
    if (!Array.isArray(args)) {
      log.error(`the sink ${sink}.${fn} was called with arguments that cannot travel as JSON; pass plain data`);
      return;
    }
    const entry = (sinks?.[sink] as Record<string, InjectedSinkFunction<() => void>> | undefined)?.[fn];
    if (!entry) {
      if (!given.isReplaying)
        log.error(`a workflow called a sink that its worker does not have: ${sink}.${fn}; add it to sinks`);
      return;
    }
    if (given.isReplaying && !entry.callDuringReplay) return;
    const failed = (error: unknown): void =>
      log.error(`the sink ${sink}.${fn} failed`, { message: messageOf(error), args: shown(args) });
    try {
      const done = entry.fn(infoOf(given), ...(args as []));
      if (done instanceof Promise) done.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
  return {
    debug: (message, fields) =>
      message === SINK_CALL ? call(fields as unknown as SinkCall) : log.debug(message, fields),
    info: (message, fields) => log.info(message, fields),
    warn: (message, fields) => log.warn(message, fields),
    error: (message, fields) => log.error(message, fields),
  };
}

/** Instants and typed attributes again, after the way as JSON. */
function infoOf({ info, isReplaying }: SinkCall): WorkflowInfo {
  const pairs = (info['typedSearchAttributes'] ?? []) as SearchAttributePair[];
  const typed = pairs.map((pair) =>
    pair.key.type === 'DATETIME' ? { ...pair, value: new Date(pair.value as unknown as string) } : pair,
  );
  return {
    ...info,
    startTime: new Date(info['startTime'] as string),
    runStartTime: new Date(info['runStartTime'] as string),
    typedSearchAttributes: new TypedSearchAttributes(typed as SearchAttributePair[]),
    unsafe: { now: () => systemClock.now(), isReplaying },
  } as WorkflowInfo;
}

/** Gives measurements to their instruments, each of which is made once. */
function measuring(meter: MetricMeter): (measurement: Measurement) => void {
  const instruments = new Map<string, (value: number, tags: Measurement['tags']) => void>();
  const make = ({ kind, name, valueType, unit, description }: Measurement) => {
    if (kind === 'counter') {
      const counter = meter.createCounter(name, unit, description);
      return counter.add.bind(counter);
    }
    if (kind === 'histogram') {
      const histogram = meter.createHistogram(name, valueType, unit, description);
      return histogram.record.bind(histogram);
    }
    const gauge = meter.createGauge(name, valueType, unit, description);
    return gauge.set.bind(gauge);
  };
  return (measurement) => {
    const key = `${measurement.kind} ${measurement.name}`;
    let instrument = instruments.get(key);
    if (!instrument) instruments.set(key, (instrument = make(measurement)));
    instrument(measurement.value, measurement.tags);
  };
}
