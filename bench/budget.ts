import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runPeer } from './peer-process.ts';
import { SIZES } from './peers/measure.ts';

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
  samples: number[];
  timeDeltas: number[];
}

/**
 * Reads the CPU profiles of one process, one file a thread, and shares its busy time out over the budget's lines.
 * @param workflows over how many the time is shared
 * @returns microseconds per workflow, by line, and of the hottest thread
 */
function readBudget(folder: string, workflows: number): { lines: Map<string, number>; hottest: number } {
  const lines = new Map<string, number>(LINES.map(([name]) => [name, 0]));
  lines.set('other', 0);
  let hottest = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))) {
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile;
    const lineOf = new Map(profile.nodes.map((node) => [node.id, budgetLine(node.callFrame)]));
    let busy = 0;
    profile.samples.forEach((id, index) => {
      const line = lineOf.get(id);
      if (line === undefined) return;
      const micros = (profile.timeDeltas[index] ?? 0) / workflows;
      busy += micros;
      lines.set(line, (lines.get(line) ?? 0) + micros);
    });
    hottest = Math.max(hottest, busy);
  }
  return { lines, hottest };
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

/** Prints where a workflow's CPU goes, from a profile of every thread; the profiler itself costs, so no rate comes of it. */
export async function printBudget(workFolder: string): Promise<void> {
  const folder = mkdtempSync(join(workFolder, 'profile-'));
  await runPeer({ name: 'pleach', file: sourceProgram(folder), cwd: folder, env: {} }, 'throughput', {
    nodeArgs: ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=500'],
  });
  const { lines, hottest } = readBudget(folder, SIZES.workflows + SIZES.warmUp);
  console.log('\nbudget: µs of CPU per three-step workflow, profiled, start of the process included');
  const print = (label: string, micros: number): void =>
    console.log(`  ${label.padEnd(26)}${micros.toFixed(0).padStart(6)}`);
  for (const [line, micros] of lines) print(line, micros);
  print(
    'in all (330)',
    lines.values().reduce((sum, micros) => sum + micros, 0),
  );
  print('hottest thread (165)', hottest);
}
