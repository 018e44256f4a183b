import { expect, it } from 'vitest';
import { PLANTED_BUGS, type PlantedBug } from '../../src/kernel/index.ts';
import { runSeed } from './run-seeds.ts';

/** What a planted bug must be seen within. Most are seen in the first world. */
const SEEDS_MAX = 500;

const bugs = Object.keys(PLANTED_BUGS) as PlantedBug[];
const promiseOf = (bug: PlantedBug): string => PLANTED_BUGS[bug].split(':')[0]!;

it('has a planted bug for each promise', () => {
  expect(bugs.map(promiseOf)).toEqual(Array.from({ length: 17 }, (_, n) => `I${n + 1}`));
});

for (const bug of bugs) {
  it(`names ${promiseOf(bug)} for the planted bug "${bug}" within ${SEEDS_MAX} seeds`, async () => {
    const promise = promiseOf(bug);
    let seen: string | undefined;
    let seed = 0;
    while (!seen && seed < SEEDS_MAX) {
      const world = await runSeed(++seed, { plantedBug: bug, stopAt: promise });
      seen = world.broken.find(({ invariant }) => invariant === promise)?.message;
    }
    process.stdout.write(`simulation: "${bug}" seen in ${seed} seeds: ${seen?.slice(0, 120)}\n`);
    expect(seen, `${bug} was not seen in ${seed} seeds`).toBeDefined();
  }, 300_000);
}
