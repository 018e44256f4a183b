import type { MetricMeter, MetricTags } from '../common/index.ts';

/** A meter whose measurements carry these tags too; they are asked for at each one, so that interceptors have their say. */
export function taggedMeter(meter: MetricMeter, tags: () => MetricTags): MetricMeter {
  return {
    createCounter(name, unit, description) {
      const counter = meter.createCounter(name, unit, description);
      return { ...counter, withTags: tagging, add: (value, extra) => counter.add(value, { ...tags(), ...extra }) };
    },
    createHistogram(name, valueType, unit, description) {
      const histogram = meter.createHistogram(name, valueType, unit, description);
      return {
        ...histogram,
        withTags: tagging,
        record: (value, extra) => histogram.record(value, { ...tags(), ...extra }),
      };
    },
    createGauge(name, valueType, unit, description) {
      const gauge = meter.createGauge(name, valueType, unit, description);
      return { ...gauge, withTags: tagging, set: (value, extra) => gauge.set(value, { ...tags(), ...extra }) };
    },
    withTags: (more) => taggedMeter(meter, () => ({ ...tags(), ...more })),
  };
}

/** The same instrument, with more tags on everything that it measures. */
function tagging<I extends object>(this: I, more: MetricTags): I {
  const withMore = { ...this } as Record<string, unknown>;
  for (const act of ['add', 'record', 'set']) {
    const measure = withMore[act] as ((value: number, extra?: MetricTags) => void) | undefined;
    if (measure) withMore[act] = (value: number, extra?: MetricTags) => measure(value, { ...more, ...extra });
  }
  return withMore as I;
}
