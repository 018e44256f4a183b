import { randomFillSync } from 'node:crypto';
import type { Clock, Random } from './ports.ts';

/** The host's clock. Waits longer than 2^31 ms, which the host would fire at once, are cut into legs. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, fire) {
    const LEG_MS = 2 ** 31 - 1;
    let handle: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const leg = Math.min(Math.max(leftMs, 0), LEG_MS);
      handle = setTimeout(() => (leftMs > LEG_MS ? arm(leftMs - LEG_MS) : fire()), Math.ceil(leg));
    };
    arm(delayMs);
    return { clear: () => clearTimeout(handle) };
  },
  every(periodMs, fire) {
    const handle = setInterval(fire, periodMs).unref();
    return { clear: () => clearInterval(handle) };
  },
  soon(fire) {
    setImmediate(fire);
  },
};

const POOL_BYTES = 8192;

/** The host's generator, drawn in blocks: one call to the kernel's generator serves some five hundred ids. */
export function systemRandom(): Random {
  const pool = new Uint8Array(POOL_BYTES);
  let used = POOL_BYTES;
  const bytes = (count: number): Uint8Array => {
    if (count > POOL_BYTES) return randomFillSync(new Uint8Array(count));
    if (used + count > POOL_BYTES) {
      randomFillSync(pool);
      used = 0;
    }
    const drawn = pool.slice(used, used + count);
    used += count;
    return drawn;
  };
  return {
    bytes,
    fraction() {
      const [a, b, c, d] = bytes(4) as unknown as [number, number, number, number];
      return (a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) / 2 ** 32;
    },
  };
}
