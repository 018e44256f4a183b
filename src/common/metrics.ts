/** Names with values that a measurement is told apart by. */
export type MetricTags = Record<string, string | number | boolean>;
/** What the values of an instrument are. */
export type NumericMetricValueType = 'int' | 'float';

interface Instrument<Kind extends string> {
  readonly name: string;
  readonly unit?: string;
  readonly description?: string;
  readonly kind: Kind;
  readonly valueType: NumericMetricValueType;
  /** The same instrument, with tags on everything that it measures. */
  withTags(tags: MetricTags): this;
}

/** Counts up. */
export interface MetricCounter extends Instrument<'counter'> {
  add(value: number, extraTags?: MetricTags): void;
}

/** Records how values are spread. */
export interface MetricHistogram extends Instrument<'histogram'> {
  record(value: number, extraTags?: MetricTags): void;
}

/** Tells a value as it stands. */
export interface MetricGauge extends Instrument<'gauge'> {
  set(value: number, tags?: MetricTags): void;
}

/** Makes instruments. */
export interface MetricMeter {
  createCounter(name: string, unit?: string, description?: string): MetricCounter;
  createHistogram(
    name: string,
    valueType?: NumericMetricValueType,
    unit?: string,
    description?: string,
  ): MetricHistogram;
  createGauge(name: string, valueType?: NumericMetricValueType, unit?: string, description?: string): MetricGauge;
  withTags(tags: MetricTags): MetricMeter;
}

const make = <I>(
  kind: string,
  name: string,
  valueType: NumericMetricValueType = 'int',
  unit?: string,
  description?: string,
): I => {
  const nothing = (): void => undefined;
  const instrument = { name, kind, valueType, add: nothing, record: nothing, set: nothing, withTags: () => instrument };
  if (unit !== undefined) Object.assign(instrument, { unit });
  if (description !== undefined) Object.assign(instrument, { description });
  return instrument as I;
};

/** Instruments that measure into nowhere. */
export const noopMetricMeter: MetricMeter = {
  createCounter: (name, unit, description) => make('counter', name, 'int', unit, description),
  createHistogram: (name, valueType, unit, description) => make('histogram', name, valueType, unit, description),
  createGauge: (name, valueType, unit, description) => make('gauge', name, valueType, unit, description),
  withTags: () => noopMetricMeter,
};
