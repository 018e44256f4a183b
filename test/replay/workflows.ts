import { proxyActivities, proxyLocalActivities, sleep, workflowInfo } from '../../src/entry/workflow.ts';

/** What a workflow is to do. */
export type Plan =
  | { kind: 'local' | 'activity'; turns: number }
  | { kind: 'timer'; ms: number }
  | { kind: 'all' | 'chain'; parts: Plan[] };

interface Activities {
  turns(count: number): Promise<number>;
}
const activities = proxyActivities<Activities>({ startToCloseTimeout: '10s' });
const locals = proxyLocalActivities<Activities>({ startToCloseTimeout: '10s' });

/** Does it; how many steps that were. */
export async function playsPlan(plan: Plan): Promise<number> {
  switch (plan.kind) {
    case 'local':
      await locals.turns(plan.turns);
      return 1;
    case 'activity':
      await activities.turns(plan.turns);
      return 1;
    case 'timer':
      await sleep(plan.ms);
      return 1;
    case 'all': {
      const counts = await Promise.all(plan.parts.map((part) => playsPlan(part)));
      return counts.reduce((sum, count) => sum + count, 0);
    }
    case 'chain': {
      let sum = 0;
      for (const part of plan.parts) sum += await playsPlan(part);
      return sum;
    }
  }
}

/** Is slow, and names its activities by the time and the length of its history. */
export async function readsItsPlace(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    let sum = 0;
    for (let i = 0; i < 50_000_000; i++) sum = (sum + i) % 1009;
    const { historyLength, historySize, continueAsNewSuggested } = workflowInfo();
    const activityId = [n, sum, Date.now(), historyLength, historySize, continueAsNewSuggested].join('/');
    await proxyActivities<Activities>({ startToCloseTimeout: '1 minute', activityId }).turns(n);
  }
}
