import { markInstances } from '../common/index.ts';

/** A history did not replay: its code blocked, or could not be run. What differs is a `DeterminismViolationError`. */
export class ReplayError extends Error {
  readonly workflowId: string;
  readonly runId: string;

  constructor(message: string, workflowId = '', runId = '') {
    super(message);
    this.workflowId = workflowId;
    this.runId = runId;
  }
}
markInstances(ReplayError, 'ReplayError');

/** A worker was to end by force: `shutdownForceTime` had passed, and something still ran. */
export class GracefulShutdownPeriodExpiredError extends Error {}
markInstances(GracefulShutdownPeriodExpiredError, 'GracefulShutdownPeriodExpiredError');
