import type { LedgerLine } from './ledger.ts';

/** The task that a step is written down under when it is for all tasks, and all wait for it. */
export const EVERY_TASK = 'all';

/** What a ledger proves. A step is named by its act and its task, as `commit colours`. */
export interface Verdict {
  /** How many different steps came to their end. */
  readonly completedCount: number;
  /** Steps that were known to be recorded when a process killed itself. */
  readonly recordedAtKill: readonly string[];
  /** Steps that had begun by then and not ended. */
  readonly inFlightAtKill: readonly string[];
  /** Steps that had ended by then, and the ledger does not tell whether the engine had recorded it. */
  readonly unknownAtKill: readonly string[];
  /** Steps of either kind that were begun again after it: at least once is the promise for these. */
  readonly repeated: readonly string[];
  /** Steps that were recorded as completed and begun again: there must be none. */
  readonly rerun: readonly string[];
  /** Steps that began and never came to their end: there must be none when the workflow is over. */
  readonly lost: readonly string[];
}

/**
 * Judges a ledger.
 *
 * A step's own word that it has ended is not yet a completion: the process can die between that line and the engine's
 * commit, and running the step again is then right. What counts as recorded is what the engine acted on. The steps of a
 * task come one after another, and the next begins only when the completion before it is durable; so does every task
 * after the steps for all of them ({@link EVERY_TASK}). The end of a task's workflow, asked of the engine, stands for its
 * last step.
 */
export function judgeLedger(lines: readonly LedgerLine[]): Verdict {
  /** Each step begun, by name: its task, and how far it is known to have come. */
  const steps = new Map<string, { task: string; state: 'open' | 'ended' | 'recorded' }>();
  const recordedAtKill = new Set<string>();
  const inFlightAtKill = new Set<string>();
  const unknownAtKill = new Set<string>();
  const atKill = { open: inFlightAtKill, ended: unknownAtKill, recorded: recordedAtKill };
  const repeated = new Set<string>();
  const rerun = new Set<string>();
  const record = (task: string, except?: string): void => {
    for (const [name, step] of steps) {
      const isBefore = step.task === task || step.task === EVERY_TASK;
      if (isBefore && step.state === 'ended' && name !== except) step.state = 'recorded';
    }
  };
  for (const line of lines) {
    if (line.what === 'killed') {
      for (const [name, { state }] of steps) atKill[state].add(name);
    } else if (line.what === 'recorded') {
      record(line.task);
    } else {
      const name = `${line.step} ${line.task}`;
      const known = steps.get(name);
      if (line.what === 'begin') {
        if (known?.state === 'recorded') rerun.add(name);
        else if (inFlightAtKill.has(name) || unknownAtKill.has(name)) repeated.add(name);
        if (known?.state !== 'recorded') steps.set(name, { task: line.task, state: 'open' });
        record(line.task, name);
      } else if (line.what !== 'failed' && known?.state === 'open') {
        known.state = 'ended';
      }
    }
  }
  const named = [...steps];
  return {
    completedCount: named.filter(([, { state }]) => state !== 'open').length,
    recordedAtKill: [...recordedAtKill],
    inFlightAtKill: [...inFlightAtKill],
    unknownAtKill: [...unknownAtKill],
    repeated: [...repeated],
    rerun: [...rerun],
    lost: named.filter(([, { state }]) => state === 'open').map(([name]) => name),
  };
}

/**
 * Decides whether it is half way: two tasks have passed their checks, and another is at work.
 * @returns the tasks whose last step has ended, for the engine to be asked about; undefined while it is too early
 */
export function decideHalfWay(lines: readonly LedgerLine[]): readonly string[] | undefined {
  const did = (what: LedgerLine['what'], step: string): string[] =>
    lines.flatMap((line) => ('step' in line && line.what === what && line.step === step ? [line.task] : []));
  const worked = new Set(did('end', 'work'));
  const isSomeoneAtWork = did('begin', 'work').some((task) => !worked.has(task));
  return isSomeoneAtWork && did('end', 'validate').length >= 2 ? did('end', 'commit') : undefined;
}
