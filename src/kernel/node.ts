import type { Segment } from '../common/index.ts';
import type { RunResult } from '../contract/index.ts';
import {
  assert,
  type Clock,
  LIMITS,
  type Log,
  messageOf,
  type NodeId,
  type Partition,
  PleachError,
  type Random,
  type RunId,
  uuidV7,
  type Wait,
} from '../core/index.ts';
import { partitionOf, type RunRow, type Store } from '../store/index.ts';
import { Activations } from './activations.ts';
import type { Admission } from './admission.ts';
import { hasParked, resumeAdmissions } from './admit-commands.ts';
import { Attempts } from './attempts.ts';
import { Cluster, partitionMoved } from './cluster.ts';
import { ClosedQueries } from './closed-queries.ts';
import { Deadlines } from './deadlines.ts';
import { Inbox } from './inbox.ts';
import { Journal, type JournalEntry } from './journal.ts';
import { KeptRows } from './kept-rows.ts';
import { type Carried, giveCarried, LiveRun, workflowKey } from './live-run.ts';
import type { RunState } from './machine/state.ts';
import { Matcher } from './matcher.ts';
import { type Dial, NodeLinks } from './node-links.ts';
import { Peer } from './peer.ts';
import { type PlantedBug } from './planted-bugs.ts';
import { Relays } from './relays.ts';
import { Requests } from './requests.ts';
import { Room } from './room.ts';
import { foldRows, loadRows, readRows } from './segments.ts';
import { Queue, type PeerChannel } from './workers.ts';

/** What a node is given. */
export interface NodeOptions {
  store: Store;
  clock: Clock;
  random: Random;
  log: Log;
  admission?: Admission;
  leaseTtlMs?: number;
  cachedRunsMax?: number;
  /** Jobs that may wait before new work is refused. Default `LIMITS.waitingJobsMax`. */
  waitingJobsMax?: number;
  /** Bytes of a payload above which it is stored apart. Default `LIMITS.blobBytesMin`. */
  blobBytesMin?: number;
  /** Where other nodes reach this one, on a store that several share. Without it this node owns no partitions there. */
  address?: string;
  /** Opens links to other nodes. */
  dial?: Dial;
  /** A node whose process is known to be gone. */
  deadNode?: string;
  /** Called when the store is this node's, before anything is read from it. */
  acquired?: () => void;
  /** Called once when the node has stopped acting: its lease is lost, or it was stopped. */
  ended?: (error: PleachError | undefined) => void;
  /** A fault of our own, planted to prove that the tests see it. Test builds only. */
  plantedBug?: PlantedBug;
}

/**
 * One node: it holds the lease of a store, keeps runs in memory while something happens to them, and moves each by
 * jobs that come in and commands that come out. This file has the runs and their coming and going; `activations.ts`
 * moves a run, `attempts.ts` its activities, `inbox.ts` what passes between runs, `requests.ts` what clients ask.
 */
export class KernelNode {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly store: Store;
  readonly admission: Admission | undefined;
  readonly journal: Journal;
  readonly deadlines = new Deadlines();
  readonly runs = new Map<RunId, LiveRun>();
  readonly openRuns = new Map<string, LiveRun>();
  readonly queues = new Map<string, Queue>();
  readonly peers = new Set<Peer>();
  readonly activations: Activations;
  readonly attempts: Attempts;
  readonly inbox: Inbox;
  readonly requests: Requests;
  readonly room: Room;
  readonly closedQueries: ClosedQueries;
  readonly plantedBug: PlantedBug | undefined;
  readonly waitingJobsMax: number;
  readonly cluster: Cluster;
  readonly links: NodeLinks;
  readonly matcher: Matcher;
  readonly relays: Relays;
  readonly blobBytesMin: number;
  /** Set while the store refuses all writing. */
  stalled: PleachError | undefined;
  ended = false;
  readonly #cachedRunsMax: number;
  readonly #onEnded: ((error: PleachError | undefined) => void) | undefined;
  readonly #carried = new Map<RunId, Carried>();
  readonly #loading = new Map<RunId, { partition: Partition; run: Promise<LiveRun | undefined> }>();
  readonly #keptRows = new KeptRows(LIMITS.keptRowsBytes);
  #timer: Wait | undefined;
  #timerAt = Infinity;
  #renewal: Wait | undefined;
  /** The earliest instant at which a run that is not in memory must be looked at. */
  #storedWakeAt = Infinity;
  #waking = false;
  readonly #ttlMs: number;
  #waryUntilMs = -Infinity;

  private constructor(
    id: NodeId,
    acquired: { owned: readonly Partition[]; wasAbandoned: boolean },
    journal: (node: KernelNode) => Journal,
    options: NodeOptions,
  ) {
    this.id = id;
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
    this.store = options.store;
    this.admission = options.admission;
    this.plantedBug = options.plantedBug;
    this.waitingJobsMax = options.waitingJobsMax ?? LIMITS.waitingJobsMax;
    this.blobBytesMin = options.blobBytesMin ?? LIMITS.blobBytesMin;
    this.#ttlMs = options.leaseTtlMs ?? LIMITS.leaseTtlMs;
    if (acquired.wasAbandoned) this.#beWary();
    this.links = new NodeLinks(this, options.dial);
    this.matcher = new Matcher(this);
    this.relays = new Relays(this);
    this.cluster = new Cluster(this, {
      ...acquired,
      address: options.address,
      ttlMs: this.#ttlMs,
    });
    this.#cachedRunsMax = options.cachedRunsMax ?? LIMITS.cachedRunsMax;
    this.#onEnded = options.ended;
    this.activations = new Activations(this);
    this.attempts = new Attempts(this);
    this.inbox = new Inbox(this);
    this.room = new Room(this);
    this.requests = new Requests(this);
    this.closedQueries = new ClosedQueries(this);
    this.journal = journal(this);
  }

  /**
   * Takes the store and recovers what is there. Runs with pending work come into memory in the background, in slices;
   * requests are served meanwhile.
   * @throws DATABASE_IN_USE with the holder, where another node's lease holds
   */
  static async open(options: NodeOptions): Promise<KernelNode> {
    const id = uuidV7(options.clock.now(), options.random.bytes(16)) as NodeId;
    const ttlMs = options.leaseTtlMs ?? LIMITS.leaseTtlMs;
    const acquiredMonoMs = options.clock.monotonicMs();
    const answer = await options.store.acquire(id, ttlMs, {
      ...(options.deadNode === undefined ? {} : { dead: options.deadNode }),
      ...(options.address === undefined ? {} : { address: options.address }),
    });
    if (answer.status === 'held') {
      throw new PleachError(
        'DATABASE_IN_USE',
        `another process is the engine of this database until ${new Date(answer.holder.until).toISOString()}`,
        {
          holder: answer.holder.node,
          until: answer.holder.until,
          now: answer.now,
        },
      );
    }
    options.acquired?.();
    const heads = await options.store.loadHeads(answer.owned);
    const node = new KernelNode(
      id,
      answer,
      (self) =>
        new Journal(options.store, answer.lease, heads, {
          clock: options.clock,
          log: options.log,
          ttlMs,
          acquiredMonoMs,
          storeNow: answer.now,
          plantedBug: options.plantedBug,
          hooks: {
            lost: (error) => self.#end(error),
            stalled: (error) => {
              self.stalled = error;
              if (error) self.log.error('the store takes no writes', { code: error.code, message: error.message });
              else self.log.info('the store takes writes again');
            },
          },
        }),
      options,
    );
    node.#scheduleRenewal();
    await node.inbox.lookThrough(true);
    void node.#recover(node.cluster.partitions);
    await node.cluster.open();
    return node;
  }

  /** Whether nothing is under way here or at a worker: only time, or someone outside, can move anything. */
  get isQuiet(): boolean {
    if (this.activations.waitingJobs > 0 || !this.journal.isIdle || this.#loading.size > 0) return false;
    for (const queue of this.queues.values())
      for (const worker of queue.workers) if (worker.tokens.size > 0) return false;
    return true;
  }

  /**
   * Whether the process before this one has just died and may have died of workflow code: activations that leave no
   * trace in the store (queries, updates) are then run apart, since nothing would tell which of them it was.
   */
  get isWary(): boolean {
    return this.clock.monotonicMs() < this.#waryUntilMs;
  }

  #beWary(): void {
    this.#waryUntilMs = this.clock.monotonicMs() + LIMITS.waryMs;
  }

  /** Store time. */
  now(): number {
    return this.journal.now();
  }

  partitionOf(namespace: string, workflowId: string): Partition {
    return partitionOf(namespace, workflowId, this.store.identity.partitions);
  }

  newRunId(): RunId {
    return uuidV7(this.now(), this.random.bytes(16)) as RunId;
  }

  /** Lets a client or worker in. */
  connect(channel: PeerChannel): Peer {
    const peer = new Peer(this, channel);
    this.peers.add(peer);
    return peer;
  }

  queue(namespace: string, name: string): Queue {
    const key = workflowKey(namespace, name);
    let queue = this.queues.get(key);
    if (!queue) this.queues.set(key, (queue = new Queue(namespace, name)));
    return queue;
  }

  // ---- runs in memory ----

  /** Puts a run that begins now into memory; its first commit writes its row. */
  admit(row: RunRow): LiveRun {
    const run = new LiveRun(row, true);
    this.runs.set(run.id, run);
    this.openRuns.set(workflowKey(run.namespace, run.workflowId), run);
    this.#trim();
    return run;
  }

  /**
   * The run in memory, or loaded into it; undefined for a run that is closed or not there.
   * @throws PARTITION_MOVED where it is another node's
   */
  async load(row: RunRow): Promise<LiveRun | undefined> {
    const live = this.runs.get(row.run);
    if (live) return live;
    if (row.status !== 'RUNNING') return undefined;
    let loading = this.#loading.get(row.run);
    if (!loading) {
      if (!this.cluster.mayLoad(row.partition)) throw partitionMoved(row.partition);
      loading = { partition: row.partition, run: this.#load(row).finally(() => this.#loading.delete(row.run)) };
      this.#loading.set(row.run, loading);
    }
    return loading.run;
  }

  /** Whether a run of a partition is on its way into memory. */
  isLoading(partition: Partition): boolean {
    return this.#loading.values().some((loading) => loading.partition === partition);
  }

  async #load(row: RunRow): Promise<LiveRun | undefined> {
    const rows = await loadRows(this.store, row.run);
    const state = await foldRows(this.store, row.run, rows);
    const attempts = await this.store.loadAttempts(row.run);
    const live = this.runs.get(row.run);
    if (live || this.ended) return live;
    if (state.closing || !state.start) return undefined;
    const run = new LiveRun(row, false);
    run.state = state;
    run.attributes = state.searchAttributes;
    if (this.plantedBug === 'recover-without-request-ids') state.requestIds.clear();
    this.runs.set(run.id, run);
    this.#keptRows.keep(run.id, rows);
    this.openRuns.set(workflowKey(run.namespace, run.workflowId), run);
    const carried = this.takeCarried(run.id);
    if (carried) giveCarried(run, carried);
    this.attempts.recover(run, attempts);
    resumeAdmissions(this, run);
    for (const timer of state.timers.values()) this.activations.armTimer(run, timer);
    this.activations.armRun(run);
    if (state.taskFailure) run.taskAttempts ||= 1;
    if (run.retryTaskAt > this.now()) {
      run.retryTask = this.deadlines.set(run.retryTaskAt, () => this.activations.pump(run));
      this.arm();
    }
    // Jobs without an answer, of a run that was live when its process died: its activation may be what ended it. An
    // activation that takes longer than 5 ms has its jobs on the disk, and none that aborts is so quick.
    run.suspect =
      (this.cluster.wasAbandoned(run.partition) && row.wakeAt === undefined && state.undelivered.length > 0) ||
      state.taskFailure?.cause === 'SPIN' ||
      state.taskFailure?.cause === 'SANDBOX_LOST';
    this.#trim();
    this.activations.pump(run);
    return run;
  }

  /** Keeps what a run that is read anew must have again; it is there before anything else happens to the run. */
  carry(run: RunId, carried: Carried): void {
    this.#carried.set(run, carried);
  }

  takeCarried(run: RunId): Carried | undefined {
    const carried = this.#carried.get(run);
    this.#carried.delete(run);
    return carried;
  }

  /** Folds a run's segments, open or closed. */
  async foldRun(run: RunId): Promise<RunState> {
    return foldRows(this.store, run, await loadRows(this.store, run));
  }

  /** All segments of a run. */
  async loadHistory(run: RunId): Promise<Segment[]> {
    return readRows(this.store, run, await loadRows(this.store, run, this.#keptRows.take(run)));
  }

  /** Takes a run out of memory: closed, parked, or thrown away to be loaded again. */
  drop(run: LiveRun): void {
    if (run.dropped) return;
    run.dropped = true;
    for (const giveBack of run.reservations) giveBack();
    this.runs.delete(run.id);
    this.#keptRows.take(run.id);
    const key = workflowKey(run.namespace, run.workflowId);
    if (this.openRuns.get(key) === run) this.openRuns.delete(key);
    for (const deadline of run.timers.values()) this.deadlines.clear(deadline);
    for (const deadline of run.activityDeadlines.values()) this.deadlines.clear(deadline);
    this.deadlines.clear(run.startDeadline);
    this.deadlines.clear(run.closeDeadline);
    this.deadlines.clear(run.retryTask);
    const sticky = run.sticky;
    run.sticky = undefined;
    if (sticky && !sticky.worker.gone) {
      sticky.worker.channel.send({ kind: 'evict', workerId: sticky.worker.registration.workerId, runId: run.id });
    }
  }

  /** Parks the runs that were quiet longest, where there are too many. */
  #trim(): void {
    if (this.runs.size <= this.#cachedRunsMax) return;
    let looked = 0;
    for (const run of this.runs.values()) {
      if (this.runs.size <= this.#cachedRunsMax || ++looked > 64) return;
      if (this.#parkable(run)) this.#park(run);
      else this.#touch(run);
    }
  }

  /** Moves a run to the young end of the order in which runs are parked. */
  #touch(run: LiveRun): void {
    this.runs.delete(run.id);
    this.runs.set(run.id, run);
  }

  #parkable(run: LiveRun): boolean {
    return (
      run.idle &&
      this.cluster.owns(run.partition) &&
      run.state.activities.size === 0 &&
      // Whoever decides about a parked command answers the run in memory.
      !hasParked(run.state) &&
      run.resultWaiters.length === 0 &&
      run.updateWaiters.size === 0 &&
      !run.state.closing
    );
  }

  /** Writes when the run must be looked at again, then lets it go, unless something has come meanwhile. */
  #park(run: LiveRun): void {
    let wakeAt = 9e15;
    for (const deadline of run.timers.values()) wakeAt = Math.min(wakeAt, deadline.at);
    for (const deadline of [run.startDeadline, run.closeDeadline]) if (deadline) wakeAt = Math.min(wakeAt, deadline.at);
    run.committing = true;
    run.row = { ...run.row, wakeAt };
    this.journal.append({
      partition: run.partition,
      segments: [],
      runChange: { run: run.id, status: 'RUNNING', closedAt: undefined, wakeAt },
      durable: () => {
        run.committing = false;
        if (this.#parkable(run)) {
          this.drop(run);
          this.noteStoredWake(wakeAt);
        } else this.activations.pump(run);
      },
      refused: () => {
        run.committing = false;
        this.activations.pump(run);
      },
    });
  }

  /** Appends an entry of a run that may carry its first row, or take back what parking wrote. */
  appendFor(run: LiveRun, entry: JournalEntry): void {
    if (run.unwritten) {
      run.unwritten = false;
      entry.newRuns = [run.row, ...(entry.newRuns ?? [])];
    } else if (!entry.runChange && run.row.wakeAt !== undefined) {
      run.row = { ...run.row, wakeAt: undefined };
      entry.runChange = { run: run.id, status: 'RUNNING', closedAt: undefined, wakeAt: undefined };
    }
    this.journal.append(entry);
  }

  // ---- time ----

  /** Arms the one timer of the node for its earliest deadline; called after anything was set. */
  arm(): void {
    // While stored runs are being woken, what is due among them is in hand: looking again at once would only spin.
    const at = Math.min(this.deadlines.nextAt ?? Infinity, this.#waking ? Infinity : this.#storedWakeAt);
    if (at >= this.#timerAt || this.ended) return;
    this.#timer?.clear();
    this.#timerAt = at;
    this.#timer = this.clock.after(Math.max(0, at - this.now()), () => {
      this.#timerAt = Infinity;
      this.#tick();
    });
  }

  #tick(): void {
    if (this.ended) return;
    if (!this.journal.holds()) {
      // Acting on a lease that may be another's is what fencing forbids; the next commit will tell.
      this.journal.renew();
      this.#timerAt = Infinity;
      this.#timer = this.clock.after(100, () => this.#tick());
      return;
    }
    const early = this.plantedBug === 'timer-fires-early' ? 50 : 0;
    for (let due = this.deadlines.takeDue(this.now() + early); due; due = this.deadlines.takeDue(this.now() + early))
      due.fire();
    if (this.#storedWakeAt <= this.now()) void this.#wakeStored();
    this.arm();
  }

  /** Learns that a run outside memory must be looked at by then. */
  noteStoredWake(at: number): void {
    if (at < this.#storedWakeAt) {
      this.#storedWakeAt = at;
      this.arm();
    }
  }

  async #wakeStored(): Promise<void> {
    if (this.#waking) return;
    this.#waking = true;
    this.#storedWakeAt = Infinity;
    try {
      const dueBy = this.now();
      await this.#loadPages(dueBy, this.cluster.partitions);
      const next = await this.store.nextWakeAt(dueBy, this.cluster.partitions);
      if (next !== undefined && next < 9e15) this.noteStoredWake(next);
    } catch (error) {
      this.log.error('could not wake stored runs', { message: messageOf(error) });
      this.noteStoredWake(this.now() + 1000);
    } finally {
      this.#waking = false;
      this.arm();
    }
  }

  async #recover(of: readonly Partition[]): Promise<void> {
    try {
      await this.#loadPages(undefined, of);
      this.#storedWakeAt = 0;
      await this.#wakeStored();
    } catch (error) {
      this.log.error('could not recover', { message: messageOf(error) });
      if (!this.ended)
        this.clock.after(1000, () => void this.#recover(of.filter((partition) => this.cluster.serves(partition))));
    }
  }

  /** Loads what must be looked at, in slices between which others are served. */
  async #loadPages(dueBy: number | undefined, of: readonly Partition[]): Promise<void> {
    if (of.length === 0) return;
    const SLICE = 64;
    for (let after: RunRow | undefined; !this.ended;) {
      const rows = await this.store.loadAwake({ dueBy, after, limit: SLICE, of });
      for (const row of rows) {
        if (!this.cluster.serves(row.partition)) continue;
        try {
          await this.load(row);
        } catch (error) {
          // One unreadable history must not keep the others from running.
          this.log.error('a run cannot be loaded', {
            run: row.run,
            workflowId: row.workflowId,
            message: messageOf(error),
          });
        }
      }
      if (rows.length < SLICE) return;
      after = rows.at(-1);
      await new Promise<void>((resolve) => this.clock.soon(resolve));
    }
  }

  /** Partitions have become this node's: what waits in them, and what was live or is due, is taken up. */
  taken(partitions: readonly Partition[], wasAbandoned: boolean): void {
    if (wasAbandoned) this.#beWary();
    void this.#recover(partitions);
  }

  /** A partition is another node's now: its runs leave memory, and whoever waits for one of them asks there. */
  leftBehind(partition: Partition): void {
    const moved = partitionMoved(partition);
    for (const run of this.runs.values()) {
      if (run.partition !== partition) continue;
      this.attempts.handOver(run);
      this.drop(run);
      for (const arrival of run.arrived.splice(0)) {
        if (arrival.inbox) this.inbox.leave(arrival.inbox);
        arrival.refused?.(moved);
      }
      for (const query of run.queries.splice(0)) query.fail(moved);
      for (const waiter of run.resultWaiters.splice(0)) waiter.fail(moved);
      for (const waiters of run.updateWaiters.values()) for (const waiter of waiters) waiter.fail(moved);
      run.updateWaiters.clear();
    }
  }

  #scheduleRenewal(): void {
    if (this.ended) return;
    this.#renewal = this.clock.after(this.#ttlMs / 3, () => {
      this.journal.renew();
      this.#scheduleRenewal();
    });
  }

  // ---- results ----

  /** How a run ended, from its folded state. */
  resultOf(runId: string, state: RunState, nextRunId: string | undefined): RunResult {
    const closing = state.closing;
    assert(closing, 'a result of an open run');
    return {
      runId,
      status: closing.status,
      ...(closing.value === undefined ? {} : { value: closing.value }),
      ...(closing.failure === undefined ? {} : { failure: closing.failure }),
      ...(nextRunId === undefined ? {} : { nextRunId }),
    };
  }

  // ---- end ----

  /** Finishes what is being committed, gives up the lease and ends. */
  async stop(): Promise<void> {
    if (this.ended) return;
    await this.journal.flushed();
    if (this.ended) return;
    const lease = this.journal.lease;
    this.#end(undefined);
    try {
      await this.store.release(lease);
    } catch (error) {
      this.log.warn('the lease could not be given back; it lapses by itself', { message: messageOf(error) });
    }
  }

  /** Stops acting at once, as a crash would, without giving the lease back. */
  abandon(): void {
    this.#end(new PleachError('NODE_STOPPED', 'the node was stopped', {}));
  }

  #end(error: PleachError | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.journal.stop();
    this.#timer?.clear();
    this.#renewal?.clear();
    this.cluster.close();
    this.links.close();
    this.activations.stop();
    for (const peer of this.peers) peer.end(error ?? new PleachError('NODE_STOPPED', 'the engine was closed', {}));
    this.peers.clear();
    for (const run of this.runs.values()) run.dropped = true;
    this.runs.clear();
    this.openRuns.clear();
    this.#onEnded?.(error);
  }
}
