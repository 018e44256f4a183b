import { markInstances } from './symbol-instanceof.ts';

/** A value that is not what it must be, or cannot be converted. */
export class ValueError extends Error {
  constructor(message: string | undefined, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}
markInstances(ValueError, 'ValueError');

/** A payload converter did not do what it must. */
export class PayloadConverterError extends ValueError {}
markInstances(PayloadConverterError, 'PayloadConverterError');

/** Something was asked for at a time when it cannot be. */
export class IllegalStateError extends Error {}
markInstances(IllegalStateError, 'IllegalStateError');

/** There is no such workflow, or it has closed; `status` says as what, where it has. */
export class WorkflowNotFoundError extends Error {
  readonly workflowId: string;
  readonly runId: string | undefined;
  /** Beyond the SDK: how it has closed; undefined where there is none. */
  readonly status: string | undefined;

  constructor(message: string, workflowId: string, runId: string | undefined, closedAs?: string) {
    super(message);
    this.workflowId = workflowId;
    this.runId = runId;
    this.status = closedAs;
  }
}
markInstances(WorkflowNotFoundError, 'WorkflowNotFoundError');

/** There is no such namespace. */
export class NamespaceNotFoundError extends Error {
  readonly namespace: string;

  constructor(namespace: string) {
    super(`Namespace not found: '${namespace}'`);
    this.namespace = namespace;
  }
}
markInstances(NamespaceNotFoundError, 'NamespaceNotFoundError');

/** Thrown by an attempt that will be completed from elsewhere, by its task token or its id. */
export class CompleteAsyncError extends Error {}
markInstances(CompleteAsyncError, 'CompleteAsyncError');
