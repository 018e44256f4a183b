// oxlint-disable vitest/no-conditional-expect -- every branch asserts; the cases differ in what they demand
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Duration, msOptionalToNumber, msToNumber } from './duration.ts';

test.each<[Duration, number]>([
  [0, 0],
  [1.5, 1.5],
  ['0', 0],
  ['100', 100],
  ['500ms', 500],
  ['10s', 10_000],
  ['1 sec', 1000],
  ['1.5h', 5_400_000],
  ['5 minutes', 300_000],
  ['2 DAYS', 172_800_000],
  ['1w', 604_800_000],
  ['1y', 31_557_600_000],
  ['-3s' as Duration, -3000],
  [' 1s ' as Duration, 1000],
  ['.5s' as Duration, 500],
])('%j is a duration of %d ms', (text, expected) => {
  expect(msToNumber(text)).toBe(expected);
  expect(msOptionalToNumber(text)).toBe(expected);
});

test.each([
  '',
  ' ',
  's',
  'ten seconds',
  '1 fortnight',
  '1s 2s',
  '1,5s',
  '1e3',
  '--1s',
  '1..5s',
  '5 constructor',
  '5 hasownproperty',
  NaN,
  Infinity,
  -Infinity,
  null,
  {},
  [],
  true,
  `${'9'.repeat(200)}s`,
])('%j is no duration, and the message shows how one is written', (value) => {
  expect(() => msToNumber(value as Duration)).toThrow(TypeError);
  expect(() => msToNumber(value as Duration)).toThrow(/"10s"/);
});

test('a duration that is absent stays absent', () => {
  expect(msOptionalToNumber(undefined)).toBeUndefined();
});

test('any text is either a finite length of time or refused as a TypeError', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.tuple(fc.integer(), fc.string()).map(([n, unit]) => `${n}${unit}`),
      ),
      (text) => {
        try {
          expect(Number.isFinite(msToNumber(text as Duration))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
        }
      },
    ),
  );
});
