import {
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  proxyActivities,
  setHandler,
} from '../../src/entry/workflow.ts';

const { step } = proxyActivities<{ step(n: number): Promise<number> }>({ startToCloseTimeout: '10 seconds' });

/** Hears words until it is ended. */
export async function talks(n: number): Promise<string> {
  const words: string[] = [];
  let isOver = false;
  let steps = 0;
  setHandler(defineQuery<number>('steps'), () => steps);
  setHandler(defineSignal<[string]>('word'), (word) => void words.push(word));
  setHandler(defineSignal('end'), () => void (isOver = true));
  setHandler(defineUpdate<number, [string]>('say'), (word) => words.push(word));
  steps = await step(n);
  await condition(() => isOver);
  return words.join();
}
