/**
 * What `npm start` runs: the demonstration, told line by line, and judged at its end.
 *
 * This process narrates; the engine, its worker and its client live in a child process (`engine.ts`) on a SQLite file,
 * and that process is ended by SIGKILL half way and started again. The room's nouns are in `index.ts`.
 *
 * It promises an exit code of 0 only if everything holds: each task ended as it was meant to, no completed step began a
 * second time by the ledger, and every landed tree is, by git's own word, the tree that was tested.
 *
 * When the world fails it says what does not hold and exits with 1. Its folder is removed unless `--keep` is given.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commitTree, initRepository, openGit, treeOf, updateRef, revParse } from '../vcs/index.ts';
import { systemClock } from '../core/index.ts';
import { judgeLedger, readLedger } from './ledger.ts';
import { TASKS } from './tasks.ts';
import type { TaskOutcome } from './workflows.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'pleach-demo-')));
const began = systemClock.monotonicMs();
const say = (text: string): void => {
  process.stdout.write(`${((systemClock.monotonicMs() - began) / 1000).toFixed(1).padStart(5)} s  ${text}\n`);
};

/** The repository that is cloned: this one, or a small one of our own where this is no checkout. */
async function sourceRepository(): Promise<string> {
  if (existsSync(join(root, '.git'))) return root;
  const git = openGit();
  const repository = join(folder, 'source');
  mkdirSync(repository);
  await initRepository(git, { repository });
  writeFileSync(join(repository, 'README'), 'A repository for the demonstration.\n');
  const author = { name: 'pleach demo', email: 'demo@pleach.invalid' };
  await git.run(['add', '--all'], { in: repository });
  const { stdout } = await git.run(['write-tree'], { in: repository });
  const commit = await commitTree(git, {
    repository,
    tree: stdout.trim() as Awaited<ReturnType<typeof treeOf>>,
    parents: [],
    message: 'Begin\n',
    author,
  });
  await updateRef(git, { repository, ref: 'refs/heads/main', to: commit, expected: undefined });
  return repository;
}

function startEngine(source: string): ChildProcess {
  const file = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './engine.ts' : './engine.js', import.meta.url));
  const child = spawn(process.execPath, [file, source, folder], {
    env: { PATH: process.env['PATH'] ?? '', TMPDIR: tmpdir() },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  say(`the engine runs (process ${child.pid})`);
  return child;
}

const ended = (child: ChildProcess): Promise<{ code: number | null; signal: string | null }> =>
  new Promise((done) => child.once('close', (code, signal) => done({ code, signal })));

/** Tells what the ledger says that is new. */
function follow(path: string): { stop(): void; onLine(act: () => void): void } {
  let told = 0;
  let act: () => void = () => undefined;
  const timer = systemClock.every(25, () => {
    const lines = readLedger(path);
    for (const line of lines.slice(told)) {
      if (line.what === 'end')
        say(`  ${line.step.padEnd(10)} ${line.task}${line.attempt > 1 ? ` (attempt ${line.attempt})` : ''}`);
    }
    told = lines.length;
    act();
  });
  return {
    stop: () => timer.clear(),
    onLine: (given) => {
      act = given;
    },
  };
}

async function main(): Promise<boolean> {
  const source = await sourceRepository();
  const ledger = join(folder, 'ledger');
  say(
    `six tasks on ${source === root ? 'this repository' : 'a repository made for it'}, each in a worktree of its own`,
  );
  let engine = startEngine(source);
  const following = follow(ledger);
  let killed = false;
  following.onLine(() => {
    if (killed) return;
    const lines = readLedger(ledger);
    const validated = lines.filter((line) => line.what === 'end' && line.step === 'validate').length;
    const working = lines
      .filter((line) => line.step === 'work')
      .reduce((open, line) => open + (line.what === 'begin' ? 1 : -1), 0);
    if (validated < 2 || working < 1) return;
    killed = true;
    say(`half way: ${validated} tasks are done, ${working} at work. SIGKILL to the engine, process ${engine.pid}`);
    engine.kill('SIGKILL');
  });
  let end = await ended(engine);
  if (killed && end.signal === 'SIGKILL') {
    say('the engine is dead; it is started again, on the same file');
    engine = startEngine(source);
    end = await ended(engine);
  }
  following.stop();
  if (end.code !== 0) {
    say(`the engine ended with ${end.code ?? end.signal}`);
    return false;
  }
  return summary(ledger, killed);
}

async function summary(ledger: string, killed: boolean): Promise<boolean> {
  const outcomes = JSON.parse(readFileSync(join(folder, 'outcomes.json'), 'utf8')) as TaskOutcome[];
  const verdict = judgeLedger(readLedger(ledger));
  const git = openGit();
  const repository = join(folder, 'clone.git');
  const wrong: string[] = [];
  process.stdout.write('\n');
  for (const task of TASKS) {
    const outcome = outcomes.find(({ id }) => id === task.id);
    if (outcome?.outcome !== task.expected)
      wrong.push(`${task.id} was to be ${task.expected} and is ${outcome?.outcome}`);
    let tail = outcome?.why ?? '';
    if (outcome?.outcome === 'landed') {
      // Asked of git again: the workflow's own word is not enough.
      const tree = await treeOf(git, { repository, revision: outcome.commit! });
      if (tree !== outcome.testedTree || outcome.landedTree !== outcome.testedTree)
        wrong.push(`${task.id}: the landed tree is not the tested one`);
      tail = `commit ${outcome.commit!.slice(0, 10)}, tree ${tree.slice(0, 10)} as tested`;
    } else if ((await revParse(git, { repository, revision: `refs/heads/pleach-demo/${task.id}` })) === undefined) {
      wrong.push(`${task.id}: its branch is gone`);
    }
    process.stdout.write(`  ${task.title.padEnd(26)} ${(outcome?.outcome ?? 'missing').padEnd(13)} ${tail}\n`);
  }
  const last = outcomes.findLast(({ outcome }) => outcome === 'landed')?.commit;
  if ((await revParse(git, { repository, revision: 'refs/heads/demo-target' })) !== last)
    wrong.push('the target is not at the last landed commit');
  if (!killed) wrong.push('the engine was never killed');
  if (verdict.rerun.length > 0) wrong.push(`completed steps ran again: ${verdict.rerun.join(', ')}`);
  process.stdout.write(
    `\n  ${verdict.stepsRun} steps completed; in flight at the kill and begun again: ${verdict.repeated.length}` +
      ` (${verdict.repeated.join(', ') || 'none'}); completed steps run again: ${verdict.rerun.length}\n`,
  );
  for (const line of wrong) process.stdout.write(`  WRONG: ${line}\n`);
  process.stdout.write(
    wrong.length === 0 ? '  nothing lost, nothing run twice, every landed tree is the tree that was tested\n' : '',
  );
  return wrong.length === 0;
}

let good = false;
try {
  good = await main();
} finally {
  if (process.argv.includes('--keep')) say(`kept: ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
process.exitCode = good ? 0 : 1;
