import {
  type ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  executeChild,
  getExternalWorkflowHandle,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  workflowInfo,
} from '../../src/entry/workflow.ts';
import type { LargeActivities } from './large.test.ts';

const acts = proxyActivities<LargeActivities>({
  startToCloseTimeout: '20s',
  retry: { maximumAttempts: 2, initialInterval: 5 },
});
const locals = proxyLocalActivities<LargeActivities>({ startToCloseTimeout: '20s' });

/** A text of so many kilobytes that is unlike others, with characters that JSON and UTF-8 write longer. */
export function text(name: string, kilobytes: number): string {
  const line = `"${name}" für\n`;
  return line.repeat(Math.ceil((kilobytes * 1024) / line.length));
}

export const give = defineSignal<[string]>('give');
export const change = defineUpdate<string, [string]>('change');
export const held = defineQuery<string[], [string]>('held');

/** What came of each kind, told by name; it ends in a second run, whose input is large too. */
export async function everyKind(input: string, parts: Record<string, string> = {}): Promise<Record<string, string>> {
  if (Object.keys(parts).length > 0) return { ...parts, handedOver: input };
  let signalled = '';
  let updated = '';
  setHandler(give, (value) => {
    signalled = value;
  });
  setHandler(change, async (value) => {
    updated = value;
    return acts.same(`${value}!`);
  });
  setHandler(held, (asked) => [asked, input, signalled, updated]);
  const activity = await acts.same(text('activity', 300));
  const made = await acts.make('made', 1000);
  const local = await locals.same(text('local', 150));
  const failed = (await caught(acts.fails(120))) as ActivityFailure;
  const failure = failed.cause as ApplicationFailure;
  const child = await executeChild(echoes, {
    workflowId: `${workflowInfo().workflowId}-child`,
    args: [text('child', 200)],
  });
  const losing = executeChild(failing, {
    workflowId: `${workflowInfo().workflowId}-lost`,
    args: [text('lost', 100)],
  });
  const lost = ((await caught(losing)) as Error).cause as ApplicationFailure;
  await getExternalWorkflowHandle(`${workflowInfo().workflowId}-friend`).signal(give, text('external', 180));
  await condition(() => signalled !== '' && updated !== '' && allHandlersFinished());
  return continueAsNew<typeof everyKind>(text('handed over', 500), {
    input,
    memo: workflowInfo().memo!['note'] as string,
    activity,
    made,
    local,
    details: failure.details![0] as string,
    child,
    lost: lost.details![0] as string,
    signalled,
    updated,
  });
}

async function caught(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return error;
  }
}

export async function echoes(value: string): Promise<string> {
  return acts.same(value);
}

export async function failing(value: string): Promise<void> {
  throw ApplicationFailure.nonRetryable('lost', 'Lost', value);
}

/** Waits for a signal and ends with it. */
export async function friend(): Promise<string> {
  let got = '';
  setHandler(give, (value) => {
    got = value;
  });
  await condition(() => got !== '');
  return got;
}

/** Fails once, and gives back its input when it is tried again. */
export async function triedAgain(input: string): Promise<string> {
  if (workflowInfo().attempt === 1) throw ApplicationFailure.create({ message: 'once more' });
  return input;
}
