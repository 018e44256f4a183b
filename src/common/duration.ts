import { wrongArgument } from './shown.ts';

/** A length of time: milliseconds, or text such as `10s`, `1.5 hours`, `2 days`. */
export type Duration = number | StringValue;
/** Text that names a length of time. */
export type StringValue = `${number}` | `${number}${string}` | `${number} ${string}`;

const UNITS = new Map<string, number>();
for (const [ms, names] of [
  [1, 'ms msec msecs millisecond milliseconds'],
  [1000, 's sec secs second seconds'],
  [60_000, 'm min mins minute minutes'],
  [3_600_000, 'h hr hrs hour hours'],
  [86_400_000, 'd day days'],
  [604_800_000, 'w week weeks'],
  [31_557_600_000, 'y yr yrs year years'],
] as const) {
  for (const name of names.split(' ')) UNITS.set(name, ms);
}

/** The longest duration: 10,000 years, the field's own limit. Beyond some 270,000 an instant cannot be written. */
export const DURATION_MS_MAX = 315_576_000_000_000;

const MAY_BE = 'is a finite number of milliseconds, or text like "500ms", "10s", "5 minutes", "1.5h", "2 days"';

/**
 * The milliseconds of a duration.
 * @param what what it is for, as a message names it
 * @throws TypeError for what is no length of time, and for more than 10,000 years; the message shows how one is written
 */
export function msToNumber(duration: Duration, what = 'a duration'): number {
  let ms: number;
  if (typeof duration === 'number') ms = duration;
  else {
    const match =
      typeof duration === 'string' && duration.length <= 100
        ? /^\s*(-?\d*\.?\d+)\s*([a-z]*)\s*$/i.exec(duration)
        : null;
    const unit = match ? UNITS.get(match[2]!.toLowerCase() || 'ms') : undefined;
    if (!match || unit === undefined) throw wrongArgument(what, MAY_BE, duration);
    ms = Number(match[1]) * unit;
  }
  if (!Number.isFinite(ms)) throw wrongArgument(what, MAY_BE, duration);
  if (Math.abs(ms) > DURATION_MS_MAX) throw wrongArgument(what, 'is at most 10,000 years', duration);
  return ms;
}

/** The same, where the duration may be absent. */
export function msOptionalToNumber(duration: Duration | undefined, what?: string): number | undefined {
  return duration === undefined ? undefined : msToNumber(duration, what);
}

/** A time-out, where there is one: 0 is none, as the field has it. @throws TypeError for less than nothing */
export function msTimeout(duration: Duration | undefined, what: string): number | undefined {
  const ms = msOptionalToNumber(duration, what);
  if (ms !== undefined && ms < 0) throw wrongArgument(what, 'is a length of time of 0 or more, 0 for none', duration);
  return ms === 0 ? undefined : ms;
}
