import { ApplicationFailure, ActivityFailure, executeChild, proxyActivities } from '../entry/workflow.ts';
import type { DemoActivities } from './activities.ts';
import type { Task } from './tasks.ts';

const steps = proxyActivities<DemoActivities>({
  startToCloseTimeout: '30s',
  retry: { initialInterval: '100ms', maximumAttempts: 5 },
});

/** How a task ended. */
export interface TaskOutcome {
  id: string;
  outcome: 'landed' | 'conflict' | 'check-failed';
  /** The commit on the target, where it landed. */
  commit?: string;
  /** The tree that was tested, and the tree that landed: the same, or something is wrong. */
  testedTree?: string;
  landedTree?: string;
  why?: string;
}

/** Works on one task in a worktree of its own; gives the commit on its branch, or why there is none. */
export async function workOnTask(task: Task, base: string): Promise<{ commit: string } | { failed: string }> {
  const worktree = await steps.createWorktree(task.id, base);
  await steps.work(task.id, worktree);
  const commit = await steps.commit(task.id, worktree, task.title);
  try {
    await steps.validate(task.id, worktree);
  } catch (error) {
    const cause = error instanceof ActivityFailure ? error.cause : undefined;
    if (cause instanceof ApplicationFailure && cause.type === 'CheckFailed') return { failed: cause.message };
    throw error;
  }
  return { commit };
}

/** Clones, works on all tasks at once, and lands their branches one after another, each exactly as it was tested. */
export async function landBranches(tasks: Task[]): Promise<TaskOutcome[]> {
  const base = await steps.prepare('all');
  const worked = await Promise.all(
    tasks.map((task) => executeChild(workOnTask, { args: [task, base], workflowId: `task-${task.id}` })),
  );
  const outcomes: TaskOutcome[] = [];
  let tip = base;
  for (const [index, task] of tasks.entries()) {
    const work = worked[index]!;
    if ('failed' in work) {
      outcomes.push({ id: task.id, outcome: 'check-failed', why: work.failed });
      continue;
    }
    const merged = await steps.merge(task.id, tip, work.commit, task.title);
    if ('conflict' in merged) {
      outcomes.push({ id: task.id, outcome: 'conflict', why: `both change ${merged.conflict.join(', ')}` });
      continue;
    }
    await steps.validateMerge(task.id, merged.commit);
    await steps.land(task.id, tip, merged.commit);
    const landedTree = await steps.landedTree(task.id);
    outcomes.push({ id: task.id, outcome: 'landed', commit: merged.commit, testedTree: merged.tree, landedTree });
    tip = merged.commit;
  }
  return outcomes;
}
