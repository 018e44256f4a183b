import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { medianFigures } from './measure-row.ts';
import { runPeer } from './peer-process.ts';
import type { Figures } from './peers/measure.ts';
import type { System } from './systems.ts';

/** How often the sums are measured. */
const RUNS = 3;

/** The lines of kernel.md section 17, and what in a profile belongs to each. */
const LINES: readonly (readonly [string, RegExp])[] = [
  ['garbage collection', /^\(garbage collector\)/],
  ['database', /src\/store\/|^native (run|get|all|exec|prepare)/],
  ['sandbox', /src\/worker\/sandbox\/|src\/workflow\/|pleach-workflows|evalmachine|pleach-bundle/],
  ['activities', /src\/worker\/|src\/activity\//],
  ['machine and encoding', /src\/kernel\/|src\/contract\/history/],
  ['client start and result', /src\/client\/|src\/contract\/protocol|peers\/|measure\.ts/],
  [
    'thread messages',
    /src\/engine\/|^native (postMessage)|node:internal\/worker|node:internal\/per_context\/messageport|structuredClone|receiveMessageOnPort/,
  ],
  ['payloads and failures', /src\/common\//],
  ['Node itself', /^node:|^native|^\(program\)/],
];

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string } }[];
  /** Microseconds of the monotonic clock. */
  startTime: number;
  samples: number[];
  timeDeltas: number[];
}

/**
 * Reads the CPU profiles of one process, one file a thread, and counts the busy time of all threads by the budget's lines.
 * @param from start of the time that counts, in microseconds of the monotonic clock
 * @param to its end
 * @returns the share of each line, 0 to 1
 */
function readShares(folder: string, from: number, to: number): Map<string, number> {
  const lines = new Map<string, number>([...LINES.map(([name]) => name), 'other'].map((name) => [name, 0]));
  let busy = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))) {
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
    const lineOf = new Map(profile.nodes.map((node) => [node.id, budgetLine(node.callFrame)]));
    let at = profile.startTime;
    profile.samples.forEach((id, index) => {
      const micros = profile.timeDeltas[index] ?? 0;
      at += micros;
      const line = lineOf.get(id);
      if (line === undefined || at < from || at > to) return;
      busy += micros;
      lines.set(line, (lines.get(line) ?? 0) + micros);
    });
  }
  if (busy === 0) throw new Error('the profiles have no sample from while the workflows ran');
  return new Map(lines.entries().map(([line, micros]) => [line, micros / busy]));
}

/** The line a frame belongs to; idle time to none. */
function budgetLine(frame: { functionName: string; url: string }): string | undefined {
  if (frame.functionName === '(idle)' || frame.functionName === '(root)') return undefined;
  const where =
    frame.url === ''
      ? frame.functionName.startsWith('(')
        ? frame.functionName
        : `native ${frame.functionName}`
      : frame.url;
  return LINES.find(([, pattern]) => pattern.test(where))?.[0] ?? 'other';
}

/**
 * Lays the program beside the source instead of the packed package, whose joined files no longer say which room a line
 * came from.
 */
function sourceProgram(folder: string): string {
  const entry = join(folder, 'node_modules/pleach');
  mkdirSync(entry, { recursive: true });
  symlinkSync(join(import.meta.dirname, '../src'), join(entry, 'src'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  writeFileSync(
    join(entry, 'package.json'),
    JSON.stringify({ type: 'module', exports: { './*': './src/entry/*.ts' } }),
  );
  for (const name of ['measure.ts', 'pleach.ts', 'pleach-workflows.ts'])
    copyFileSync(join(import.meta.dirname, 'peers', name), join(folder, name));
  return join(folder, 'pleach.ts');
}

/**
 * Prints what a workflow costs in CPU under load. The sums are those of a process without a profiler, from its warm-up on;
 * a second process is profiled, over the same stretch, and only to share the sum out over the lines.
 */
export async function printBudget(workFolder: string, pleach: System): Promise<void> {
  const plain: Figures[] = [];
  for (let run = 0; run < RUNS; run++) plain.push(await runPeer(await pleach.program(), 'throughput'));
  const figures = medianFigures(plain);
  const folder = mkdtempSync(join(workFolder, 'profile-'));
  const profiled = { name: 'pleach', file: sourceProgram(folder), cwd: folder, env: {} };
  const { beganAtMicros, endedAtMicros } = await runPeer(profiled, 'throughput', {
    nodeArgs: ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=500'],
  });
  const shares = readShares(folder, beganAtMicros!, endedAtMicros!);
  const total = figures['appCpuMsPerWorkflow']! * 1000;
  console.log(`\nbudget: µs of CPU per three-step workflow, under load, after the warm-up; median of ${RUNS}`);
  const print = (label: string, micros: number): void =>
    console.log(`  ${label.padEnd(26)}${micros.toFixed(0).padStart(6)}`);
  for (const [line, share] of shares) print(line, share * total);
  print('in all (330)', total);
  const hottest = figures['hottestThreadMicrosPerWorkflow'];
  if (hottest === undefined) console.log('  hottest thread (165): only Linux tells it');
  else print('hottest thread (165)', hottest);
}
