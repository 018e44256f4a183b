/**
 * A limit on how many things begin in a second: a bucket that fills at that rate and holds a second's worth, and at least
 * one. In any t seconds no more begin than `perSecond` × t and what the bucket holds.
 */
export class Rate {
  readonly perSecond: number;
  #left: number;
  #atMs: number;

  /**
   * @param perSecond above 0; below 1, one begins every so many seconds
   * @param left what is in the bucket now
   * @param nowMs by the monotonic clock, as everywhere here
   */
  constructor(perSecond: number, left: number, nowMs: number) {
    this.perSecond = perSecond;
    this.#left = Math.min(left, this.#holds);
    this.#atMs = nowMs;
  }

  get #holds(): number {
    return Math.max(1, this.perSecond);
  }

  /** Whether one more may begin. It counts only when `spend` is called. */
  allows(nowMs: number): boolean {
    return this.#filled(nowMs) >= 1;
  }

  /** One begins. */
  spend(nowMs: number): void {
    this.#left = this.#filled(nowMs) - 1;
  }

  /** When one more may begin, in milliseconds from now; 0 where one may now. */
  delayMs(nowMs: number): number {
    const left = this.#filled(nowMs);
    return left >= 1 ? 0 : Math.ceil(((1 - left) / this.perSecond) * 1000);
  }

  #filled(nowMs: number): number {
    this.#left = Math.min(this.#holds, this.#left + ((nowMs - this.#atMs) / 1000) * this.perSecond);
    this.#atMs = nowMs;
    return this.#left;
  }
}
