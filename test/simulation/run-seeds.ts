import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlantedBug } from '../../src/kernel/index.ts';
import { SqliteStore } from '../../src/store/index.ts';
import { World, type WorldReport } from '../../src/testing/index.ts';
import { bundleWorkflowCode, type WorkflowBundle } from '../../src/worker/index.ts';

const workflowsPath = fileURLToPath(new URL('../../src/testing/simulator/workflows.ts', import.meta.url));

/** One seed in so many lives on SQLite below the faults. */
const SQLITE_EVERY = 10;
/** And one in so many on a file, each process with a connection of its own; the others share one in memory. */
const FILE_EVERY = 50;
/** As `PARTITIONS` of the model: few, so that runs share them. */
const PARTITIONS = 4;

/** What a range of seeds came to. */
export interface SeedsReport {
  seeds: number;
  sqliteSeeds: number;
  activations: { least: number; mean: number };
  /** Faults that changed what happened after them. */
  tellingFaults: { least: number; mean: number };
  faults: Record<string, number>;
  /** Partitions given from node to node, and requests passed on, in all. */
  given: number;
  forwarded: number;
  /** Attempts and activations handed to workers of other nodes. */
  relayed: number;
  broken: { seed: number; what: string }[];
  meanMs: number;
}

let bundling: Promise<WorkflowBundle> | undefined;

/** Lives one world. */
export async function runSeed(
  seed: number,
  options: { plantedBug?: PlantedBug; stopAt?: string; nodes?: number } = {},
): Promise<WorldReport> {
  const bundle = await (bundling ??= bundleWorkflowCode({ workflowsPath }));
  if (options.nodes !== undefined || seed % SQLITE_EVERY !== 0) return new World({ seed, bundle, ...options }).run();
  const folder = seed % FILE_EVERY === 0 ? mkdtempSync(join(tmpdir(), 'pleach-simulation-')) : undefined;
  const stores: SqliteStore[] = [];
  try {
    return await new World({
      seed,
      bundle,
      ...options,
      makeStore: (clock) => {
        if (!folder && stores[0]) return stores[0];
        const path = folder ? join(folder, 'world.db') : ':memory:';
        const store = new SqliteStore(path, clock, { partitions: PARTITIONS });
        stores.push(store);
        return store;
      },
    }).run();
  } finally {
    for (const store of stores) await store.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Lives a world for each seed, one after another.
 * @param each told of each world that was lived
 */
export async function runSeeds(
  seeds: Iterable<number>,
  each: (world: WorldReport) => void = () => undefined,
  options: { nodes?: number } = {},
): Promise<SeedsReport> {
  const beganMs = performance.now();
  const worlds: WorldReport[] = [];
  for (const seed of seeds) {
    const world = await runSeed(seed, options);
    world.trace.length = 0;
    worlds.push(world);
    each(world);
  }
  const faults: Record<string, number> = {};
  for (const world of worlds)
    for (const [kind, count] of Object.entries(world.faults)) faults[kind] = (faults[kind] ?? 0) + count;
  return {
    seeds: worlds.length,
    sqliteSeeds: options.nodes ? 0 : worlds.filter(({ seed }) => seed % SQLITE_EVERY === 0).length,
    activations: leastAndMean(worlds.map(({ activations }) => activations)),
    tellingFaults: leastAndMean(worlds.map(({ tellingFaults }) => tellingFaults)),
    faults,
    given: worlds.reduce((sum, world) => sum + world.given, 0),
    forwarded: worlds.reduce((sum, world) => sum + world.forwarded, 0),
    relayed: worlds.reduce((sum, world) => sum + world.relayed, 0),
    broken: worlds.flatMap(({ seed, broken }) => broken.map(({ message }) => ({ seed, what: message }))),
    meanMs: (performance.now() - beganMs) / worlds.length,
  };
}

function leastAndMean(values: readonly number[]): { least: number; mean: number } {
  return { least: Math.min(...values), mean: values.reduce((sum, value) => sum + value, 0) / values.length };
}

/** A report in two lines. */
export function tell(report: SeedsReport): string {
  const { seeds, sqliteSeeds, activations, tellingFaults, faults, given, forwarded, relayed, meanMs } = report;
  return (
    `simulation: ${seeds} seeds (${sqliteSeeds} on SQLite), ${meanMs.toFixed(0)} ms each; activations a seed: least ` +
    `${activations.least}, mean ${activations.mean.toFixed(0)}; faults that changed the trace: least ` +
    `${tellingFaults.least}, mean ${tellingFaults.mean.toFixed(0)}; partitions given ${given}, requests passed on ${forwarded}, relayed ${relayed}\nfaults: ${JSON.stringify(faults)}\n`
  );
}
