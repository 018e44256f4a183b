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

/**
 * The milliseconds of a duration.
 * @throws TypeError for what is no length of time; the message shows how one is written
 */
export function msToNumber(duration: Duration): number {
  if (typeof duration === 'number') {
    if (Number.isFinite(duration)) return duration;
    throw new TypeError(`a duration is a finite number of milliseconds, or text like "10s"; this is ${duration}`);
  }
  const match =
    typeof duration === 'string' && duration.length <= 100 ? /^\s*(-?\d*\.?\d+)\s*([a-z]*)\s*$/i.exec(duration) : null;
  const unit = match ? UNITS.get(match[2]!.toLowerCase() || 'ms') : undefined;
  if (!match || unit === undefined) {
    throw new TypeError(
      `a duration is a number of milliseconds, or text like "500ms", "10s", "5 minutes", "1.5h", "2 days"; this is ${JSON.stringify(duration)}`,
    );
  }
  return Number(match[1]) * unit;
}

/** The same, where the duration may be absent. */
export function msOptionalToNumber(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : msToNumber(duration);
}
