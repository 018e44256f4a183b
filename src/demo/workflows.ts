import { ActivityFailure, ApplicationFailure, executeChild, proxyActivities } from '../entry/workflow.ts';
import type { DemoActivities } from './activities.ts';
import type { Task } from './tasks.ts';

// Tried again soon, since a step that a crash interrupted is only waiting for us; and not for ever, since somebody is
// watching. A step that finds the lock of a git that outlived the crash is through within the second these five take.
const steps = proxyActivities<DemoActivities>({
  startToCloseTimeout: '30s',
  retry: { initialInterval: '100ms', maximumAttempts: 5 },
});

/** What the workflow is started with. */
export interface LandBranchesInput {
  /** The repository to clone: an absolute path. */
  repository: string;
  tasks: Task[];
}

/** How a task ended. */
export type TaskOutcome =
  | {
      id: string;
      outcome: 'landed';
      /** The commit on the target. */
      commit: string;
      /** The tree that was checked before the target moved, and the target's tree after. */
      testedTree: string;
      landedTree: string;
    }
  | { id: string; outcome: 'conflict' | 'check-failed'; why: string };

/** What came of it all. */
export interface LandingReport {
  /** Where the target was in the beginning. */
  base: string;
  outcomes: TaskOutcome[];
}

/** Works on one task in a worktree of its own; gives the commit on its branch, or why it may not land. */
export async function workOnTask(task: Task, base: string): Promise<{ commit: string } | { failed: string }> {
  const worktree = await steps.createWorktree(task.id, base);
  await steps.work(task.id, worktree);
  const checked = await check(() => steps.validate(task.id, worktree));
  // Committed also when the check fails: the branch stays, for whoever looks into it.
  const commit = await steps.commit(task.id, worktree, task.title);
  return 'failed' in checked ? checked : { commit };
}

/** Clones, works on all tasks at once, and lands their branches one after another, each exactly as it was tested. */
export async function landBranches({ repository, tasks }: LandBranchesInput): Promise<LandingReport> {
  const base = await steps.prepare('all', repository);
  const worked = await Promise.all(
    tasks.map((task) => executeChild(workOnTask, { args: [task, base], workflowId: `task-${task.id}` })),
  );
  const outcomes: TaskOutcome[] = [];
  let tip = base;
  for (const [index, task] of tasks.entries()) {
    const work = worked[index]!;
    const outcome =
      'failed' in work ? notLanded(task, 'check-failed', work.failed) : await land(task, tip, work.commit);
    outcomes.push(outcome);
    if (outcome.outcome === 'landed') tip = outcome.commit;
  }
  return { base, outcomes };
}

/** Merges a branch with the target's tip, checks what came out, and only then moves the target to it. */
async function land(task: Task, tip: string, branch: string): Promise<TaskOutcome> {
  const merged = await steps.merge(task.id, tip, branch, task.title);
  if ('conflict' in merged) return notLanded(task, 'conflict', `both change ${merged.conflict.join(', ')}`);
  const checked = await check(() => steps.validateMerge(task.id, merged.commit));
  if ('failed' in checked) return notLanded(task, 'check-failed', checked.failed);
  await steps.land(task.id, tip, merged.commit);
  const landedTree = await steps.landedTree(task.id);
  if (landedTree !== checked.value) {
    throw ApplicationFailure.nonRetryable(
      `${task.id}: the tree ${checked.value} was tested and ${landedTree} has landed`,
      'LandedUntested',
    );
  }
  return { id: task.id, outcome: 'landed', commit: merged.commit, testedTree: checked.value, landedTree };
}

/** Runs a check: that it fails is an answer, any other failure is thrown on. */
async function check<T>(step: () => Promise<T>): Promise<{ value: T } | { failed: string }> {
  try {
    return { value: await step() };
  } catch (error) {
    const cause = error instanceof ActivityFailure ? error.cause : undefined;
    if (cause instanceof ApplicationFailure && cause.type === 'CheckFailed') return { failed: cause.message };
    throw error;
  }
}

function notLanded(task: Task, outcome: 'conflict' | 'check-failed', why: string): TaskOutcome {
  return { id: task.id, outcome, why };
}
