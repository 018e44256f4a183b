import { type DataConverter, type Duration, msTimeout, shown } from '../common/index.ts';
import { LIMITS, messageOf, PleachError } from '../core/index.ts';
import type { NativeConnection } from './connection.ts';
import type { WorkerInterceptors } from './interceptors.ts';
import { checkSinks, type InjectedSinks } from './sinks.ts';
import type { WorkflowBundleOption } from './workflow-bundle.ts';

/** Options of the field's that mean nothing here: taken for the sake of code that has them, and not used. */
export interface UnusedWorkerOptions {
  /** Runs are kept apart in one context anyway. */
  reuseV8Context?: boolean;
  /** Code that spins is ended as ever: raise `workflowSpinTimeout` where a debugger stops it. */
  debugMode?: boolean;
  showStackTraceSources?: boolean;
  /** A run goes back to the worker that has it while that worker is connected. */
  stickyQueueScheduleToStartTimeout?: Duration;
  nonStickyToStickyPollRatio?: number;
  /** Tasks are sent to workers, which do not poll. */
  maxConcurrentWorkflowTaskPolls?: number;
  maxConcurrentActivityTaskPolls?: number;
}

/** Options of the field's that this release would have to carry out and does not: a worker that has one is refused. */
const NOT_CARRIED_OUT = {
  workerDeploymentOptions: 'use patched, or another task queue for the new version',
  useVersioning: 'use patched, or another task queue for the new version',
  buildId: 'use patched, or another task queue for the new version',
  tuner: 'give the numbers: maxConcurrentActivityTaskExecutions and its like',
  plugins: 'give what the plugin would set as options',
  nexusServices: 'start a child workflow',
} as const;

/** What a worker is made with. */
export interface WorkerOptions extends UnusedWorkerOptions {
  /** Default: a server on this machine, which this release does not reach; give one. */
  connection?: NativeConnection;
  /** Default `default`. */
  namespace?: string;
  taskQueue: string;
  /** The module whose exports are the workflows; a path or a file: URL as text. */
  workflowsPath?: string;
  /** Workflow code that was bundled before. */
  workflowBundle?: WorkflowBundleOption;
  /** Functions by name, such as `import * as activities`; what is no function is passed over. */
  activities?: object;
  identity?: string;
  dataConverter?: DataConverter;
  interceptors?: WorkerInterceptors;
  /** What workflows call through `proxySinks`. */
  // oxlint-disable-next-line typescript/no-explicit-any -- sinks of whatever shape
  sinks?: InjectedSinks<any>;
  bundlerOptions?: { ignoreModules?: string[] };
  /** Default 100. */
  maxConcurrentActivityTaskExecutions?: number;
  /** Default 100. */
  maxConcurrentLocalActivityExecutions?: number;
  /** Default 40. */
  maxConcurrentWorkflowTaskExecutions?: number;
  /** Attempts that this worker begins in a second. Default: no limit. */
  maxActivitiesPerSecond?: number;
  /**
   * Attempts that all workers of the task queue begin in a second, together; the worker that registers last decides. What
   * is not used within a second is lost. It holds across engines: a new one begins with nothing in hand. Default: no limit.
   */
  maxTaskQueueActivitiesPerSecond?: number;
  /** Runs whose instances stay in memory. Default 1,000. */
  maxCachedWorkflows?: number;
  /** Threads for workflow code. Default 1. */
  workflowThreadPoolSize?: number;
  /** How long running activities may go on after a shutdown before they are asked to stop. Default none. */
  shutdownGraceTime?: Duration;
  /** How long after a shutdown the worker ends although something still runs. Default never. */
  shutdownForceTime?: Duration;
  /** Names of errors that fail a workflow rather than its task. */
  workflowFailureErrorTypes?: string[];
  /** Default 60 s. */
  maxHeartbeatThrottleInterval?: Duration;
  /** Default 30 s. */
  defaultHeartbeatThrottleInterval?: Duration;
  /** How long workflow code may run without giving way. Default 5 s. */
  workflowSpinTimeout?: Duration;
  /** The heap of a workflow thread in MB. Default 1,024. */
  workflowHeapMb?: number;
}

/** @throws INVALID_ARGUMENT that names the option, its value and what it may be */
export function checkOptions(options: WorkerOptions): void {
  const refuse = (message: string, details: Record<string, unknown> = {}): never => {
    throw new PleachError('INVALID_ARGUMENT', message, details);
  };
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    refuse(`a worker needs options: { connection, taskQueue, workflowsPath, activities }; this is ${shown(options)}`);
  }
  for (const [name, instead] of Object.entries(NOT_CARRIED_OUT)) {
    const value = (options as unknown as Record<string, unknown>)[name];
    if (value !== undefined && value !== false)
      refuse(`${name} is not carried out by this release; it is ${shown(value)}: ${instead}`, { [name]: value });
  }
  const { connection, identity } = options;
  if (connection !== undefined && typeof connection?.caller?.listen !== 'function')
    refuse(`a worker's connection comes from NativeConnection.connect({ address }); this is ${shown(connection)}`);
  const { taskQueue, namespace = 'default' } = options;
  for (const [what, value] of [
    ['taskQueue', taskQueue],
    ['namespace', namespace],
    ['identity', identity ?? 'default'],
  ] as const) {
    if (typeof value !== 'string' || value.length === 0 || value.length > LIMITS.nameCharactersMax) {
      refuse(
        `${what} is text of 1 to ${LIMITS.nameCharactersMax} characters; it is ${value === undefined ? 'missing' : shown(value)}`,
        { [what]: value },
      );
    }
  }
  if (options.workflowsPath === undefined && options.workflowBundle === undefined && options.activities === undefined) {
    refuse('a worker needs workflowsPath, workflowBundle or activities: it would have nothing to do');
  }
  for (const key of [
    'maxConcurrentActivityTaskExecutions',
    'maxConcurrentLocalActivityExecutions',
    'maxConcurrentWorkflowTaskExecutions',
    'maxCachedWorkflows',
    'workflowThreadPoolSize',
  ] as const) {
    const value = options[key];
    if (value !== undefined && (!Number.isInteger(value) || value < 1))
      refuse(`${key} is a whole number of at least 1; it is ${shown(value)}`, { [key]: value });
  }
  for (const key of ['maxActivitiesPerSecond', 'maxTaskQueueActivitiesPerSecond', 'workflowHeapMb'] as const) {
    const value = options[key];
    if (value !== undefined && !(typeof value === 'number' && Number.isFinite(value) && value > 0))
      refuse(`${key} is a number above 0; it is ${shown(value)}`, { [key]: value });
  }
  for (const key of [
    'shutdownGraceTime',
    'shutdownForceTime',
    'maxHeartbeatThrottleInterval',
    'defaultHeartbeatThrottleInterval',
    'workflowSpinTimeout',
  ] as const) {
    try {
      msTimeout(options[key], key);
    } catch (error) {
      refuse(messageOf(error), { [key]: options[key] });
    }
  }
  try {
    checkSinks(options.sinks);
  } catch (error) {
    refuse(messageOf(error));
  }
  const { workflowFailureErrorTypes } = options;
  if (workflowFailureErrorTypes !== undefined && !isListOfText(workflowFailureErrorTypes))
    refuse(`workflowFailureErrorTypes is a list of names; it is ${shown(workflowFailureErrorTypes)}`);
  const { interceptors } = options;
  if (interceptors !== undefined && (typeof interceptors !== 'object' || interceptors === null))
    refuse(`interceptors is { activity, workflowModules, client }; it is ${shown(interceptors)}`);
  if (options.activities !== undefined && (typeof options.activities !== 'object' || options.activities === null)) {
    refuse(`activities is an object of functions; it is ${shown(options.activities)}`);
  }
}

const isListOfText = (value: unknown): boolean => Array.isArray(value) && value.every((one) => typeof one === 'string');

/** What can be called of an author's activities. */
// oxlint-disable-next-line typescript/no-explicit-any -- activities are the author's
export type Activities = Record<string, (...args: any[]) => unknown>;

/** The functions among what was given as activities: a module's exports may hold other things. */
export function activitiesOf(given: object | undefined): Activities {
  const functions = Object.entries(given ?? {}).filter(([, value]) => typeof value === 'function');
  return Object.fromEntries(functions) as Activities;
}
