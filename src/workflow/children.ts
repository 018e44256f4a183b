import {
  CancelledFailure,
  ChildWorkflowCancellationType,
  type CommonWorkflowOptions,
  compileRetryPolicy,
  type Duration,
  extractWorkflowType,
  type Headers,
  msTimeout,
  ParentClosePolicy,
  priorityOf,
  requireNameText,
  requireObject,
  requireWord,
  searchAttributesToWire,
  type SignalDefinition,
  toWireMap,
  type WireStart,
  type WithWorkflowArgs,
  type Workflow,
  type WorkflowResultType,
  wrongArgument,
} from '../common/index.ts';
import { type Activator, getActivator } from './activator.ts';
import { ContinueAsNew } from './errors.ts';
import { headersToWire } from './headers.ts';
import { compose } from './interceptors.ts';
import { CancellationScope, promiseInScope } from './scope.ts';

/** Options of a child workflow. */
export interface ChildWorkflowOptions extends CommonWorkflowOptions {
  /** Default: a random id that is the same on replay. */
  workflowId?: string;
  /** Default: the parent's. */
  taskQueue?: string;
  /** Default TERMINATE. */
  parentClosePolicy?: ParentClosePolicy;
  /** Default WAIT_CANCELLATION_COMPLETED. */
  cancellationType?: ChildWorkflowCancellationType;
}

/** A child that has started. */
export interface ChildWorkflowHandle<W extends Workflow> {
  readonly workflowId: string;
  readonly firstExecutionRunId: string;
  result(): Promise<WorkflowResultType<W>>;
  // oxlint-disable-next-line typescript/no-explicit-any -- the field's own type
  signal<Args extends any[] = any[]>(signal: string | SignalDefinition<Args>, ...args: Args): Promise<void>;
}

/** A workflow that this one did not start. */
export interface ExternalWorkflowHandle {
  readonly workflowId: string;
  readonly runId: string | undefined;
  // oxlint-disable-next-line typescript/no-explicit-any
  signal<Args extends any[] = any[]>(signal: string | SignalDefinition<Args>, ...args: Args): Promise<void>;
  cancel(): Promise<void>;
}

function startFields(activator: Activator, options: CommonWorkflowOptions): Partial<WireStart> {
  const fields: Partial<WireStart> = {};
  const set = <K extends keyof WireStart>(key: K, value: WireStart[K] | undefined): void => {
    if (value !== undefined) fields[key] = value;
  };
  set('retry', options.retry === undefined ? undefined : compileRetryPolicy(options.retry));
  set('executionTimeoutMs', msTimeout(options.workflowExecutionTimeout, 'workflowExecutionTimeout'));
  set('runTimeoutMs', msTimeout(options.workflowRunTimeout, 'workflowRunTimeout'));
  set('taskTimeoutMs', msTimeout(options.workflowTaskTimeout, 'workflowTaskTimeout'));
  set('startDelayMs', msTimeout(options.startDelay, 'startDelay'));
  set('memo', toWireMap(activator.converter, options.memo));
  set('searchAttributes', searchAttributesToWire(options.searchAttributes, options.typedSearchAttributes));
  set('priority', priorityOf(options.priority));
  set('staticSummary', options.staticSummary);
  set('staticDetails', options.staticDetails);
  set('idReuse', options.workflowIdReusePolicy);
  return fields;
}

function requireChildOptions(what: string, given: ChildWorkflowOptions & { args?: readonly unknown[] }): void {
  requireObject(`${what}: options`, given, '{ workflowId, taskQueue, args }');
  for (const name of ['workflowId', 'taskQueue'] as const)
    if (given[name] !== undefined) requireNameText(`${what}: ${name}`, given[name]);
  if (given.args !== undefined && !Array.isArray(given.args))
    throw wrongArgument(`${what}: args`, 'is a list; put one argument in [ ] too', given.args);
  if (given.parentClosePolicy !== undefined)
    requireWord('parentClosePolicy', given.parentClosePolicy, ParentClosePolicy);
  if (given.cancellationType !== undefined)
    requireWord('cancellationType', given.cancellationType, ChildWorkflowCancellationType);
}

/** Starts a child and waits until it has started. */
export async function startChild<W extends Workflow>(
  workflow: string | W,
  options?: WithWorkflowArgs<W, ChildWorkflowOptions>,
): Promise<ChildWorkflowHandle<W>> {
  const { workflowId, started, result } = begin('startChild', workflow, options);
  const firstExecutionRunId = await started;
  return {
    workflowId,
    firstExecutionRunId,
    result: () => result as Promise<WorkflowResultType<W>>,
    signal: (signal, ...args) => signalOther({ workflowId }, true, signal, args),
  };
}

/** Starts a child and waits for its result. */
export async function executeChild<W extends Workflow>(
  workflow: string | W,
  options?: WithWorkflowArgs<W, ChildWorkflowOptions>,
): Promise<WorkflowResultType<W>> {
  const { started, result } = begin('executeChild', workflow, options);
  await started;
  return (await result) as WorkflowResultType<W>;
}

function begin(what: string, workflow: unknown, given: ChildWorkflowOptions & { args?: readonly unknown[] } = {}) {
  const activator = getActivator(what);
  const workflowType = extractWorkflowType(workflow);
  requireNameText(`${what}: the workflow type`, workflowType);
  requireChildOptions(what, given);
  startFields(activator, given);
  const seq = ++activator.seqs.child;
  const workflowId = given.workflowId ?? activator.random.uuid4();
  interface Input {
    workflowType: string;
    options: ChildWorkflowOptions & { args?: readonly unknown[] };
    headers: Headers;
    seq: number;
  }
  const run = compose(
    activator.interceptors,
    'outbound',
    'startChildWorkflowExecution',
    ({ workflowType: type, options, headers }: Input): ChildPromises | Promise<ChildPromises> => {
      const promises = command(activator, seq, { type, workflowId, options, headers });
      // Interceptors await what they go on to; without any there is nobody to wait for a turn.
      return activator.interceptors.length === 0 ? promises : Promise.resolve(promises);
    },
  );
  const made = run({ workflowType, options: given, headers: {}, seq });
  const [started, result] = Array.isArray(made)
    ? made
    : [made.then(([first]) => first), made.then(([, second]) => second)];
  // Whoever awaits hears of a failure; a child that nobody awaits must not fail its parent.
  result.catch(() => undefined);
  started.catch(() => undefined);
  return { workflowId, started, result };
}

/** That the child has started, with its run id, and how it ended. */
type ChildPromises = [started: Promise<string>, result: Promise<unknown>];

function command(
  activator: Activator,
  seq: number,
  child: {
    type: string;
    workflowId: string;
    options: ChildWorkflowOptions & { args?: readonly unknown[] };
    headers: Headers;
  },
): ChildPromises {
  const { options } = child;
  const start = Promise.withResolvers<string>();
  const end = Promise.withResolvers<unknown>();
  start.promise.catch(() => undefined);
  end.promise.catch(() => undefined);
  const scope = CancellationScope.current();
  if (scope?.consideredCancelled) {
    const error = scope.cancellation ?? new CancelledFailure('Cancellation scope cancelled');
    start.reject(error);
    end.reject(error);
    return [start.promise, end.promise];
  }
  const forget = scope?.onCancel((error) => {
    if (activator.children.has(seq)) activator.push({ kind: 'cancel-child', seq, reason: error.message });
  });
  activator.push({
    kind: 'start-child',
    seq,
    workflowId: child.workflowId,
    type: child.type,
    queue: options.taskQueue ?? activator.info.taskQueue,
    input: activator.toWireArgs(options.args ?? []),
    closePolicy: options.parentClosePolicy ?? 'TERMINATE',
    cancellation: options.cancellationType ?? 'WAIT_CANCELLATION_COMPLETED',
    ...headersToWire(child.headers),
    ...startFields(activator, options),
  });
  activator.childStarts.set(seq, { resolve: (runId) => start.resolve(runId as string), reject: start.reject });
  activator.children.set(seq, {
    resolve: (value) => {
      forget?.();
      end.resolve(value);
    },
    reject: (error) => {
      forget?.();
      end.reject(error);
    },
  });
  return [start.promise, end.promise];
}

function signalOther(
  target: { workflowId: string; runId?: string },
  childOnly: boolean,
  signal: string | SignalDefinition,
  args: unknown[],
): Promise<void> {
  const activator = getActivator('signal');
  const name = typeof signal === 'string' ? signal : (signal as SignalDefinition | undefined)?.name;
  requireNameText('signal: the name', name ?? signal);
  const seq = ++activator.seqs.signal;
  const send = compose(
    activator.interceptors,
    'outbound',
    'signalWorkflow',
    (input: { signalName: string; args: unknown[]; headers: Headers; seq: number; target: object }) =>
      promiseInScope<void>((waiting) => {
        activator.push({
          kind: 'signal-external',
          seq,
          target,
          ...(childOnly ? { childOnly } : {}),
          name: input.signalName,
          input: activator.toWireArgs(input.args),
          ...headersToWire(input.headers),
        });
        activator.externalSignals.set(seq, waiting);
      }),
  );
  const { workflowId, ...rest } = target;
  const described = childOnly
    ? { type: 'child', childWorkflowId: workflowId }
    : { type: 'external', workflowExecution: { workflowId, ...rest } };
  return send({ signalName: name!, args, headers: {}, seq, target: described }) as Promise<void>;
}

/** A handle on any workflow of this namespace. */
export function getExternalWorkflowHandle(workflowId: string, runId?: string): ExternalWorkflowHandle {
  getActivator('getExternalWorkflowHandle');
  requireNameText('getExternalWorkflowHandle: workflowId', workflowId);
  if (runId !== undefined) requireNameText('getExternalWorkflowHandle: runId', runId);
  const target = { workflowId, ...(runId === undefined ? {} : { runId }) };
  return {
    workflowId,
    runId,
    signal: (signal, ...args) => signalOther(target, false, signal, args),
    cancel: () => {
      const activator = getActivator('cancel');
      const seq = ++activator.seqs.cancel;
      return new Promise((resolve, reject) => {
        activator.push({ kind: 'cancel-external', seq, target });
        activator.externalCancels.set(seq, { resolve: () => resolve(), reject });
      });
    },
  };
}

/** Options of continue-as-new. What is absent stays as it is. */
export interface ContinueAsNewOptions {
  workflowType?: string;
  taskQueue?: string;
  workflowRunTimeout?: Duration;
  workflowTaskTimeout?: Duration;
  memo?: Record<string, unknown>;
  searchAttributes?: CommonWorkflowOptions['searchAttributes'];
  typedSearchAttributes?: CommonWorkflowOptions['typedSearchAttributes'];
  retry?: CommonWorkflowOptions['retry'];
  /** How long the new run waits before it begins. */
  backoffStartInterval?: Duration;
}

/** Makes a function that ends the run and goes on in another with these options. */
export function makeContinueAsNewFunc<F extends Workflow>(
  options: ContinueAsNewOptions = {},
): (...args: Parameters<F>) => Promise<never> {
  const activator = getActivator('makeContinueAsNewFunc');
  requireObject('makeContinueAsNewFunc', options, '{ workflowType, taskQueue, memo }');
  for (const name of ['workflowType', 'taskQueue'] as const)
    if (options[name] !== undefined) requireNameText(`continueAsNew: ${name}`, options[name]);
  msTimeout(options.backoffStartInterval, 'backoffStartInterval');
  return (...args) => {
    const go = compose(
      activator.interceptors,
      'outbound',
      'continueAsNew',
      async (input: { args: unknown[]; options: ContinueAsNewOptions; headers: Headers }) => {
        const given = input.options;
        const backoffMs = msTimeout(given.backoffStartInterval, 'backoffStartInterval');
        throw new ContinueAsNew({
          kind: 'continue-as-new',
          type: given.workflowType ?? activator.info.workflowType,
          queue: given.taskQueue ?? activator.info.taskQueue,
          input: activator.toWireArgs(input.args),
          ...headersToWire(input.headers),
          ...startFields(activator, {
            ...(given.retry ? { retry: given.retry } : {}),
            ...(given.memo ? { memo: given.memo } : {}),
            ...(given.searchAttributes ? { searchAttributes: given.searchAttributes } : {}),
            ...(given.typedSearchAttributes ? { typedSearchAttributes: given.typedSearchAttributes } : {}),
            workflowRunTimeout: given.workflowRunTimeout ?? activator.info.runTimeoutMs ?? 0,
            workflowTaskTimeout: given.workflowTaskTimeout ?? activator.info.taskTimeoutMs,
          }),
          ...(backoffMs === undefined ? {} : { backoffMs }),
        });
      },
    );
    return go({ args, options, headers: {} }) as Promise<never>;
  };
}

/** Ends the run and goes on in another of the same type, with these arguments. */
export function continueAsNew<F extends Workflow>(...args: Parameters<F>): Promise<never> {
  getActivator('continueAsNew');
  return makeContinueAsNewFunc<F>()(...args);
}
