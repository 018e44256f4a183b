import {
  ActivityFailure,
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  defineUpdate,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
} from '../../entry/workflow.ts';

/** What a simulated workflow does, as data. */
export type Op =
  | { op: 'step'; name: string; maximumAttempts: number }
  | { op: 'timer'; ms: number }
  | { op: 'parallel'; branches: Op[][] }
  | { op: 'signals'; count: number }
  | { op: 'updates'; count: number }
  | { op: 'child'; program: Op[] }
  | { op: 'tell'; workflowId: string; text: string }
  | { op: 'local'; name: string }
  | { op: 'race'; name: string; ms: number }
  | { op: 'again' };

/** What it carries from run to run. */
export interface SimState {
  program: Op[];
  signals: string[];
  updates: string[];
  log: string[];
}

interface SimActivities {
  step(name: string): Promise<string>;
}

export const poke = defineSignal<[string]>('poke');
export const revise = defineUpdate<string, [string]>('revise');

/** Runs a program: ordinary workflow code, so that what it shows holds for everyone's. */
export async function simulated(state: SimState): Promise<SimState> {
  const { signals, updates, log } = state;
  let cancelled = false;
  setHandler(poke, (text) => void signals.push(text));
  setHandler(
    revise,
    async (text) => {
      await sleep(1);
      updates.push(text);
      return text;
    },
    {
      validator: (text) => {
        if (text.startsWith('bad')) throw new Error('refused');
      },
    },
  );
  const run = async (ops: readonly Op[]): Promise<void> => {
    for (const op of ops) await act(op);
  };
  const act = async (op: Op): Promise<void> => {
    switch (op.op) {
      case 'step':
        try {
          log.push(await stepOf(op.maximumAttempts)(op.name));
        } catch (error) {
          if (isCancellation(error)) throw error;
          if (!(error instanceof ActivityFailure)) throw error;
          log.push(`${op.name} failed`);
        }
        return;
      case 'timer':
        await sleep(op.ms);
        return;
      case 'parallel':
        await Promise.all(op.branches.map(run));
        return;
      case 'signals':
        await condition(() => signals.length >= op.count);
        return;
      case 'updates':
        await condition(() => updates.length >= op.count);
        return;
      case 'child':
        log.push(
          ...(await executeChild(simulated, { args: [{ program: op.program, signals: [], updates: [], log: [] }] }))
            .log,
        );
        return;
      case 'tell':
        try {
          await getExternalWorkflowHandle(op.workflowId).signal(poke, op.text);
        } catch {
          // It has closed, or is not there yet: that is an answer too.
          log.push(`could not tell ${op.workflowId}`);
        }
        return;
      case 'local':
        log.push(await proxyLocalActivities<SimActivities>({ startToCloseTimeout: '1m' }).step(op.name));
        return;
      case 'race': {
        const scope = new CancellationScope();
        const running = scope.run(() =>
          proxyActivities<SimActivities>({ startToCloseTimeout: '1m', retry: { maximumAttempts: 3 } }).step(op.name),
        );
        await Promise.race([running.catch(() => undefined), sleep(op.ms)]);
        scope.cancel();
        await running.catch(() => undefined);
        return;
      }
      case 'again':
        return;
    }
  };
  try {
    for (const [index, op] of state.program.entries()) {
      // An update that was accepted must not be cut off by the run's end.
      if (op.op === 'again') await quiet();
      if (op.op === 'again')
        return await continueAsNew<typeof simulated>({
          program: state.program.slice(index + 1),
          signals,
          updates,
          log,
        });
      await act(op);
    }
  } catch (error) {
    if (!isCancellation(error)) throw error;
    cancelled = true;
  }
  if (cancelled) await CancellationScope.nonCancellable(async () => void log.push(await stepOf(50)('cleanup')));
  await CancellationScope.nonCancellable(quiet);
  return { program: [], signals, updates, log };
}

const stepOf = (maximumAttempts: number) =>
  proxyActivities<SimActivities>({
    startToCloseTimeout: '1m',
    retry: { initialInterval: 50, maximumInterval: 500, maximumAttempts },
  }).step;

/** Waits until no handler runs, and looks once more: one may have begun between the condition and here. */
async function quiet(): Promise<void> {
  do await condition(allHandlersFinished);
  while (!allHandlersFinished());
}
