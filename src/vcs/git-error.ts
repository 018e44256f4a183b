/**
 * The failures of this room:
 * - `GIT_FAILED`: git ran and ended with an error that has no code of its own.
 * - `GIT_MISSING`: there is no git to run.
 * - `GIT_NOT_FOUND`: the repository, revision or worktree is not there.
 * - `GIT_REF_MOVED`: a ref was not where the caller expected it; `actual` says where it is.
 * - `GIT_REF_BUSY`: another writer holds the ref's lock; calling again is right.
 * - `GIT_BRANCH_EXISTS`: the branch to create is there already.
 * - `GIT_NAME_REFUSED`, `GIT_URL_REFUSED`: an argument from outside that git is never shown.
 * - `GIT_CONFIG_REFUSED`: the repository's configuration names commands that were not allowed.
 * - `GIT_WORKTREE_FOREIGN`: a worktree's `.git` leads to another repository than the one it was made from.
 * - `GIT_OUTPUT_TOO_LARGE`: git printed more than the limit and was stopped.
 * - `GIT_ABORTED`: the caller's signal stopped it.
 */
export type GitErrorCode =
  | 'GIT_FAILED'
  | 'GIT_MISSING'
  | 'GIT_NOT_FOUND'
  | 'GIT_REF_MOVED'
  | 'GIT_REF_BUSY'
  | 'GIT_BRANCH_EXISTS'
  | 'GIT_NAME_REFUSED'
  | 'GIT_URL_REFUSED'
  | 'GIT_CONFIG_REFUSED'
  | 'GIT_WORKTREE_FOREIGN'
  | 'GIT_OUTPUT_TOO_LARGE'
  | 'GIT_ABORTED';

/** What is known about a failure; no field holds a secret. */
export interface GitErrorDetails {
  /** The arguments after our own settings, credentials in addresses blotted out. */
  readonly args?: readonly string[];
  readonly exitCode?: number;
  /** The end of what git wrote to standard error, credentials in addresses blotted out. */
  readonly stderrTail?: string;
  /** For `GIT_REF_MOVED`: where the ref is; absent when it does not exist. */
  readonly actual?: string;
  /** For `GIT_CONFIG_REFUSED`: the keys that were not allowed. */
  readonly keys?: readonly string[];
}

/** A failure of git or of an argument meant for it. */
export class GitError extends Error {
  override readonly name = 'GitError';
  readonly code: GitErrorCode;
  readonly details: GitErrorDetails;

  /** @param message what we were doing, what stood in the way, what to do next */
  constructor(code: GitErrorCode, message: string, details: GitErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** The text without user names and passwords in its addresses. */
export function blotSecrets(text: string): string {
  return text.replaceAll(/(\/\/)[^/@\s]+@/g, '$1***@');
}
