import type { DataConverter, Duration } from '../common/index.ts';
import { LIMITS, PleachError } from '../core/index.ts';
import type { ActivityInterceptorsFactory } from './executor.ts';
import type { NativeConnection } from './connection.ts';
import type { WorkflowBundle } from './sandbox/index.ts';

/** What a worker is made with. */
export interface WorkerOptions {
  /** Default: a server on this machine, which this release does not reach; give one. */
  connection?: NativeConnection;
  /** Default `default`. */
  namespace?: string;
  taskQueue: string;
  /** The module whose exports are the workflows; a path or a file: URL as text. */
  workflowsPath?: string;
  /** Workflow code that was bundled before. */
  workflowBundle?: WorkflowBundle;
  // oxlint-disable-next-line typescript/no-explicit-any -- activities are the author's
  activities?: object & Record<string, any>;
  identity?: string;
  dataConverter?: DataConverter;
  interceptors?: { activity?: ActivityInterceptorsFactory[]; workflowModules?: string[] };
  bundlerOptions?: { ignoreModules?: string[] };
  /** Default 100. */
  maxConcurrentActivityTaskExecutions?: number;
  /** Default 40. */
  maxConcurrentWorkflowTaskExecutions?: number;
  /** Attempts that this worker begins in a second. Default: no limit. */
  maxActivitiesPerSecond?: number;
  /** Runs whose instances stay in memory. Default 1,000. */
  maxCachedWorkflows?: number;
  /** Threads for workflow code. Default 1. */
  workflowThreadPoolSize?: number;
  /** How long running activities may go on after a shutdown before they are asked to stop. Default none. */
  shutdownGraceTime?: Duration;
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
  if (typeof options !== 'object' || options === null)
    refuse('a worker needs options: { connection, taskQueue, workflowsPath, activities }');
  const { taskQueue, namespace = 'default' } = options;
  for (const [what, value] of [
    ['taskQueue', taskQueue],
    ['namespace', namespace],
  ] as const) {
    if (typeof value !== 'string' || value.length === 0 || value.length > LIMITS.nameCharactersMax) {
      refuse(
        `${what} is text of 1 to ${LIMITS.nameCharactersMax} characters; it is ${value === undefined ? 'missing' : JSON.stringify(value)}`,
        { [what]: value },
      );
    }
  }
  if (options.workflowsPath === undefined && options.workflowBundle === undefined && options.activities === undefined) {
    refuse('a worker needs workflowsPath, workflowBundle or activities: it would have nothing to do');
  }
  for (const key of [
    'maxConcurrentActivityTaskExecutions',
    'maxConcurrentWorkflowTaskExecutions',
    'maxCachedWorkflows',
    'workflowThreadPoolSize',
  ] as const) {
    const value = options[key];
    if (value !== undefined && (!Number.isInteger(value) || value < 1))
      refuse(`${key} is a whole number of at least 1; it is ${value}`, { [key]: value });
  }
  if (options.activities !== undefined && (typeof options.activities !== 'object' || options.activities === null)) {
    refuse(`activities is an object of functions; it is a ${typeof options.activities}`);
  }
  for (const [name, activity] of Object.entries(options.activities ?? {})) {
    if (typeof activity !== 'function')
      refuse(`activity "${name}" is a function; it is a ${typeof activity}`, { name });
  }
}
