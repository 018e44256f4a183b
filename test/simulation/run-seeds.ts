import { fileURLToPath } from 'node:url';
import type { PlantedBug } from '../../src/kernel/index.ts';
import { World, type WorldReport } from '../../src/testing/index.ts';
import { bundleWorkflowCode } from '../../src/worker/index.ts';

const workflowsPath = fileURLToPath(new URL('../../src/testing/simulator/workflows.ts', import.meta.url));

/** What a range of seeds came to. */
export interface SeedsReport {
  seeds: number;
  activations: number;
  faults: Record<string, number>;
  broken: { seed: number; what: string }[];
}

/** Lives one world. */
export async function runSeed(seed: number, plantedBug?: PlantedBug): Promise<WorldReport> {
  const bundle = await bundleWorkflowCode({ workflowsPath });
  return new World({ seed, bundle, ...(plantedBug ? { plantedBug } : {}) }).run();
}

/** Lives a world for each seed; stops at the first that breaks a promise where `untilBroken`. */
export async function runSeeds(
  seeds: Iterable<number>,
  plantedBug?: PlantedBug,
  untilBroken = false,
): Promise<SeedsReport> {
  const report: SeedsReport = { seeds: 0, activations: 0, faults: {}, broken: [] };
  for (const seed of seeds) {
    const world = await runSeed(seed, plantedBug);
    report.seeds++;
    report.activations += world.activations;
    for (const [kind, count] of Object.entries(world.faults)) report.faults[kind] = (report.faults[kind] ?? 0) + count;
    for (const { message } of world.broken) report.broken.push({ seed, what: message });
    if (untilBroken && report.broken.length > 0) break;
  }
  return report;
}
