import { type ActivityFailure, proxyActivities } from '../../src/entry/workflow.ts';
import type { TransactionActivities } from './transactions.test.ts';

const options = { startToCloseTimeout: '20s', retry: { initialInterval: 5, maximumInterval: 20 } } as const;
const { add } = proxyActivities<TransactionActivities>(options);
const once = proxyActivities<TransactionActivities>({ startToCloseTimeout: '20s', retry: { maximumAttempts: 1 } });
const hasty = proxyActivities<TransactionActivities>({
  startToCloseTimeout: '300ms',
  retry: { maximumAttempts: 1 },
});

/** One transactional step; what it gave, or the type of what ended it. */
export async function one(key: string, how: string): Promise<string> {
  const proxy = how === 'late' ? hasty : how === 'gone' ? { add } : once;
  try {
    return await proxy.add(key, how);
  } catch (error) {
    const { cause } = error as ActivityFailure;
    return `${(cause as { type?: string }).type ?? cause?.name}: ${cause?.message}`;
  }
}

export async function several(key: string, count: number): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, (_, n) => add(`${key}-${n}`, 'plain')));
}

export async function retried(key: string): Promise<string> {
  return add(key, 'fails twice');
}
