import type { Duration } from './duration.ts';
import { shown } from './shown.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { SearchAttributePair, SearchAttributes, TypedSearchAttributes } from './search-attributes.ts';

/** What a workflow function returns, as it is awaited. */
// oxlint-disable-next-line typescript/no-explicit-any
export type WorkflowReturnType = Promise<any>;
/** Any workflow function. */
// oxlint-disable-next-line typescript/no-explicit-any -- the field's own type: arguments are the author's
export type Workflow = (...args: any[]) => Promise<any>;
/** What a workflow function returns. */
// oxlint-disable-next-line typescript/no-explicit-any
export type WorkflowResultType<W extends Workflow> = ReturnType<W> extends Promise<infer R> ? R : any;
/** What an activity function is. */
// oxlint-disable-next-line typescript/no-explicit-any
export type ActivityFunction<P extends any[] = any[], R = any> = (...args: P) => Promise<R>;
/** Activities by name. */
export type ActivityInterface = Record<string, ActivityFunction>;
/** Activities by name, without their types. */
export type UntypedActivities = Record<string, ActivityFunction>;
/** The activities of an interface, as they are called from a workflow: always promises. */
export type ActivityInterfaceFor<T> = {
  // oxlint-disable-next-line typescript/no-explicit-any
  [K in keyof T]: T[K] extends (...args: any[]) => any
    ? (...args: Parameters<T[K]>) => Promise<Awaited<ReturnType<T[K]>>>
    : typeof NotAnActivityMethod;
};
/** Stands in a type where a property is no function. */
export const NotAnActivityMethod = Symbol.for('__PLEACH_NOT_AN_ACTIVITY_METHOD');

/** Options, with `args` where the workflow takes any. */
export type WithWorkflowArgs<W extends Workflow, T> = T &
  (Parameters<W> extends [unknown, ...unknown[]]
    ? { args: Parameters<W> | Readonly<Parameters<W>> }
    : { args?: Parameters<W> | Readonly<Parameters<W>> });

/** What handles a signal. */
// oxlint-disable-next-line typescript/no-explicit-any
export type WorkflowSignalType = (...args: any[]) => Promise<void> | void;
/** What answers a query. */
// oxlint-disable-next-line typescript/no-explicit-any
export type WorkflowQueryType = (...args: any[]) => any;
/** What carries out an update. */
// oxlint-disable-next-line typescript/no-explicit-any
export type WorkflowUpdateType = (...args: any[]) => any;
/** What refuses an update, by throwing. */
// oxlint-disable-next-line typescript/no-explicit-any
export type WorkflowUpdateValidatorType = (...args: any[]) => void;

/** A signal, by name and argument types. */
// oxlint-disable-next-line typescript/no-explicit-any
export interface SignalDefinition<Args extends any[] = any[], Name extends string = string> {
  type: 'signal';
  name: Name;
  __args?: Args;
}
/** A query, by name, result and argument types. */
// oxlint-disable-next-line typescript/no-explicit-any
export interface QueryDefinition<Ret, Args extends any[] = any[], Name extends string = string> {
  type: 'query';
  name: Name;
  __args?: Args;
  __ret?: Ret;
}
/** An update, by name, result and argument types. */
// oxlint-disable-next-line typescript/no-explicit-any
export interface UpdateDefinition<Ret, Args extends any[] = any[], Name extends string = string> {
  type: 'update';
  name: Name;
  __args?: Args;
  __ret?: Ret;
}

/** A run, by its two ids. */
export interface WorkflowExecution {
  workflowId?: string;
  runId?: string;
}

/** Whether a workflow id may be used again after its run has closed. A refused start throws `WorkflowExecutionAlreadyStartedError`. */
export const WorkflowIdReusePolicy = {
  /** Always; the default. */
  ALLOW_DUPLICATE: 'ALLOW_DUPLICATE',
  /** Unless the last run completed. */
  ALLOW_DUPLICATE_FAILED_ONLY: 'ALLOW_DUPLICATE_FAILED_ONLY',
  /** Never, while the store still knows a run of it. */
  REJECT_DUPLICATE: 'REJECT_DUPLICATE',
} as const;
/** See the constant of this name. */
export type WorkflowIdReusePolicy = (typeof WorkflowIdReusePolicy)[keyof typeof WorkflowIdReusePolicy];

/** What a start does when a run of its id is open. */
export const WorkflowIdConflictPolicy = {
  /** Throws `WorkflowExecutionAlreadyStartedError`; the default. */
  FAIL: 'FAIL',
  /** Answers with the open run. */
  USE_EXISTING: 'USE_EXISTING',
  /** Terminates the open run and starts the new one in one commit. */
  TERMINATE_EXISTING: 'TERMINATE_EXISTING',
} as const;
/** See the constant of this name. */
export type WorkflowIdConflictPolicy = (typeof WorkflowIdConflictPolicy)[keyof typeof WorkflowIdConflictPolicy];

/** What happens to children when their parent closes. */
export const ParentClosePolicy = {
  /** The default. */
  TERMINATE: 'TERMINATE',
  /** They go on. */
  ABANDON: 'ABANDON',
  /** They are asked to cancel, and decide. */
  REQUEST_CANCEL: 'REQUEST_CANCEL',
} as const;
/** See the constant of this name. */
export type ParentClosePolicy = (typeof ParentClosePolicy)[keyof typeof ParentClosePolicy];

/** How a workflow waits for an activity that it has cancelled. */
export const ActivityCancellationType = {
  /** Asks it to cancel and does not wait. */
  TRY_CANCEL: 'TRY_CANCEL',
  /** Asks it to cancel and waits for its end, whatever that is; the default. */
  WAIT_CANCELLATION_COMPLETED: 'WAIT_CANCELLATION_COMPLETED',
  /** Does not ask, and does not wait. */
  ABANDON: 'ABANDON',
} as const;
/** See the constant of this name. */
export type ActivityCancellationType = (typeof ActivityCancellationType)[keyof typeof ActivityCancellationType];

/** How a workflow waits for a child that it has cancelled. */
export const ChildWorkflowCancellationType = {
  /** Does not ask, and does not wait. */
  ABANDON: 'ABANDON',
  /** Asks it to cancel and does not wait. */
  TRY_CANCEL: 'TRY_CANCEL',
  /** Asks it to cancel and waits for its end, whatever that is; the default. */
  WAIT_CANCELLATION_COMPLETED: 'WAIT_CANCELLATION_COMPLETED',
  /** Asks it to cancel and waits until it has been asked. */
  WAIT_CANCELLATION_REQUESTED: 'WAIT_CANCELLATION_REQUESTED',
} as const;
/** See the constant of this name. */
export type ChildWorkflowCancellationType =
  (typeof ChildWorkflowCancellationType)[keyof typeof ChildWorkflowCancellationType];

/** What is dispatched first: key 1 (first) to 5; default 3. */
export interface Priority {
  priorityKey?: number;
  fairnessKey?: string;
  fairnessWeight?: number;
}

/** Options that every start of a workflow shares. */
export interface CommonWorkflowOptions {
  workflowIdReusePolicy?: WorkflowIdReusePolicy;
  workflowIdConflictPolicy?: WorkflowIdConflictPolicy;
  retry?: RetryPolicy;
  memo?: Record<string, unknown>;
  searchAttributes?: SearchAttributes;
  typedSearchAttributes?: SearchAttributePair[] | TypedSearchAttributes;
  /** The whole chain of runs, retries and continue-as-new included. Default: no end. */
  workflowExecutionTimeout?: Duration;
  /** One run. Default: the same. */
  workflowRunTimeout?: Duration;
  /** One workflow task. Default 10 s. */
  workflowTaskTimeout?: Duration;
  /** Waits before the first workflow task. */
  startDelay?: Duration;
  priority?: Priority;
  /** One line for lists. */
  staticSummary?: string;
  /** Some lines for the page of the run. */
  staticDetails?: string;
}

/** An activity's options, as a workflow gives them. One of `startToCloseTimeout` and `scheduleToCloseTimeout` is needed. */
export interface ActivityOptions {
  /** Default: its number among the run's activities. */
  activityId?: string;
  /** Default: the workflow's own. */
  taskQueue?: string;
  /** The longest that an attempt may go without a heartbeat. Default: none is asked for. */
  heartbeatTimeout?: Duration;
  /** Default: 1 s, doubled up to 100 s, without end. */
  retry?: RetryPolicy;
  /** One attempt. Default: no end. */
  startToCloseTimeout?: Duration;
  /** The wait for a worker, which is not retried. Default: no end. */
  scheduleToStartTimeout?: Duration;
  /** All attempts with the waits between them. Default: no end. */
  scheduleToCloseTimeout?: Duration;
  /** Default `WAIT_CANCELLATION_COMPLETED`. */
  cancellationType?: ActivityCancellationType;
  /** One line for people. */
  summary?: string;
  priority?: Priority;
  allowEagerDispatch?: boolean;
  /** Beyond the SDK: the activity type that is run, with the same input, when this one has failed for good. */
  fallback?: string;
}

/** A local activity's options. One of `startToCloseTimeout` and `scheduleToCloseTimeout` is needed. */
export interface LocalActivityOptions {
  /** Default: as for activities. */
  retry?: RetryPolicy;
  /** One attempt. Default: no end. */
  startToCloseTimeout?: Duration;
  /** The wait for a slot. Default: no end. */
  scheduleToStartTimeout?: Duration;
  /** All attempts with the waits between them. Default: no end. */
  scheduleToCloseTimeout?: Duration;
  /** A retry that is further off than this waits as a timer. Default 1 minute. */
  localRetryThreshold?: Duration;
  cancellationType?: ActivityCancellationType;
  summary?: string;
}

/** The parts of a handle that every handle on a workflow has, inside workflows and outside. */
export interface BaseWorkflowHandle<W extends Workflow> {
  readonly workflowId: string;
  /** Waits for the result. */
  result(): Promise<WorkflowResultType<W>>;
  /** Sends a signal. */
  // oxlint-disable-next-line typescript/no-explicit-any
  signal<Args extends any[] = [], Name extends string = string>(
    definition: SignalDefinition<Args, Name> | string,
    ...args: Args
  ): Promise<void>;
}

/** A stored history with the workflow that it belongs to. */
export interface HistoryAndWorkflowId {
  workflowId: string;
  history: unknown;
}

/**
 * The type of a workflow that is named by text or given as its function.
 * @throws TypeError for a function without a name, and for what is neither
 */
export function extractWorkflowType(workflow: unknown): string {
  const name = typeof workflow === 'function' ? workflow.name : workflow;
  if (typeof name === 'string' && name !== '') return name;
  throw new TypeError(
    typeof workflow === 'function'
      ? 'a workflow function needs a name; this one is anonymous'
      : `a workflow is named by its type, or given as its function; this is ${shown(workflow)}`,
  );
}
