/**
 * worker: runs workflow code and activities for an engine.
 *
 * Nouns: the connection, the worker (one task queue, its workflows and its activities), the executor of attempts, the
 * sandbox (a room within this room), authors' tables (`WorkerDatabase`), the runtime with its log, and the replay of stored histories.
 *
 * It promises the names and behaviour of the Temporal TypeScript SDK's worker package. Activities run in this thread;
 * workflow code runs in threads of its own, bundled in milliseconds, and never touches the store: jobs come in and
 * commands go out over the same messages, whether the engine is a thread of this process or at the end of a socket.
 *
 * When the world fails: a lost link is opened again and the attempts that still run are announced; what has ended is told
 * again until the engine says that it is settled. An attempt that the engine gave up hears of it through its context, at once.
 */
export { NativeConnection, type NativeConnectionOptions } from './connection.ts';
export { GracefulShutdownPeriodExpiredError, ReplayError } from './errors.ts';
export { appendDefaultInterceptors } from './interceptors.ts';
export type * from './interceptors.ts';
export type { UnusedWorkerOptions, WorkerOptions } from './options.ts';
export type { HistoryAndWorkflowId, ReplayHistoriesIterable, ReplayResult, ReplayWorkerOptions } from './replay.ts';
export { DefaultLogger, type LogEntry, makeTelemetryFilterString, Runtime, type RuntimeOptions } from './runtime.ts';
export {
  ActivationRunner,
  InlineSandbox,
  type SandboxOptions,
  type WorkflowBundle,
  WorkflowContext,
  type WorkflowSandbox,
} from './sandbox/index.ts';
export type { InjectedSink, InjectedSinkFunction, InjectedSinks } from './sinks.ts';
export { setClientMaker, type State, Worker, type WorkerStatus } from './worker.ts';
export {
  type BundleOptions,
  bundleWorkflowCode,
  type WorkflowBundleOption,
  type WorkflowBundleWithSourceMap,
} from './workflow-bundle.ts';
