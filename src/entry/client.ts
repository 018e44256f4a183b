import './node-version.ts';
import './addresses.ts';

// The public subpath pleach/client.
export * from '../client/index.ts';
export {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  defineSearchAttributeKey,
  rootCause,
  SearchAttributeType,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
  TypedSearchAttributes,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from '../common/index.ts';
