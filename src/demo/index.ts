/**
 * demo: what `npm start` shows, on real input.
 *
 * Nouns: six tasks, a worktree and a branch for each, a ledger of every step, a landing of the branches one after
 * another, and a summary that judges. One workflow drives it, one child workflow each task; git is real, and so is the
 * SIGKILL by which the engine's process ends itself half way.
 *
 * Its files: `main.ts` narrates and starts the engine's process twice; `engine.ts` is that process; `workflows.ts` and
 * `activities.ts` are what a user would write; `task-command.ts` is the program that each task runs; `ledger.ts` is
 * written by the steps themselves, beside the engine's own history, and `verdict.ts` judges it; `summary.ts` asks git.
 *
 * It promises to show and to check: the ledger tells that no step whose completion was recorded ran again, and git tells
 * that every landed tree is the tree that was tested. Two tasks are meant not to land, one for a conflict and one for a
 * failing check; their branches stay.
 *
 * When the world fails the summary says what does not hold, and the exit code is 1. Steps are written so that running
 * one again is harmless: a worktree that is there is used, a commit that is there is kept, a target that has moved to
 * the new commit already has landed.
 */
export { TASKS, type Task } from './tasks.ts';
export { landBranches } from './workflows.ts';
