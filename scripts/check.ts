// `npm run check`: everything that can be said about the source without running the product. Prints one line a check and
// the output of those that failed. `--report FILE` also writes { passed, failed } for .ci/run, `--only NAME` runs one.
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const CHECK_MS_MAX = 5 * 60_000;
const OUTPUT_LINES_MAX = 150; // of a failed check: the first faults are what one fixes first

/** Each check is one command of an installed package, run through the launcher as a person would run it. */
const checks: Record<string, readonly string[]> = {
  structure: ['vitest', 'run', '--project', 'promise', '--reporter=dot', 'test/structure'],
  types: ['tsc', '-p', '.', '--noEmit'],
  lint: ['oxlint', '--type-aware', '--deny-warnings'],
  format: ['oxfmt', '--check', '.'],
};

interface Outcome {
  readonly name: string;
  readonly passed: boolean;
  readonly tookMs: number;
  readonly output: string;
}

const { values: options } = parseArgs({ options: { report: { type: 'string' }, only: { type: 'string' } } });
const wanted = Object.entries(checks).filter(
  ([name]) =>
    (options.only === undefined || options.only === name) &&
    (name !== 'structure' || existsSync(join(root, 'test/structure'))),
);

let failed = wanted.length === 0 ? 1 : 0;
for (const [name, command] of wanted) {
  const outcome = await run(name, command);
  console.log(`${outcome.passed ? 'ok  ' : 'FAIL'}  ${name}  ${(outcome.tookMs / 1000).toFixed(1)} s`);
  if (!outcome.passed) {
    failed += 1;
    const lines = outcome.output.trimEnd().split('\n');
    console.log(lines.slice(0, OUTPUT_LINES_MAX).join('\n'));
    if (lines.length > OUTPUT_LINES_MAX) console.log(`… and ${lines.length - OUTPUT_LINES_MAX} more lines`);
  }
}
if (options.report !== undefined) {
  writeFileSync(options.report, JSON.stringify({ passed: Math.max(0, wanted.length - failed), failed }));
}
process.exitCode = failed === 0 ? 0 : 1;

function run(name: string, command: readonly string[]): Promise<Outcome> {
  const begunAt = performance.now();
  const child = spawn(process.execPath, [join(root, 'scripts/run.cjs'), ...command], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: CHECK_MS_MAX,
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (signal !== null) output += `\nended by ${signal} (limit ${CHECK_MS_MAX} ms)`;
      resolve({ name, passed: code === 0, tookMs: performance.now() - begunAt, output });
    });
  });
}
