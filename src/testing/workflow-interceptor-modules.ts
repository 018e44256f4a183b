import { sourceFile } from '../core/index.ts';

/**
 * For `interceptors.workflowModules` of a test's worker: an assertion that fails in a workflow then fails the workflow,
 * where it would block the run until the test's time is up.
 */
export const workflowInterceptorModules: string[] = [sourceFile('testing/assertion-interceptors')];
