import {
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  defineUpdate,
  executeChild,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  saga,
  setHandler,
  sleep,
} from '../../src/entry/workflow.ts';
import type { KillActivities } from './kill-program.ts';
import type { CrashActivities } from './program.ts';

const { act, grow, put, putAndDie } = proxyActivities<CrashActivities>({
  startToCloseTimeout: '20s',
  retry: { initialInterval: 5, maximumInterval: 50 },
});
const local = proxyLocalActivities<CrashActivities>({ startToCloseTimeout: '20s' });

export async function steps(): Promise<string> {
  let text = '';
  for (const name of ['a', 'b', 'c']) text += await act(name);
  return text;
}

/** Payloads that lie apart from the history, to an activity, from it, to a child and to the run that goes on. */
export async function large(left = 1, size = 0, _load = ''): Promise<number> {
  const text = await grow('x'.repeat(70_000));
  const child = await executeChild(measured, { args: ['y'.repeat(80_000)] });
  const sum = size + text.length + child.length;
  return left === 0 ? sum : continueAsNew<typeof large>(left - 1, sum, 'z'.repeat(90_000));
}

export async function measured(text: string): Promise<string> {
  return grow(text);
}

export async function transactional(): Promise<string> {
  return (await put('one')) + (await putAndDie('two')) + (await put('three'));
}

export async function timer(): Promise<string> {
  await act('before');
  await sleep(20);
  return act('after');
}

export const go = defineSignal<[string]>('go');
export async function signal(): Promise<string> {
  const got: string[] = [];
  setHandler(go, (text) => void got.push(text));
  await condition(() => got.length >= 2);
  return got.join() + (await act('signalled'));
}

export const change = defineUpdate<string, [string]>('change');
export async function update(): Promise<string> {
  const got: string[] = [];
  setHandler(change, async (text) => {
    got.push(await act(text));
    return got.join();
  });
  await condition(() => got.length >= 2);
  return got.join();
}

export async function child(): Promise<string> {
  return (await executeChild(steps, { workflowId: 'the-child' })) + (await act('parent'));
}

export async function cancel(): Promise<string> {
  try {
    await sleep('1h');
    return 'not cancelled';
  } catch (error) {
    if (!isCancellation(error)) throw error;
    return CancellationScope.nonCancellable(() => act('cleaned'));
  }
}

export async function again(left = 2): Promise<string> {
  const done = await act(`turn-${left}`);
  return left === 0 ? done : continueAsNew<typeof again>(left - 1);
}

export async function undone(): Promise<string> {
  try {
    await saga(async (s) => {
      await s.step({ name: 'one', do: () => act('do-1'), undo: () => act('undo-1') });
      await s.step({ name: 'two', do: () => act('do-2'), undo: () => act('undo-2') });
      throw ApplicationFailure.nonRetryable('no further');
    });
    return 'no';
  } catch (error) {
    return (error as Error).message;
  }
}

export async function locals(): Promise<string> {
  const one = await local.act('l-1');
  const two = await local.act('l-2');
  return one + two + (await act('after'));
}

const { kept } = proxyActivities<KillActivities>({
  startToCloseTimeout: '20s',
  retry: { initialInterval: 5, maximumInterval: 50 },
});
const once = proxyActivities<KillActivities>({ startToCloseTimeout: '20s', retry: { maximumAttempts: 1 } });

/** Three steps that are repeated until they are done, and one that runs at most once. */
export async function load(id: string): Promise<string> {
  for (const step of ['1', '2', '3']) await kept(id, step);
  try {
    await once.kept(id, 'once');
    return 'once done';
  } catch {
    return 'once lost';
  }
}
