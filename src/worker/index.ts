/**
 * worker: runs workflow code and activities for an engine.
 *
 * Nouns: the connection, the worker (one task queue, its workflows and its activities), the executor of attempts, the
 * sandbox (a room within this room), the runtime with its log, and the replay of stored histories.
 *
 * It promises the names and behaviour of the Temporal TypeScript SDK's worker package. Activities run in this thread;
 * workflow code runs in threads of its own, bundled in milliseconds, and never touches the store: jobs come in and
 * commands go out over the same messages, whether the engine is a thread of this process or at the end of a socket.
 *
 * When the world fails: a lost link is opened again and the attempts that still run are announced; what ended meanwhile
 * is told then. An attempt that the engine gave up hears of it through its context, at once.
 */
export { NativeConnection, type NativeConnectionOptions } from './connection.ts';
export { type ActivityInterceptors, type ActivityInterceptorsFactory } from './executor.ts';
export type { WorkerOptions } from './options.ts';
export * from './runtime.ts';
export {
  bundleWorkflowCode,
  type BundleOptions,
  ActivationRunner,
  InlineSandbox,
  type SandboxOptions,
  type WorkflowBundle,
  WorkflowContext,
  type WorkflowSandbox,
} from './sandbox/index.ts';
export * from './worker.ts';
