import type { Round, Segment } from '../../common/index.ts';
import { applySegment, decodeSegment, emptyState } from '../../kernel/index.ts';
import type { Batch, Lease, ModelData } from '../../store/index.ts';
import type { WorkflowContext } from '../../worker/index.ts';

/** A promise that was broken, with its number. */
export class BrokenInvariant extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'BrokenInvariant';
    this.invariant = invariant;
  }
}

/** Watches a simulated world from outside: what was written, what was said, what was done. */
export class Checker {
  readonly broken: BrokenInvariant[] = [];
  /** Request ids that are durable. */
  readonly #durable = new Set<string>();
  /** Activities whose result is durable, as run/seq. */
  readonly #resolved = new Set<string>();
  /** Started attempts, by activity. */
  readonly #started = new Map<string, Set<string>>();
  #epoch = 0;
  activations = 0;
  readonly faults = new Map<string, number>();

  fail(invariant: string, message: string): void {
    this.broken.push(new BrokenInvariant(invariant, message));
  }

  acquired(lease: Lease): void {
    this.#epoch = Math.max(this.#epoch, lease.epoch);
  }

  fault(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }

  written(lease: Lease, batch: Batch): void {
    if (lease.epoch < this.#epoch)
      this.fail('I3', `a node of epoch ${lease.epoch} wrote after epoch ${this.#epoch} had begun`);
    for (const row of batch.segments) {
      const { rounds } = decodeSegment(row);
      for (const round of rounds) {
        if (round.commands) this.activations++;
        for (const job of round.jobs) {
          if ('requestId' in job && job.requestId !== undefined) this.#durable.add(job.requestId);
          if (job.kind === 'activity-resolved') {
            const key = `${row.run}/${job.seq}`;
            if (this.#resolved.has(key)) this.fail('I5', `activity ${key} has two results`);
            this.#resolved.add(key);
          }
        }
      }
    }
  }

  /** A caller was told that a request has taken effect. */
  acknowledged(requestId: string): void {
    if (!this.#durable.has(requestId)) this.fail('I12', `request ${requestId} was acknowledged before it was durable`);
  }

  /** An attempt begins its first instruction. */
  started(run: string, seq: number, attempt: string, number: number, maximumAttempts: number | undefined): void {
    const key = `${run}/${seq}`;
    if (this.#resolved.has(key)) this.fail('I4', `activity ${key} was run after its result was durable`);
    const attempts = this.#started.get(key) ?? new Set<string>();
    if (attempts.has(attempt)) this.fail('I4', `attempt ${attempt} was run twice`);
    attempts.add(attempt);
    this.#started.set(key, attempts);
    if (maximumAttempts !== undefined && (number > maximumAttempts || attempts.size > maximumAttempts)) {
      this.fail('I15', `activity ${key} began ${attempts.size} attempts of at most ${maximumAttempts}`);
    }
  }

  /** What must hold of a store at rest. */
  checkStore(data: ModelData, context: WorkflowContext): number {
    const positions = new Map<number, number[]>();
    const open = new Map<string, number>();
    let replayed = 0;
    for (const [run, row] of data.runs) {
      if (row.status === 'RUNNING') open.set(row.workflowId, (open.get(row.workflowId) ?? 0) + 1);
      const rows = data.segments.get(run) ?? [];
      const segments: Segment[] = [];
      const state = emptyState();
      rows.forEach((segment, index) => {
        if (segment.seq !== index + 1) this.fail('I1', `run ${run} has segment ${segment.seq} at ${index + 1}`);
        const list = positions.get(segment.partition) ?? [];
        list.push(segment.pos);
        positions.set(segment.partition, list);
        const decoded = decodeSegment(segment);
        segments.push(decoded);
        const timers = new Map([...state.timers].map(([seq, timer]) => [seq, timer.firesAt]));
        for (const round of decoded.rounds) this.#checkTimers(run, round, decoded.time, timers);
        try {
          applySegment(state, decoded, segment.body.length);
        } catch (error) {
          this.fail('I1', `run ${run} segment ${segment.seq} cannot follow: ${(error as Error).message}`);
        }
      });
      if (state.closing && row.status === 'RUNNING')
        this.fail('I1', `run ${run} has closed, and its row says that it is open`);
      if (!state.closing && row.status !== 'RUNNING')
        this.fail('I1', `run ${run} is open, and its row says ${row.status}`);
      const answer = context.replay(run, segments);
      if ('failure' in answer && answer.failure.cause === 'NONDETERMINISM')
        this.fail('I7', `run ${run}: ${answer.failure.failure.message}`);
      context.evict(run);
      replayed++;
    }
    for (const [workflowId, count] of open) if (count > 1) this.fail('I1', `${count} runs of ${workflowId} are open`);
    for (const [partition, list] of positions) {
      list
        .sort((a, b) => a - b)
        .forEach((pos, index) => {
          if (pos !== index + 1) this.fail('I8', `partition ${partition} has position ${pos} at ${index + 1}`);
        });
    }
    return replayed;
  }

  #checkTimers(run: string, round: Round, time: number, timers: Map<number, number>): void {
    for (const job of round.jobs) {
      if (job.kind !== 'timer-fired') continue;
      const firesAt = timers.get(job.seq);
      if (firesAt !== undefined && time < firesAt)
        this.fail('I6', `timer ${job.seq} of run ${run} fired ${firesAt - time} ms early`);
    }
    for (const command of round.commands ?? [])
      if (command.kind === 'start-timer') timers.set(command.seq, time + command.delayMs);
  }
}
