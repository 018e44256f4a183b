import './node-version.ts';
import './addresses.ts';

// The public subpath pleach/client.
export * from '../client/index.ts';
export {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  defaultPayloadConverter,
  defineSearchAttributeKey,
  IllegalStateError,
  NamespaceNotFoundError,
  PayloadConverterError,
  rootCause,
  SearchAttributeType,
  ServerFailure,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
  TypedSearchAttributes,
  ValueError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
  WorkflowNotFoundError,
} from '../common/index.ts';
export type {
  BaseWorkflowHandle,
  DataConverter,
  HistoryAndWorkflowId,
  Payload,
  PayloadCodec,
  QueryDefinition,
  RetryPolicy,
  SignalDefinition,
  UpdateDefinition,
  Workflow,
  WorkflowResultType,
} from '../common/index.ts';
export { PleachError } from '../core/index.ts';
