/**
 * Seeds that broke a promise, each when it was found; the worlds have grown since, so most tell another story now. Those
 * that are multiples of 10 live on SQLite.
 */
export const KEPT: readonly number[] = [
  2, 3, 6, 16, 17, 20, 21, 38, 50, 65, 98, 103, 2_812_808_103, 3_000_000_013, 3_858_385_472, 3_000_387, 3_000_461,
  3_000_569, 3_000_675, 3_000_812, 3_001_314, 3_002_010, 4_000_032, 4_000_077, 4_000_104, 4_000_402, 4_000_503,
  5_002_826, 5_003_551, 5_004_769, 6_002_901, 7_100_546, 8_501_641,
];

/** The same for worlds of several nodes on one store, by how many. */
export const KEPT_SHARED: ReadonlyMap<number, readonly number[]> = new Map([
  [2, [29, 50_159, 110_315, 3_565_742_270]],
  [3, [1_021, 1_132, 3_335, 90_011, 90_221]],
  [4, [100_072]],
]);
