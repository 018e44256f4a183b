import {
  type CommonWorkflowOptions,
  compileRetryPolicy,
  extractWorkflowType,
  type Headers,
  msTimeout,
  type PayloadConverter,
  payloadToWire,
  priorityOf,
  searchAttributesToWire,
  shown,
  type SignalDefinition,
  toWireList,
  toWireMap,
  type WireStart,
  type WithWorkflowArgs,
  type Workflow,
  WorkflowIdConflictPolicy,
  WorkflowIdReusePolicy,
} from '../common/index.ts';
import { LIMITS, messageOf, PleachError } from '../core/index.ts';

/** What a start needs and may have. */
export interface WorkflowOptions extends CommonWorkflowOptions {
  workflowId: string;
  taskQueue: string;
  /** Follow continue-as-new and retries when the result is awaited. Default true. */
  followRuns?: boolean;
  /** Taken and not needed: a worker in the engine's own process is handed its first task at once anyway. */
  requestEagerStart?: boolean;
}

/** Options of a start with the arguments, as interceptors see them. */
export interface CompiledWorkflowOptions extends WorkflowOptions {
  args: unknown[];
}

/** Options of a start, with the workflow's own arguments. */
export type WorkflowStartOptions<W extends Workflow = Workflow> = WithWorkflowArgs<W, WorkflowOptions>;

/** Options of a start with a signal. */
// oxlint-disable-next-line typescript/no-explicit-any -- the field's own type
export type WorkflowSignalWithStartOptions<SignalArgs extends any[] = []> = WorkflowOptions & {
  signal: SignalDefinition<SignalArgs> | string;
  // oxlint-disable-next-line typescript/no-explicit-any
} & (SignalArgs extends [any, ...any[]] ? { signalArgs: SignalArgs } : { signalArgs?: SignalArgs });

/** @throws INVALID_ARGUMENT that names the field, its value and what it may be */
export function requireText(what: string, value: unknown): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= LIMITS.nameCharactersMax) return value;
  const found =
    value === undefined
      ? 'missing'
      : typeof value === 'string' && value !== ''
        ? `${value.length} characters long`
        : shown(value);
  throw new PleachError(
    'INVALID_ARGUMENT',
    `${what} is text of 1 to ${LIMITS.nameCharactersMax} characters; it is ${found}`,
    { what, found },
  );
}

/** The list of arguments. @throws INVALID_ARGUMENT for what is none */
export function requireArgs(args: unknown, what = 'args'): unknown[] {
  if (args === undefined) return [];
  if (Array.isArray(args)) return args as unknown[];
  throw new PleachError('INVALID_ARGUMENT', `${what} is a list; it is ${shown(args)}. Put one argument in [ ] too`, {
    found: typeof args,
  });
}

/** The type of a workflow: given as text, or as the function. @throws INVALID_ARGUMENT */
export function requireType(workflow: unknown): string {
  try {
    return requireText('the workflow type', extractWorkflowType(workflow));
  } catch (error) {
    throw error instanceof PleachError
      ? error
      : new PleachError('INVALID_ARGUMENT', messageOf(error), { found: typeof workflow });
  }
}

/** One of a set of words; older code writes them with the name of their set in front. */
export function requireWord<W extends string>(field: string, value: unknown, words: Record<W, W>, prefix: string): W {
  const bare = typeof value === 'string' && value.startsWith(prefix) ? value.slice(prefix.length) : value;
  if (typeof bare === 'string' && Object.hasOwn(words, bare)) return bare as W;
  throw new PleachError(
    'INVALID_ARGUMENT',
    `${field} is one of ${Object.keys(words).join(', ')}; it is ${shown(value)}`,
    { field, value },
  );
}

/**
 * Checks the options of a start, and takes the arguments into them.
 * @throws INVALID_ARGUMENT that names the field, its value and what it may be
 */
export function requireStart(options: (WorkflowOptions & { args?: unknown }) | undefined): CompiledWorkflowOptions {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new PleachError(
      'INVALID_ARGUMENT',
      `a start needs options: { workflowId, taskQueue, args }; this is ${shown(options)}`,
      { found: typeof options },
    );
  }
  requireText('workflowId', options.workflowId);
  requireText('taskQueue', options.taskQueue);
  if ((options as { cronSchedule?: unknown }).cronSchedule !== undefined) {
    throw new PleachError(
      'INVALID_ARGUMENT',
      `cronSchedule is not carried out by this release; it is ${shown((options as { cronSchedule?: unknown }).cronSchedule)}: let the workflow sleep and continue as new`,
      {},
    );
  }
  return { ...options, args: requireArgs(options.args) };
}

/** Writes the options of a start as they travel. @throws INVALID_ARGUMENT · ValueError for what cannot be converted */
export function compileStart(
  type: string,
  options: CompiledWorkflowOptions,
  headers: Headers,
  converter: PayloadConverter,
): WireStart {
  let compiled: Partial<WireStart>;
  try {
    compiled = {
      ...(options.retry === undefined ? {} : { retry: compileRetryPolicy(options.retry) }),
      ...optional('priority', priorityOf(options.priority)),
      ...optional('executionTimeoutMs', msTimeout(options.workflowExecutionTimeout, 'workflowExecutionTimeout')),
      ...optional('runTimeoutMs', msTimeout(options.workflowRunTimeout, 'workflowRunTimeout')),
      ...optional('taskTimeoutMs', msTimeout(options.workflowTaskTimeout, 'workflowTaskTimeout')),
      ...optional('startDelayMs', msTimeout(options.startDelay, 'startDelay')),
      ...optional('searchAttributes', searchAttributesToWire(options.searchAttributes, options.typedSearchAttributes)),
    };
  } catch (error) {
    throw new PleachError('INVALID_ARGUMENT', messageOf(error), {}, { cause: error });
  }
  requireMap('memo', options.memo);
  const { workflowIdReusePolicy: reuse, workflowIdConflictPolicy: conflict } = options;
  return {
    workflowId: requireText('workflowId', options.workflowId),
    type,
    queue: requireText('taskQueue', options.taskQueue),
    input: toWireList(converter, options.args),
    ...compiled,
    ...optional('memo', toWireMap(converter, options.memo)),
    ...optional('headers', headersToWire(headers)),
    ...(reuse === undefined
      ? {}
      : {
          idReuse: requireWord('workflowIdReusePolicy', reuse, WorkflowIdReusePolicy, 'WORKFLOW_ID_REUSE_POLICY_'),
        }),
    ...(conflict === undefined
      ? {}
      : {
          idConflict: requireWord(
            'workflowIdConflictPolicy',
            conflict,
            WorkflowIdConflictPolicy,
            'WORKFLOW_ID_CONFLICT_POLICY_',
          ),
        }),
    ...optional('staticSummary', requireLine('staticSummary', options.staticSummary)),
    ...optional('staticDetails', requireLine('staticDetails', options.staticDetails)),
  };
}

/** Text that may be absent, and empty. @throws INVALID_ARGUMENT */
export function requireLine(what: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw new PleachError('INVALID_ARGUMENT', `${what} is text; it is ${shown(value)}`, { what });
}

/** @throws INVALID_ARGUMENT unless it is absent, or an object of names with values */
function requireMap(what: string, value: unknown): void {
  if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value))) return;
  throw new PleachError('INVALID_ARGUMENT', `${what} is an object of names with values; it is ${shown(value)}`, {
    what,
  });
}

/** @throws INVALID_ARGUMENT unless it is absent or an object: options of a call */
export function requireOptions(what: string, value: unknown, example: string): void {
  if (value === undefined || (typeof value === 'object' && value !== null && !Array.isArray(value))) return;
  throw new PleachError('INVALID_ARGUMENT', `${what} takes options such as ${example}; this is ${shown(value)}`, {
    what,
  });
}

/** @throws INVALID_ARGUMENT unless it is a function */
export function requireWork(what: string, work: unknown): void {
  if (typeof work === 'function') return;
  throw new PleachError('INVALID_ARGUMENT', `${what} takes a function that makes the calls; this is ${shown(work)}`, {
    what,
  });
}

/** Headers as they travel; none at all where there are none. */
export function headersToWire(headers: Headers): WireStart['headers'] {
  const entries = Object.entries(headers);
  return entries.length === 0
    ? undefined
    : Object.fromEntries(entries.map(([key, payload]) => [key, payloadToWire(payload)]));
}

/** A field, where it has a value. */
export function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}
