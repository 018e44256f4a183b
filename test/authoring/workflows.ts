import {
  continueAsNew,
  executeChild,
  getExternalWorkflowHandle,
  log,
  metricMeter,
  proxyActivities,
  proxyLocalActivities,
  proxySinks,
  setHandler,
  defineSignal,
  defineQuery,
  condition,
  sleep,
  workflowInfo,
} from '../../src/entry/workflow.ts';
import { headersSeen, internalsSeen } from './interceptors.ts';

/** The sinks that these workflows call. */
export type TestSinks = {
  alerts: { raise(text: string, more?: unknown): void; always(text: string): void; fail(): void };
};

const { alerts } = proxySinks<TestSinks>();
const missing = proxySinks<{ nobody: { hears(): void } }>();

/** Calls sinks before and after a timer. */
export async function callsSinks(): Promise<string> {
  alerts.raise('begun', { at: 1 });
  alerts.always('begun');
  alerts.fail();
  missing.nobody.hears();
  const circle: unknown[] = [];
  circle.push(circle);
  alerts.raise('cannot travel', circle);
  await sleep(1);
  alerts.raise('slept');
  return workflowInfo().runId;
}

/** Asserts what does not hold. */
export async function assertsWrongly(): Promise<void> {
  await sleep(1);
  throw Object.assign(new Error('expected 1 to be 2'), { name: 'AssertionError' });
}

/** Measures. */
export async function measures(): Promise<void> {
  const orders = metricMeter.createCounter('orders', 'pieces', 'Orders taken');
  orders.add(2, { kind: 'book' });
  await sleep(1);
  orders.withTags({ kind: 'pen' }).add(1);
  metricMeter.withTags({ room: 'a' }).createGauge('heat', 'float').set(0.5);
  metricMeter.createHistogram('wait', 'int', 'ms').record(7);
  log.info('measured');
}

const acts = proxyActivities<{ headers(): Promise<unknown> }>({ startToCloseTimeout: '10s' });
const locals = proxyLocalActivities<{ headers(): Promise<unknown> }>({ startToCloseTimeout: '10s' });
export const poke = defineSignal('poke');
export const seen = defineQuery<unknown>('seen');

/** What came to this run with headers, and what its activities, its child and its successor were given. */
export async function sendsHeaders(round: number, of: string): Promise<unknown> {
  if (round === 2) return { successor: headersSeen()['execute'] };
  const activity = await acts.headers();
  const local = await locals.headers();
  const child = await executeChild(tellsHeaders, { args: [] });
  await getExternalWorkflowHandle(of).signal(poke);
  log.info(JSON.stringify({ activity, local, child }));
  return continueAsNew<typeof sendsHeaders>(2, of);
}

/** The headers that it was started with. */
export async function tellsHeaders(): Promise<unknown> {
  return headersSeen()['execute'];
}

/** What the interceptors of the machinery saw until its second activation. */
export async function seesInternals(): Promise<readonly string[]> {
  await sleep(1);
  return internalsSeen();
}

/** Waits for a signal, and tells the headers that came with it; a query tells its own. */
export async function waitsForPoke(): Promise<unknown> {
  let isPoked = false;
  setHandler(poke, () => void (isPoked = true));
  setHandler(seen, () => headersSeen()['handleQuery']);
  await condition(() => isPoked);
  return headersSeen()['handleSignal'];
}
