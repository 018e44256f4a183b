import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { WORLD_ACTIVATIONS_MIN, WORLD_FAULTS_MIN } from '../../src/testing/index.ts';
import { KEPT, KEPT_SHARED } from './kept-seeds.ts';
import { runSeeds, tell } from './run-seeds.ts';

/** So many take two to four minutes on two cores. */
const SEEDS = Number(process.env['PLEACH_SEEDS'] ?? 1_000);

/** A fault that never happened was not tried. */
const FAULTS = [
  'kill',
  'pause',
  'clock',
  'crash-before',
  'crash-after',
  'unknown-before',
  'unknown-after',
  'full',
  'request-lost',
  'request-doubled',
  'response-lost',
  'attempt-failed',
  'completion-doubled',
  'answered-RESOURCE_EXHAUSTED',
  'link-cut',
  'worker-killed',
  'remote-miss',
];

/** Where the seeds begin: derived from the tree, so that each change is tried under others, and each again under the same. */
function firstSeed(): number {
  let tree = 'no repository';
  try {
    tree = execFileSync('git', ['rev-parse', 'HEAD^{tree}'], { encoding: 'utf8', cwd: import.meta.dirname });
  } catch {
    // Unpacked without its repository: any fixed seeds will do.
  }
  return createHash('sha256').update(tree.trim()).digest().readUInt32BE(0);
}

it('keeps every promise under the seeds that once broke one', async () => {
  const report = await runSeeds(KEPT);
  process.stdout.write(tell(report));
  expect(report.broken).toEqual([]);
}, 300_000);

it.each([...KEPT_SHARED])(
  'keeps every promise under those of %i nodes on one store that once broke one',
  async (nodes, seeds) => {
    expect((await runSeeds(seeds, undefined, { nodes })).broken).toEqual([]);
  },
  300_000,
);

it(`keeps every promise under ${SEEDS} seeds derived from the tree, and enough happens in each`, async () => {
  const first = firstSeed();
  process.stdout.write(`simulation: seeds ${first} to ${first + SEEDS - 1}\n`);
  const report = await runSeeds(Array.from({ length: SEEDS }, (_, n) => first + n));
  process.stdout.write(tell(report));
  expect(report.broken, 'test/simulation/live-seeds.ts repeats a seed').toEqual([]);
  expect(report.activations.least).toBeGreaterThanOrEqual(WORLD_ACTIVATIONS_MIN);
  expect(report.tellingFaults.least).toBeGreaterThanOrEqual(WORLD_FAULTS_MIN);
  for (const kind of FAULTS) expect(report.faults[kind] ?? 0, kind).toBeGreaterThan(0);
}, 1_800_000);

it.each([2, 3])(
  `keeps every promise under ${SEEDS / 4} of them with %i nodes on one store`,
  async (nodes) => {
    const first = firstSeed();
    const report = await runSeeds(
      Array.from({ length: SEEDS / 4 }, (_, n) => first + n),
      undefined,
      { nodes },
    );
    process.stdout.write(`${nodes} nodes: ${tell(report)}`);
    expect(report.broken, `test/simulation/live-seeds.ts SEED --nodes ${nodes} repeats a seed`).toEqual([]);
    expect(report.activations.least).toBeGreaterThanOrEqual(WORLD_ACTIVATIONS_MIN);
    expect(report.tellingFaults.least).toBeGreaterThanOrEqual(WORLD_FAULTS_MIN);
    expect(report.given).toBeGreaterThan(0);
    expect(report.forwarded).toBeGreaterThan(0);
    expect(report.relayed).toBeGreaterThan(0);
    for (const kind of ['kill', 'pause', 'stop', 'node-link-cut'])
      expect(report.faults[kind] ?? 0, kind).toBeGreaterThan(0);
  },
  600_000,
);
