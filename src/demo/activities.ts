import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemExec } from '../core/index.ts';
import { ApplicationFailure, Context } from '../entry/activity.ts';
import {
  addWorktree,
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
} from '../vcs/index.ts';
import { writeLedger } from './ledger.ts';
import { TASKS } from './tasks.ts';

/** Where the demonstration takes place. */
export interface DemoPlace {
  /** The repository that is cloned. */
  source: string;
  /** A folder of its own for the clone, the worktrees and the ledger. */
  folder: string;
}

const AUTHOR = { name: 'pleach demo', email: 'demo@pleach.invalid', atMs: 1_767_225_600_000 };
const TARGET = 'refs/heads/demo-target';
const command = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './task-command.ts' : './task-command.js', import.meta.url),
);

/**
 * The steps of the demonstration. Each may be run again after a crash, and does then what is left to do: this is what
 * makes at-least-once harmless.
 */
export function makeActivities(place: DemoPlace) {
  const git = openGit();
  const repository = join(place.folder, 'clone.git');
  const worktrees = join(place.folder, 'worktrees');
  const ledger = join(place.folder, 'ledger');
  const taskOf = (id: string) => TASKS.find((task) => task.id === id)!;

  /** Writes down that a step begins and ends. */
  const step =
    <A extends unknown[], R>(name: string, work: (task: string, ...args: A) => Promise<R>) =>
    async (task: string, ...args: A): Promise<R> => {
      const { attempt } = Context.current().info;
      writeLedger(ledger, { what: 'begin', step: name, task, attempt, pid: process.pid });
      const value = await work(task, ...args);
      writeLedger(ledger, { what: 'end', step: name, task, attempt, pid: process.pid });
      return value;
    };

  const runCommand = async (folder: string, args: string[]): Promise<void> => {
    const { exitCode, stderr } = await systemExec.run({
      program: process.execPath,
      args: [command, ...args],
      folder,
      env: { PATH: process.env['PATH'] ?? '' },
      timeoutMs: 20_000,
      signal: Context.current().cancellationSignal,
    });
    if (exitCode === 1 && args[0] === 'check') throw ApplicationFailure.nonRetryable(stderr.trim(), 'CheckFailed');
    if (exitCode !== 0) throw new Error(`the command ended with ${exitCode}: ${stderr.trim()}`);
  };

  const worktreeAt = async (id: string, branch: string, base: string): Promise<string> => {
    // There already: an attempt before this one made it.
    const known = (await listWorktrees(git, { repository })).find(
      (tree) => tree.branch === branch && existsSync(tree.path),
    );
    if (known) return known.path;
    mkdirSync(worktrees, { recursive: true });
    return addWorktree(git, {
      repository,
      root: worktrees,
      title: branch,
      id: id.replaceAll(/[^a-z0-9]/g, '').padEnd(4, '0'),
      branch,
      base: requireObjectId(base),
    });
  };

  return {
    prepare: step('clone', async () => {
      if ((await tipOf()) === undefined) {
        const isCloned = existsSync(join(repository, 'HEAD')) && (await head()) !== undefined;
        if (!isCloned) await cloneRepository(git, { repository, from: place.source, kind: 'bare' });
        const base = (await head())!;
        await updateRef(git, { repository, ref: TARGET, to: requireObjectId(base), expected: undefined });
      }
      return (await tipOf())!;
    }),

    createWorktree: step('worktree', async (id, base: string) => worktreeAt(id, `pleach-demo/${id}`, base)),

    work: step('work', async (id, worktree: string) => {
      const task = taskOf(id);
      await runCommand(worktree, [
        'work',
        task.file,
        task.text,
        String(task.worksMs),
        task.does === 'count-files' ? 'count' : '',
      ]);
    }),

    commit: step('commit', async (_id, worktree: string, title: string) => {
      const made = await commitAll(git, { repository, worktree, message: `${title}\n`, author: AUTHOR });
      // Nothing to commit: the attempt before this one did.
      return made ?? (await revParse(git, { repository: worktree, revision: 'HEAD' }))!;
    }),

    validate: step('validate', async (_id, worktree: string) => {
      await runCommand(worktree, ['check']);
    }),

    merge: step('merge', async (_id, tip: string, branch: string, title: string) => {
      const merged = await mergeTree(git, { repository, ours: requireObjectId(tip), theirs: requireObjectId(branch) });
      if (merged.outcome === 'conflict') return { conflict: [...merged.paths] };
      const commit = await commitTree(git, {
        repository,
        tree: merged.tree,
        parents: [requireObjectId(tip), requireObjectId(branch)],
        message: `Land: ${title}\n`,
        author: AUTHOR,
      });
      return { tree: String(merged.tree), commit: String(commit) };
    }),

    validateMerge: step('test-merge', async (id, commit: string) => {
      const worktree = await worktreeAt(`landing${id}`, `pleach-landing/${id}`, commit);
      await runCommand(worktree, ['check']);
      await removeWorktree(git, { repository, path: worktree });
    }),

    land: step('land', async (_id, tip: string, commit: string) => {
      if ((await tipOf()) === commit) return; // The attempt before this one has landed it.
      try {
        await updateRef(git, { repository, ref: TARGET, to: requireObjectId(commit), expected: requireObjectId(tip) });
      } catch (error) {
        if (error instanceof GitError && error.code === 'GIT_REF_MOVED')
          throw ApplicationFailure.nonRetryable(error.message, 'TargetMoved');
        throw error;
      }
    }),

    landedTree: step('verify', async () => treeOf(git, { repository, revision: TARGET })),
  };

  async function tipOf(): Promise<string | undefined> {
    return existsSync(join(repository, 'HEAD')) ? revParse(git, { repository, revision: TARGET }) : undefined;
  }

  async function head(): Promise<string | undefined> {
    return revParse(git, { repository, revision: 'HEAD' });
  }
}

/** The steps, as a workflow calls them. */
export type DemoActivities = ReturnType<typeof makeActivities>;
