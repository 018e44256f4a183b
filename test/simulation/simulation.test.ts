import { expect, it } from 'vitest';
import { PLANTED_BUGS, type PlantedBug } from '../../src/kernel/index.ts';
import { runSeed, runSeeds } from './run-seeds.ts';

/** Seeds that once broke a promise; each stays. */
const KEPT = [2, 3, 6, 16, 17, 20, 21, 38, 65, 98, 103, 3_858_385_472];

it('tells the same story for the same seed, byte for byte', async () => {
  const [one, other] = [await runSeed(7), await runSeed(7)];
  expect(one.trace.length).toBeGreaterThan(100);
  expect(other.trace.join('\n')).toBe(one.trace.join('\n'));
});

it('keeps every promise under the seeds that once broke one', async () => {
  const report = await runSeeds(KEPT);
  expect(report.broken).toEqual([]);
  expect(report.activations).toBeGreaterThan(KEPT.length * 50);
}, 60_000);

for (const bug of Object.keys(PLANTED_BUGS) as PlantedBug[]) {
  it(`sees the planted bug "${bug}" within 100 seeds`, async () => {
    const report = await runSeeds(
      Array.from({ length: 100 }, (_, n) => n + 1),
      bug,
      true,
    );
    const promises = PLANTED_BUGS[bug].split(':')[0]!.split(', ');
    expect(report.broken.length, `${bug} was not seen in ${report.seeds} seeds`).toBeGreaterThan(0);
    expect(
      report.broken.some(({ what }) => promises.some((promise) => what.startsWith(`${promise}:`))),
      report.broken[0]?.what,
    ).toBe(true);
  }, 60_000);
}
