import {
  type QueryDefinition,
  type SearchAttributeUpdatePair,
  type SearchAttributes,
  TypedSearchAttributes,
  searchAttributesFromWire,
  searchAttributesToWire,
  shown,
  type SignalDefinition,
  requireFunction,
  requireNameText,
  requireObject,
  toWireMap,
  type UpdateDefinition,
  wrongArgument,
} from '../common/index.ts';
import { currentUpdate, getActivator, maybeActivator } from './activator.ts';
import type { WorkflowInfo } from './info.ts';
import { compose } from './interceptors.ts';

// oxlint-disable typescript/no-explicit-any -- these are the field's own signatures: arguments are the author's

/** Names a signal. */
export function defineSignal<Args extends any[] = [], Name extends string = string>(
  name: Name,
): SignalDefinition<Args, Name> {
  requireNameText('defineSignal: the name', name);
  return { type: 'signal', name };
}

/** Names a query. */
export function defineQuery<Ret, Args extends any[] = [], Name extends string = string>(
  name: Name,
): QueryDefinition<Ret, Args, Name> {
  requireNameText('defineQuery: the name', name);
  return { type: 'query', name };
}

/** Names an update. */
export function defineUpdate<Ret, Args extends any[] = [], Name extends string = string>(
  name: Name,
): UpdateDefinition<Ret, Args, Name> {
  requireNameText('defineUpdate: the name', name);
  return { type: 'update', name };
}

/** What happens to a handler that is still running when its workflow closes. */
export const HandlerUnfinishedPolicy = { ABANDON: 'ABANDON', WARN_AND_ABANDON: 'WARN_AND_ABANDON' } as const;
/** See the constant of this name. */
export type HandlerUnfinishedPolicy = (typeof HandlerUnfinishedPolicy)[keyof typeof HandlerUnfinishedPolicy];

/** Options of a handler. */
export interface HandlerOptions {
  description?: string;
  unfinishedPolicy?: HandlerUnfinishedPolicy;
}

/**
 * Sets the handler of a signal, a query or an update; undefined takes it away. Signals that came before wait for their
 * handler and are delivered to it, in order, when it is set. A query's handler is synchronous. An update's validator is
 * synchronous too and runs before the update is accepted; what it throws rejects the update without a trace.
 */
export function setHandler<Args extends any[]>(
  def: SignalDefinition<Args>,
  handler: ((...args: Args) => void | Promise<void>) | undefined,
  options?: HandlerOptions,
): void;
export function setHandler<Ret, Args extends any[]>(
  def: QueryDefinition<Ret, Args>,
  handler: ((...args: Args) => Ret) | undefined,
  options?: HandlerOptions,
): void;
export function setHandler<Ret, Args extends any[]>(
  def: UpdateDefinition<Ret, Args>,
  handler: ((...args: Args) => Ret | Promise<Ret>) | undefined,
  options?: HandlerOptions & { validator?: (...args: Args) => void },
): void;
export function setHandler(
  def: { type: 'signal' | 'query' | 'update'; name: string },
  handler: ((...args: any[]) => any) | undefined,
  options: HandlerOptions & { validator?: (...args: any[]) => void } = {},
): void {
  const activator = getActivator('setHandler');
  requireObject('setHandler', def, "defineSignal('name'), defineQuery('name') or defineUpdate('name')");
  requireNameText('setHandler: the name', def.name);
  if (handler !== undefined) requireFunction(`setHandler of ${def.type} "${def.name}"`, handler);
  requireObject('setHandler: options', options, '{ description, validator, unfinishedPolicy }');
  if (options.validator !== undefined) requireFunction(`the validator of update "${def.name}"`, options.validator);
  const unfinishedPolicy = options.unfinishedPolicy ?? 'WARN_AND_ABANDON';
  if (def.type === 'signal') {
    if (handler) {
      activator.signalHandlers.set(def.name, { handler, unfinishedPolicy, description: options.description });
      activator.flushSignals();
    } else activator.signalHandlers.delete(def.name);
  } else if (def.type === 'query') {
    if (handler) activator.queryHandlers.set(def.name, { handler, description: options.description });
    else activator.queryHandlers.delete(def.name);
  } else if (def.type === 'update') {
    if (handler) {
      activator.updateHandlers.set(def.name, {
        handler,
        validator: options.validator,
        unfinishedPolicy,
        description: options.description,
      });
      activator.flushUpdates();
    } else activator.updateHandlers.delete(def.name);
  } else {
    const { type } = def as { type: unknown };
    throw wrongArgument('Invalid definition type: setHandler', 'takes a signal, a query or an update', type);
  }
}

/** Takes signals that have no handler of their own. */
export function setDefaultSignalHandler(
  handler: ((signalName: string, ...args: any[]) => void | Promise<void>) | undefined,
): void {
  if (handler !== undefined) requireFunction('setDefaultSignalHandler', handler);
  const activator = getActivator('setDefaultSignalHandler');
  activator.defaultSignalHandler = handler;
  if (handler) activator.flushSignals();
}

/** Takes queries that have no handler of their own. */
export function setDefaultQueryHandler(handler: ((queryName: string, ...args: any[]) => any) | undefined): void {
  if (handler !== undefined) requireFunction('setDefaultQueryHandler', handler);
  getActivator('setDefaultQueryHandler').defaultQueryHandler = handler;
}

/** Takes updates that have no handler of their own. */
export function setDefaultUpdateHandler(handler: ((updateName: string, ...args: any[]) => any) | undefined): void {
  if (handler !== undefined) requireFunction('setDefaultUpdateHandler', handler);
  const activator = getActivator('setDefaultUpdateHandler');
  activator.defaultUpdateHandler = handler;
  if (handler) activator.flushUpdates();
}

/** What this run knows of itself. */
export function workflowInfo(): WorkflowInfo {
  return getActivator('workflowInfo').info;
}

/** The update whose handler is running. */
export function currentUpdateInfo(): { id: string; name: string } | undefined {
  return currentUpdate();
}

/** Whether this code runs inside a workflow. */
export function inWorkflowContext(): boolean {
  return maybeActivator() !== undefined;
}

/** Whether no signal or update handler is running. */
export function allHandlersFinished(): boolean {
  return getActivator('allHandlersFinished').handlersRunning === 0;
}

/** A random UUID that is the same on replay. */
export function uuid4(): string {
  return getActivator('uuid4').random.uuid4();
}

/**
 * Says whether this run takes the new path of a change: true in new runs, and in runs whose history has the patch;
 * false when an older run is replayed past here. The answer is kept for the rest of the run.
 */
export function patched(patchId: string): boolean {
  return patch(patchId, false);
}

/** Says that no run of the old path is left; the mark may be removed from the code a release later. */
export function deprecatePatch(patchId: string): void {
  patch(patchId, true);
}

function patch(patchId: string, deprecated: boolean): boolean {
  const what = deprecated ? 'deprecatePatch' : 'patched';
  const activator = getActivator(what);
  requireNameText(`${what}: the patch id`, patchId);
  const known = activator.patchAnswers.get(patchId);
  if (known !== undefined) return known;
  const answer = !activator.isReplaying || activator.knownPatches.has(patchId);
  activator.patchAnswers.set(patchId, answer);
  if (answer && !activator.sentPatches.has(patchId)) {
    activator.sentPatches.add(patchId);
    activator.push({ kind: 'patch', patchId, deprecated });
  }
  return answer;
}

/** Sets search attributes; an empty list, or null in a pair, takes one away. */
export function upsertSearchAttributes(attributes: SearchAttributes | SearchAttributeUpdatePair[]): void {
  const activator = getActivator('upsertSearchAttributes');
  if (typeof attributes !== 'object' || attributes === null) {
    throw wrongArgument(
      'upsertSearchAttributes: searchAttributes',
      'must be a non-null SearchAttributes: { name: [values] }, or a list of { key, value }',
      attributes,
    );
  }
  const wire = Array.isArray(attributes)
    ? searchAttributesToWire(undefined, attributes)
    : searchAttributesToWire(attributes, undefined);
  if (!wire)
    throw wrongArgument(
      'upsertSearchAttributes',
      'needs values: At least one search attribute must be provided',
      attributes,
    );
  activator.push({ kind: 'upsert-search-attributes', attributes: wire });
  const { untyped, typed, removed } = searchAttributesFromWire(wire);
  const searchAttributes = { ...activator.info.searchAttributes, ...untyped };
  for (const name of removed) delete searchAttributes[name];
  const kept = activator.info.typedSearchAttributes.getAll().filter(({ key }) => !removed.includes(key.name));
  activator.info = {
    ...activator.info,
    searchAttributes,
    typedSearchAttributes: new TypedSearchAttributes(kept).updateCopy(typed.getAll()),
  };
}

/** Sets parts of the memo; null takes one away. */
export function upsertMemo(memo: Record<string, unknown>): void {
  const activator = getActivator('upsertMemo');
  if (typeof memo !== 'object' || memo === null || Array.isArray(memo))
    throw wrongArgument('upsertMemo: memo', 'must be a non-null Record of names with values', memo);
  activator.push({ kind: 'upsert-memo', memo: toWireMap(activator.converter, memo)! });
  const next: Record<string, unknown> = { ...activator.info.memo };
  for (const [key, value] of Object.entries(memo)) {
    if (value === null || value === undefined) delete next[key];
    else next[key] = value;
  }
  activator.info = { ...activator.info, memo: next };
}

/** Some lines of where this run stands, for its page. */
export function getCurrentDetails(): string {
  return getActivator('getCurrentDetails').currentDetails;
}

/** Sets them. */
export function setCurrentDetails(details: string): void {
  const activator = getActivator('setCurrentDetails');
  if (typeof details !== 'string') throw wrongArgument('setCurrentDetails', 'takes text', details);
  activator.currentDetails = details;
  activator.push({ kind: 'set-details', details });
}

/** What may be said of a workflow function beside its code. */
export interface WorkflowDefinitionOptions {
  versioningBehavior?: 'PINNED' | 'AUTO_UPGRADE';
  /** Error classes that fail the workflow, where others fail its task. */
  failureExceptionTypes?: (abstract new (...args: any[]) => Error)[];
}

/** Attaches options to a workflow function. */
export function setWorkflowOptions<A extends any[], R>(
  options: WorkflowDefinitionOptions | (() => WorkflowDefinitionOptions),
  fn: (...args: A) => Promise<R>,
): void {
  requireFunction('setWorkflowOptions: its second argument', fn);
  if (typeof options !== 'function')
    requireObject('setWorkflowOptions', options, '{ versioningBehavior, failureExceptionTypes }');
  Object.assign(fn, { workflowDefinitionOptions: options });
}

/** Writes to the worker's log with the run's ids; silent while a history is replayed. */
export const log = {
  trace: (message: string, fields?: Record<string, unknown>) => write('debug', message, fields),
  debug: (message: string, fields?: Record<string, unknown>) => write('debug', message, fields),
  info: (message: string, fields?: Record<string, unknown>) => write('info', message, fields),
  warn: (message: string, fields?: Record<string, unknown>) => write('warn', message, fields),
  error: (message: string, fields?: Record<string, unknown>) => write('error', message, fields),
};

function write(level: string, message: unknown, fields: unknown): void {
  const activator = maybeActivator();
  if (!activator || activator.isReplaying) return;
  const { workflowId, runId, workflowType } = activator.info;
  const given = typeof fields === 'object' && fields !== null ? fields : fields === undefined ? {} : { fields };
  const text = typeof message === 'string' ? message : shown(message);
  const attributesOf = compose(activator.interceptors, 'outbound', 'getLogAttributes', (own: object) => own);
  activator.parts.log(level, text, { ...attributesOf({ workflowId, runId, workflowType }), ...given });
}
