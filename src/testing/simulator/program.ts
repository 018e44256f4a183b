import type { Scheduler } from './scheduler.ts';
import type { Op } from './workflows.ts';

/** What a workflow of a simulated world does: drawn from the seed, and such that it waits for all that it is sent. */
export function drawProgram(scheduler: Scheduler, signals: number, updates: number, neighbours: number): Op[] {
  const ops: Op[] = [];
  const length = scheduler.between(4, 9);
  for (let i = 0; i < length; i++) ops.push(drawOp(scheduler, neighbours, 0));
  // A run waits for what it is sent, so that what is lost is missed.
  if (signals > 0) ops.splice(scheduler.between(0, ops.length), 0, { op: 'signals', count: signals });
  if (updates > 0) ops.push({ op: 'updates', count: updates });
  if (scheduler.chance(0.3)) ops.splice(scheduler.between(0, ops.length), 0, { op: 'again' });
  ops.push({ op: 'step', name: 'last', maximumAttempts: 20 });
  // The last waits are for all that is sent: nothing may come to a run that has closed.
  ops.push({ op: 'signals', count: signals }, { op: 'updates', count: updates });
  return ops;
}

function drawOp(scheduler: Scheduler, neighbours: number, depth: number): Op {
  const kind = scheduler.between(0, depth > 1 ? 3 : 8);
  const name = `step-${scheduler.between(0, 99)}`;
  switch (kind) {
    case 0:
    case 1: {
      const timeoutMs = scheduler.chance(0.3) ? { timeoutMs: 150 } : {};
      return { op: 'step', name, maximumAttempts: scheduler.pick([1, 3, 20]), ...timeoutMs };
    }
    case 2:
      return { op: 'timer', ms: scheduler.pick([1, 30, 400, 5_000]) };
    case 3:
      return { op: 'local', name };
    case 4: {
      const branch = (): Op[] => [drawOp(scheduler, neighbours, depth + 1), drawOp(scheduler, neighbours, depth + 1)];
      return { op: 'parallel', branches: Array.from({ length: scheduler.between(2, 4) }, branch) };
    }
    case 5:
      return { op: 'child', program: [drawOp(scheduler, neighbours, 2), drawOp(scheduler, neighbours, 2)] };
    case 6:
      return { op: 'tell', workflowId: `wf-${scheduler.between(0, neighbours - 1)}` };
    case 7:
      return { op: 'race', name, ms: scheduler.between(1, 60) };
    default:
      return { op: 'step', name, maximumAttempts: 1 };
  }
}
