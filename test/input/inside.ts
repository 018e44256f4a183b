// The workflows of these tests. `tryInside` calls each function of the workflow API with bad inputs, inside a run.
import {
  AsyncLocalStorage,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  deprecatePatch,
  executeChild,
  getExternalWorkflowHandle,
  log,
  makeContinueAsNewFunc,
  patched,
  proxyActivities,
  saga,
  scheduleActivity,
  scheduleLocalActivity,
  setCurrentDetails,
  setDefaultQueryHandler,
  setDefaultSignalHandler,
  setDefaultUpdateHandler,
  setHandler,
  sleep,
  startChild,
  upsertMemo,
  upsertSearchAttributes,
} from '../../src/entry/workflow.ts';

/** What one call came to; text alone, since it is the run's result. */
export interface InsideEnd {
  name: string;
  value: string;
  /** The error's name and message; absent where nothing was refused. */
  error?: { name: string; message: string };
}

const circle: unknown[] = [];
circle.push(circle);
const noNames = [undefined, null, '', 5, Number.NaN, {}, circle, 'x'.repeat(1001)];
const noDurations = [undefined, null, Number.NaN, Infinity, 1e300, '', 'soon', {}, circle];
const noFunctions = [null, 5, 'text', {}, circle];
const noOptions = [null, 5, 'text', circle];
const signal = defineSignal('never');

/** Calls by the name of what is tried; each is refused for each of its values. */
const calls: Record<string, [unknown[], (value: never) => unknown]> = {
  sleep: [noDurations, (value) => sleep(value)],
  condition: [[undefined, ...noFunctions], (value) => condition(value)],
  'condition: timeout': [noDurations.slice(1), (value) => condition(() => false, value)],
  patched: [noNames, (value) => patched(value)],
  deprecatePatch: [noNames, (value) => deprecatePatch(value)],
  startChild: [noNames, (value) => startChild(value as string)],
  'startChild: options': [noOptions, (value) => startChild('child', value)],
  'startChild: workflowId': [noNames.slice(1), (workflowId) => startChild('child', { workflowId })],
  'startChild: args': [[5, 'text', {}], (args) => startChild('child', { args } as never)],
  'startChild: retry': [noOptions, (retry) => startChild('child', { retry })],
  'startChild: policy': [[null, 5, 'NONE'], (parentClosePolicy) => startChild('child', { parentClosePolicy })],
  'startChild: time-out': [noDurations.slice(1), (value) => startChild('child', { workflowRunTimeout: value })],
  executeChild: [noNames, (value) => executeChild(value as string)],
  getExternalWorkflowHandle: [noNames, (value) => getExternalWorkflowHandle(value)],
  'external signal': [[undefined, null, '', 5, {}], (value) => getExternalWorkflowHandle('w').signal(value)],
  makeContinueAsNewFunc: [noOptions, (value) => makeContinueAsNewFunc(value)],
  'continueAsNew: type': [noNames.slice(1), (workflowType) => makeContinueAsNewFunc({ workflowType })],
  'continueAsNew: wait': [noDurations.slice(1), (value) => makeContinueAsNewFunc({ backoffStartInterval: value })],
  scheduleActivity: [noNames, (value) => scheduleActivity(value, [], { startToCloseTimeout: 1000 })],
  'scheduleActivity: args': [
    [undefined, null, 5, {}],
    (args) => scheduleActivity('a', args, { startToCloseTimeout: 1 }),
  ],
  'scheduleActivity: options': [[undefined, {}, ...noOptions], (options) => scheduleActivity('a', [], options)],
  scheduleLocalActivity: [noNames, (value) => scheduleLocalActivity(value, [], { startToCloseTimeout: 1000 })],
  'an activity that takes a circle': [
    [circle],
    (value) => proxyActivities({ startToCloseTimeout: 1000 })['echo']!(value),
  ],
  setHandler: [[undefined, null, 5, 'text', {}, { type: 'other', name: 'x' }], (value) => setHandler(value, () => 1)],
  'setHandler: handler': [noFunctions, (value) => setHandler(signal, value)],
  'setHandler: validator': [noFunctions, (validator) => setHandler(defineUpdate('u'), () => 1, { validator })],
  setDefaultSignalHandler: [noFunctions, (value) => setDefaultSignalHandler(value)],
  setDefaultQueryHandler: [noFunctions, (value) => setDefaultQueryHandler(value)],
  setDefaultUpdateHandler: [noFunctions, (value) => setDefaultUpdateHandler(value)],
  setCurrentDetails: [[undefined, null, 5, {}], (value) => setCurrentDetails(value)],
  upsertMemo: [[undefined, ...noOptions, { a: circle }], (value) => upsertMemo(value)],
  upsertSearchAttributes: [
    [undefined, null, 5, 'text', {}, [null], { a: Number.NaN }, { a: [{}] }],
    (value) => upsertSearchAttributes(value),
  ],
  saga: [[undefined, ...noFunctions], (value) => saga(value)],
  'saga: step': [[undefined, ...noOptions, {}], (value) => saga((s) => s.step(value))],
  'saga: undo': [[undefined, ...noFunctions], (value) => saga(async (s) => s.undo('u', value))],
  'saga: parallel': [[undefined, null, 5, [5]], (value) => saga((s) => s.parallel(value))],
  'AsyncLocalStorage.run': [noFunctions, (value) => new AsyncLocalStorage().run(1, value)],
  'AsyncLocalStorage.exit': [noFunctions, (value) => new AsyncLocalStorage().exit(value)],
};

const sayOf = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return 'a circle';
  }
};

/** Tries them all, and says how each ended. The run itself must end well. */
export async function tryInside(): Promise<InsideEnd[]> {
  const ends: InsideEnd[] = [];
  for (const [name, [values, call]] of Object.entries(calls)) {
    for (const value of values) {
      const end: InsideEnd = { name, value: sayOf(value).slice(0, 80) };
      try {
        await Promise.race([call(value as never), sleep(5)]);
      } catch (error) {
        end.error = { name: (error as Error).name, message: (error as Error).message };
      }
      ends.push(end);
    }
  }
  // What takes anything: a log line must never be what fails.
  for (const value of [undefined, null, 5, circle]) log.info(value as never, value as never);
  return ends;
}

export const done = defineSignal('done');
export const rename = defineUpdate<string, [string]>('rename');
export const name = defineQuery<string>('name');

/** A run to talk to: it ends when it is told. */
export async function talk(first: string): Promise<string> {
  let current = first;
  let isDone = false;
  setHandler(done, () => void (isDone = true));
  setHandler(name, () => current);
  setHandler(rename, (next) => (current = next), {
    validator: (next) => {
      if (typeof next !== 'string') throw new TypeError('a name is text');
    },
  });
  await condition(() => isDone);
  return current;
}

/** Calls an activity by a name, on a queue. */
export async function callMisnamed(type: string, taskQueue?: string): Promise<unknown> {
  const options = { startToCloseTimeout: '1 minute', ...(taskQueue === undefined ? {} : { taskQueue }) } as const;
  return scheduleActivity(type, [], options);
}
