/**
 * Seeds that broke a promise, each when it was found; the worlds have grown since, so most tell another story now. Those
 * that are multiples of 10 live on SQLite.
 */
export const KEPT: readonly number[] = [
  2, 3, 6, 16, 17, 20, 21, 38, 50, 65, 98, 103, 2_812_808_103, 3_000_000_013, 3_858_385_472,
];
