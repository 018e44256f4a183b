import type { Segment } from '../../common/index.ts';
import { type KernelNode, applySegment, emptyState, loadPage, readSegment, type RunState } from '../../kernel/index.ts';
import type { Partition, RunId } from '../../core/index.ts';
import type { Store } from '../../store/index.ts';
import type { WorkflowContext } from '../../worker/index.ts';
import type { Checker } from './checker.ts';

const PAGE_SEGMENTS = 500;

/** Checks what must hold of a store at rest: every run that was ever written is read back, folded and replayed. */
export async function checkStore(store: Store, checker: Checker, context: WorkflowContext): Promise<number> {
  const positions = new Map<number, number[]>();
  const open = new Map<string, number>();
  const remembered = new Set<string>();
  let replayed = 0;
  for (const run of checker.rows.keys()) {
    const [row] = await store.findRuns([{ runId: run }]);
    if (!row) {
      checker.fail('I2', `run ${run} was written and is not there`);
      continue;
    }
    if (row.status === 'RUNNING') {
      open.set(row.workflowId, (open.get(row.workflowId) ?? 0) + 1);
      checker.fail('I10', `run ${run} of ${row.workflowId} is open, and nothing moves it any more`);
    }
    const { state, segments } = await readRun(store, row.run, checker, positions);
    for (const requestId of state.requestIds) remembered.add(requestId);
    for (const update of state.updates.values())
      if (update.outcome?.status === 'completed') remembered.add(`updated/${update.updateId}`);
    if (state.closing && row.status === 'RUNNING')
      checker.fail('I8', `run ${run} has closed, and its row says that it is open`);
    if (!state.closing && row.status !== 'RUNNING')
      checker.fail('I8', `run ${run} is open, and its row says ${row.status}`);
    const written = checker.runs.get(run);
    if (written && outline(written) !== outline(state))
      checker.fail('I1', `run ${run} reads as ${outline(state)} and was written as ${outline(written)}`);
    const rows = [...(checker.attributes.get(run) ?? [])].map((value) => JSON.stringify(value)).sort();
    const found = (await store.loadAttributes(row.run)).map((value) => JSON.stringify(value)).sort();
    if (found.join() !== rows.join())
      checker.fail('I8', `run ${run} has the attribute rows ${found.join()}, and was written with ${rows.join()}`);
    const answer = context.replay(run, segments);
    if ('failure' in answer && answer.failure.cause === 'NONDETERMINISM')
      checker.fail('I7', `run ${run}: ${answer.failure.failure.message}`);
    context.evict(run);
    replayed++;
  }
  for (const [workflowId, count] of open) if (count > 1) checker.fail('I1', `${count} runs of ${workflowId} are open`);
  for (const requestId of checker.told)
    if (!remembered.has(requestId)) checker.fail('I2', `request ${requestId} was acknowledged, and no run knows it`);
  const heads = await store.loadHeads(positions.keys().toArray() as Partition[]);
  for (const [partition, list] of positions) {
    list.sort((a, b) => a - b);
    const gap = list.findIndex((pos, index) => pos !== index + 1);
    if (gap >= 0) checker.fail('I8', `partition ${partition} has position ${list[gap]} at ${gap + 1}`);
    const head = [...heads].find(([id]) => Number(id) === partition)?.[1];
    if (head !== list.length)
      checker.fail('I8', `partition ${partition} has ${list.length} rows and its head is ${head}`);
  }
  return replayed;
}

async function readRun(
  store: Store,
  run: RunId,
  checker: Checker,
  positions: Map<number, number[]>,
): Promise<{ state: RunState; segments: Segment[] }> {
  const state = emptyState();
  for (let seq = 1; ;) {
    const rows = await store.loadSegments(run, seq, PAGE_SEGMENTS);
    for (const row of rows) {
      if (row.seq !== seq) checker.fail('I1', `run ${run} has segment ${row.seq} at ${seq}`);
      seq++;
      const list = positions.get(row.partition) ?? [];
      list.push(row.pos);
      positions.set(row.partition, list);
      const { segment, bytes } = readSegment(row);
      try {
        applySegment(state, segment, bytes);
      } catch (error) {
        checker.fail('I1', `run ${run} segment ${row.seq} cannot follow: ${(error as Error).message}`);
      }
    }
    if (rows.length < PAGE_SEGMENTS) return { state, segments: await readHistory(store, run, checker) };
  }
}

/** A run's history as a worker is sent it, which must be what was written, large payloads too. */
async function readHistory(store: Store, run: RunId, checker: Checker): Promise<Segment[]> {
  const segments: Segment[] = [];
  try {
    for (let from: number | undefined = 1; from !== undefined;) {
      const page = await loadPage(store, run, from);
      segments.push(...page.segments);
      from = page.next;
    }
  } catch (error) {
    checker.fail('I2', `the history of run ${run} cannot be read: ${(error as Error).message}`);
    return segments;
  }
  const written = checker.histories.get(run) ?? [];
  const at = segments.findIndex(({ rounds }, index) => JSON.stringify(rounds) !== written[index]);
  if (at >= 0 || segments.length !== written.length)
    checker.fail(
      'I2',
      `run ${run} reads otherwise than it was written, from segment ${at < 0 ? segments.length : at + 1}`,
    );
  return segments;
}

/** Checks that what a node has in memory of each quiet run is what the segments that were written fold to. */
export function checkMemory(node: KernelNode, checker: Checker): void {
  for (const run of node.runs.values()) {
    if (run.committing || run.unwritten || run.dropped) continue;
    const folded = checker.runs.get(run.id);
    if (folded && outline(run.state) !== outline(folded))
      checker.fail(
        'I7',
        `run ${run.id} is ${outline(run.state)} in memory, and its segments fold to ${outline(folded)}`,
      );
  }
}

/** What of a run's state its segments decide; attempts are decided by their own rows besides. */
function outline(state: RunState): string {
  const keys = (map: ReadonlyMap<unknown, unknown>): string => [...map.keys()].join();
  return [
    `seq ${state.seq} at ${state.time}`,
    `${state.eventCount} events`,
    `${state.bytes} bytes`,
    `${state.activations} activations`,
    `activities ${keys(state.activities)}`,
    `timers ${[...state.timers.values()].map(({ seq, firesAt }) => `${seq}@${firesAt}`).join()}`,
    `children ${[...state.children.values()].map(({ seq, phase }) => `${seq}:${phase}`).join()}`,
    `signals ${[...state.signals.values()].map(({ seq, phase }) => `${seq}:${phase}`).join()}`,
    `cancels ${keys(state.cancels)}`,
    `local ${[...state.localPending].join()}`,
    `updates ${[...state.updates.values()].map(({ updateId, phase }) => `${updateId}:${phase}`).join()}`,
    `requests ${[...state.requestIds].join()}`,
    `undelivered ${state.undelivered.map(({ kind }) => kind).join()}`,
    `${state.status}`,
  ].join('; ');
}
