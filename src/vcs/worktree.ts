// Worktrees: one branch checked out in one folder, as an agent or a test run needs it. The folder's name is made here from
// a slug and an id and never taken from a branch, and what git is about to write to is compared by its real path.
import { lstat, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GitError } from './git-error.ts';
import type { Git } from './git.ts';
import { branchRef, folderName, requireObjectId, type ObjectId } from './names.ts';
import { identityOf, requireNoCommands, requirePath, revParse, type AllowedKeys, type Identity } from './repository.ts';

/** One worktree as git lists it; the first is the repository itself. */
export interface Worktree {
  readonly path: string;
  /** Absent in a bare repository and before the first commit. */
  readonly head?: ObjectId;
  /** The branch by its short name; absent when detached or bare. */
  readonly branch?: string;
  readonly isBare: boolean;
  /** Git's reason why the entry could be pruned, such as a missing folder. */
  readonly prunable?: string;
}

interface InRepository {
  /** The repository's folder, an absolute path. */
  readonly repository: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a worktree with a new branch.
 * @param root the folder to make it in, an absolute path that exists
 * @param title what the folder is named after, for people; any text
 * @param id what makes the folder's name unique: 4 to 40 lower-case letters and digits
 * @param branch the new branch, by its short name
 * @param base the commit to begin at
 * @returns the folder made
 * @throws GIT_NAME_REFUSED · GIT_BRANCH_EXISTS · GIT_CONFIG_REFUSED · GIT_FAILED (also when the folder exists)
 * After a crash {@link listWorktrees} says whether it was made; {@link removeWorktree} clears what was begun.
 */
export async function addWorktree(
  git: Git,
  options: InRepository &
    AllowedKeys & {
      readonly root: string;
      readonly title: string;
      readonly id: string;
      readonly branch: string;
      readonly base: ObjectId;
    },
): Promise<string> {
  const ref = branchRef(options.branch);
  const base = requireObjectId(options.base);
  const path = join(await realpath(requirePath(options.root)), folderName(options.title, options.id));
  await requireNoCommands(git, options); // checking out would run its filters
  // A link planted under the name we chose would take the checkout elsewhere.
  if (await exists(path))
    throw new GitError('GIT_FAILED', `a worktree was to be made at ${path}, and something is there`);
  try {
    await git.run(['worktree', 'add', '--quiet', '--no-track', '-b', options.branch, '--end-of-options', path, base], {
      in: options.repository,
      signal: options.signal,
    });
  } catch (error) {
    if (!(error instanceof GitError) || error.code !== 'GIT_FAILED') throw error;
    if ((await revParse(git, { ...options, revision: ref })) === undefined || (await exists(path))) throw error;
    const message = `the branch ${options.branch} exists in ${options.repository}: choose another name`;
    throw new GitError('GIT_BRANCH_EXISTS', message, error.details, { cause: error });
  }
  return path;
}

/**
 * Removes a worktree with everything in it, committed or not; its branch stays.
 * @param path as {@link addWorktree} gave it
 * @returns false when the repository has no such worktree (it was removed before)
 * @throws GIT_NOT_FOUND (no repository) · GIT_FAILED
 * Safe to call again after a crash.
 */
export async function removeWorktree(git: Git, options: InRepository & { readonly path: string }): Promise<boolean> {
  const [main, ...linked] = await listWorktrees(git, options);
  if (main?.path === options.path || !linked.some(({ path }) => path === options.path)) return false;
  const run = { in: options.repository, signal: options.signal };
  try {
    // Twice: once for changes, once for a lock.
    await git.run(['worktree', 'remove', '--force', '--force', '--end-of-options', options.path], run);
  } catch (error) {
    if (!(error instanceof GitError) || error.code !== 'GIT_FAILED') throw error;
    // Git refuses a folder whose .git file was altered. It is listed as ours, so we clear it ourselves.
    await rm(options.path, { recursive: true, force: true });
    await git.run(['worktree', 'remove', '--force', '--force', '--end-of-options', options.path], run);
  }
  return true;
}

/** Lists the worktrees of a repository, itself first. @throws GIT_NOT_FOUND · GIT_FAILED */
export async function listWorktrees(git: Git, options: InRepository): Promise<Worktree[]> {
  const { stdout } = await git.run(['worktree', 'list', '--porcelain', '-z'], {
    in: options.repository,
    signal: options.signal,
  });
  // One attribute a field, "name value"; an empty field ends an entry.
  return stdout
    .split('\0\0')
    .filter((entry) => entry !== '')
    .map((entry) => {
      const attributes = new Map(
        entry.split('\0').map((field) => {
          const [name = '', ...value] = field.split(' ');
          return [name, value.join(' ')];
        }),
      );
      const head = attributes.get('HEAD');
      const branch = attributes.get('branch');
      const prunable = attributes.get('prunable');
      return {
        path: attributes.get('worktree') ?? '',
        isBare: attributes.has('bare'),
        ...(head === undefined || /^0+$/.test(head) ? {} : { head: requireObjectId(head) }),
        ...(branch === undefined ? {} : { branch: branch.replace(/^refs\/heads\//, '') }),
        ...(prunable === undefined ? {} : { prunable }),
      };
    });
}

/**
 * Commits everything in a worktree, new and deleted files included, without hooks.
 * @param worktree its folder, as {@link addWorktree} gave it
 * @returns the commit, or undefined when nothing had changed
 * @throws GIT_WORKTREE_FOREIGN · GIT_CONFIG_REFUSED · GIT_NAME_REFUSED · GIT_FAILED
 * After a crash calling again commits what is left, or finds nothing changed.
 */
export async function commitAll(
  git: Git,
  options: InRepository &
    AllowedKeys & { readonly worktree: string; readonly message: string; readonly author: Identity },
): Promise<ObjectId | undefined> {
  const identity = identityOf(options.author, options.author);
  const run = { in: requirePath(options.worktree), signal: options.signal };
  await requireOwnWorktree(git, options);
  await requireNoCommands(git, { ...options, repository: options.worktree }); // adding would run its filters
  await git.run(['add', '--all'], run);
  const { stdout: staged } = await git.run(['status', '--porcelain', '-z', '--untracked-files=no'], run);
  const isMerging =
    (await revParse(git, { ...options, repository: options.worktree, revision: 'MERGE_HEAD' })) !== undefined;
  if (staged === '' && !isMerging) return undefined;
  await git.run(['commit', '--quiet', '--no-verify', '--allow-empty-message', '--cleanup=verbatim', '--file=-'], {
    ...run,
    identity,
    input: options.message,
  });
  return await revParse(git, { ...options, repository: options.worktree, revision: 'HEAD' });
}

/**
 * A worktree's `.git` is a file that whoever works there can rewrite, to have us commit into a repository of their making,
 * under its configuration.
 */
async function requireOwnWorktree(git: Git, options: InRepository & { readonly worktree: string }): Promise<void> {
  const commonFolder = async (folder: string): Promise<string> => {
    const { stdout } = await git.run(['rev-parse', '--path-format=absolute', '--git-common-dir'], {
      in: folder,
      signal: options.signal,
    });
    return await realpath(stdout.replace(/\n$/, ''));
  };
  const [own, found] = [await commonFolder(options.repository), await commonFolder(options.worktree)];
  if (own === found) return;
  const message = `${options.worktree} was made from ${options.repository} and now belongs to ${dirname(found)}: remove it`;
  throw new GitError('GIT_WORKTREE_FOREIGN', message);
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
