import {
  type CommonWorkflowOptions,
  compileRetryPolicy,
  msOptionalToNumber,
  type PayloadConverter,
  searchAttributesToWire,
  toWireList,
  toWireMap,
  type WireStart,
  type Workflow,
  type WithWorkflowArgs,
} from '../common/index.ts';
import { LIMITS, PleachError } from '../core/index.ts';

/** What a start needs and may have. */
export interface WorkflowOptions extends CommonWorkflowOptions {
  workflowId: string;
  taskQueue: string;
  /** Follow continue-as-new and retries when the result is awaited. Default true. */
  followRuns?: boolean;
}

/** Options of a start, with the workflow's own arguments. */
export type WorkflowStartOptions<W extends Workflow = Workflow> = WithWorkflowArgs<W, WorkflowOptions>;

/** @throws INVALID_ARGUMENT that names the field, its value and what it may be */
export function requireText(what: string, value: unknown): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= LIMITS.nameCharactersMax) return value;
  const found =
    value === undefined
      ? 'missing'
      : typeof value === 'string'
        ? `${value.length} characters long`
        : `a ${typeof value}`;
  throw new PleachError(
    'INVALID_ARGUMENT',
    `${what} is text of 1 to ${LIMITS.nameCharactersMax} characters; it is ${found}`,
    { what, found },
  );
}

/** The name of a workflow: given as text, or as the function. */
export function typeName(workflow: unknown): string {
  if (typeof workflow === 'function') return requireText('the workflow function’s name', workflow.name);
  return requireText('the workflow type', workflow);
}

/** Writes the options of a start as they travel. */
export function compileStart(
  workflow: unknown,
  options: WorkflowOptions & { args?: readonly unknown[] },
  converter: PayloadConverter,
): WireStart {
  if (typeof options !== 'object' || options === null) {
    throw new PleachError('INVALID_ARGUMENT', 'a start needs options: { workflowId, taskQueue, args }', {
      found: typeof options,
    });
  }
  const args = options.args ?? [];
  if (!Array.isArray(args)) {
    throw new PleachError('INVALID_ARGUMENT', `args is a list of the workflow's arguments; it is a ${typeof args}`, {
      found: typeof args,
    });
  }
  let compiled: Partial<WireStart>;
  try {
    compiled = {
      ...optional('retry', options.retry && compileRetryPolicy(options.retry)),
      ...optional('executionTimeoutMs', msOptionalToNumber(options.workflowExecutionTimeout)),
      ...optional('runTimeoutMs', msOptionalToNumber(options.workflowRunTimeout)),
      ...optional('taskTimeoutMs', msOptionalToNumber(options.workflowTaskTimeout)),
      ...optional('startDelayMs', msOptionalToNumber(options.startDelay)),
      ...optional('memo', toWireMap(converter, options.memo)),
      ...optional('searchAttributes', searchAttributesToWire(options.searchAttributes, options.typedSearchAttributes)),
    };
  } catch (error) {
    throw new PleachError('INVALID_ARGUMENT', (error as Error).message, {}, { cause: error });
  }
  return {
    workflowId: requireText('workflowId', options.workflowId),
    type: typeName(workflow),
    queue: requireText('taskQueue', options.taskQueue),
    input: toWireList(converter, args),
    ...compiled,
    ...optional('idReuse', options.workflowIdReusePolicy),
    ...optional('idConflict', options.workflowIdConflictPolicy),
    ...optional('priority', options.priority?.priorityKey),
    ...optional('staticSummary', options.staticSummary),
    ...optional('staticDetails', options.staticDetails),
  };
}

/** A field, where it has a value. */
export function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}
