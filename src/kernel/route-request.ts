import type { RequestName } from '../contract/index.ts';
import { isUuid, LIMITS, type Partition, PleachError, type RunId } from '../core/index.ts';
import type { KernelNode } from './node.ts';
import { partitionMoved } from './cluster.ts';

/** How long a request waits before the owner of its partition is looked for again, in milliseconds. */
const AGAIN_MS = 50;

/** Codes after which the owner of a partition is looked for again: the one that was asked is not it, or has ended. */
const ELSEWHERE: ReadonlySet<string> = new Set(['PARTITION_MOVED', 'NODE_UNREACHABLE', 'NODE_STOPPED', 'LEASE_LOST']);

/**
 * Answers a request where its run is: here, or at the node that owns its partition. A partition may change hands while
 * the request is under way: then it is made again at its next owner, which its request id makes harmless.
 * @param isForwarded another node has sent it here, and looks for the owner itself where it is not this node
 * @throws what the owner answers; NODE_UNREACHABLE where none was found in time
 */
export async function routeRequest(
  node: KernelNode,
  method: RequestName,
  params: unknown,
  options: { isForwarded: boolean; onForget: (forget: () => void) => void },
): Promise<unknown> {
  if (!node.store.isShared) return node.requests.handle(method, params, options.onForget);
  const giveUpMs = node.clock.monotonicMs() + LIMITS.ownerWaitMs;
  let isForgotten = false;
  options.onForget(() => (isForgotten = true));
  for (;;) {
    const partition = await partitionOfRequest(node, params);
    let failure: PleachError;
    try {
      if (partition === undefined || node.cluster.serves(partition))
        return await node.requests.handle(method, params, options.onForget);
      if (options.isForwarded) throw partitionMoved(partition);
      const route = node.cluster.routeOf(partition);
      if (route) return await node.links.request(route, method, params, options.onForget);
      failure = new PleachError(
        'NODE_UNREACHABLE',
        `partition ${partition} has no owner that can be reached; its runs are there when one has taken it`,
        { partition },
      );
    } catch (error) {
      if (!(error instanceof PleachError) || !ELSEWHERE.has(error.code) || options.isForwarded) throw error;
      failure = error;
    }
    if (isForgotten || node.ended || node.clock.monotonicMs() >= giveUpMs) throw failure;
    await new Promise<void>((resolve) => node.clock.after(AGAIN_MS, resolve));
    await node.cluster.look();
  }
}

/** The partition that a request is for; undefined where it names none, which its handler refuses. */
async function partitionOfRequest(node: KernelNode, params: unknown): Promise<Partition | undefined> {
  const { target, namespace, start, activity } = params as {
    target?: { namespace?: unknown; workflowId?: unknown };
    namespace?: unknown;
    start?: { workflowId?: unknown };
    activity?: { token?: unknown; target?: { namespace?: unknown; workflowId?: unknown } };
  };
  const run = target ?? activity?.target ?? (start && { namespace, workflowId: start.workflowId });
  if (run) {
    if (typeof run.namespace !== 'string' || typeof run.workflowId !== 'string') return undefined;
    return node.partitionOf(run.namespace, run.workflowId);
  }
  const runId = typeof activity?.token === 'string' ? activity.token.slice(0, 36) : '';
  if (!isUuid(runId)) return undefined;
  const live = node.runs.get(runId as RunId);
  if (live) return live.partition;
  const [row] = await node.store.findRuns([{ runId }]);
  return row?.partition;
}
