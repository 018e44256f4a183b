// The steps with a real repository and real commands: each is run again after it ended, as it is when a process dies
// before the completion is durable, and after it was cut short.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { commitFiles, git, temporaryFolder, temporaryRepository, write } from '../../test/git/temporary-repository.ts';
import { silentLog } from '../core/index.ts';
import { asyncLocalStorage, Context, type Info } from '../entry/activity.ts';
import { addWorktree, branchRef, listWorktrees, revParse, treeOf, updateRef, type ObjectId } from '../vcs/index.ts';
import { makeActivities, type DemoActivities } from './activities.ts';
import { readLedger } from './ledger.ts';
import { ledgerIn, repositoryIn, TARGET_BRANCH, taskBranch } from './places.ts';
import { TASKS } from './tasks.ts';

/** The steps in a folder of their own, each call in an attempt's context, with the clone made. */
async function begin(files?: Record<string, string>) {
  const { repository: source, first } = await temporaryRepository(files);
  const folder = temporaryFolder();
  const made = makeActivities(
    folder,
    TASKS.map((task) => ({ ...task, worksMs: 0 })),
  );
  const inContext = <A extends unknown[], R>(step: (...args: A) => Promise<R>, attempt = 1) => {
    const context = new Context({
      info: { attempt } as Info,
      cancelled: new Promise<never>(() => undefined),
      cancellationSignal: new AbortController().signal,
      heartbeat: () => undefined,
      log: silentLog,
    });
    return (...args: A): Promise<R> => asyncLocalStorage.run(context, () => step(...args));
  };
  const steps = Object.fromEntries(
    Object.entries(made).map(([name, step]) => [name, inContext(step as (...args: unknown[]) => Promise<unknown>)]),
  ) as DemoActivities;
  expect(await steps.prepare('all', source)).toBe(first);
  return { source, folder, repository: repositoryIn(folder), base: first, steps };
}

/** A task worked on and committed. */
async function worked(steps: DemoActivities, id: string, base: string) {
  const worktree = await steps.createWorktree(id, base);
  await steps.work(id, worktree);
  return { worktree, commit: await steps.commit(id, worktree, `Do ${id}`) };
}

const target = branchRef(TARGET_BRANCH);

test('a clone that is there is kept, and the target stays where it has come to', async () => {
  const { steps, source, repository } = await begin();
  const next = await commitFiles(source, { 'later.txt': 'later\n' });
  expect(await steps.prepare('all', source)).not.toBe(next);
  expect(await revParse(git, { repository, revision: next })).toBeUndefined();
});

test('a clone that was cut short is made again', async () => {
  const { steps, source, repository, base } = await begin();
  rmSync(repository, { recursive: true });
  write(`${repository}.attempt-1`, { HEAD: 'ref: refs/heads/main\n' });
  expect(await steps.prepare('all', source)).toBe(base);
});

test('a worktree that is there is used again', async () => {
  const { steps, base, repository } = await begin();
  const made = await steps.createWorktree('greeting', base);
  expect(await steps.createWorktree('greeting', base)).toBe(made);
  expect(await listWorktrees(git, { repository })).toHaveLength(2);
});

test('a worktree whose checkout was cut short is made anew, whole', async () => {
  const { steps, base } = await begin({ 'a.txt': 'a\n', 'b.txt': 'b\n' });
  const made = await steps.createWorktree('greeting', base);
  rmSync(join(made, 'b.txt'));
  expect(existsSync(join(await steps.createWorktree('greeting', base), 'b.txt'))).toBe(true);
});

test('a branch without its worktree is no hindrance', async () => {
  const { steps, base, repository } = await begin();
  const ref = branchRef(taskBranch('greeting'));
  await updateRef(git, { repository, ref, to: base, expected: undefined });
  expect(existsSync(await steps.createWorktree('greeting', base))).toBe(true);
});

test('a branch that has work on it is never made anew', async () => {
  const { steps, base, repository } = await begin();
  const { worktree, commit } = await worked(steps, 'greeting', base);
  await expect(steps.createWorktree('greeting', base)).rejects.toMatchObject({ type: 'BranchHasWork' });
  expect(existsSync(worktree)).toBe(true);
  expect(await revParse(git, { repository, revision: branchRef(taskBranch('greeting')) })).toBe(commit);
});

test('many worktrees may be asked for at once', async () => {
  const { steps, base } = await begin();
  const ids = Array.from({ length: 12 }, (_, index) => `task-${index}`);
  const made = await Promise.all(ids.map((id) => steps.createWorktree(id, base)));
  expect(new Set(made).size).toBe(12);
});

test('work done again leaves what it did', async () => {
  const { steps, base } = await begin();
  const worktree = await steps.createWorktree('inventory', base);
  await steps.work('inventory', worktree);
  const path = join(worktree, 'demo-notes/inventory.md');
  const text = readFileSync(path, 'utf8');
  await steps.work('inventory', worktree);
  expect(readFileSync(path, 'utf8')).toBe(text);
});

test('a commit that is there is given again', async () => {
  const { steps, base, repository } = await begin();
  const { worktree, commit } = await worked(steps, 'greeting', base);
  expect(commit).not.toBe(base);
  expect(await steps.commit('greeting', worktree, 'Do greeting')).toBe(commit);
  expect(await revParse(git, { repository, revision: branchRef(taskBranch('greeting')) })).toBe(commit);
});

test('a check that fails is final, and says why', async () => {
  const { steps, base, folder } = await begin();
  const { worktree } = await worked(steps, 'data', base);
  for (let time = 0; time < 2; time += 1) {
    const check = steps.validate('data', worktree);
    await expect(check).rejects.toMatchObject({ type: 'CheckFailed', nonRetryable: true });
  }
  expect(readLedger(ledgerIn(folder)).at(-1)).toMatchObject({ what: 'refused', step: 'validate', task: 'data' });
});

test('two tasks that write the same lines conflict, and the target does not move', async () => {
  const { steps, base, repository } = await begin();
  const [a, b] = [await worked(steps, 'plan-a', base), await worked(steps, 'plan-b', base)];
  expect(await steps.merge('plan-b', a.commit, b.commit, 'Plan')).toEqual({ conflict: ['demo-notes/plan.md'] });
  expect(await revParse(git, { repository, revision: target })).toBe(base);
});

test('a merge, its check and its landing may each be run again, and land the tested tree once', async () => {
  const { steps, base, repository } = await begin();
  const { commit } = await worked(steps, 'greeting', base);
  const merged = await steps.merge('greeting', base, commit, 'Greeting');
  if (!('commit' in merged)) throw new Error('a conflict');
  expect(await steps.merge('greeting', base, commit, 'Greeting')).toEqual(merged);

  const tree = await steps.validateMerge('greeting', merged.commit);
  expect(await steps.validateMerge('greeting', merged.commit)).toBe(tree);
  expect(await revParse(git, { repository, revision: target })).toBe(base);

  await steps.land('greeting', base, merged.commit);
  await steps.land('greeting', base, merged.commit);
  expect(await revParse(git, { repository, revision: target })).toBe(merged.commit);
  expect(await steps.landedTree('greeting')).toBe(tree);
  expect(await treeOf(git, { repository, revision: merged.commit })).toBe(tree);
});

test('a landing check that was cut short is made again in a worktree of its own', async () => {
  const { steps, base, repository, folder } = await begin();
  const { commit } = await worked(steps, 'greeting', base);
  const branch = 'pleach-landing/greeting';
  const root = join(folder, 'worktrees');
  await addWorktree(git, { repository, root, title: branch, id: 'landinggreeting', branch, base: commit as ObjectId });
  expect(await steps.validateMerge('greeting', commit)).toBe(await treeOf(git, { repository, revision: commit }));
  expect((await listWorktrees(git, { repository })).some((tree) => tree.branch === branch)).toBe(false);
  expect(await revParse(git, { repository, revision: branchRef(branch) })).toBeUndefined();
});

test('a target that somebody else has moved is left where it is', async () => {
  const { steps, base, repository } = await begin();
  const [mine, other] = [await worked(steps, 'greeting', base), await worked(steps, 'colours', base)];
  await steps.land('colours', base, other.commit);
  const land = steps.land('greeting', base, mine.commit);
  await expect(land).rejects.toMatchObject({ type: 'TargetMoved', nonRetryable: true });
  expect(await revParse(git, { repository, revision: target })).toBe(other.commit);
});

test('every step is written down at its start and its end', async () => {
  const { steps, base, folder } = await begin();
  await steps.createWorktree('greeting', base);
  expect(readLedger(ledgerIn(folder)).slice(-2)).toEqual(
    ['begin', 'end'].map((what) => ({ what, step: 'worktree', task: 'greeting', attempt: 1, pid: process.pid })),
  );
});
