/**
 * worker/sandbox: runs workflow code where it can be deterministic, and nowhere else.
 *
 * Nouns: the bundle (workflow code as a table of module factories), the realm (one `node:vm` context with many runs in
 * it), the runner (activations in, results out), the sandbox that a worker holds (inline, or in threads that are watched),
 * and the quarantine: a process for runs whose code may end the one that runs it.
 *
 * It promises that a run sees the run's clock, generator and time zone and never the host's, that one run's modules and
 * `globalThis` are not another's (a patched built-in prototype excepted: built-ins' statics are frozen, prototypes stay
 * open), and that a replay which differs is told apart at once, with the command and the last ones on both sides. The
 * sandbox serves determinism. It is not a security boundary.
 *
 * When the world fails: code that spins or eats its heap ends its thread; the run it belonged to fails its task and is
 * activated in quarantine from then on, the other runs are rebuilt as if nothing had been. Code that makes V8 abort ends
 * the process; after the restart the runs that were being activated go through quarantine first, and what ends that
 * process is blocked.
 */
export { bundleWorkflowCode, warmBundler, type BundleOptions, type WorkflowBundle } from './bundle.ts';
export { WorkflowContext } from './context.ts';
export { difference } from './difference.ts';
export { ActivationRunner, type LocalActivityCall } from './runner.ts';
export { InlineSandbox, type SandboxOptions, startSandboxThread, type WorkflowSandbox } from './sandboxes.ts';
export { ThreadedSandbox } from './threaded-sandbox.ts';
