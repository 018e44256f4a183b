import type { StartJob } from '../common/index.ts';
import { PleachError, type RunId } from '../core/index.ts';
import type { InboxKey, RunRow } from '../store/index.ts';
import { partitionMoved } from './cluster.ts';
import type { OutMessage } from './journal.ts';
import { findUndurable, type LiveRun, whenDurable, workflowKey } from './live-run.ts';
import type { KernelNode } from './node.ts';

/** What a start came to. */
export type Started =
  /** A new run; it is acknowledged through `acknowledged` when it is durable. */
  | { status: 'started'; run: LiveRun }
  /** The same request had started it. */
  | { status: 'repeated'; runId: string; durable: Promise<void> }
  /** An open run of that id is to be used, as the conflict policy says. */
  | { status: 'existing'; run: LiveRun }
  /** Refused: a run of that id is open, or its reuse policy forbids another. */
  | { status: 'exists'; row: RunRow };

/** How a start is acknowledged, and the message that it came as. */
export interface StartOptions {
  inbox?: InboxKey;
  answer?: (runId: string) => OutMessage;
  acknowledged?: () => void;
  refused?: (error: PleachError) => void;
  /** Called with the new run before anything else happens to it: signal-with-start puts its signal here. */
  with?: (run: LiveRun) => void;
}

/** Starts a run, unless one of its id stands in the way. */
export async function startRun(node: KernelNode, start: StartJob, options: StartOptions): Promise<Started> {
  const key = workflowKey(start.namespace, start.workflowId);
  const waiting = starts(node).get(key);
  const mine = waiting ? waiting.then(() => attempt(node, start, options)) : attempt(node, start, options);
  // Two starts of one id take turns: the second sees what the first has made.
  const settled = mine.then(
    () => undefined,
    () => undefined,
  );
  starts(node).set(key, settled);
  try {
    return await mine;
  } finally {
    if (starts(node).get(key) === settled) starts(node).delete(key);
  }
}

const startsOf = new WeakMap<KernelNode, Map<string, Promise<void>>>();

function starts(node: KernelNode): Map<string, Promise<void>> {
  let map = startsOf.get(node);
  if (!map) startsOf.set(node, (map = new Map<string, Promise<void>>()));
  return map;
}

async function attempt(node: KernelNode, start: StartJob, options: StartOptions): Promise<Started> {
  const { namespace, workflowId } = start;
  const open = node.openRuns.get(workflowKey(namespace, workflowId));
  if (open && !open.state.closing) return whenOpen(node, open, start, options);
  const [row] = await node.store.findRuns([{ namespace, workflowId }]);
  if (node.ended) throw new PleachError('NODE_STOPPED', 'the engine was closed', {});
  const meanwhile = node.openRuns.get(workflowKey(namespace, workflowId));
  if (meanwhile && !meanwhile.state.closing) return whenOpen(node, meanwhile, start, options);
  if (meanwhile) {
    await closed(meanwhile);
    // It may go on in another run, which what was read before does not show.
    return attempt(node, start, options);
  }
  if (row) {
    if (row.status === 'RUNNING') {
      const run = await node.load(row);
      if (run) return whenOpen(node, run, start, options);
    }
    const mayReuse =
      start.idReuse !== 'REJECT_DUPLICATE' &&
      (start.idReuse !== 'ALLOW_DUPLICATE_FAILED_ONLY' ||
        !['COMPLETED', 'CONTINUED_AS_NEW', 'RUNNING'].includes(row.status));
    const state = start.requestId === undefined ? undefined : await node.foldRun(row.run);
    if (start.requestId !== undefined && state?.requestIds.has(start.requestId))
      return { status: 'repeated', runId: row.firstRun, durable: Promise.resolve() };
    if (!mayReuse) return { status: 'exists', row };
  }
  return begin(node, start, options, row);
}

/** Waits until a run that is closing has closed. */
function closed(run: LiveRun): Promise<void> {
  return new Promise((resolve) => {
    run.resultWaiters.push({ answer: () => resolve(), fail: () => resolve() });
  });
}

async function whenOpen(node: KernelNode, run: LiveRun, start: StartJob, options: StartOptions): Promise<Started> {
  // A run remembers the requests of those that it goes on for: the repeat of a start finds its chain, wherever it is.
  const { requestId } = start;
  const pending = findUndurable(run, ({ job }) => job.kind === 'start' && job.requestId === requestId);
  const isKnown = requestId !== undefined && (run.state.requestIds.has(requestId) || pending !== undefined);
  if (isKnown && node.plantedBug !== 'forget-request-ids') {
    return { status: 'repeated', runId: run.row.firstRun, durable: whenDurable(pending) };
  }
  if (start.idConflict === 'USE_EXISTING') return { status: 'existing', run };
  if (start.idConflict === 'TERMINATE_EXISTING') {
    await new Promise<void>((resolve) => {
      run.resultWaiters.push({ answer: () => resolve(), fail: () => resolve() });
      node.activations.closeByFact(run, {
        kind: 'terminated',
        reason: 'another run of this id was started with TERMINATE_EXISTING',
        ...(start.identity ? { identity: start.identity } : {}),
      });
    });
    return attempt(node, { ...start, idConflict: 'FAIL' }, options);
  }
  return { status: 'exists', row: run.row };
}

/** @param before the run of that id that was the latest until now */
function begin(node: KernelNode, start: StartJob, options: StartOptions, before: RunRow | undefined): Started {
  if (node.stalled) throw node.stalled;
  const partition = node.partitionOf(start.namespace, start.workflowId);
  if (!node.cluster.serves(partition)) throw partitionMoved(partition);
  const run = node.admit({
    run: start.runId as RunId,
    namespace: start.namespace,
    workflowId: start.workflowId,
    partition,
    type: start.type,
    queue: start.queue,
    firstRun: start.firstRunId as RunId,
    status: 'RUNNING',
    // The latest run of an id is found by this, so two in one millisecond, or after a clock went back, must not tie.
    startedAt: Math.max(node.now(), before ? before.startedAt + 1 : 0),
    closedAt: undefined,
    wakeAt: undefined,
  });
  run.arrived.push({
    job: start,
    atMs: node.clock.monotonicMs(),
    ...(options.inbox ? { inbox: options.inbox } : {}),
    ...(options.answer ? { answer: options.answer(run.id) } : {}),
    ...(options.acknowledged ? { acknowledged: options.acknowledged } : {}),
    refused: (error) => {
      node.drop(run);
      options.refused?.(error);
    },
  });
  options.with?.(run);
  node.activations.pump(run);
  return { status: 'started', run };
}
