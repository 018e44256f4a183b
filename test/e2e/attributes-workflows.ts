import {
  condition,
  continueAsNew,
  defineSearchAttributeKey,
  defineSignal,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '../../src/entry/workflow.ts';

export const REGION = defineSearchAttributeKey('region', 'KEYWORD');
export const SIZE = defineSearchAttributeKey('size', 'DOUBLE');
export const DUE = defineSearchAttributeKey('due', 'DATETIME');
export const TAGS = defineSearchAttributeKey('tags', 'KEYWORD_LIST');

export const change = defineSignal('change');
export const goOn = defineSignal('goOn');

/** Changes its attributes when it is told, and goes on in another run when it is told that. */
export async function listed(runs = 0): Promise<number> {
  let asked = 0;
  let isDone = false;
  setHandler(change, () => void asked++);
  setHandler(goOn, () => {
    isDone = true;
  });
  if (runs > 0) return workflowInfo().typedSearchAttributes.get(SIZE)!;
  await condition(() => asked > 0);
  upsertSearchAttributes([
    { key: SIZE, value: 12.5 },
    { key: TAGS, value: ['new'] },
    { key: REGION, value: null },
  ]);
  await condition(() => isDone);
  return continueAsNew<typeof listed>(runs + 1);
}
