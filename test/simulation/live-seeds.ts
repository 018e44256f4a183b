// Lives seeds without a test runner: `node scripts/run.cjs test/simulation/live-seeds.ts FIRST [COUNT] [--nodes N] [--trace]`. Prints
// each breach of a promise as it is seen, and what the seeds came to. Ends with 1 where something was broken.
import { runSeed, runSeeds, tell } from './run-seeds.ts';

const [first, count = 1] = process.argv
  .slice(2)
  .filter((word, n, all) => /^\d+$/.test(word) && all[n - 1] !== '--nodes')
  .map(Number);
if (first === undefined || !Number.isInteger(first)) throw new Error('name the first seed, a whole number');
const at = process.argv.indexOf('--nodes');
const options = at < 0 ? {} : { nodes: Number(process.argv[at + 1]) };
if (process.argv.includes('--trace')) process.stdout.write(`${(await runSeed(first, options)).trace.join('\n')}\n`);
let lived = 0;
const report = await runSeeds(
  Array.from({ length: count }, (_, n) => first + n),
  ({ seed, broken }) => {
    for (const { message } of broken) process.stdout.write(`seed ${seed}: ${message}\n`);
    if (++lived % 100 === 0) process.stdout.write(`${lived} seeds lived\n`);
  },
  options,
);
process.stdout.write(tell(report));
process.exitCode = report.broken.length > 0 ? 1 : 0;
