import { CancelledFailure, type Duration, msToNumber, requireFunction, wrongArgument } from '../common/index.ts';
import { getActivator, maybeActivator } from './activator.ts';
import { compose } from './interceptors.ts';
import { CancellationScope, connectScopes, promiseInScope } from './scope.ts';

/** Options of a timer. */
export interface TimerOptions {
  /** One line for lists. */
  summary?: string;
}

/** Waits, durably. Nothing or less than nothing is 1 ms. Cancelled with its scope. */
export function sleep(duration: Duration, options?: TimerOptions): Promise<void> {
  const activator = getActivator('sleep');
  const durationMs = Math.max(1, msToNumber(duration, 'sleep: its duration'));
  const seq = ++activator.seqs.timer;
  const start = compose(
    activator.interceptors,
    'outbound',
    'startTimer',
    (input: { durationMs: number; seq: number }) =>
      promiseInScope<void>(
        (waiting) => {
          activator.push({
            kind: 'start-timer',
            seq,
            delayMs: input.durationMs,
            ...(options?.summary === undefined ? {} : { summary: options.summary }),
          });
          activator.timers.set(seq, waiting);
        },
        (error, { reject }) => {
          if (!activator.timers.delete(seq)) return;
          activator.push({ kind: 'cancel-timer', seq });
          reject(error);
        },
      ),
  );
  return start({ durationMs, seq }) as Promise<void>;
}

/** Waits until a condition holds; looked at after each job. */
export function condition(check: () => boolean): Promise<void>;
/** The same, until a time-out: false then, true where the condition held first. */
export function condition(check: () => boolean, timeout: Duration, options?: TimerOptions): Promise<boolean>;
export async function condition(
  check: () => boolean,
  timeout?: Duration,
  options?: TimerOptions,
): Promise<void | boolean> {
  getActivator('condition');
  if (typeof check !== 'function')
    throw wrongArgument('condition', 'takes a function that says whether it holds', check);
  if (timeout === undefined) return waitUntil(check);
  msToNumber(timeout, 'condition: its time-out');
  return CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current()!;
    try {
      return await Promise.race([sleep(timeout, options).then(() => false), waitUntil(check).then(() => true)]);
    } finally {
      scope.cancel();
    }
  });
}

function waitUntil(check: () => boolean): Promise<void> {
  const activator = getActivator();
  return new Promise((resolve, reject) => {
    const scope = CancellationScope.current();
    if (scope?.consideredCancelled) {
      reject(scope.cancellation ?? new CancelledFailure('Cancellation scope cancelled'));
      return;
    }
    // Tried at once: a condition that holds needs no turn.
    if (check()) {
      resolve();
      return;
    }
    const seq = ++activator.seqs.condition;
    const forget = scope?.onCancel((error) => {
      if (activator.conditions.delete(seq)) reject(error);
    });
    activator.conditions.set(seq, {
      check,
      resolve: () => {
        forget?.();
        resolve();
      },
    });
  });
}

const handles = new WeakMap<object, Map<number, CancellationScope>>();
let nextHandle = 1;

/** The sandbox's `setTimeout`: a durable timer. */
export function setWorkflowTimeout(
  callback: (...args: unknown[]) => void,
  delayMs?: number,
  ...args: unknown[]
): number {
  const activator = getActivator('setTimeout');
  requireFunction('setTimeout', callback);
  const scope = new CancellationScope({ cancellable: true, parent: CancellationScope.current() });
  const mine = handles.get(activator) ?? new Map<number, CancellationScope>();
  handles.set(activator, mine);
  const handle = nextHandle++;
  mine.set(handle, scope);
  scope
    .run(() => sleep(Math.max(1, Number(delayMs) || 1)))
    .then(
      () => {
        mine.delete(handle);
        // oxlint-disable-next-line promise/no-callback-in-promise -- this is what setTimeout does
        callback(...args);
      },
      () => mine.delete(handle),
    )
    .catch((error: unknown) => activator.failWorkflow(error));
  return handle;
}

/** The sandbox's `clearTimeout`. */
export function clearWorkflowTimeout(handle: number): void {
  const activator = maybeActivator();
  const mine = activator && handles.get(activator);
  mine?.get(handle)?.cancel();
  mine?.delete(handle);
}

connectScopes(
  () => maybeActivator()?.rootScope,
  (timeout, fire) => {
    const scope = new CancellationScope({ cancellable: true, parent: undefined });
    scope.run(() => sleep(timeout)).then(fire, () => undefined);
    return () => scope.cancel();
  },
);
