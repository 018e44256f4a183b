import type { Job } from '../common/index.ts';
import { findUndurable, type LiveRun, whenDurable } from './live-run.ts';
import type { KernelNode } from './node.ts';
import { payloadBytes } from './request-checks.ts';

/** A job that a request makes, and that takes effect once by the request's id. */
export type RequestedJob = Extract<
  Job,
  {
    kind:
      | 'signalled'
      | 'cancel-requested'
      | 'paused'
      | 'resumed'
      | 'activity-paused'
      | 'activity-resumed'
      | 'activity-edited';
  }
>;

/**
 * Puts a job with a request id into a run, once, and waits until it is durable.
 * @param effect what is done then; not for a request that is repeated
 * @throws WORKFLOW_CLOSED, or what the store refuses it with
 */
export function deliverOnce(
  node: KernelNode,
  run: LiveRun,
  job: RequestedJob,
  effect: () => void = () => undefined,
): Promise<void> {
  const repeated = findRepeated(node, run, job.requestId);
  if (repeated) return repeated;
  const release = node.room.hold('input' in job ? payloadBytes(job.input) : 0);
  return new Promise<void>((resolve, reject) => {
    node.activations.arrive(run, {
      job,
      atMs: node.clock.monotonicMs(),
      acknowledged: () => {
        effect();
        resolve();
      },
      refused: reject,
    });
  }).finally(release);
}

/** Resolves when the same request, which was taken in before, is durable; undefined where it was not. */
export function findRepeated(node: KernelNode, run: LiveRun, requestId: string | undefined): Promise<void> | undefined {
  if (requestId === undefined || node.plantedBug === 'forget-request-ids') return undefined;
  const pending = findUndurable(run, ({ job }) => 'requestId' in job && job.requestId === requestId);
  if (pending) return whenDurable(pending);
  return run.state.requestIds.has(requestId) ? Promise.resolve() : undefined;
}
