/**
 * demo: what `npm start` shows, on real input.
 *
 * Nouns: six tasks, a worktree and a branch for each, a ledger of every step, and a landing of the branches one after
 * another. One workflow drives it, one child workflow each task; git is real, and so is the SIGKILL that ends the
 * engine half way.
 *
 * It promises to show and to check: after the end, the ledger tells that no completed step was run again, and git tells
 * that every landed tree is the tree that was tested. Two tasks are meant not to land, one for a conflict and one for a
 * failing check; their branches stay.
 *
 * When the world fails the summary says what does not hold, and the exit code is 1. Steps are written so that running
 * one again is harmless: a worktree that is there is used, a commit that is there is kept, a target that has moved to
 * the new commit already has landed.
 */
export { TASKS, type Task } from './tasks.ts';
export { landBranches } from './workflows.ts';
