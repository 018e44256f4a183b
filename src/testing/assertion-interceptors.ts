import { ApplicationFailure } from '../common/index.ts';
import type { WorkflowInterceptorsFactory } from '../workflow/index.ts';

type Step = (input: unknown, next: (input: unknown) => unknown) => Promise<unknown>;

/** An assertion that fails in a workflow fails the workflow: a test wants to hear of it, where a task would be tried again. */
const failing: Step = async (input, next) => {
  try {
    return await next(input);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'AssertionError') throw error;
    const failure = ApplicationFailure.nonRetryable(error.message, 'AssertionError');
    if (error.stack !== undefined) failure.stack = error.stack;
    throw failure;
  }
};

/** Bundled with a test's workflows: see `workflowInterceptorModules`. */
export const interceptors: WorkflowInterceptorsFactory = () => ({
  inbound: [{ execute: failing, handleSignal: failing }],
});
