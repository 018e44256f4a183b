import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  ChildWorkflowFailure,
  defineQuery,
  defineSignal,
  defineUpdate,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  type SearchAttributes,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
} from '../../entry/workflow.ts';

/** What a simulated workflow does, as data. */
export type Op =
  | { op: 'step'; name: string; maximumAttempts: number; timeoutMs?: number }
  | { op: 'timer'; ms: number }
  | { op: 'parallel'; branches: Op[][] }
  | { op: 'signals'; count: number }
  | { op: 'updates'; count: number }
  | { op: 'child'; program: Op[] }
  | { op: 'tell'; workflowId: string }
  | { op: 'local'; name: string }
  | { op: 'race'; name: string; ms: number }
  | { op: 'again' };

/** What it carries from run to run. */
export interface SimState {
  program: Op[];
  signals: string[];
  updates: string[];
  log: string[];
  /** How often it has told others something: each gets the next number. */
  told: number;
}

/** Changes each time, and takes away what was set the time before. */
function attributesOf(log: readonly string[]): SearchAttributes {
  const isFourth = log.length % 4 === 0;
  return { Steps: [log.length], Words: isFourth ? [] : ['odd', log.at(-1)!], Done: [isFourth] };
}

interface SimActivities {
  step(name: string): Promise<string>;
}

export const poke = defineSignal<[string]>('poke');
export const revise = defineUpdate<string, [string]>('revise');

/** What has been heard so far. */
export const heard = defineQuery<string[]>('heard');

/** The run whose modules these are. */
let owner: string | undefined;

/** Writes this run's name where no other run may see it, and tells of every name found there that is not its own. */
function foreigners(runId: string): string[] {
  const shared = globalThis as { simulatedOwner?: string };
  const found = [owner, shared.simulatedOwner].filter((name) => name !== undefined && name !== runId);
  owner = runId;
  shared.simulatedOwner = runId;
  return found.map((name) => `run ${runId} sees what ${name} wrote`);
}

/** Runs a program: ordinary workflow code, so that what it shows holds for everyone's. */
export async function simulated(state: SimState): Promise<SimState> {
  const { signals, updates, log } = state;
  const { runId, workflowId } = workflowInfo();
  let cancelled = false;
  setHandler(heard, () => signals);
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
    log.push(...foreigners(runId));
    switch (op.op) {
      case 'step':
        try {
          log.push(await stepOf(op.maximumAttempts, op.timeoutMs)(op.name));
          if (log.length % 2 === 0) upsertSearchAttributes(attributesOf(log));
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
        try {
          const fresh = { program: op.program, signals: [], updates: [], log: [], told: 0 };
          log.push(...(await executeChild(simulated, { args: [fresh] })).log);
        } catch (error) {
          // A child that was not admitted is an answer; any other failure of one is not.
          const cause = error instanceof ChildWorkflowFailure ? error.cause : error;
          if (!(cause instanceof ApplicationFailure) || cause.type !== 'AdmissionDenied') throw error;
          log.push('a child was denied');
        }
        return;
      case 'tell':
        try {
          await getExternalWorkflowHandle(op.workflowId).signal(poke, `t/${workflowId}/${++state.told}`);
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
          told: state.told,
        });
      await act(op);
    }
  } catch (error) {
    if (!isCancellation(error)) throw error;
    cancelled = true;
  }
  if (cancelled) await CancellationScope.nonCancellable(async () => void log.push(await stepOf(50)('cleanup')));
  await CancellationScope.nonCancellable(quiet);
  return { program: [], signals, updates, log, told: state.told };
}

const stepOf = (maximumAttempts: number, timeoutMs = 60_000) =>
  proxyActivities<SimActivities>({
    startToCloseTimeout: timeoutMs,
    retry: { initialInterval: 50, maximumInterval: 500, maximumAttempts },
  }).step;

/** Waits until no handler runs, and looks once more: one may have begun between the condition and here. */
async function quiet(): Promise<void> {
  do await condition(allHandlersFinished);
  while (!allHandlersFinished());
}
