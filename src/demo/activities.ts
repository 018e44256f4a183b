import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemExec } from '../core/index.ts';
import { ApplicationFailure, Context } from '../entry/activity.ts';
import {
  addWorktree,
  branchRef,
  cloneRepository,
  commitAll,
  commitTree,
  GitError,
  listWorktrees,
  mergeTree,
  openGit,
  removeWorktree,
  requireObjectId,
  revParse,
  treeOf,
  updateRef,
  type ObjectId,
} from '../vcs/index.ts';
import { writeLedger } from './ledger.ts';
import { ledgerIn, repositoryIn, TARGET_BRANCH, taskBranch } from './places.ts';
import { TASKS, type Task } from './tasks.ts';

const AUTHOR = { name: 'pleach demo', email: 'demo@pleach.invalid', atMs: 1_767_225_600_000 };
const TARGET = branchRef(TARGET_BRANCH);
/** The longest that a task's command may take, in milliseconds: the longest of them works for three seconds. */
const COMMAND_MS_MAX = 20_000;
const command = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './task-command.ts' : './task-command.js', import.meta.url),
);

/**
 * Makes the steps of the demonstration.
 *
 * A step that was in flight when its process died is run again, so each looks first at what is there and does what is
 * left to do: this is what makes at-least-once harmless. The programs that a dead engine had started live on for a
 * moment (each has a process group of its own), so a step may even meet the tail of its own earlier attempt.
 * @param folder an absolute path: a folder of the demonstration's own for the clone, the worktrees and the ledger
 * @param tasks the tasks whose commands may be run; the six of the demonstration unless given
 */
export function makeActivities(folder: string, tasks: readonly Task[] = TASKS) {
  const git = openGit();
  const repository = repositoryIn(folder);
  const worktrees = join(folder, 'worktrees');
  const inTurn = makeTurns();

  const taskOf = (id: string): Task => {
    const task = tasks.find((each) => each.id === id);
    if (task === undefined) throw ApplicationFailure.nonRetryable(`there is no task ${id}`, 'UnknownTask');
    return task;
  };

  /** Writes down that a step begins, and how it ends. */
  const step =
    <A extends unknown[], R>(name: string, work: (task: string, ...args: A) => Promise<R>) =>
    async (task: string, ...args: A): Promise<R> => {
      const { attempt } = Context.current().info;
      const note = (what: 'begin' | 'end' | 'refused' | 'failed'): void =>
        writeLedger(ledgerIn(folder), { what, step: name, task, attempt, pid: process.pid });
      note('begin');
      try {
        const value = await work(task, ...args);
        note('end');
        return value;
      } catch (error) {
        note(error instanceof ApplicationFailure && error.nonRetryable === true ? 'refused' : 'failed');
        throw error;
      }
    };

  const runCommand = async (worktree: string, args: readonly string[]): Promise<void> => {
    const { exitCode, stderr } = await systemExec.run({
      program: process.execPath,
      args: [command, ...args],
      folder: worktree,
      env: { PATH: process.env['PATH'] ?? '' },
      timeoutMs: COMMAND_MS_MAX,
      signal: Context.current().cancellationSignal,
    });
    if (exitCode === 1 && args[0] === 'check') throw ApplicationFailure.nonRetryable(stderr.trim(), 'CheckFailed');
    if (exitCode !== 0) throw new Error(`the command ended with ${exitCode}: ${stderr.trim()}`);
  };

  /** Gives the worktree of a branch at a commit: the one that is there if it is whole, or a new one. */
  const worktreeAt = async (id: string, branch: string, base: ObjectId): Promise<string> => {
    const ref = branchRef(branch);
    const there = (await listWorktrees(git, { repository })).find((tree) => tree.branch === branch);
    if (there !== undefined && existsSync(there.path) && (await isWhole(there.path, base))) return there.path;
    const tip = await revParse(git, { repository, revision: ref });
    if (tip !== undefined && tip !== base) {
      throw ApplicationFailure.nonRetryable(`${branch} is to begin at ${base} and has work on it`, 'BranchHasWork');
    }
    // What an attempt before this one left half made is cleared; nothing was done in it yet.
    if (there !== undefined) await removeWorktree(git, { repository, path: there.path });
    if (tip !== undefined) await removeBranch(ref, base);
    mkdirSync(worktrees, { recursive: true });
    return await addWorktree(git, { repository, root: worktrees, title: branch, id, branch, base });
  };

  /** Whether a checkout is finished and as its commit has it. */
  const isWhole = async (worktree: string, head: ObjectId): Promise<boolean> => {
    if ((await revParse(git, { repository: worktree, revision: 'HEAD' })) !== head) return false;
    return (await git.run(['status', '--porcelain', '-z'], { in: worktree })).stdout === '';
  };

  const removeBranch = async (ref: string, expected: ObjectId): Promise<void> => {
    await git.run(['update-ref', '--no-deref', '-d', ref, expected], { in: repository });
  };

  const tipOf = async (revision: string): Promise<ObjectId | undefined> =>
    existsSync(repository) ? await revParse(git, { repository, revision }) : undefined;

  return {
    /** Clones the repository and makes the target branch where its HEAD is; gives that commit. */
    prepare: step('clone', async (_id, source: string): Promise<string> => {
      if (!existsSync(repository)) {
        // Under a name of this attempt's own until it is whole: a clone cut short is never taken for one.
        const begun = `${repository}.attempt-${Context.current().info.attempt}`;
        rmSync(begun, { recursive: true, force: true });
        await cloneRepository(git, { repository: begun, from: source, kind: 'bare' });
        renameSync(begun, repository);
      }
      const target = await tipOf(TARGET);
      if (target !== undefined) return target;
      const head = await tipOf('HEAD');
      if (head === undefined) throw ApplicationFailure.nonRetryable(`${source} has no commit`, 'EmptyRepository');
      await updateRef(git, { repository, ref: TARGET, to: head, expected: undefined });
      return head;
    }),

    /** Makes the task's branch, checked out in a folder of its own; gives the folder. */
    createWorktree: step('worktree', async (id, base: string) =>
      inTurn(() => worktreeAt(folderId(id), taskBranch(id), requireObjectId(base))),
    ),

    /** Lets the task's command edit the worktree. */
    work: step('work', async (id, worktree: string) => {
      const { does, file, text, worksMs } = taskOf(id);
      await runCommand(worktree, ['work', does, file, text, String(worksMs)]);
    }),

    /** Runs the check in the worktree. @throws CheckFailed, which is final */
    validate: step('validate', async (_id, worktree: string) => runCommand(worktree, ['check'])),

    /** Commits what the command did to the task's branch; gives the commit, also when an earlier attempt made it. */
    commit: step('commit', async (_id, worktree: string, title: string): Promise<string> => {
      const made = await commitAll(git, { repository, worktree, message: `${title}\n`, author: AUTHOR });
      return made ?? (await revParse(git, { repository: worktree, revision: 'HEAD' }))!;
    }),

    /** Merges without moving anything. The same tip and branch give the same commit, however often. */
    merge: step('merge', async (_id, tip: string, branch: string, title: string) => {
      const [ours, theirs] = [requireObjectId(tip), requireObjectId(branch)];
      const merged = await mergeTree(git, { repository, ours, theirs });
      if (merged.outcome === 'conflict') return { conflict: [...merged.paths] };
      const message = `Land: ${title}\n`;
      const made = { repository, tree: merged.tree, parents: [ours, theirs], message, author: AUTHOR };
      return { commit: String(await commitTree(git, made)) };
    }),

    /**
     * Checks exactly this commit, in a landing worktree; gives the tree that was tested.
     * @throws CheckFailed, which is final
     */
    validateMerge: step('test-merge', async (id, commit: string): Promise<string> => {
      const merged = requireObjectId(commit);
      const branch = `pleach-landing/${id}`;
      const worktree = await inTurn(() => worktreeAt(`landing${folderId(id)}`, branch, merged));
      try {
        await runCommand(worktree, ['check']);
        if (!(await isWhole(worktree, merged))) throw new Error('the check has changed what it was to check');
        return await treeOf(git, { repository: worktree, revision: 'HEAD' });
      } finally {
        await inTurn(() => removeWorktree(git, { repository, path: worktree }));
        await removeBranch(branchRef(branch), merged);
      }
    }),

    /** Moves the target from the tip that was merged with to the commit that was tested, or not at all. */
    land: step('land', async (_id, tip: string, commit: string) => {
      if ((await tipOf(TARGET)) === commit) return; // an attempt before this one has landed it
      try {
        await updateRef(git, { repository, ref: TARGET, to: requireObjectId(commit), expected: requireObjectId(tip) });
      } catch (error) {
        if (!(error instanceof GitError) || error.code !== 'GIT_REF_MOVED') throw error;
        throw ApplicationFailure.nonRetryable(error.message, 'TargetMoved');
      }
    }),

    /** Gives the tree that the target has now. */
    landedTree: step('verify', async (): Promise<string> => treeOf(git, { repository, revision: TARGET })),
  };
}

/** The steps, as a workflow calls them. */
export type DemoActivities = ReturnType<typeof makeActivities>;

/** Lets acts on one thing happen one after another, whatever becomes of each. */
function makeTurns(): <T>(act: () => Promise<T>) => Promise<T> {
  // Of two `git worktree add` on one repository at once, one may read what the other has half written, and die
  // ("failed to read worktrees/…/commondir") with its branch made already.
  let last: Promise<unknown> = Promise.resolve();
  return (act) => {
    const turn = last.then(act, act);
    last = turn.catch(() => undefined); // whoever asked for the turn is told
    return turn;
  };
}

/** A worktree's id has four lower-case letters and digits at least. */
function folderId(id: string): string {
  return id.replaceAll(/[^a-z0-9]/g, '').padEnd(4, '0');
}
