import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Rate } from './rate.ts';

test('in any stretch of time no more begin than the rate lets in and the bucket holds', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.1, max: 500, noNaN: true }),
      fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 60 }),
      (perSecond, waits) => {
        const rate = new Rate(perSecond, 0, 0);
        const begun: number[] = [];
        let nowMs = 0;
        for (const waitMs of waits) {
          nowMs += waitMs;
          while (rate.allows(nowMs)) {
            rate.spend(nowMs);
            begun.push(nowMs);
          }
        }
        // How far those that begin have ever run ahead of the rate, over all stretches.
        let most = 0;
        let leastBefore = Infinity;
        begun.forEach((atMs, index) => {
          const allowed = (perSecond * atMs) / 1000;
          leastBefore = Math.min(leastBefore, index - allowed);
          most = Math.max(most, index + 1 - allowed - leastBefore);
        });
        expect(most).toBeLessThanOrEqual(Math.max(1, perSecond) + 1e-6);
        // It begins with nothing in hand.
        expect(begun.every((atMs, index) => index + 1 <= (perSecond * atMs) / 1000 + 1e-6)).toBe(true);
      },
    ),
  );
});

test('after the wait that it names one more may begin, and not before', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 500, noNaN: true }), (perSecond) => {
      const rate = new Rate(perSecond, 1, 0);
      expect(rate.delayMs(0)).toBe(0);
      rate.spend(0);
      const delayMs = rate.delayMs(0);
      expect(rate.allows(delayMs + 1e-6)).toBe(true);
      const other = new Rate(perSecond, 1, 0);
      other.spend(0);
      expect(other.allows(Math.max(0, delayMs - 1.001))).toBe(false);
    }),
  );
});
