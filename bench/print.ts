import type { Given, Row, Verdict } from './rows.ts';
import { type Figures, SIZES } from './peers/measure.ts';

/** Prints one row: each system's median with its least and most, each peer's as a ratio to ours, and the target. */
export function printRow(row: Row, given: Given, runs: Record<string, Figures[]>, verdict: Verdict | undefined): void {
  const ours = row.figure(given['pleach']!);
  const figures = Object.entries(given).map(([name, figure]) => {
    const value = row.figure(figure);
    const ratio = row.moreIsBetter ? ours / value : value / ours;
    const times = name === 'pleach' ? '' : ` (pleach is ${ratio.toFixed(1)} × as good)`;
    const all = runs[name]!.map((one) => row.figure(one));
    const range = `[${Math.min(...all).toPrecision(3)}–${Math.max(...all).toPrecision(3)} of ${all.length}]`;
    return `${name} ${value.toPrecision(4)} ${row.unit} ${range}${times}`;
  });
  console.log(`${row.name}: ${row.title}\n  ${figures.join(' · ')}`);
  const again = Object.entries(given).flatMap(([name, f]) =>
    f['stepsRunTwice'] === undefined ? [] : [`${name} ${f['stepsRunTwice']}`],
  );
  if (again.length > 0)
    console.log(`  steps run twice, ended and not acknowledged when it was killed: ${again.join(' · ')}`);
  if (verdict) console.log(`  ${verdict.holds ? 'holds' : 'MISSED'}: ${verdict.target}`);
}

/** Prints what the throughput row knows beside its rate. */
export function printThroughput(given: Given): void {
  for (const [name, figures] of Object.entries(given)) {
    const server = figures['serverCpuMs'];
    const parts = [
      `p50 ${figures['p50']!.toFixed(1)} ms`,
      `p99 ${figures['p99']!.toFixed(1)} ms`,
      `CPU per workflow ${(figures['appCpuMsPerWorkflow']! * 1000).toFixed(0)} µs`,
    ];
    if (server !== undefined) {
      // The server's CPU is read around the whole process, its warm-up included.
      parts.push(`and ${((server / (SIZES.workflows + SIZES.warmUp)) * 1000).toFixed(0)} µs of its server`);
    }
    for (const [key, label] of [
      ['commitsPerWorkflow', 'syncs (one a commit)'],
      ['segmentsPerWorkflow', 'rows'],
      ['bytesPerWorkflow', 'bytes of segments'],
      ['kernelThreadMicrosPerWorkflow', 'µs on the kernel thread'],
      ['mainThreadMicrosPerWorkflow', 'µs on the main thread'],
    ] as const) {
      if (figures[key] !== undefined) parts.push(`${figures[key].toPrecision(3)} ${label}`);
    }
    console.log(`  ${name}: ${parts.join(', ')}`);
  }
}
