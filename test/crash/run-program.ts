import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Segment } from '../../src/common/index.ts';

const program = fileURLToPath(new URL('./program.ts', import.meta.url));

/** What a scenario left behind. */
export interface Outcome {
  result: unknown;
  segments: Segment[];
  /** What transactional activities have written, and the outcomes that still stand beside it. */
  put: { name: string; attempt: number }[];
  left: unknown[];
  /** Lines of the ledger: run, activity, name, attempt. */
  ledger: string[];
  /** Names of the store's calls, where they were asked for. */
  calls: string[];
  /** Processes that it took. */
  processes: number;
}

/** Runs a scenario in a folder of its own; where a crash is asked for, starts it again until it ends by itself. */
export async function runScenario(folder: string, scenario: string, crashAt?: string): Promise<Outcome> {
  mkdirSync(folder, { recursive: true });
  const [file, ledger, out, log] = ['run.db', 'ledger', 'out.json', 'calls'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  let processes = 0;
  for (let crash = crashAt; ; crash = undefined) {
    processes++;
    if (processes > 5) throw new Error(`${scenario} at ${crashAt} did not end within five processes`);
    const ended = await runOnce([file, ledger, scenario, out], {
      PLEACH_CRASH_AT: crash ?? '0:never',
      PLEACH_CRASH_LOG: crash === undefined && processes === 1 ? log : '',
    });
    if (ended.code === 0) break;
    if (ended.signal !== 'SIGKILL')
      throw new Error(`${scenario} at ${crashAt}: exit ${ended.code} ${ended.signal}\n${ended.said}`);
  }
  const lines = (path: string): string[] =>
    existsSync(path)
      ? readFileSync(path, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
      : [];
  return {
    ...(JSON.parse(readFileSync(out, 'utf8')) as Pick<Outcome, 'result' | 'segments' | 'put' | 'left'>),
    ledger: lines(ledger),
    calls: lines(log),
    processes,
  };
}

function runOnce(
  args: string[],
  env: Record<string, string>,
): Promise<{ code: number | null; signal: string | null; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], {
      env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const timeout = setTimeout(() => child.kill('SIGABRT'), 30_000);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timeout);
      resolve({ code, signal, said });
    });
  });
}

/** A history without what a crash may change: who ran what, when, in how many rounds. */
export function storyOf(segments: readonly Segment[]): string[] {
  const FACTS = new Set(['activity-started', 'task-failed']);
  return segments.flatMap((segment) =>
    segment.rounds.flatMap((round) => [
      ...round.jobs
        .filter((job) => !FACTS.has(job.kind))
        .map((job) => `${job.kind} ${'seq' in job ? job.seq : 'name' in job ? job.name : ''}`),
      ...(round.commands ?? []).map((command) => `→ ${command.kind} ${'seq' in command ? command.seq : ''}`),
    ]),
  );
}
