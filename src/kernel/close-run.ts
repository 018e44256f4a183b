import { decideRetry, type Job, type StartJob, type WireOutcome } from '../common/index.ts';
import { assert, LIMITS, PleachError, type RunId } from '../core/index.ts';
import type { BlobRow, RunRow } from '../store/index.ts';
import { hasAttributes, runAttributes } from './attribute-values.ts';
import { closedError } from './closed-error.ts';
import type { JournalEntry } from './journal.ts';
import type { Arrival, LiveRun } from './live-run.ts';
import { applySegment } from './machine/fold.ts';
import type { Closing } from './machine/state.ts';
import type { KernelNode } from './node.ts';
import { encodeBody } from './segments.ts';

/**
 * Completes the entry of the segment that closes a run: its row, the run that goes on in its place, the messages to
 * its parent and its children. Close, successor and messages are one commit.
 * @returns what to do when that commit is on the disk
 */
export function closeRun(node: KernelNode, run: LiveRun, entry: JournalEntry): () => void {
  const { state } = run;
  const { closing, start } = state;
  assert(closing && start, 'closing a run that is open');
  entry.messages ??= [];
  const next = successorOf(node, run, start, closing);
  if (run.unwritten) run.row = { ...run.row, status: closing.status, closedAt: closing.at };
  else entry.runChange = { run: run.id, status: closing.status, closedAt: closing.at, wakeAt: undefined };
  run.row = { ...run.row, status: closing.status, closedAt: closing.at, wakeAt: undefined };
  if (state.hasAttemptRows) entry.attemptsOfClosed = [run.id];
  if (run.hasTxResults) entry.txResultsDone = [{ run: run.id }];
  if (start.parent && !next) entry.messages.push(node.inbox.childResolved(start, outcomeOf(closing)));
  if (!next || closing.status === 'CONTINUED_AS_NEW') {
    for (const child of state.children.values()) {
      const message = node.inbox.parentClosed(run, child);
      if (message) entry.messages.push(message);
    }
  }
  if (next) {
    entry.newRuns = [next.row];
    entry.segments.push(next.segment);
    const { searchAttributes } = next.start;
    if (hasAttributes(searchAttributes)) {
      const rows = runAttributes({ id: next.row.run, namespace: run.namespace }, searchAttributes);
      entry.attributes = [...(entry.attributes ?? []), rows];
    }
    if (next.blobs.length > 0) entry.blobs = [...(entry.blobs ?? []), ...next.blobs];
  }
  if (node.plantedBug === 'close-without-event' && node.random.fraction() < 0.2) entry.segments.shift();
  return () => {
    node.transactions.forget(run);
    for (const activity of state.activities.values()) node.attempts.abandon(activity, 'WORKFLOW_CLOSED');
    const leftover = run.arrived.splice(0);
    const queries = run.queries.splice(0);
    for (const query of queries) query.fail(closedError(run));
    const result = node.resultOf(run.id, state, next?.row.run);
    for (const waiter of run.resultWaiters.splice(0)) waiter.answer(result);
    for (const [updateId, waiters] of run.updateWaiters) {
      const update = state.updates.get(updateId);
      // It goes on in the next run, with whoever waits for it.
      if (!update && next && leftover.some((arrival) => isUpdate(arrival, updateId))) continue;
      for (const waiter of waiters) {
        if (update?.outcome) waiter.answer({ stage: 'COMPLETED', runId: run.id, outcome: update.outcome });
        else waiter.fail(closedError(run));
      }
    }
    node.drop(run);
    if (node.plantedBug === 'append-after-close') appendAfterClose(node, run);
    if (next) admitSuccessor(node, next, leftover, run.updateWaiters);
    else refuse(node, run, leftover);
  };
}

function refuse(node: KernelNode, run: LiveRun, arrivals: Arrival[]): void {
  for (const arrival of arrivals) {
    node.inbox.discard(arrival);
    arrival.refused?.(closedError(run));
  }
}

/** The planted bug of that name. */
function appendAfterClose(node: KernelNode, run: LiveRun): void {
  const { seq, eventCount, time } = run.state;
  const { format, body } = encodeBody({ run: run.id, seq: seq + 1 }, [], undefined);
  node.journal.append({
    partition: run.partition,
    segments: [{ run: run.id, seq: seq + 1, firstEventId: eventCount + 1, eventCount: 0, time, format, body }],
    durable: () => undefined,
    refused: () => undefined,
  });
}

interface Successor {
  row: RunRow;
  segment: JournalEntry['segments'][number];
  /** What was handed over is the next run's own, large payloads too: each run's go with it. */
  blobs: readonly BlobRow[];
  /** Of the segment, blobs and all. */
  bytes: number;
  start: StartJob;
  time: number;
}

function isUpdate({ job }: Arrival, updateId: string): boolean {
  return job.kind === 'update-requested' && job.updateId === updateId;
}

function admitSuccessor(
  node: KernelNode,
  next: Successor,
  leftover: Arrival[],
  updateWaiters: LiveRun['updateWaiters'],
): void {
  const run = node.admit(next.row);
  run.unwritten = false;
  applySegment(
    run.state,
    { seq: 1, time: next.time, firstEventId: 1, eventCount: 1, rounds: [{ jobs: [next.start] }] },
    next.bytes,
  );
  run.attributes = run.state.searchAttributes;
  node.activations.armRun(run);
  // What came for the closed run and was not acknowledged goes to the run that goes on; answers to its own calls do not.
  for (const [updateId, waiters] of updateWaiters)
    if (leftover.some((arrival) => isUpdate(arrival, updateId))) run.updateWaiters.set(updateId, waiters);
  for (const arrival of leftover) {
    const { kind } = arrival.job;
    if (kind === 'signalled' || kind === 'update-requested' || kind === 'cancel-requested') run.arrived.push(arrival);
    else {
      node.inbox.discard(arrival);
      arrival.refused?.(new PleachError('WORKFLOW_CLOSED', `workflow "${run.workflowId}" goes on in another run`, {}));
    }
  }
  node.activations.pump(run);
}

/** The run that goes on: by continue-as-new, or by the workflow's own retry policy. */
function successorOf(node: KernelNode, run: LiveRun, start: StartJob, closing: Closing): Successor | undefined {
  const { state } = run;
  const runId = node.newRunId();
  const base = {
    kind: 'start' as const,
    namespace: start.namespace,
    workflowId: start.workflowId,
    runId,
    firstRunId: start.firstRunId,
    startedAt: start.startedAt,
    randomSeed: runId,
    ...(start.parent ? { parent: start.parent } : {}),
    ...(start.root ? { root: start.root } : {}),
    ...(start.identity === undefined ? {} : { identity: start.identity }),
    inheritedRequestIds: [...state.requestIds].slice(-LIMITS.requestIdsInherited),
  };
  let job: StartJob | undefined;
  if (state.continuation) {
    const { kind: _kind, backoffMs, ...given } = state.continuation;
    job = {
      ...base,
      ...given,
      memo: given.memo ?? state.memo,
      searchAttributes: given.searchAttributes ?? state.searchAttributes,
      ...((given.retry ?? start.retry) ? { retry: (given.retry ?? start.retry)! } : {}),
      ...(start.executionTimeoutMs === undefined ? {} : { executionTimeoutMs: start.executionTimeoutMs }),
      ...(backoffMs ? { startDelayMs: backoffMs } : {}),
      attempt: 1,
      continuedFrom: run.id,
    };
  } else if (closing.failure && start.retry && (closing.status === 'FAILED' || closing.status === 'TIMED_OUT')) {
    const expired = start.executionTimeoutMs !== undefined && closing.at >= start.startedAt + start.executionTimeoutMs;
    const decision = expired
      ? undefined
      : decideRetry(start.retry, start.attempt, closing.failure, node.random.fraction());
    if (decision && 'retryAfterMs' in decision) {
      const { requestId: _requestId, startDelayMs: _delay, ...again } = start;
      job = {
        ...again,
        ...base,
        attempt: start.attempt + 1,
        ...(decision.retryAfterMs > 0 ? { startDelayMs: decision.retryAfterMs } : {}),
        continuedFrom: run.id,
        lastFailure: closing.failure,
      };
    }
  }
  if (!job) return undefined;
  const time = node.now();
  const rounds = [{ jobs: [job] satisfies Job[] }];
  const { format, body, bytes, blobs } = encodeBody({ run: runId, seq: 1 }, rounds, undefined, node.blobBytesMin);
  return {
    start: job,
    time,
    row: {
      run: runId,
      namespace: run.namespace,
      workflowId: run.workflowId,
      partition: run.partition,
      type: job.type,
      queue: job.queue,
      firstRun: start.firstRunId as RunId,
      status: 'RUNNING',
      // Later than the one before it, though it begins in the same millisecond: the latest run of an id is found by this.
      startedAt: Math.max(time, run.row.startedAt + 1),
      closedAt: undefined,
      wakeAt: undefined,
    },
    segment: { run: runId, seq: 1, format, firstEventId: 1, eventCount: 1, time, body },
    blobs,
    bytes,
  };
}

/** How a child's parent is told. */
function outcomeOf(closing: Closing): WireOutcome {
  if (closing.status === 'COMPLETED') {
    return { status: 'completed', ...(closing.value === undefined ? {} : { value: closing.value }) };
  }
  const failure = closing.failure ?? { kind: 'server', message: `closed as ${closing.status}` };
  return { status: closing.status === 'CANCELLED' ? 'cancelled' : 'failed', failure };
}
