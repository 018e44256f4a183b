import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Duration, msOptionalToNumber, msToNumber } from './duration.ts';

it.each([
  [0, 0],
  [1500, 1500],
  ['250', 250],
  ['1s', 1000],
  ['10ms', 10],
  ['5 minutes', 300_000],
  ['1.5h', 5_400_000],
  ['.5m', 30_000],
  ['2 days', 172_800_000],
  ['1w', 604_800_000],
  ['1y', 31_557_600_000],
  ['-3s', -3000],
  ['10 SECS', 10_000],
] as const)('%s is %d ms', (duration, ms) => {
  expect(msToNumber(duration as Duration)).toBe(ms);
});

it.each(['', 's', '1 fortnight', '1s 2s', '1e3', 'one second', '--1s', '1..5s', NaN, Infinity, null, {}, true])(
  '%s is no length of time, and the message shows how one is written',
  (wrong) => {
    expect(() => msToNumber(wrong as Duration)).toThrow(/a duration is .*"10s"/);
  },
);

it('is absent where it is absent', () => {
  expect(msOptionalToNumber(undefined)).toBeUndefined();
  expect(msOptionalToNumber('1s')).toBe(1000);
});

it('reads each unit under all its names, with and without a space, in either case', () => {
  const units: [string, number][] = [
    ['ms msecs milliseconds', 1],
    ['s sec secs seconds', 1000],
    ['m min minutes', 60_000],
    ['h hrs hours', 3_600_000],
    ['d days', 86_400_000],
    ['w weeks', 604_800_000],
  ];
  const unit = fc.constantFrom(...units.flatMap(([names, ms]) => names.split(' ').map((name) => ({ name, ms }))));
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 100_000 }),
      unit,
      fc.boolean(),
      fc.boolean(),
      (n, { name, ms }, gap, loud) => {
        const text = `${n}${gap ? ' ' : ''}${loud ? name.toUpperCase() : name}`;
        expect(msToNumber(text as Duration)).toBe(n * ms);
      },
    ),
  );
});
