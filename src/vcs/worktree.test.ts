import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { git, someone, temporaryFolder, temporaryRepository, write } from '../../test/git/temporary-repository.ts';
import { addWorktree, commitAll, initRepository, listWorktrees, removeWorktree, revParse } from './index.ts';

/** A repository and one worktree of it on the branch `work`. */
async function repositoryWithWorktree() {
  const { repository, first } = await temporaryRepository();
  const root = temporaryFolder();
  const add = { repository, root, title: 'A task', id: 'k3x9', branch: 'work', base: first };
  return { repository, root, first, add, worktree: await addWorktree(git, add) };
}

test('a worktree has a folder named by us, a new branch and the base, and is listed', async () => {
  const { repository, root, first, worktree } = await repositoryWithWorktree();
  expect(worktree).toBe(join(root, 'a-task-k3x9'));
  expect(readFileSync(join(worktree, 'readme.txt'), 'utf8')).toBe('hello\n');
  expect(await listWorktrees(git, { repository })).toEqual([
    { path: repository, head: first, branch: 'main', isBare: false },
    { path: worktree, head: first, branch: 'work', isBare: false },
  ]);
});

test('a worktree never leaves its root, whatever the title, and hostile branches are refused', async () => {
  const { repository, root, add } = await repositoryWithWorktree();
  const escaping = await addWorktree(git, { ...add, title: '../../../escape', id: 'abcd', branch: 'b' });
  expect(dirname(escaping)).toBe(root);
  const canary = join(root, 'canary');
  for (const branch of [
    '--force',
    `-b$(touch ${canary})`,
    'refs/heads/x',
    '../x',
    'a b',
    '@{-1}',
    `$(touch ${canary})`,
  ]) {
    const hostile = addWorktree(git, { ...add, title: branch, id: 'hhhh', branch });
    await expect(hostile, branch).rejects.toMatchObject({ code: 'GIT_NAME_REFUSED' });
  }
  expect(existsSync(canary)).toBe(false);
  expect(await listWorktrees(git, { repository })).toHaveLength(3);
});

test('a branch that exists and a folder that exists are told apart', async () => {
  const { root, add } = await repositoryWithWorktree();
  await expect(addWorktree(git, { ...add, id: 'other' })).rejects.toMatchObject({ code: 'GIT_BRANCH_EXISTS' });
  symlinkSync(temporaryFolder(), join(root, 'a-task-linked'));
  const planted = addWorktree(git, { ...add, id: 'linked', branch: 'new' });
  await expect(planted).rejects.toMatchObject({
    code: 'GIT_FAILED',
    message: expect.stringContaining('something is there') as string,
  });
});

test('what was done in a worktree is committed to its branch, and nothing to commit is no commit', async () => {
  const { repository, first, worktree } = await repositoryWithWorktree();
  const commit = { repository, worktree, message: 'work', author: someone };
  expect(await commitAll(git, commit)).toBeUndefined();
  write(worktree, { 'new/file.txt': 'new\n', '-odd': 'x' });
  rmSync(join(worktree, 'readme.txt'));
  const done = await commitAll(git, commit);
  expect(done).toBeDefined();
  expect(await revParse(git, { repository, revision: 'work' })).toBe(done);
  expect(await revParse(git, { repository, revision: 'work^' })).toBe(first);
  const { stdout } = await git.run(['ls-tree', '-r', '-z', '--name-only', 'work'], { in: repository });
  expect(stdout).toBe('-odd\0new/file.txt\0');
  expect(await commitAll(git, commit)).toBeUndefined();
});

test('a worktree in the middle of a merge is committed with both parents', async () => {
  const { repository, worktree } = await repositoryWithWorktree();
  write(repository, { 'main.txt': 'x\n' });
  const main = await commitAll(git, { repository, worktree: repository, message: 'main', author: someone });
  write(worktree, { 'work.txt': 'y\n' });
  const work = await commitAll(git, { repository, worktree, message: 'work', author: someone });
  execFileSync('git', ['merge', '-q', '--no-commit', 'main'], { cwd: worktree });
  await commitAll(git, { repository, worktree, message: 'merge', author: someone });
  expect(await revParse(git, { repository, revision: 'work^1' })).toBe(work);
  expect(await revParse(git, { repository, revision: 'work^2' })).toBe(main);
});

test('a hook written from a worktree does not run, and a filter is refused', async () => {
  const { repository, worktree, add } = await repositoryWithWorktree();
  const canary = join(temporaryFolder(), 'canary');
  write(repository, { '.git/hooks/pre-commit': `#!/bin/sh\ntouch ${canary}\n` }, 0o755);
  write(worktree, { a: 'a' });
  await commitAll(git, { repository, worktree, message: 'a', author: someone });
  execFileSync('git', ['config', 'filter.own.clean', `touch ${canary}; cat`], { cwd: worktree });
  write(worktree, { '.gitattributes': '* filter=own\n' });
  const commit = { repository, worktree, message: 'b', author: someone };
  await expect(commitAll(git, commit)).rejects.toMatchObject({ code: 'GIT_CONFIG_REFUSED' });
  const checkout = addWorktree(git, { ...add, id: 'other', branch: 'other' });
  await expect(checkout).rejects.toMatchObject({ code: 'GIT_CONFIG_REFUSED' });
  expect(existsSync(canary)).toBe(false);
  await commitAll(git, { ...commit, allowedKeys: ['filter.own.clean'] });
  expect(existsSync(canary)).toBe(true);
});

test('a worktree whose .git leads elsewhere is not committed to, and is removed all the same', async () => {
  const { repository, worktree } = await repositoryWithWorktree();
  const foreign = temporaryFolder();
  await initRepository(git, { repository: foreign });
  write(worktree, { '.git': `gitdir: ${join(foreign, '.git')}\n`, a: 'a' });
  const commit = commitAll(git, { repository, worktree, message: 'a', author: someone });
  await expect(commit).rejects.toMatchObject({ code: 'GIT_WORKTREE_FOREIGN' });
  expect(await removeWorktree(git, { repository, path: worktree })).toBe(true);
  expect(existsSync(worktree)).toBe(false);
  expect(existsSync(foreign)).toBe(true);
});

test('a worktree is removed with what was not committed, once, and its branch stays', async () => {
  const { repository, worktree, first } = await repositoryWithWorktree();
  write(worktree, { unsaved: 'x' });
  execFileSync('git', ['worktree', 'lock', worktree], { cwd: repository });
  expect(await removeWorktree(git, { repository, path: worktree })).toBe(true);
  expect(existsSync(worktree)).toBe(false);
  expect(await removeWorktree(git, { repository, path: worktree })).toBe(false);
  expect(await revParse(git, { repository, revision: 'work' })).toBe(first);
  expect(await removeWorktree(git, { repository, path: repository })).toBe(false);
  expect(existsSync(repository)).toBe(true);
});

test('a worktree whose folder is gone is listed as prunable and can be removed', async () => {
  const { repository, worktree } = await repositoryWithWorktree();
  rmSync(worktree, { recursive: true });
  const [, gone] = await listWorktrees(git, { repository });
  expect(gone).toMatchObject({ path: worktree, prunable: expect.any(String) as string });
  expect(await removeWorktree(git, { repository, path: worktree })).toBe(true);
  expect((await listWorktrees(git, { repository })).map(({ path }) => basename(path))).toEqual([basename(repository)]);
});
