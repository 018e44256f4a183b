import {
  type Duration,
  msToNumber,
  requireFunction,
  requireNameText,
  requireObject,
  rootCause,
  wrongArgument,
} from '../common/index.ts';
import { getActivator } from './activator.ts';
import { CancellationScope } from './scope.ts';
import { condition, sleep } from './timers.ts';
import { defineQuery, defineUpdate, setHandler } from './workflow.ts';

/** Where a step of a saga stands. */
export type SagaStepState = 'registered' | 'done' | 'undoing' | 'undone' | 'undo-failed' | 'skipped';

/** A step as it is shown. */
export interface SagaStepView {
  saga: number;
  step: string;
  state: SagaStepState;
  failure?: string;
}

/** How an undo is repeated before a person is asked. */
export interface UndoRetry {
  /** Default 3. */
  maximumAttempts?: number;
  /** The wait before each further attempt. Default 1 s. */
  delay?: Duration;
}

/** One step: what to do, and what undoes it. */
export interface SagaStep<T> {
  /** What a person calls it; must differ within the saga. Default `step-N`. */
  name?: string;
  do: () => Promise<T>;
  /** Must be harmless where `do` took no effect, or took half of it: it is registered before `do` begins. */
  undo: () => Promise<unknown>;
  retry?: UndoRetry;
}

/** What the body of a saga is given. */
export interface Saga {
  /** Registers the undo, then does. */
  step<T>(step: SagaStep<T>): Promise<T>;
  /** Registers an undo alone. */
  undo(name: string, undo: () => Promise<unknown>, retry?: UndoRetry): void;
  /** Runs branches at once and waits for all of them, so that none is still at work when the undoing begins. */
  parallel<T>(branches: readonly (() => Promise<T>)[]): Promise<T[]>;
}

interface Entry {
  name: string;
  undo: () => Promise<unknown>;
  retry: UndoRetry;
  state: SagaStepState;
  failure?: string;
  decision?: 'retry' | 'skip' | undefined;
}

/** What undoing has come to: asked by describe and by people. */
export const sagasQuery = defineQuery<SagaStepView[]>('__pleach_sagas');
/** Decides about an undo that has failed: `retry` it, or `skip` it. */
export const sagaUpdate = defineUpdate<void, [{ step: string; action: 'retry' | 'skip'; saga?: number }]>(
  '__pleach_saga',
);

/**
 * Runs a body whose steps are undone when it fails or is cancelled: in reverse, out of reach of cancellation, each with
 * its own retry. An undo that keeps failing leaves the run waiting, visibly, until the update `__pleach_saga` says
 * `retry` or `skip` for it. Then the failure that began it is thrown on. A crash between any two steps loses nothing:
 * the steps are ordinary workflow code.
 *
 * ```ts
 * await saga(async (s) => {
 *   await s.step({ name: 'seat', do: () => bookSeat(id), undo: () => freeSeat(id) });
 *   await s.step({ name: 'money', do: () => charge(id), undo: () => refund(id) });
 * });
 * ```
 */
export async function saga<T>(body: (saga: Saga) => Promise<T>): Promise<T> {
  const activator = getActivator('saga');
  requireFunction('saga', body);
  const entries: Entry[] = [];
  activator.sagas.push(entries);
  installHandlers();
  const register = (name: string | undefined, undo: () => Promise<unknown>, retry: UndoRetry = {}): Entry => {
    requireFunction('a saga step: undo', undo);
    if (name !== undefined) requireNameText('a saga step: its name', name);
    requireObject('a saga step: retry', retry, "{ maximumAttempts: 3, delay: '1s' }");
    const { maximumAttempts = 3, delay } = retry;
    if (!Number.isInteger(maximumAttempts) || maximumAttempts < 1)
      throw wrongArgument('a saga step: retry.maximumAttempts', 'is a whole number of at least 1', maximumAttempts);
    if (delay !== undefined) msToNumber(delay, 'a saga step: retry.delay');
    const entry: Entry = { name: name ?? `step-${entries.length + 1}`, undo, retry, state: 'registered' };
    if (entries.some((other) => other.name === entry.name))
      throw new TypeError(`the saga has a step "${entry.name}" already; give each its own name`);
    entries.push(entry);
    return entry;
  };
  const given: Saga = {
    async step(step) {
      requireObject('a saga step', step, '{ name, do, undo }');
      requireFunction('a saga step: do', step.do);
      const entry = register(step.name, step.undo, step.retry);
      const value = await step.do();
      entry.state = 'done';
      return value;
    },
    undo: (name, undo, retry) => {
      register(name, undo, retry).state = 'done';
    },
    async parallel(branches) {
      requireList('saga.parallel', branches);
      for (const branch of branches) requireFunction('a branch of saga.parallel', branch);
      const ended = await Promise.allSettled(branches.map((branch) => branch()));
      const failed = ended.find((end) => end.status === 'rejected');
      if (failed) throw failed.reason;
      return ended.map((end) => (end as PromiseFulfilledResult<Awaited<ReturnType<(typeof branches)[number]>>>).value);
    },
  };
  try {
    return await body(given);
  } catch (error) {
    await CancellationScope.nonCancellable(async () => {
      for (const entry of [...entries].reverse()) await undoEntry(entry);
    });
    throw error;
  }
}

async function undoEntry(entry: Entry): Promise<void> {
  for (;;) {
    entry.state = 'undoing';
    const attempts = entry.retry.maximumAttempts ?? 3;
    for (let attempt = 1; attempt <= attempts; attempt++) {
      try {
        await entry.undo();
        entry.state = 'undone';
        delete entry.failure;
        return;
      } catch (error) {
        entry.failure = rootCause(error) ?? String(error);
        if (attempt < attempts) await sleep(msToNumber(entry.retry.delay ?? '1s'));
      }
    }
    entry.state = 'undo-failed';
    showDetails();
    await condition(() => entry.decision !== undefined);
    const { decision } = entry;
    entry.decision = undefined;
    if (decision === 'skip') {
      entry.state = 'skipped';
      showDetails();
      return;
    }
  }
}

function views(): SagaStepView[] {
  return (getActivator().sagas as Entry[][]).flatMap((entries, saga) =>
    entries.map(({ name, state, failure }) => ({
      saga,
      step: name,
      state,
      ...(failure === undefined ? {} : { failure }),
    })),
  );
}

/** Puts what is undone and what is not where `describe` shows it, without a worker. */
function showDetails(): void {
  const activator = getActivator();
  const lines = views().map((view) => `${view.step}: ${view.state}${view.failure ? ` (${view.failure})` : ''}`);
  const details = `saga is being undone\n${lines.join('\n')}`;
  activator.currentDetails = details;
  activator.push({ kind: 'set-details', details });
}

function installHandlers(): void {
  const activator = getActivator();
  if (activator.sagas.length > 1) return;
  setHandler(sagasQuery, views);
  const find = (at: { step: string; saga?: number }): Entry | undefined =>
    (activator.sagas as Entry[][])
      .flatMap((entries, saga) => (at.saga === undefined || at.saga === saga ? entries : []))
      .find((entry) => entry.name === at.step && entry.state === 'undo-failed');
  setHandler(
    sagaUpdate,
    (at) => {
      const entry = find(at);
      if (entry) entry.decision = at.action;
    },
    {
      description: 'Decides about an undo that has failed: retry it, or skip it',
      validator: (at) => {
        if (at?.action !== 'retry' && at?.action !== 'skip') throw new TypeError('action is "retry" or "skip"');
        if (!find(at)) {
          const stuck = views().filter((view) => view.state === 'undo-failed');
          throw new TypeError(
            `no undo "${String(at.step)}" has failed; waiting for a decision: ${stuck.map((view) => view.step).join(', ') || 'none'}`,
          );
        }
      },
    },
  );
}

function requireList(what: string, value: unknown): void {
  if (!Array.isArray(value)) throw wrongArgument(what, 'takes a list of functions', value);
}
