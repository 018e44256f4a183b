/**
 * client: starts workflows and talks to them.
 *
 * Nouns: the connection (to an engine, by address), the client with its parts for workflows and for activities that are
 * completed from elsewhere, the handle on a workflow, the handle on an update, and the errors with their cause chains.
 *
 * It promises the names and behaviour of the Temporal TypeScript SDK's client package. What a call tells of is durable
 * when it returns. A request that takes effect carries an id that is kept across retries and reconnections, so it takes
 * effect once, whatever the network or the engine does meanwhile.
 *
 * When the world fails: a broken link is opened again, to the same engine or to the one that took over; what can be
 * asked again is, within its deadline. What cannot be mended is an error whose cause names the engine's code.
 */
export * from './activity-client.ts';
export { BaseClient, type BaseClientOptions } from './base-client.ts';
export * from './client.ts';
export {
  Connection,
  type ConnectionLike,
  type ConnectionOptions,
  defaultIdentity,
  LOCAL_TARGET,
} from './connection.ts';
export {
  ActivityCancelledError,
  ActivityCompletionError,
  ActivityNotFoundError,
  ActivityPausedError,
  ActivityResetError,
  type GrpcServiceError,
  isGrpcCancelledError,
  isGrpcDeadlineError,
  isGrpcServiceError,
  isServerErrorResponse,
  QueryNotRegisteredError,
  QueryRejectedError,
  ServiceError,
  status,
  WorkflowContinuedAsNewError,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from './errors.ts';
export type * from './handles.ts';
export type * from './interceptors.ts';
export type {
  CompiledWorkflowOptions,
  WorkflowOptions,
  WorkflowSignalWithStartOptions,
  WorkflowStartOptions,
} from './start-options.ts';
export * from './update.ts';
export { QueryRejectCondition, WorkflowClient, type WorkflowClientOptions } from './workflow-client.ts';
