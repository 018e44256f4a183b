import { requireObject, shown, type Workflow, type WorkflowIdConflictPolicy } from '../common/index.ts';
import { PleachError } from '../core/index.ts';
import type { WorkflowHandle } from './handles.ts';
import type { WorkflowStartOptions } from './start-options.ts';

/** Options of an update. */
export interface WorkflowUpdateOptions {
  /** Default: a random one. A second update of the same id is answered as the first is. */
  readonly updateId?: string;
}

/** How far an update must have come before its caller is answered. */
export const WorkflowUpdateStage = { ADMITTED: 'ADMITTED', ACCEPTED: 'ACCEPTED', COMPLETED: 'COMPLETED' } as const;
/** See the constant of this name. */
export type WorkflowUpdateStage = (typeof WorkflowUpdateStage)[keyof typeof WorkflowUpdateStage];

/** A start that rides with an update. Good for one. */
export class WithStartWorkflowOperation<W extends Workflow = Workflow> {
  readonly workflowTypeOrFunc: string | W;
  readonly options: WorkflowStartOptions<W> & { workflowIdConflictPolicy: WorkflowIdConflictPolicy };
  readonly #handle = Promise.withResolvers<WorkflowHandle<W>>();
  #isUsed = false;

  constructor(
    workflowTypeOrFunc: string | W,
    options: WorkflowStartOptions<W> & { workflowIdConflictPolicy: WorkflowIdConflictPolicy },
  ) {
    this.workflowTypeOrFunc = workflowTypeOrFunc;
    this.options = options;
    // Nobody need ask for the handle of a start that failed: its update says so.
    this.#handle.promise.catch(() => undefined);
  }

  /** The handle of the run, new or existing, once the update was taken in. @throws what the start came to */
  workflowHandle(): Promise<WorkflowHandle<W>> {
    return this.#handle.promise;
  }

  /** @internal Uses it up. @throws INVALID_ARGUMENT where it was used before, or cannot be */
  use(): void {
    if (this.#isUsed)
      throw new PleachError('INVALID_ARGUMENT', 'a WithStartWorkflowOperation is good for one update; make another');
    this.#isUsed = true;
    if (this.options?.workflowIdConflictPolicy === undefined) {
      throw new PleachError(
        'INVALID_ARGUMENT',
        `a start that rides with an update needs workflowIdConflictPolicy: USE_EXISTING or FAIL; these are its options: ${shown(this.options)}`,
      );
    }
  }

  /** @internal Told by the client what became of the start. */
  settle(outcome: { handle: WorkflowHandle<W> } | { error: unknown }): void {
    requireObject('settle', outcome, '{ handle } or { error }');
    if ('handle' in outcome) this.#handle.resolve(outcome.handle);
    else this.#handle.reject(outcome.error);
  }
}
