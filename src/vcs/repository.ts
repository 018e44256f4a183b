// Operations on a repository's objects and refs. None of them needs a checkout.
import { isAbsolute } from 'node:path';
import { GitError } from './git-error.ts';
import type { Git } from './git.ts';
import {
  requireBranchName,
  requireObjectId,
  requireRef,
  requireRevision,
  requireSource,
  type ObjectId,
} from './names.ts';

/** Who a commit is by, and when. */
export interface Identity {
  readonly name: string;
  readonly email: string;
  /** The commit's date, in milliseconds since 1970; git's own clock unless given. The same input then gives the same hash. */
  readonly atMs?: number;
}

/** One path that differs between two trees: added, modified, deleted, or changed in type. */
export interface ChangedPath {
  readonly status: 'A' | 'M' | 'D' | 'T';
  readonly path: string;
}

/** One remark of git about a merge, such as a conflict and its kind. */
export interface MergeNote {
  /** As git names it: `CONFLICT (contents)`, `Auto-merging`. */
  readonly kind: string;
  readonly paths: readonly string[];
  readonly message: string;
}

/** How a merge came out. A conflict is an answer and no failure. */
export type MergeOutcome =
  | { readonly outcome: 'merged'; readonly tree: ObjectId }
  | { readonly outcome: 'conflict'; readonly paths: readonly string[]; readonly notes: readonly MergeNote[] };

interface InRepository {
  /** The repository's folder, an absolute path. */
  readonly repository: string;
  readonly signal?: AbortSignal | undefined;
}

const NO_OBJECT = '0'.repeat(40);

/**
 * Makes an empty repository, or leaves an existing one as it is. No templates, so no hooks.
 * @param branch what HEAD names before the first commit; `main` unless given
 * @throws GIT_NAME_REFUSED · GIT_FAILED
 */
export async function initRepository(
  git: Git,
  options: InRepository & { readonly isBare?: boolean; readonly branch?: string },
): Promise<void> {
  const branch = requireBranchName(options.branch ?? 'main');
  const kind = options.isBare === true ? ['--bare'] : [];
  await git.run(
    [
      'init',
      '--quiet',
      '--template=',
      `--initial-branch=${branch}`,
      ...kind,
      '--end-of-options',
      requirePath(options.repository),
    ],
    { in: '/', signal: options.signal },
  );
}

/**
 * Clones a repository with objects of its own: nothing is linked or borrowed from the source.
 * @param kind `mirror` copies every ref and keeps to them, `bare` copies branches and tags, `work` also checks out
 * @throws GIT_URL_REFUSED · GIT_FAILED (git removes what it began)
 */
export async function cloneRepository(
  git: Git,
  options: InRepository & { readonly from: string; readonly kind: 'mirror' | 'bare' | 'work' },
): Promise<void> {
  const kind = { mirror: ['--mirror'], bare: ['--bare'], work: [] }[options.kind];
  const from = requireSource(options.from);
  const fixed = ['clone', '--quiet', '--no-local', '--template=', '--no-recurse-submodules'];
  await git.run([...fixed, ...kind, '--end-of-options', from, requirePath(options.repository)], {
    in: '/',
    signal: options.signal,
  });
}

/**
 * Finds the commit that an expression names.
 * @returns its hash, or undefined when nothing is named so
 * @throws GIT_NAME_REFUSED · GIT_NOT_FOUND (no repository)
 */
export async function revParse(
  git: Git,
  options: InRepository & { readonly revision: string },
): Promise<ObjectId | undefined> {
  return await resolve(git, options, `${requireRevision(options.revision)}^{commit}`);
}

/** Finds the tree of a commit. @throws GIT_NAME_REFUSED · GIT_NOT_FOUND */
export async function treeOf(git: Git, options: InRepository & { readonly revision: string }): Promise<ObjectId> {
  const tree = await resolve(git, options, `${requireRevision(options.revision)}^{tree}`);
  if (tree === undefined)
    throw new GitError('GIT_NOT_FOUND', `there is no ${options.revision} in ${options.repository}`);
  return tree;
}

/**
 * Lists the paths that differ between two commits or trees; a rename is a deletion and an addition.
 * @throws GIT_NAME_REFUSED · GIT_FAILED · GIT_OUTPUT_TOO_LARGE
 */
export async function diffNames(
  git: Git,
  options: InRepository & { readonly from: ObjectId; readonly to: ObjectId },
): Promise<ChangedPath[]> {
  const fixed = ['diff-tree', '-r', '-z', '--name-status', '--no-renames', '--no-ext-diff', '--no-textconv'];
  const ends = [requireObjectId(options.from), requireObjectId(options.to)];
  const { stdout } = await git.run([...fixed, '--end-of-options', ...ends], {
    in: options.repository,
    signal: options.signal,
  });
  const fields = stdout.split('\0');
  const changes: ChangedPath[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    changes.push({ status: fields[i] as ChangedPath['status'], path: fields[i + 1] ?? '' });
  }
  return changes;
}

/**
 * Merges two commits without a checkout and writes the resulting tree; no ref moves.
 * @returns the tree, or the paths in conflict with git's remarks
 * @throws GIT_CONFIG_REFUSED · GIT_FAILED (also when the commits share no history)
 */
export async function mergeTree(
  git: Git,
  options: InRepository & AllowedKeys & { readonly ours: ObjectId; readonly theirs: ObjectId },
): Promise<MergeOutcome> {
  await requireNoCommands(git, options);
  const sides = [requireObjectId(options.ours), requireObjectId(options.theirs)];
  const { stdout, exitCode } = await git.run(
    ['merge-tree', '--write-tree', '-z', '--name-only', '--messages', '--end-of-options', ...sides],
    { in: options.repository, signal: options.signal, answers: [0, 1] },
  );
  const [tree = '', ...rest] = stdout.split('\0');
  if (exitCode === 0) return { outcome: 'merged', tree: requireObjectId(tree) };
  const end = rest.indexOf(''); // an empty field parts the paths from the remarks
  return { outcome: 'conflict', paths: rest.slice(0, end), notes: readNotes(rest.slice(end + 1)) };
}

/** Each remark is: a count, that many paths, the kind, the text. */
function readNotes(fields: readonly string[]): MergeNote[] {
  const notes: MergeNote[] = [];
  for (let i = 0; i < fields.length && fields[i] !== '';) {
    const count = Number(fields[i]);
    const paths = fields.slice(i + 1, i + 1 + count);
    notes.push({ paths, kind: fields[i + 1 + count] ?? '', message: (fields[i + 2 + count] ?? '').trimEnd() });
    i += count + 3;
  }
  return notes;
}

/**
 * Writes a commit; no ref moves.
 * @returns its hash; with `atMs` in both identities the same arguments give the same hash
 * @throws GIT_NAME_REFUSED · GIT_FAILED
 */
export async function commitTree(
  git: Git,
  options: InRepository & {
    readonly tree: ObjectId;
    readonly parents: readonly ObjectId[];
    readonly message: string;
    readonly author: Identity;
    /** The author unless given. */
    readonly committer?: Identity;
  },
): Promise<ObjectId> {
  const parents = options.parents.flatMap((parent) => ['-p', requireObjectId(parent)]);
  const { stdout } = await git.run(['commit-tree', ...parents, '-F', '-', requireObjectId(options.tree)], {
    in: options.repository,
    input: options.message,
    identity: identityOf(options.author, options.committer ?? options.author),
    signal: options.signal,
  });
  return requireObjectId(stdout.trim());
}

/**
 * Moves a ref if it is where the caller last saw it. Of two callers with the same expectation exactly one succeeds.
 * @param ref in full, as {@link branchRef} gives it
 * @param expected where it must be now; undefined when it must not exist
 * @throws GIT_REF_MOVED (with `actual`) · GIT_REF_BUSY (safe to call again) · GIT_NAME_REFUSED · GIT_FAILED
 * After a crash before the return the ref is at `to` or where it was; calling again then says which.
 */
export async function updateRef(
  git: Git,
  options: InRepository & { readonly ref: string; readonly to: ObjectId; readonly expected: ObjectId | undefined },
): Promise<void> {
  const ref = requireRef(options.ref);
  const to = requireObjectId(options.to);
  const expected = options.expected === undefined ? undefined : requireObjectId(options.expected);
  const old = expected ?? NO_OBJECT.padEnd(to.length, '0');
  try {
    await git.run(['update-ref', '--no-deref', '--create-reflog', '--stdin', '-z'], {
      in: options.repository,
      input: `update ${ref}\0${to}\0${old}\0`,
      signal: options.signal,
    });
  } catch (error) {
    if (!(error instanceof GitError) || error.code !== 'GIT_FAILED') throw error;
    const actual = await resolve(git, options, ref);
    const details = { ...error.details, ...(actual === undefined ? {} : { actual }) };
    if (actual !== expected) {
      const message = `${ref} was to move from ${expected ?? 'nothing'} to ${to} and is at ${actual ?? 'nothing'}: read it again`;
      throw new GitError('GIT_REF_MOVED', message, details, { cause: error });
    }
    if (/\.lock': File exists/.test(error.details.stderrTail ?? '')) {
      throw new GitError('GIT_REF_BUSY', `${ref} is locked by another writer: try again`, details, { cause: error });
    }
    throw error;
  }
}

/** Configuration keys that a caller allows though their values are commands, as `filter.lfs.smudge`. */
export interface AllowedKeys {
  readonly allowedKeys?: readonly string[];
}

// Keys whose values git runs in the operations of this room and that the door cannot override by name.
const commandKey =
  /^(?:filter\..*\.(?:clean|smudge|process)|merge\..*\.driver|diff\..*\.(?:command|textconv)|diff\.external|gpg\.(?:.*\.)?program|core\.(?:editor|pager|gitproxy|alternaterefscommand)|remote\..*\.(?:uploadpack|receivepack|vcs)|uploadpack\.packobjectshook|credential\..+\.helper)$/i;

/**
 * Lists the keys in a repository's or worktree's own configuration whose values git would run as commands.
 * @returns the keys, section and name in lower case, sorted
 */
export async function loadCommandKeys(git: Git, options: InRepository): Promise<string[]> {
  const { stdout } = await git.run(['config', '--list', '--show-scope', '--name-only', '-z'], {
    in: options.repository,
    signal: options.signal,
  });
  const fields = stdout.split('\0');
  const keys = new Set<string>();
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const key = fields[i + 1] ?? '';
    if (fields[i] !== 'command' && commandKey.test(key)) keys.add(key);
  }
  return [...keys].toSorted();
}

/** Refuses a repository that would run commands of its own. @throws GIT_CONFIG_REFUSED */
export async function requireNoCommands(git: Git, options: InRepository & AllowedKeys): Promise<void> {
  const keys = (await loadCommandKeys(git, options)).filter((key) => options.allowedKeys?.includes(key) !== true);
  if (keys.length === 0) return;
  const message = `the configuration of ${options.repository} names commands that git would run (${keys.join(', ')}): remove them or allow them by name`;
  throw new GitError('GIT_CONFIG_REFUSED', message, { keys });
}

/** The environment that gives a commit its author and committer. @throws GIT_NAME_REFUSED */
export function identityOf(author: Identity, committer: Identity): Record<string, string> {
  const part = (role: 'AUTHOR' | 'COMMITTER', who: Identity): Record<string, string> => {
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    const isPlain = (text: string): boolean => text.trim() !== '' && !/[\u0000-\u001f<>]/.test(text);
    if (!isPlain(who.name) || !isPlain(who.email)) {
      throw new GitError(
        'GIT_NAME_REFUSED',
        'a name or address of a commit is empty or has <, > or control characters',
      );
    }
    const date = who.atMs === undefined ? {} : { [`GIT_${role}_DATE`]: `@${Math.floor(who.atMs / 1000)} +0000` };
    return { [`GIT_${role}_NAME`]: who.name, [`GIT_${role}_EMAIL`]: who.email, ...date };
  };
  return { ...part('AUTHOR', author), ...part('COMMITTER', committer) };
}

async function resolve(git: Git, options: InRepository, expression: string): Promise<ObjectId | undefined> {
  const { stdout, exitCode } = await git.run(['rev-parse', '--verify', '--quiet', '--end-of-options', expression], {
    in: options.repository,
    signal: options.signal,
    answers: [0, 1],
  });
  return exitCode === 0 ? requireObjectId(stdout.trim()) : undefined;
}

/** Folders are ours to name, and are named in full. */
export function requirePath(path: string): string {
  if (isAbsolute(path) && !path.includes('\0')) return path;
  throw new GitError('GIT_NAME_REFUSED', `${JSON.stringify(path.slice(0, 80))} is no absolute path`);
}
