import { expect, it } from 'vitest';
import { WORLD_ACTIVATIONS_MIN, WORLD_FAULTS_MIN } from '../../src/testing/index.ts';
import { runSeed, runSeeds } from './run-seeds.ts';

it.each([7, 10, 11])(
  'tells the same story for the same seed, byte for byte: %i',
  async (seed) => {
    const [one, other] = [await runSeed(seed), await runSeed(seed)];
    expect(one.trace.length).toBeGreaterThan(100);
    expect(other.trace.join('\n')).toBe(one.trace.join('\n'));
  },
  60_000,
);

it('keeps every promise under a few seeds, and enough happens in each', async () => {
  // 20 lives on SQLite in memory. More are tried by `npm run test:long`.
  const report = await runSeeds([1, 2, 3, 5, 16, 20]);
  expect(report.broken).toEqual([]);
  expect(report.activations.least).toBeGreaterThanOrEqual(WORLD_ACTIVATIONS_MIN);
  expect(report.tellingFaults.least).toBeGreaterThanOrEqual(WORLD_FAULTS_MIN);
}, 60_000);

it('has worlds in which most of what runs are told lies apart, on either store', async () => {
  expect((await runSeed(1)).blobs).toBe(0);
  for (const seed of [3, 30]) {
    const world = await runSeed(seed);
    expect(world.blobs).toBeGreaterThan(100);
    expect(world.broken).toEqual([]);
  }
}, 60_000);

it('has worlds whose workers live in processes of their own, with local ones beside them and without', async () => {
  const report = await runSeeds([4, 11, 18, 25]);
  expect(report.broken).toEqual([]);
  for (const kind of ['link-cut', 'worker-killed', 'remote-miss']) expect(report.faults[kind], kind).toBeGreaterThan(0);
}, 60_000);

it('has worlds in which several nodes share the store, give partitions to each other and pass requests on', async () => {
  for (const nodes of [2, 3]) {
    const report = await runSeeds([3_335, 4_001, 4_002], undefined, { nodes });
    expect(report.broken).toEqual([]);
    expect(report.given).toBeGreaterThan(10);
    expect(report.forwarded).toBeGreaterThan(100);
    expect(report.relayed).toBeGreaterThan(50);
  }
}, 60_000);

it('names the promise that a planted bug breaks, and ends the world there', async () => {
  const world = await runSeed(1, { plantedBug: 'acknowledge-before-commit', stopAt: 'I12' });
  expect(world.broken.at(-1)?.invariant).toBe('I12');
  expect(world.replayed).toBe(0);
}, 60_000);
