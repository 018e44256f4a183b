/**
 * worker/sandbox: runs workflow code where it can be deterministic, and nowhere else.
 *
 * Nouns: the bundle (workflow code as a table of module factories), the realm (one `node:vm` context with many runs in
 * it), the runner (activations in, results out), and the sandbox that a worker holds: inline, in its own thread, or in
 * threads that are watched.
 *
 * It promises that a run sees the run's clock, generator and time zone and never the host's, that one run's modules and
 * `globalThis` are not another's (a patched built-in prototype excepted: built-ins' statics are frozen, prototypes stay
 * open), and that a replay which differs is told apart at once, with the command and the last ones on both sides. The
 * sandbox serves determinism. It is not a security boundary.
 *
 * When the world fails: code that spins or eats its heap ends its thread; the run it belonged to fails its task and is
 * activated in quarantine from then on, the other runs are rebuilt as if nothing had been.
 */
export { bundleWorkflowCode, warmBundler, type BundleOptions, type WorkflowBundle } from './bundle.ts';
export { WorkflowContext } from './context.ts';
export { difference } from './difference.ts';
export { ActivationRunner, type LocalActivityCall } from './runner.ts';
export { InlineSandbox, type SandboxOptions, ThreadedSandbox, type WorkflowSandbox } from './sandboxes.ts';
