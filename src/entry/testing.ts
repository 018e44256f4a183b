import './node-version.ts';

// The public subpath pleach/testing. The simulator is the room's other half and for ourselves.
export {
  defaultActivityInfo,
  MockActivityEnvironment,
  TestWorkflowEnvironment,
  workflowInterceptorModules,
} from '../testing/index.ts';
export type { TestWorkflowEnvironmentOptions } from '../testing/index.ts';
