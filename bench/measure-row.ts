import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runPeer } from './peer-process.ts';
import { type Figures, percentile, SIZES } from './peers/measure.ts';
import type { Row } from './rows.ts';
import type { System } from './systems.ts';

/** pleach's own activity slots, by default. The peers have none, so no ideal can be said of them. */
const ACTIVITY_SLOTS = 100;
const OUTAGE_MS = 5_000;
const LOOK_MS = 5;
const LOOKS_MAX = 20_000;

/** Runs one row on one system some times over. @returns the figures of each run */
export async function measureRow(row: Row, system: System, workFolder: string, runs: number): Promise<Figures[]> {
  const figures: Figures[] = [];
  for (let run = 0; run < runs; run++) figures.push(await measureOnce(row, system, workFolder));
  return figures;
}

/** The median of each figure over some runs. */
export function medianFigures(runs: readonly Figures[]): Figures {
  const names = new Set(runs.flatMap((figures) => Object.keys(figures)));
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      percentile(
        runs.map((f) => f[name] ?? Number.NaN),
        0.5,
      ),
    ]),
  );
}

async function measureOnce(row: Row, system: System, workFolder: string): Promise<Figures> {
  switch (row.name) {
    case 'recovery':
      return recovery(system, workFolder, 0);
    case 'recovery-after-outage':
      return recovery(system, workFolder, OUTAGE_MS);
    default:
      return runPeer(await system.program(), row.name);
  }
}

/** Kills the program when half of all steps are through, starts it again, and waits until all runs have ended. */
async function recovery(system: System, workFolder: string, outageMs: number): Promise<Figures> {
  const program = await system.program();
  const ledger = join(mkdtempSync(join(workFolder, 'ledger-')), 'steps');
  const env = { BENCH_LEDGER: ledger };
  const steps = SIZES.recoveryRuns * SIZES.recoverySteps;
  let child: ChildProcess | undefined;
  const first = runPeer(program, 'recovery-begin', { env, started: (process) => (child = process) });
  // It is killed on purpose, and so gives no figures.
  const ended = first.then(
    () => undefined,
    () => undefined,
  );
  for (let looks = 0; lines(ledger).length < steps / 2; looks++) {
    if (looks > LOOKS_MAX || child?.exitCode !== null) throw new Error(`${system.name} ended before it was killed`);
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
  child?.kill('SIGKILL');
  await ended;
  const before = lines(ledger);
  await new Promise((done) => setTimeout(done, outageMs));
  const figures = await runPeer(program, 'recovery-end', { env });
  const after = lines(ledger);
  if (new Set(after).size !== steps) throw new Error(`${system.name} ran ${new Set(after).size} of ${steps} steps`);
  const left = steps - new Set(before).size;
  return {
    seconds: figures['wallMs']! / 1000,
    ...(system.name === 'pleach' ? { idealSeconds: (left * SIZES.stepMs) / ACTIVITY_SLOTS / 1000 } : {}),
    // A step writes its line when it ends: a second line is a step that had ended and was not yet acknowledged.
    stepsRunTwice: after.length - steps,
  };
}

function lines(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
}
