// vcs: version control, as the rest of pleach needs it.
//
// Nouns: a Git (the one door through which git is run), a repository (a folder with history, bare or not), a worktree
// (a checkout of one branch in a folder of its own), an ObjectId (a commit or tree by its hash), an Identity (who a
// commit is by). Operations are functions over a Git; each is one act with typed arguments and a typed answer.
//
// What it promises. Git is run with argument arrays, never through a shell, in an environment made from nothing; hooks,
// file-system monitors, credential helpers, signing programs and prompts are off, and only file, https and ssh may be
// spoken. No name that came from outside reaches git unchecked, and no folder is ever named after a branch. A ref moves
// only by compare-and-swap: of two that expect the same old value exactly one wins, and the other is told the value it
// found. A merge is computed without a checkout, so that a result can be tested before any ref points to it.
//
// When the world fails, a GitError says so by code, with git's own last words and without secrets. After a crash of ours
// every operation may be called again: objects are content, refs are compared, and a worktree is either listed or not.
// An aborted git is asked to end (it then removes its lock files) and killed when it does not.
//
// What it does not promise: a repository whose configuration names commands (filters, merge drivers) runs them when files
// are checked out, added or merged. Those operations refuse such a repository unless the keys are allowed by name; still,
// code that is not trusted at all belongs in a clone of its own, not in a linked worktree, which shares configuration.

export { GitError, type GitErrorCode, type GitErrorDetails } from './git-error.ts';
export { openGit, OUTPUT_BYTES_MAX, type Git, type GitOptions, type GitResult, type RunOptions } from './git.ts';
export { branchRef, requireBranchName, requireObjectId, type ObjectId } from './names.ts';
export {
  cloneRepository,
  commitTree,
  diffNames,
  initRepository,
  loadCommandKeys,
  mergeTree,
  revParse,
  treeOf,
  updateRef,
  type ChangedPath,
  type Identity,
  type MergeNote,
  type MergeOutcome,
} from './repository.ts';
export { addWorktree, commitAll, listWorktrees, removeWorktree, type Worktree } from './worktree.ts';
