import { PleachError } from '../core/index.ts';

/** The error of whatever comes to a run that has closed. */
export function closedError(run: { workflowId: string; id: string; state: { status: string } }): PleachError {
  return new PleachError('WORKFLOW_CLOSED', `workflow "${run.workflowId}" has closed (${run.state.status})`, {
    workflowId: run.workflowId,
    runId: run.id,
    status: run.state.status,
  });
}
