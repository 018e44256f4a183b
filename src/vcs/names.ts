// What may be shown to git. The rules are git's own for refs (git-check-ref-format(1)) and stricter where a name could be
// taken for something else: an option, a full ref, HEAD, a reflog entry. They are written here and not asked of git, so
// that checking costs no process; a test holds them against git itself.
import { isAbsolute } from 'node:path';
import { GitError } from './git-error.ts';

declare const objectId: unique symbol;
/** A commit, tree or blob by its full hash, in lower-case hexadecimal (SHA-1 or SHA-256). */
export type ObjectId = string & { readonly [objectId]: true };

/** The longest branch name, in bytes: a ref is a file, and its lock and reflog need room in a file name's 255. */
export const BRANCH_NAME_BYTES_MAX = 200;
/** The longest slug in a worktree's folder name, in characters: enough to recognise it by. */
const SLUG_LENGTH_MAX = 40;
const ID_PATTERN = /^[a-z0-9]{4,40}$/;

/**
 * Checks a branch name that came from outside.
 * @param name the short name, as in `feature/x`; never `refs/…`
 * @returns the same name
 * @throws GIT_NAME_REFUSED
 */
export function requireBranchName(name: string): string {
  const refuse = (why: string): never => {
    throw new GitError('GIT_NAME_REFUSED', `the branch name ${JSON.stringify(name.slice(0, 80))} is refused: ${why}`);
  };
  if (name === '') refuse('it is empty');
  if (Buffer.byteLength(name) > BRANCH_NAME_BYTES_MAX) refuse(`it is longer than ${BRANCH_NAME_BYTES_MAX} bytes`);
  if (name.startsWith('-')) refuse('it could be taken for an option');
  if (/^refs(?:\/|$)/i.test(name)) refuse('a branch is named without refs/');
  if (/^(?:HEAD|FETCH_HEAD|ORIG_HEAD|MERGE_HEAD)$/i.test(name)) refuse('git uses this name for itself');
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u0020\u007f~^:?*[\\]/.test(name)) refuse('it has a space, a control character or one of ~^:?*[\\');
  if (name !== name.toWellFormed()) refuse('it is not well-formed text');
  if (name.includes('..') || name.includes('@{') || name === '@') refuse('it could be taken for an expression');
  if (name.split('/').some((part) => part === '' || part.startsWith('.') || /\.lock$/i.test(part))) {
    refuse('a part of it is empty, begins with a dot or ends in .lock');
  }
  if (name.endsWith('.')) refuse('it ends in a dot');
  return name;
}

/** The full ref of a branch. @throws GIT_NAME_REFUSED */
export function branchRef(name: string): string {
  return `refs/heads/${requireBranchName(name)}`;
}

/** Checks a full ref: `refs/`, a kind such as `heads`, and a name under the rules of branches. @throws GIT_NAME_REFUSED */
export function requireRef(ref: string): string {
  const parts = /^refs\/([a-z][a-z0-9-]*)\/(.+)$/s.exec(ref);
  if (parts === null) throw new GitError('GIT_NAME_REFUSED', `${JSON.stringify(ref.slice(0, 80))} is no full ref`);
  requireBranchName(parts[2] ?? '');
  return ref;
}

/** Checks an object's hash. @throws GIT_NAME_REFUSED */
export function requireObjectId(text: string): ObjectId {
  if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text)) return text as ObjectId;
  throw new GitError('GIT_NAME_REFUSED', `${JSON.stringify(text.slice(0, 80))} is no full object hash`);
}

/** Checks a revision expression for `rev-parse`: anything git knows, but no option and no line break. @throws GIT_NAME_REFUSED */
export function requireRevision(revision: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (revision !== '' && !revision.startsWith('-') && !/[\u0000-\u001f]/.test(revision)) return revision;
  throw new GitError('GIT_NAME_REFUSED', `${JSON.stringify(revision.slice(0, 80))} is no revision`);
}

/**
 * Checks where a clone comes from: an absolute path, or an https or ssh address without a password in it (arguments are
 * visible to everyone on the machine).
 * @throws GIT_URL_REFUSED
 */
export function requireSource(source: string): string {
  const refuse = (why: string): never => {
    throw new GitError('GIT_URL_REFUSED', `this source for a clone is refused: ${why}`);
  };
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u0020\u007f]/.test(source) && !isAbsolute(source)) refuse('it has spaces or control characters');
  if (source.includes('\0')) refuse('it has a NUL character');
  if (isAbsolute(source)) return source;
  if (!/^(?:https|ssh):\/\//.test(source) || !URL.canParse(source)) {
    refuse('it is neither an absolute path nor an https:// or ssh:// address');
  }
  const url = new URL(source);
  if (url.password !== '' || (url.protocol === 'https:' && url.username !== '')) refuse('it carries credentials');
  if (/^(?:-|%2d)/i.test(url.hostname) || /^(?:-|%2d)/i.test(url.username))
    refuse('ssh could take its host for an option');
  return source;
}

/**
 * Makes the name of a worktree's folder: a slug for people and an id that makes it unique.
 * @param title any text; only letters and digits of it survive
 * @param id 4 to 40 lower-case letters and digits, chosen by us
 * @throws GIT_NAME_REFUSED when the id is not of that form
 */
export function folderName(title: string, id: string): string {
  if (!ID_PATTERN.test(id))
    throw new GitError('GIT_NAME_REFUSED', `${JSON.stringify(id.slice(0, 80))} is no worktree id`);
  const slug = title
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_LENGTH_MAX)
    .replaceAll(/^-+|-+$/g, '');
  return slug === '' ? `worktree-${id}` : `${slug}-${id}`;
}
