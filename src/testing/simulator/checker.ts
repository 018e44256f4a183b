import type { Job, Segment, WirePayload } from '../../common/index.ts';
import {
  applySegment,
  attributeValues,
  decodeSegment,
  emptyState,
  readSegment,
  type RunState,
} from '../../kernel/index.ts';
import type { AttributeValue, Batch, BlobRow, Lease, RunRow, SegmentRow } from '../../store/index.ts';

/** A promise that was broken, with its number. */
export class BrokenInvariant extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'BrokenInvariant';
    this.invariant = invariant;
  }
}

/** Faults that cannot happen without changing what happens after them. A doubled request or a clock that jumps may. */
const TELLING: ReadonlySet<string> = new Set([
  'kill',
  'pause',
  'crash-before',
  'crash-after',
  'unknown-before',
  'unknown-after',
  'full',
  'refused',
  'request-lost',
  'response-lost',
]);

/** What a simulated activity returns: its name, and the attempt that returns it. */
export function valueOf(name: WirePayload | undefined, attempt: number): string {
  return JSON.stringify(`${typeof name === 'string' ? (JSON.parse(name) as string) : ''}@${attempt}`);
}

function attemptOf(value: WirePayload | undefined): number {
  return typeof value === 'string' ? Number(/@(\d+)"$/.exec(value)?.[1]) : NaN;
}

/** What is known of an activity from outside, under run/seq. */
interface WatchedActivity {
  /** Its result is durable. */
  resolved: boolean;
  /** The attempt whose start was made durable last. */
  current: number;
  /** Tokens of the attempts that began. */
  began: Set<string>;
  /** What was decided about it, once that is durable. */
  admitted: boolean | undefined;
  /** Whether it is paused, and the attempts whose start was noted since. */
  isPaused: boolean;
  notedUnderPause: Set<string>;
}

/** Watches a simulated world from outside while it lives: what is written, what is said, what is done. */
export class Checker {
  readonly broken: BrokenInvariant[] = [];
  /** Every run that was written, folded from its segments as they were written. */
  readonly runs = new Map<string, RunState>();
  /** The rounds of each segment of a run as they were written. */
  readonly histories = new Map<string, string[]>();
  /** The search attributes of runs, as their rows say. */
  readonly attributes = new Map<string, AttributeValue[]>();
  /** Rows of runs as they were written first. */
  readonly rows = new Map<string, RunRow>();
  /** Requests that are durable, and those whose effect was told. */
  readonly durable = new Set<string>();
  readonly told = new Set<string>();
  /** Tokens of attempts that were told to stop. */
  readonly toldToStop = new Set<string>();
  readonly faults = new Map<string, number>();
  activations = 0;
  /** Payloads that were written apart from their segment. */
  blobs = 0;
  /** Partitions that one node gave to another. */
  given = 0;
  /** Faults that changed what happened after them. */
  tellingFaults = 0;
  /** Whether rules are asked: then nothing that they are asked about happens without a decision. */
  isAdmissionBound = false;
  readonly #activities = new Map<string, WatchedActivity>();
  readonly #children = new Map<string, boolean>();
  readonly #signals = new Map<string, boolean>();
  readonly #holder = { node: '', epoch: 0 };
  /** Where several nodes work on one store: whether it still knows this one, and whether a partition is its. */
  shared: { knows(node: string): boolean; owns(node: string, partition: number): boolean } | undefined;
  /** Puts a breach in the trace, where it was seen. */
  note: (text: string) => void = () => undefined;
  /** Nodes under which the store was put back: they may write nothing more. */
  readonly #putBackUnder = new Set<string>();

  fail(invariant: string, message: string): void {
    this.note(`BROKEN ${invariant}: ${message}`);
    this.broken.push(new BrokenInvariant(invariant, message));
  }

  fault(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
    if (TELLING.has(kind)) this.tellingFaults++;
  }

  acquired(lease: Lease): void {
    if (lease.epoch < this.#holder.epoch) return;
    this.#holder.node = lease.node;
    this.#holder.epoch = lease.epoch;
  }

  /** The store is put back to an older state while this node runs on it: nothing it writes now may be taken. */
  putBack(node: string): void {
    this.#putBackUnder.add(node);
  }

  /** A commit was written, whether or not its node will hear of it. */
  written(lease: Lease, batch: Batch): void {
    if (this.#putBackUnder.has(lease.node)) {
      this.fail('I17', `node ${lease.node} wrote to a store that was put back under it`);
      return;
    }
    if (this.shared) this.#checkOwned(lease.node, batch);
    else if (lease.epoch < this.#holder.epoch)
      this.fail('I3', `a node of epoch ${lease.epoch} wrote after epoch ${this.#holder.epoch} had begun`);
    this.blobs += batch.blobs.length;
    this.given += batch.given.length;
    for (const row of batch.newRuns) this.rows.set(row.run, row);
    const closed = new Set<string>();
    for (const row of batch.segments) if (this.#segment(row, batch.blobs)) closed.add(row.run);
    for (const { run, values } of batch.attributes) this.attributes.set(run, values);
    for (const { run } of batch.segments) this.#checkAttributes(run);
    this.#checkRows(batch, closed);
  }

  #checkOwned(node: string, batch: Batch): void {
    const given = new Set(batch.given.map(({ partition }) => partition));
    for (const { run, partition } of batch.segments)
      if (!given.has(partition) && !this.shared!.owns(node, partition))
        this.fail('I3', `node ${node} wrote to run ${run} in partition ${partition}, which is not its`);
  }

  /** Applies a segment; whether it closes its run. */
  #segment(row: SegmentRow, blobs: readonly BlobRow[]): boolean {
    const { bytes } = readSegment(row);
    let segment: Segment;
    try {
      segment = decodeSegment(row, blobs);
    } catch (error) {
      this.fail('I2', `segment ${row.seq} of run ${row.run} cannot be read: ${(error as Error).message}`);
      return false;
    }
    const history = this.histories.get(row.run) ?? [];
    this.histories.set(row.run, history);
    history.push(JSON.stringify(segment.rounds));
    const state = this.runs.get(row.run) ?? emptyState();
    this.runs.set(row.run, state);
    if (state.closing) this.fail('I1', `run ${row.run} has closed, and got segment ${row.seq}`);
    if (row.seq !== state.seq + 1) this.fail('I1', `run ${row.run} got segment ${row.seq} after ${state.seq}`);
    this.#checkTimers(row.run, state, segment);
    for (const round of segment.rounds) {
      if (round.commands) this.activations++;
      for (const job of round.jobs) this.#job(row.run, job);
      for (const command of round.commands ?? [])
        if (command.kind === 'update-completed') this.durable.add(`updated/${command.updateId}`);
    }
    const wasClosed = state.closing !== undefined;
    try {
      applySegment(state, segment, bytes);
    } catch (error) {
      this.fail('I1', `segment ${row.seq} of run ${row.run} cannot follow: ${(error as Error).message}`);
    }
    return state.closing !== undefined && !wasClosed;
  }

  /** The rows of a run's search attributes are what its log says, from the same commit on. */
  #checkAttributes(run: string): void {
    const expected = JSON.stringify(attributeValues(this.runs.get(run)?.searchAttributes ?? {}));
    const rows = JSON.stringify(this.attributes.get(run) ?? []);
    if (rows !== expected) this.fail('I8', `run ${run} has attributes ${expected} in its log, and rows ${rows}`);
  }

  #job(run: string, job: Job): void {
    if ('requestId' in job && job.requestId !== undefined) this.durable.add(job.requestId);
    switch (job.kind) {
      case 'start': {
        const { parent } = job;
        if (
          parent &&
          this.isAdmissionBound &&
          !job.continuedFrom &&
          !this.#children.get(`${parent.runId}/${parent.seq}`)
        )
          this.fail('I16', `child ${job.workflowId} was started, and no decision that admits it is durable`);
        return;
      }
      case 'activity-started':
        this.#activity(run, job.seq).current = job.attempt;
        if (this.#activity(run, job.seq).isPaused) this.#activity(run, job.seq).notedUnderPause.add(job.token);
        return;
      case 'activity-paused':
        this.#activity(run, job.seq).isPaused = true;
        return;
      case 'activity-resumed':
        this.#activity(run, job.seq).isPaused = false;
        this.#activity(run, job.seq).notedUnderPause.clear();
        return;
      case 'activity-resolved': {
        const activity = this.#activity(run, job.seq);
        if (activity.resolved) this.fail('I5', `activity ${run}/${job.seq} has two results`);
        activity.resolved = true;
        if (job.outcome.status !== 'completed') return;
        const attempt = attemptOf(job.outcome.value);
        if (attempt !== activity.current)
          this.fail(
            'I5',
            `activity ${run}/${job.seq} took attempt ${attempt}'s result; current was ${activity.current}`,
          );
        return;
      }
      case 'signalled': {
        const sender = /^(.+)\/signal\/(\d+)$/.exec(job.requestId ?? '');
        if (sender && this.isAdmissionBound && !this.#signals.get(`${sender[1]}/${sender[2]}`))
          this.fail('I16', `signal ${job.requestId} was taken in, and no decision that admits it is durable`);
        return;
      }
      case 'admission-decided':
        if (job.command === 'signal-external') this.#signals.set(`${run}/${job.seq}`, job.admitted);
        else if (job.command === 'start-child') this.#children.set(`${run}/${job.seq}`, job.admitted);
        else this.#activity(run, job.seq).admitted = job.admitted;
        return;
      default:
        return;
    }
  }

  #activity(run: string, seq: number): WatchedActivity {
    const key = `${run}/${seq}`;
    let activity = this.#activities.get(key);
    if (!activity) {
      activity = {
        resolved: false,
        current: 0,
        began: new Set(),
        admitted: undefined,
        isPaused: false,
        notedUnderPause: new Set(),
      };
      this.#activities.set(key, activity);
    }
    return activity;
  }

  #checkTimers(run: string, state: RunState, segment: Segment): void {
    for (const round of segment.rounds) {
      for (const job of round.jobs) {
        const timer = job.kind === 'timer-fired' ? state.timers.get(job.seq) : undefined;
        if (timer && segment.time < timer.firesAt)
          this.fail('I6', `timer ${timer.seq} of run ${run} fired ${timer.firesAt - segment.time} ms early`);
      }
    }
  }

  /** A run's row and its log say the same, in the same commit. */
  #checkRows(batch: Batch, closed: ReadonlySet<string>): void {
    const rows = [...batch.newRuns, ...batch.runChanges];
    const closedByRow = new Set<string>(rows.filter(({ status }) => status !== 'RUNNING').map(({ run }) => run));
    for (const run of closed)
      if (!closedByRow.has(run)) this.fail('I8', `run ${run} closed in the log, and its row stayed open`);
    for (const run of closedByRow)
      if (!closed.has(run)) this.fail('I8', `run ${run} closed in its row, and the log has no event of it`);
    for (const { run } of batch.newRuns)
      if (!batch.segments.some((segment) => segment.run === run && segment.seq === 1))
        this.fail('I8', `run ${run} has a row, and the log has no start of it`);
  }

  /** A caller was told that a request has taken effect. */
  acknowledged(requestId: string): void {
    this.told.add(requestId);
    if (!this.durable.has(requestId)) this.fail('I12', `request ${requestId} was acknowledged before it was durable`);
  }

  /** A caller was told how a run ended. */
  concluded(run: string): void {
    if (!this.runs.get(run)?.closing) this.fail('I12', `run ${run} was said to have ended before that was durable`);
  }

  /** A node says something, or lets something begin. */
  acts(node: string, what: string): void {
    if (this.shared ? !this.shared.knows(node) : this.#holder.node !== node)
      this.fail(
        'I3',
        `node ${node} ${what}, and ${this.shared ? 'it was fenced before' : `node ${this.#holder.node} has taken over since`}`,
      );
  }

  /** A node has lost its lease and stopped acting: what it ran was told to stop. */
  stopped(name: string, running: ReadonlySet<string> = new Set()): void {
    for (const token of running)
      if (!this.toldToStop.has(token))
        this.fail('I3', `${name} lost its lease, and attempt ${token} was not told to stop`);
  }

  /** An attempt begins its first instruction. */
  started(task: { runId: string; token: string; attempt: number; maximumAttempts: number | undefined }): void {
    const { runId, token, attempt, maximumAttempts } = task;
    const key = `${runId}/${token.split('/')[1]}`;
    const activity = this.#activity(runId, Number(token.split('/')[1]));
    if (activity.resolved) this.fail('I4', `activity ${key} was run after its result was durable`);
    if (activity.began.has(token)) this.fail('I4', `attempt ${token} was run twice`);
    activity.began.add(token);
    if (activity.notedUnderPause.has(token)) this.fail('I4', `activity ${key} began an attempt while it was paused`);
    if (this.isAdmissionBound && activity.admitted !== true)
      this.fail('I16', `activity ${key} began, and no decision that admits it is durable`);
    if (maximumAttempts !== undefined && (attempt > maximumAttempts || activity.began.size > maximumAttempts))
      this.fail('I15', `activity ${key} began ${activity.began.size} attempts of at most ${maximumAttempts}`);
  }
}
