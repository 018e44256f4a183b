import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  patched,
  proxyActivities,
  proxyLocalActivities,
  saga,
  setHandler,
  sleep,
  startChild,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from '../../src/entry/workflow.ts';
import type { Activities } from './activities.ts';

const acts = proxyActivities<Activities>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: 5, maximumAttempts: 3 },
});
const locals = proxyLocalActivities<Activities>({
  startToCloseTimeout: '5s',
  retry: { initialInterval: 5, maximumAttempts: 3 },
});

export async function echo(text: string): Promise<string> {
  return acts.echo(text);
}

export async function steps(count: number): Promise<number> {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += await acts.add(i, 1);
  return sum;
}

export async function fanOut(count: number): Promise<number> {
  const all = await Promise.all(Array.from({ length: count }, (_, i) => acts.add(i, 1)));
  return all.reduce((sum, n) => sum + n, 0);
}

export async function notes(from: number, count: number): Promise<void> {
  const { note } = proxyActivities<{ note(text: string): Promise<void> }>({ startToCloseTimeout: '10 seconds' });
  for (let i = 0; i < count; i += 5) await Promise.all(Array.from({ length: 5 }, (_, n) => note(String(from + i + n))));
}

export async function manyTimers(count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, () => sleep('1 hour')));
}

export async function naps(ms: number): Promise<string> {
  const before = Date.now();
  await sleep(ms);
  return Date.now() - before >= ms ? 'slept' : 'woke early';
}

export const addItem = defineSignal<[string]>('addItem');
export const finish = defineSignal('finish');
export const items = defineQuery<string[]>('items');
export const rename = defineUpdate<string, [string]>('rename');

export async function basket(): Promise<string[]> {
  const held: string[] = [];
  let name = 'basket';
  let done = false;
  setHandler(addItem, (item) => void held.push(item));
  setHandler(finish, () => {
    done = true;
  });
  setHandler(items, () => held);
  setHandler(
    rename,
    async (next) => {
      const before = name;
      await sleep(1);
      name = next;
      return before;
    },
    {
      validator: (next) => {
        if (next === '') throw new Error('a name is needed');
      },
    },
  );
  await condition(() => done);
  return [name, ...held];
}

export async function fails(how: string): Promise<void> {
  if (how === 'application') throw ApplicationFailure.nonRetryable('broken', 'Broken', { why: 'test' });
  if (how === 'activity') await acts.alwaysFails();
  if (how === 'plain') throw new Error('a plain error');
}

export async function activityFailure(): Promise<string> {
  try {
    await acts.alwaysFails();
    return 'did not fail';
  } catch (error) {
    if (!(error instanceof ActivityFailure)) return `not an ActivityFailure: ${String(error)}`;
    return `${error.activityType} ${error.retryState} ${(error.cause as ApplicationFailure).type} ${error.cause?.message}`;
  }
}

export async function retries(): Promise<number> {
  return acts.succeedsOnAttempt(3);
}

export async function delays(): Promise<number> {
  return proxyActivities<Activities>({
    startToCloseTimeout: '5s',
    retry: { delays: [1, 2], jitter: 0.5 },
  }).succeedsOnAttempt(3);
}

export async function fallsBack(): Promise<string> {
  return proxyActivities<Activities>({
    startToCloseTimeout: '5s',
    retry: { maximumAttempts: 1 },
    fallback: 'echo',
  }).failsWith('first');
}

export async function timesOut(): Promise<string> {
  try {
    await proxyActivities<Activities>({ startToCloseTimeout: 30, retry: { maximumAttempts: 1 } }).hangs();
    return 'no';
  } catch (error) {
    return `${(error as Error).cause?.constructor.name} ${((error as Error).cause as { timeoutType?: string }).timeoutType}`;
  }
}

export async function heartbeatTimesOut(): Promise<string> {
  try {
    await proxyActivities<Activities>({
      startToCloseTimeout: '5s',
      heartbeatTimeout: 40,
      retry: { maximumAttempts: 1 },
    }).hangs();
    return 'no';
  } catch (error) {
    return ((error as Error).cause as { timeoutType?: string }).timeoutType ?? 'none';
  }
}

export async function cancelsActivity(): Promise<string> {
  const scope = new CancellationScope();
  const running = scope.run(() =>
    proxyActivities<Activities>({ startToCloseTimeout: '10s', heartbeatTimeout: '5s' }).waitsForCancel(),
  );
  await sleep(20);
  scope.cancel();
  try {
    await running;
    return 'not cancelled';
  } catch (error) {
    return isCancellation(error) ? 'cancelled' : String(error);
  }
}

export async function cancelled(): Promise<void> {
  try {
    await sleep('1h');
  } catch (error) {
    await CancellationScope.nonCancellable(() => acts.echo('cleanup'));
    throw error;
  }
}

export async function parent(text: string): Promise<string> {
  return executeChild(echo, { args: [text] });
}

export async function parentOfFailing(): Promise<string> {
  try {
    await executeChild(fails, { args: ['application'] });
    return 'no';
  } catch (error) {
    return `${(error as Error).constructor.name}: ${((error as Error).cause as Error | undefined)?.message}`;
  }
}

export async function signalsChild(): Promise<string[]> {
  const child = await startChild(basket, {});
  await child.signal(addItem, 'from parent');
  await child.signal(finish);
  return child.result();
}

export async function abandons(childId: string): Promise<string> {
  const child = await startChild(naps, { args: [3_600_000], workflowId: childId, parentClosePolicy: 'ABANDON' });
  return child.workflowId;
}

export async function terminatesChild(childId: string): Promise<string> {
  const child = await startChild(naps, { args: [3_600_000], workflowId: childId });
  return child.workflowId;
}

export async function cancelsChild(): Promise<string> {
  const scope = new CancellationScope();
  const running = scope.run(() => executeChild(naps, { args: [3_600_000] }));
  await sleep(20);
  scope.cancel();
  try {
    await running;
    return 'no';
  } catch (error) {
    return isCancellation(error) ? 'cancelled' : String(error);
  }
}

export async function signalsOther(workflowId: string, text: string): Promise<string> {
  try {
    await getExternalWorkflowHandle(workflowId).signal(addItem, text);
    return 'sent';
  } catch (error) {
    return (error as ApplicationFailure).type ?? String(error);
  }
}

export async function counts(left: number, total = 0): Promise<number> {
  if (left === 0) return total;
  await acts.echo('turn');
  return continueAsNew<typeof counts>(left - 1, total + 1);
}

export async function local(): Promise<string> {
  const first = await locals.echo('a');
  const [second, third] = await Promise.all([locals.echo('b'), locals.succeedsOnAttempt(2)]);
  const fourth = await acts.echo('d');
  return `${first}${second}${third}${fourth}`;
}

export async function attributes(): Promise<unknown> {
  upsertSearchAttributes({ Colour: ['red'] });
  upsertMemo({ note: 'kept' });
  await sleep(1);
  const { memo, searchAttributes, workflowType } = workflowInfo();
  return { memo, searchAttributes, workflowType };
}

export async function patchedOnce(): Promise<string> {
  await sleep(1);
  return patched('change-1') ? 'new' : 'old';
}

export async function booking(failAt: string): Promise<void> {
  await saga(async (s) => {
    for (const name of ['seat', 'money', 'mail']) {
      await s.step({
        name,
        do: () => acts.record(`do ${name}`, name === failAt),
        undo: () => acts.record(`undo ${name}`, false),
      });
    }
  });
}

export async function stuckSaga(): Promise<void> {
  await saga(async (s) => {
    await s.step({
      name: 'one',
      do: () => acts.echo('one'),
      undo: () => acts.failsWhileTold(),
      retry: { maximumAttempts: 1 },
    });
    throw ApplicationFailure.nonRetryable('the body failed');
  });
}

export async function deadline(): Promise<boolean> {
  return condition(() => false, 20);
}
