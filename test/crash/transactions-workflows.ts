import { proxyActivities } from '../../src/entry/workflow.ts';
import type { CrashActivities } from './program.ts';

const { put, putAndDie } = proxyActivities<CrashActivities>({
  taskQueue: 'far',
  startToCloseTimeout: '20s',
  retry: { initialInterval: 5, maximumInterval: 50 },
});

/** Steps in another process, which dies within the second, and after the commit of the third. */
export async function far(): Promise<string> {
  return (await put('lives')) + (await put('dies')) + (await putAndDie('told'));
}
