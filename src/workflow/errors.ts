import { type Command, markInstances } from '../common/index.ts';

/** An error of the workflow API itself. */
export class WorkflowError extends Error {}
markInstances(WorkflowError, 'WorkflowError');

/** The workflow did what could turn out differently on replay. */
export class DeterminismViolationError extends WorkflowError {}
markInstances(DeterminismViolationError, 'DeterminismViolationError');

/** Thrown by `continueAsNew` to end the run and go on in another. */
export class ContinueAsNew extends Error {
  readonly command: Extract<Command, { kind: 'continue-as-new' }>;

  constructor(command: Extract<Command, { kind: 'continue-as-new' }>) {
    super('Workflow continued as new');
    this.command = command;
  }
}
markInstances(ContinueAsNew, 'ContinueAsNew');
