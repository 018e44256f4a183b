/**
 * What `npm start` runs: the demonstration, told line by line, and judged at its end.
 *
 * This process narrates; the engine, its worker and its client live in a child process (`engine.ts`) on a SQLite file.
 * Half way that process ends itself by SIGKILL, and is started again from here. The room's nouns are in `index.ts`.
 *
 * It promises an exit code of 0 only if everything holds: each task ended as it was meant to, no completed step began a
 * second time by the ledger, and every landed tree is, by git's own word, the tree that was tested.
 *
 * When the world fails it says what does not hold and exits with 1; an engine that is not through within a minute is
 * ended. Its folder is removed unless `--keep` is given, also when somebody interrupts it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf, systemClock } from '../core/index.ts';
import { readLedger, type LedgerLine } from './ledger.ts';
import { ledgerIn } from './places.ts';
import { openSource } from './source-repository.ts';
import { decideFaults, loadFacts, renderSummary } from './summary.ts';
import { TASKS } from './tasks.ts';

/** The longest that the engine's two lives may take together, in milliseconds; they take some eight seconds. */
const RUN_MS_MAX = 60_000;
/** How often the ledger is looked at for the narration, in milliseconds. */
const LEDGER_POLL_MS = 25;

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'pleach-demo-')));
const begunAt = systemClock.monotonicMs();
const elapsedMs = (): number => systemClock.monotonicMs() - begunAt;
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const say = (text: string): void => print(`${(elapsedMs() / 1000).toFixed(1).padStart(5)} s  ${text}`);

let engine: ChildProcess | undefined;
for (const [name, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(name, () => {
    engine?.kill('SIGKILL');
    leave();
    process.exit(exitCode);
  });
}

try {
  process.exitCode = (await demonstrate()) ? 0 : 1;
} catch (error) {
  say(`it went wrong: ${messageOf(error)}`);
  process.exitCode = 1;
} finally {
  leave();
}

async function demonstrate(): Promise<boolean> {
  const { repository, isGenerated } = await openSource(resolve(import.meta.dirname, '../..'), folder);
  say(
    `six tasks on a clone of ${isGenerated ? 'a small repository' : 'this repository'}, each in a worktree of its own`,
  );
  const following = follow(ledgerIn(folder));
  const limit = systemClock.after(RUN_MS_MAX, () => {
    say(`not through after ${RUN_MS_MAX / 1000} s: the engine is ended`);
    engine?.kill('SIGKILL');
  });
  try {
    let end = await runEngine(repository, ['--die-half-way']);
    following.tell();
    const wasKilled = end.signal === 'SIGKILL' && readLedger(ledgerIn(folder)).some(({ what }) => what === 'killed');
    if (wasKilled) {
      say(`half way, the engine has ended itself by SIGKILL; it is started again on the same file`);
      end = await runEngine(repository, []);
      following.tell();
    }
    if (end.code !== 0) {
      say(`the engine ended with ${end.code ?? end.signal}, before the workflow`);
      return false;
    }
    const facts = await loadFacts(folder, TASKS, wasKilled);
    const faults = decideFaults(facts);
    print(['', ...renderSummary(facts, faults, elapsedMs())].join('\n'));
    return faults.length === 0;
  } finally {
    limit.clear();
    following.stop();
  }
}

/** Runs the engine's process to its end, which a signal may be. */
async function runEngine(
  repository: string,
  flags: readonly string[],
): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  const file = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './engine.ts' : './engine.js', import.meta.url));
  const child = spawn(process.execPath, [file, repository, folder, ...flags], {
    env: { PATH: process.env['PATH'] ?? '', TMPDIR: tmpdir() },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  engine = child;
  say(`the engine runs, process ${child.pid}`);
  return await new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code, signal) => done({ code, signal }));
  });
}

/** Tells what is new in the ledger, again and again. */
function follow(path: string): { tell(): void; stop(): void } {
  let toldCount = 0;
  const tell = (): void => {
    const lines = readLedger(path);
    for (const line of lines.slice(toldCount)) {
      const text = narrate(line);
      if (text !== undefined) say(text);
    }
    toldCount = lines.length;
  };
  const watch = systemClock.every(LEDGER_POLL_MS, tell);
  return { tell, stop: () => watch.clear() };
}

function narrate(line: LedgerLine): string | undefined {
  if (line.what === 'begin' || line.what === 'killed') return undefined;
  if (line.what === 'recorded') return `  ${line.task} is through, and durably so`;
  const how = { end: '', refused: ': refused', failed: ': failed, and is tried again' }[line.what];
  return `  ${line.step.padEnd(10)} ${line.task}${how}${line.attempt > 1 ? ` (attempt ${line.attempt})` : ''}`;
}

function leave(): void {
  if (process.argv.includes('--keep')) say(`kept: ${folder}`);
  // Tried again for a moment: a command that outlived the killed engine may still write in here.
  else rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
