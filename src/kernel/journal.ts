import type { Clock, Log, NodeId, Partition } from '../core/index.ts';
import { LIMITS, messageOf, PleachError } from '../core/index.ts';
import type {
  AttemptRow,
  BlobRow,
  CommitAnswer,
  InboxKey,
  Lease,
  RunAttributes,
  RunChange,
  RunRow,
  SegmentRow,
  Store,
  TxResultRow,
} from '../store/index.ts';
import { type Batch, emptyBatch } from '../store/index.ts';
import type { PlantedBug } from './planted-bugs.ts';

/** A message that goes out with an entry; the journal gives it its key. */
export interface OutMessage {
  to: Partition;
  toRun: string;
  body: Uint8Array;
  /** The message that this one answers: its key, mirrored, is the answer's, so that the answer needs no segment. */
  answers?: InboxKey;
}

/** What one run wants made durable, all of it or none. */
export interface JournalEntry {
  partition: Partition;
  /** In order; the journal gives them their positions. */
  segments: Omit<SegmentRow, 'pos' | 'partition'>[];
  /** What the segments name; never in another commit than theirs. */
  blobs?: BlobRow[];
  runChange?: RunChange;
  newRuns?: RunRow[];
  /** Search attributes that its segments have set or changed. */
  attributes?: RunAttributes[];
  messages?: OutMessage[];
  inboxDone?: InboxKey[];
  attempts?: AttemptRow[];
  attemptsDone?: { run: RunRow['run']; seq: number }[];
  attemptsOfClosed?: RunRow['run'][];
  txResults?: TxResultRow[];
  txResultsDone?: Batch['txResultsDone'];
  /** Partitions that leave this node with it; it is the last entry of each. */
  given?: Batch['given'];
  /** Called once, when it is on the disk; `messages` have their keys then. */
  durable(messages: { key: InboxKey; body: Uint8Array }[]): void;
  /** Called once, when the store refuses this entry for itself: nothing of it was written. */
  refused(error: PleachError): void;
}

/** What the journal tells its node. */
export interface JournalHooks {
  /** The lease is gone: everything that is not durable is void. Called once. */
  lost(error: PleachError): void;
  /** The store refuses all writing (full, read-only) or takes it again (undefined). */
  stalled(error: PleachError | undefined): void;
}

/** Turns of the loop in which a commit waits for more, as long as each brings some. */
const GATHER_TURNS_MAX = 16;

/** How long it waits so at most, in milliseconds: a turn in which much is loaded is no cheap one. */
const GATHER_MS_MAX = 2;

const RETRY_FIRST_MS = 20;
const RETRY_MAX_MS = 2_000;

/**
 * The only way to durability, one per node: it commits whatever waits in one transaction, and starts the next commit
 * the moment the last returns. Under load a commit carries hundreds of runs; idle, it carries one and waits for nothing.
 */
export class Journal {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #hooks: JournalHooks;
  readonly #heads: Map<Partition, number>;
  readonly #ttlMs: number;
  readonly #plantedBug: PlantedBug | undefined;
  #lease: Lease;
  #queue: JournalEntry[] = [];
  readonly #claims: Claim[] = [];
  /** Who wants the database for itself, in order. */
  readonly #borrowers: (() => Promise<'ended' | 'silent'>)[] = [];
  #running = false;
  #closed = false;
  /** Monotonic instant until which this node may act. */
  #actUntil: number;
  #stalled: PleachError | undefined;
  /** Store time minus monotonic time, milliseconds: a host clock that jumps moves nothing here. */
  #offsetMs: number;
  #latest = 0;
  #idle: (() => void)[] = [];
  /** For figures: commits, and entries in them. */
  readonly counts = { commits: 0, entries: 0, bytes: 0 };

  constructor(
    store: Store,
    lease: Lease,
    heads: Map<Partition, number>,
    options: {
      clock: Clock;
      log: Log;
      hooks: JournalHooks;
      ttlMs: number;
      acquiredMonoMs: number;
      storeNow: number;
      plantedBug?: PlantedBug | undefined;
    },
  ) {
    this.#store = store;
    this.#lease = lease;
    this.#heads = heads;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#hooks = options.hooks;
    this.#ttlMs = options.ttlMs;
    this.#plantedBug = options.plantedBug;
    this.#actUntil = options.acquiredMonoMs + this.#mayActMs;
    this.#offsetMs = options.storeNow - options.clock.monotonicMs();
  }

  get #mayActMs(): number {
    return this.#ttlMs - Math.min(LIMITS.leaseSlackMs, this.#ttlMs / 5);
  }

  get lease(): Lease {
    return this.#lease;
  }

  /** Whether no commit is under way and none is wanted. */
  get isIdle(): boolean {
    return !this.#running && this.#queue.length === 0;
  }

  /** Entries that wait for the next commit. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Store time. */
  now(): number {
    // The offset is learned anew with each commit, a little off each time: time never goes back for it.
    this.#latest = Math.max(this.#latest, Math.floor(this.#clock.monotonicMs() + this.#offsetMs));
    return this.#latest;
  }

  /** Whether the lease holds by the monotonic clock; where it does not, nothing may be answered. */
  holds(): boolean {
    if (this.#closed) return false;
    return this.#clock.monotonicMs() < this.#actUntil || this.#plantedBug === 'act-without-lease';
  }

  append(entry: JournalEntry): void {
    if (this.#closed) return;
    this.#queue.push(entry);
    this.#start();
  }

  /** A partition is this node's from here on; its log ends at `head`. */
  begin(partition: Partition, head: number): void {
    this.#heads.set(partition, head);
  }

  /**
   * Claims partitions between two commits, since a claim counts as one.
   * @returns those that are this node's now
   * @throws what the store refuses it with; STORE_UNAVAILABLE where it is not known what became of it: the next look tells
   */
  claim(wanted: readonly Partition[], dead: readonly NodeId[]): Promise<Partition[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return;
      this.#claims.push({ wanted, dead, resolve, reject });
      this.#start();
    });
  }

  /**
   * Lets someone else write to the database, between two commits: nothing is committed from `begun` until `end`. Whoever
   * waits for a commit has one between two borrowers.
   * @param withinMs how long its end is waited for; after that the epoch is raised, so that what it has begun under the
   *   old one is committed by then, or never
   */
  lend(withinMs: number): Lending {
    const begun = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<'ended' | 'silent'>();
    let isWanted = true;
    const borrow = (): Promise<'ended' | 'silent'> => {
      if (!isWanted) return Promise.resolve('ended');
      isWanted = false;
      const wait = this.#clock.after(withinMs, () => ended.resolve('silent'));
      begun.resolve();
      return ended.promise.finally(() => wait.clear());
    };
    if (!this.#closed) {
      this.#borrowers.push(borrow);
      this.#start();
    }
    return {
      begun: begun.promise,
      ended: ended.promise.then(() => undefined),
      end: () => ended.resolve('ended'),
      giveUp: () => {
        isWanted = false;
      },
    };
  }

  /** Commits nothing but the lease's renewal, if nothing else is under way. */
  renew(): void {
    if (this.#closed || this.#running) return;
    this.#running = true;
    void this.#run(true);
  }

  /** Waits until all that was appended is durable, or the store takes no writes: an engine on a full disk must end too. */
  async flushed(): Promise<void> {
    if (this.#closed || this.#stalled || (!this.#running && this.#queue.length === 0)) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Stops; what was appended and is not durable stays unsaid. */
  stop(): void {
    this.#closed = true;
    this.#queue = [];
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    // A turn later, so that one commit takes what all messages of this turn have caused.
    this.#clock.soon(() => void this.#run(false));
  }

  async #run(renewal: boolean): Promise<void> {
    let renew = renewal;
    while (
      !this.#closed &&
      (this.#queue.length > 0 || this.#claims.length > 0 || this.#borrowers.length > 0 || renew)
    ) {
      const borrow = this.#borrowers.shift();
      if (borrow) {
        if ((await borrow()) === 'silent' && !this.#closed && (await this.#learnOutcome()) === 'lost') break;
        // Borrowers in a long line must not use the lease up.
        renew ||= this.#actUntil - this.#clock.monotonicMs() < this.#mayActMs / 2;
        if (this.#queue.length === 0 && this.#claims.length === 0 && !renew) continue;
      }
      const claim = this.#claims.shift();
      if (claim) {
        await this.#claim(claim);
        continue;
      }
      if (!renew) await this.#gather();
      renew = false;
      if (this.#closed) break;
      await this.#commit(this.#take());
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Lets in what is at the door already: a turn of the loop costs microseconds, a commit a hundred times that. */
  async #gather(): Promise<void> {
    const until = this.#clock.monotonicMs() + GATHER_MS_MAX;
    for (let turn = 0; turn < GATHER_TURNS_MAX && this.#clock.monotonicMs() < until; turn++) {
      const before = this.#queue.length;
      if (before >= LIMITS.commitActivationsMax) return;
      await new Promise<void>((resolve) => this.#clock.soon(resolve));
      if (this.#queue.length === before) return;
    }
  }

  #take(): JournalEntry[] {
    let bytes = 0;
    let count = 0;
    for (const entry of this.#queue) {
      if (count >= LIMITS.commitActivationsMax || (count > 0 && bytes > LIMITS.commitBytesMax)) break;
      for (const segment of entry.segments) bytes += segment.body.length;
      if (entry.blobs) for (const blob of entry.blobs) bytes += blob.body.length;
      count++;
    }
    this.counts.bytes += bytes;
    if (count === this.#queue.length) {
      const all = this.#queue;
      this.#queue = [];
      return all;
    }
    return this.#queue.splice(0, count);
  }

  async #claim(claim: Claim): Promise<void> {
    const sentAt = this.#clock.monotonicMs();
    try {
      const answer = await this.#store.claim(this.#lease, this.#ttlMs, claim.wanted, claim.dead);
      if (this.#closed) return;
      if (answer.status !== 'committed') {
        this.#refuse(answer);
        return;
      }
      this.#renewed(answer, sentAt);
      claim.resolve(answer.partitions);
    } catch (error) {
      if (this.#closed) return;
      const isUnknown = error instanceof PleachError && error.code === 'STORE_UNAVAILABLE';
      if (isUnknown && (await this.#learnOutcome()) === 'lost') return;
      claim.reject(error);
    }
  }

  #renewed(answer: Extract<CommitAnswer, { status: 'committed' }>, sentAt: number): void {
    this.#lease = answer.lease;
    this.#offsetMs = answer.now - this.#clock.monotonicMs();
    this.#actUntil = sentAt + this.#mayActMs;
  }

  /** The fence has refused a commit: nothing of this node's is written any more. */
  #refuse(answer: Exclude<CommitAnswer, { status: 'committed' }>): void {
    this.#lose(
      answer.status === 'fenced'
        ? new PleachError('LEASE_LOST', 'another node has taken over this database', {})
        : new PleachError(
            'STORE_WENT_BACK',
            `the store is at batch ${answer.found} where this node had committed ${answer.expected}: it was put back to an older state. What was acknowledged since then is lost`,
            { expected: answer.expected, found: answer.found },
          ),
    );
  }

  /** Brings these entries to an end: durable, refused one by one, or void with the lease. */
  async #commit(entries: JournalEntry[]): Promise<void> {
    for (let waitMs = RETRY_FIRST_MS; !this.#closed; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      const built = this.#build(entries);
      const sentAt = this.#clock.monotonicMs();
      try {
        const answer = await this.#store.commit(this.#lease, this.#ttlMs, built.batch);
        if (this.#closed) return;
        if (answer.status === 'committed') {
          this.#renewed(answer, sentAt);
          this.#committed(entries, built, sentAt);
          return;
        }
        this.#refuse(answer);
        return;
      } catch (error) {
        if (this.#closed) return;
        const failure =
          error instanceof PleachError ? error : new PleachError('UNEXPECTED', messageOf(error), {}, { cause: error });
        if (failure.code === 'STORE_UNAVAILABLE') {
          const outcome = await this.#learnOutcome();
          if (outcome === 'lost') return;
          if (outcome === 'written') {
            this.#committed(entries, built, sentAt);
            return;
          }
        } else if (failure.code === 'STORE_FULL' || failure.code === 'STORE_READ_ONLY') {
          this.#stall(failure);
          await this.#wait(waitMs);
        } else if (entries.length > 1) {
          // Known to have failed as a whole: halve until the offender stands alone.
          const half = entries.length >> 1;
          await this.#commit(entries.slice(0, half));
          if (!this.#closed) await this.#commit(entries.slice(half));
          return;
        } else {
          this.#log.error('the store refused an entry', { code: failure.code, message: failure.message });
          entries[0]?.refused(failure);
          return;
        }
      }
    }
  }

  /** After an unknown outcome: a new epoch first, which waits for what is under way; then what is there is the truth. */
  async #learnOutcome(): Promise<'written' | 'not-written' | 'lost'> {
    for (let waitMs = RETRY_FIRST_MS; !this.#closed; waitMs = Math.min(waitMs * 2, RETRY_MAX_MS)) {
      const askedAt = this.#clock.monotonicMs();
      try {
        const answer = await this.#store.reclaim(this.#lease, this.#ttlMs);
        if (this.#closed) return 'lost';
        if (!answer) {
          this.#lose(new PleachError('LEASE_LOST', 'another node has taken over this database', {}));
          return 'lost';
        }
        const expected = this.#lease.batch;
        this.#lease = answer.lease;
        this.#actUntil = askedAt + this.#mayActMs;
        if (answer.reached < expected) {
          this.#lose(
            new PleachError(
              'STORE_WENT_BACK',
              `the store is at batch ${answer.reached} where this node had committed ${expected}`,
              {
                expected,
                found: answer.reached,
              },
            ),
          );
          return 'lost';
        }
        if (this.#plantedBug === 'trust-unknown-commits') return 'written';
        return answer.reached === expected ? 'not-written' : 'written';
      } catch (error) {
        this.#log.warn('the store does not answer', { message: messageOf(error) });
        await this.#wait(waitMs);
      }
    }
    return 'lost';
  }

  #committed(entries: JournalEntry[], built: Built, sentAt: number): void {
    this.#stall(undefined);
    this.#actUntil = sentAt + this.#mayActMs;
    for (const [partition, pos] of built.heads) this.#heads.set(partition, pos);
    this.counts.commits++;
    this.counts.entries += entries.length;
    entries.forEach((entry, index) => entry.durable(built.messages[index] ?? []));
  }

  #build(entries: JournalEntry[]): Built {
    const batch = emptyBatch();
    const heads = new Map<Partition, number>();
    const messages: { key: InboxKey; body: Uint8Array }[][] = [];
    for (const entry of entries) {
      let pos = heads.get(entry.partition) ?? this.#heads.get(entry.partition) ?? 0;
      for (const segment of entry.segments) {
        pos++;
        batch.segments.push({ ...segment, partition: entry.partition, pos });
      }
      if (entry.segments.length > 0) heads.set(entry.partition, pos);
      if (entry.blobs) batch.blobs.push(...entry.blobs);
      if (entry.runChange) batch.runChanges.push(entry.runChange);
      if (entry.newRuns) batch.newRuns.push(...entry.newRuns);
      if (entry.attributes) batch.attributes.push(...entry.attributes);
      if (entry.inboxDone) batch.inboxDone.push(...entry.inboxDone);
      if (entry.attempts) batch.attempts.push(...entry.attempts);
      if (entry.attemptsDone) batch.attemptsDone.push(...entry.attemptsDone);
      if (entry.txResults) batch.txResults.push(...entry.txResults);
      if (entry.txResultsDone) batch.txResultsDone.push(...entry.txResultsDone);
      if (entry.given) batch.given.push(...entry.given);
      if (entry.attemptsOfClosed) batch.attemptsOfClosed.push(...entry.attemptsOfClosed);
      const out = (entry.messages ?? []).map((message, index) => {
        const a = message.answers;
        const messageKey: InboxKey = a
          ? { to: message.to, from: a.to, fromPos: -a.fromPos, index: a.index }
          : { to: message.to, from: entry.partition, fromPos: pos, index };
        batch.inboxIn.push({ ...messageKey, toRun: message.toRun, body: message.body });
        return { key: messageKey, body: message.body };
      });
      messages.push(out);
    }
    return { batch, heads, messages };
  }

  #stall(error: PleachError | undefined): void {
    if (this.#stalled === error || (this.#stalled && error && this.#stalled.code === error.code)) return;
    this.#stalled = error;
    if (error) for (const resolve of this.#idle.splice(0)) resolve();
    this.#hooks.stalled(error);
  }

  #lose(error: PleachError): void {
    if (this.#closed) return;
    this.stop();
    this.#hooks.lost(error);
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve));
  }
}

/** The database in someone else's hands. */
export interface Lending {
  /** Resolved when it is theirs. */
  readonly begun: Promise<void>;
  /** Resolved when it is no longer. */
  readonly ended: Promise<void>;
  /** Says that it was used. */
  end(): void;
  /** Says that it is not wanted any more; without effect once it has begun. */
  giveUp(): void;
}

/** Partitions that are wanted, and whoever waits for them. */
interface Claim {
  wanted: readonly Partition[];
  dead: readonly NodeId[];
  resolve(partitions: Partition[]): void;
  reject(error: unknown): void;
}

interface Built {
  batch: Batch;
  heads: Map<Partition, number>;
  messages: { key: InboxKey; body: Uint8Array }[][];
}
