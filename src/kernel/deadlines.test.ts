// oxlint-disable vitest/no-conditional-expect -- every branch asserts; the cases differ in what they demand
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Deadline, Deadlines } from './deadlines.ts';

type Step = { do: 'set'; at: number } | { do: 'clear'; pick: number } | { do: 'take'; now: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('set' as const), at: fc.integer({ min: 0, max: 30 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('clear' as const), pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('take' as const), now: fc.integer({ min: 0, max: 30 }) }) },
);

test('the heap of deadlines answers as a sorted list does, whatever is set, withdrawn and taken', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const deadlines = new Deadlines();
      const sorted: { at: number; order: number }[] = [];
      const made: { deadline: Deadline; entry: { at: number; order: number } }[] = [];
      const fired: number[] = [];
      for (const todo of steps) {
        if (todo.do === 'set') {
          const entry = { at: todo.at, order: made.length };
          made.push({ deadline: deadlines.set(todo.at, () => fired.push(entry.order)), entry });
          sorted.push(entry);
          sorted.sort((a, b) => a.at - b.at || a.order - b.order);
        } else if (todo.do === 'clear') {
          // Any that was ever set: one that has fired or was withdrawn is left alone.
          const one = made[todo.pick % Math.max(1, made.length)];
          deadlines.clear(one?.deadline);
          const index = one ? sorted.indexOf(one.entry) : -1;
          if (index >= 0) sorted.splice(index, 1);
        } else {
          const taken = deadlines.takeDue(todo.now);
          const expected = sorted[0] && sorted[0].at <= todo.now ? sorted.shift() : undefined;
          taken?.fire();
          expect(taken === undefined ? undefined : fired.at(-1)).toBe(expected?.order);
          if (taken) expect(taken.place).toBe(-1);
        }
        expect(deadlines.size).toBe(sorted.length);
        expect(deadlines.nextAt).toBe(sorted[0]?.at);
      }
      while (sorted.length > 0) {
        deadlines.takeDue(Infinity)!.fire();
        expect(fired.at(-1)).toBe(sorted.shift()!.order);
      }
      expect(deadlines.takeDue(Infinity)).toBeUndefined();
    }),
    { numRuns: 300 },
  );
});

test('a deadline fires at its instant and not before', () => {
  const deadlines = new Deadlines();
  deadlines.set(100, () => undefined);
  expect(deadlines.takeDue(99)).toBeUndefined();
  expect(deadlines.takeDue(100)?.at).toBe(100);
});
