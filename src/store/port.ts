import type { NodeId, Partition, RunId } from '../core/index.ts';

/** A node's hold on its partitions. Every write names all three; a write that names old ones changes nothing. */
export interface Lease {
  readonly node: NodeId;
  /** Grows with every acquisition by anyone: the fence. */
  readonly epoch: number;
  /** Commits under this epoch so far; a store that went back in time is noticed by it. */
  readonly batch: number;
}

/** Who holds the store, where it is not the asker and the store has room for one node alone. */
export interface Holder {
  node: string;
  epoch: number;
  /** When its lease ends, store time. */
  until: number;
}

/** The answer to an acquisition. */
export type Acquisition =
  | {
      status: 'acquired';
      lease: Lease;
      now: number;
      /** All of them where one node alone may work on the store; none where several may: each claims its share. */
      owned: Partition[];
      /** Whether the last holder ended without giving its lease up: its process died, or was cut off. */
      wasAbandoned: boolean;
    }
  | { status: 'held'; holder: Holder; now: number };

/** A node as the others see it. */
export interface Member {
  node: NodeId;
  epoch: number;
  /** When its lease ends, store time. */
  until: number;
  /** Where other nodes reach it; undefined where it does not listen, and so owns nothing. */
  address: string | undefined;
  /** Known to be gone before its lease ends: its process or its host has died. */
  isGone: boolean;
}

/** All nodes, and who owns what; a partition that is not named is free. */
export interface Cluster {
  now: number;
  members: Member[];
  owners: Map<Partition, NodeId>;
}

/** One commit of a run. `body` is the segment's rounds, encoded; the store never reads it. */
export interface SegmentRow {
  run: RunId;
  seq: number;
  partition: Partition;
  /** Dense and ascending in the partition. */
  pos: number;
  /** The encoding of `body`. */
  format: number;
  firstEventId: number;
  eventCount: number;
  /** The run's clock, milliseconds. */
  time: number;
  body: Uint8Array;
}

/** A run as lists and look-ups see it. */
export interface RunRow {
  run: RunId;
  namespace: string;
  workflowId: string;
  partition: Partition;
  type: string;
  queue: string;
  firstRun: RunId;
  status: string;
  startedAt: number;
  closedAt: number | undefined;
  /** Undefined while the run is live on a node; else when it must be looked at, 9e15 where nothing is due. */
  wakeAt: number | undefined;
}

/** What may change in a run's row. */
export interface RunChange {
  run: RunId;
  status: string;
  closedAt: number | undefined;
  wakeAt: number | undefined;
}

/** A message from one run's commit to another's. The key is (to, from, fromPos, index): it makes it exactly once. */
export interface InboxRow {
  to: Partition;
  from: Partition;
  /** The position of the sender's segment in its partition. */
  fromPos: number;
  index: number;
  /** The run it is for, or a workflow id where only that is known; the store does not follow it. */
  toRun: string;
  body: Uint8Array;
}

/** What names a message. */
export type InboxKey = Pick<InboxRow, 'to' | 'from' | 'fromPos' | 'index'>;

/** The state of an activity's attempts beyond the first start. */
export interface AttemptRow {
  run: RunId;
  seq: number;
  body: Uint8Array;
}

/**
 * The one outcome of a transactional activity, written with its own rows by whoever carried it out, or by the kernel
 * that gave it up. Whichever comes first stays; the key decides.
 */
export interface TxResultRow {
  run: RunId;
  activityId: string;
  /** The outcome, encoded; the store never reads it. */
  body: Uint8Array;
}

/** A large part of a segment, apart from it. It belongs to one run and goes with it. */
export interface BlobRow {
  run: RunId;
  /** Which of the run's; no two are alike. */
  n: number;
  body: Uint8Array;
}

/** The types of search attributes. */
export type AttributeType = 'TEXT' | 'KEYWORD' | 'INT' | 'DOUBLE' | 'BOOL' | 'DATETIME' | 'KEYWORD_LIST';

/** One value of a search attribute, as filters compare it. A list of keywords is a row for each. */
export interface AttributeValue {
  key: string;
  type: AttributeType;
  /** Text as it is; numbers as they are; a boolean as 0 or 1; an instant as milliseconds. */
  value: string | number;
}

/** All search attributes of a run: they take the place of those that it had. */
export interface RunAttributes {
  run: RunId;
  namespace: string;
  /** No two with the same key and value. */
  values: AttributeValue[];
}

/** One transaction. Within it, runs close before others open, so that a successor may take the workflow id. */
export interface Batch {
  segments: SegmentRow[];
  /** What segments of this batch name; of runs that are there, or begin in it. */
  blobs: BlobRow[];
  runChanges: RunChange[];
  newRuns: RunRow[];
  attributes: RunAttributes[];
  inboxIn: InboxRow[];
  inboxDone: InboxKey[];
  attempts: AttemptRow[];
  attemptsDone: { run: RunId; seq: number }[];
  /** Runs all of whose attempt rows go. */
  attemptsOfClosed: RunId[];
  /** Outcomes of transactional activities; one that is there already stays as it is. */
  txResults: TxResultRow[];
  /** Outcomes that are in a durable segment, and go; without an activity, all of a run. */
  txResultsDone: { run: RunId; activityId?: string }[];
  /**
   * Partitions that leave this node, to another or to whoever claims them; nothing is written to them after. One that is
   * given to a node that is not there (any more) is free.
   */
  given: { partition: Partition; to: NodeId | undefined }[];
}

/** The answer to a commit. */
export type CommitAnswer =
  | { status: 'committed'; lease: Lease; now: number }
  /** Another node has taken over: nothing was written, nothing will be. */
  | { status: 'fenced' }
  /** The store holds an older state than this node has seen committed. */
  | { status: 'went-back'; expected: number; found: number };

/** The answer to a claim; `partitions` are this node's now, and may be fewer than were wanted. */
export type ClaimAnswer =
  | (Extract<CommitAnswer, { status: 'committed' }> & { partitions: Partition[] })
  | Exclude<CommitAnswer, { status: 'committed' }>;

/** What a store is, written once when it is made. */
export interface StoreIdentity {
  partitions: number;
  hash: string;
  /** The version of the tables. */
  schema: number;
}

/**
 * Where histories are kept. Few operations, each made for many rows, each a round trip.
 *
 * Failures: a PleachError. STORE_FULL and STORE_READ_ONLY mean that nothing was written. STORE_UNAVAILABLE from
 * `commit` means that the outcome is unknown: the caller calls `reclaim` and learns it. Any other failure of `commit`
 * is known: nothing was written.
 */
export interface Store {
  readonly identity: StoreIdentity;
  /** Whether several nodes may work on the store, each on its own partitions. */
  readonly isShared: boolean;
  /**
   * Gives a node its lease. Where the store is not shared: and all partitions, unless another node holds them.
   * @param options.dead a node whose process is known to be gone, so that its lease need not be waited for
   * @param options.address where other nodes reach this one
   */
  acquire(node: NodeId, ttlMs: number, options?: { dead?: string; address?: string }): Promise<Acquisition>;
  /** All nodes and what each owns. */
  loadCluster(): Promise<Cluster>;
  /**
   * Takes partitions that are free, or whose node is dead: its lease has lapsed by the store's clock, or `dead` names
   * it. A dead node is fenced as a whole first, which waits for a commit of its that is under way.
   * It goes through the fence as a commit does and counts as one, so that a store that is put back to before it is
   * noticed; one of unknown outcome is found out in the same way.
   * @param wanted which partitions, in order of preference; those that are the node's already are among the answer
   */
  claim(lease: Lease, ttlMs: number, wanted: readonly Partition[], dead?: readonly NodeId[]): Promise<ClaimAnswer>;
  /**
   * After a commit of unknown outcome: raises the node's own epoch, which waits for what was under way, and reads.
   * @returns the new lease and the batch number that the old epoch reached; undefined where another node has taken over
   */
  reclaim(lease: Lease, ttlMs: number): Promise<{ lease: Lease; reached: number; now: number } | undefined>;
  /** Writes all of a batch or nothing, and renews the lease. An empty batch only renews. */
  commit(lease: Lease, ttlMs: number, batch: Batch): Promise<CommitAnswer>;
  /** Gives the lease up at once, and all partitions with it. */
  release(lease: Lease): Promise<void>;
  /** The latest run of each workflow id, or the run that is named; undefined in the place of what is not there. */
  findRuns(keys: readonly RunKey[]): Promise<(RunRow | undefined)[]>;
  /** Segments of a run, ascending from `fromSeq`. */
  loadSegments(run: RunId, fromSeq: number, limit: number): Promise<SegmentRow[]>;
  /** Blobs of a run, in the order of their numbers here; undefined in the place of what is not there. */
  loadBlobs(run: RunId, numbers: readonly number[]): Promise<(Uint8Array | undefined)[]>;
  /** The search attributes of a run, by key and value. */
  loadAttributes(run: RunId): Promise<AttributeValue[]>;
  /** The attempt rows of a run. */
  loadAttempts(run: RunId): Promise<AttemptRow[]>;
  /** The outcomes of a run's transactional activities that no durable segment is known to hold. */
  loadTxResults(run: RunId): Promise<TxResultRow[]>;
  /**
   * A page of open runs that must be looked at: with no `dueBy`, those that were live when their node ended (`wakeAt`
   * undefined), by run id; else those due by then, by instant and run id. Goes on after `after`, a row of the last page.
   */
  loadAwake(options: AwakeOptions): Promise<RunRow[]>;
  /** The earliest instant after `after` at which a run of these partitions that is not live must be looked at. */
  nextWakeAt(after: number, of: readonly Partition[]): Promise<number | undefined>;
  /** Messages that wait for these partitions, by sender and position. */
  loadInbox(limit: number, of: readonly Partition[]): Promise<InboxRow[]>;
  /** The last position of each of these partitions that has one. */
  loadHeads(of: readonly Partition[]): Promise<Map<Partition, number>>;
  /**
   * Tells the nodes that own these partitions that messages wait there. A hint: it may be lost, come late or twice, and
   * is answered by nobody. Hints of 2 ms travel together.
   */
  hint(partitions: readonly Partition[]): void;
  /** Calls back with partitions that were hinted at; undefined where hints may have been lost, and all must be looked at. */
  onHint(listener: (partitions: readonly Partition[] | undefined) => void): void;
  close(): Promise<void>;
}

/** What `loadAwake` reads. A store that is not shared looks at all partitions, whatever is asked of it here and below. */
export interface AwakeOptions {
  /** Undefined: the runs that were live when their node ended; else those due by this instant, store time. */
  dueBy: number | undefined;
  /** The last row of the page before. */
  after: RunRow | undefined;
  limit: number;
  /** The partitions to look at, ascending. */
  of: readonly Partition[];
}

/** What a run is looked up by: its own id, or the latest run of a workflow id. */
export type RunKey = { runId: string } | { namespace: string; workflowId: string };

/** A batch with nothing in it. */
export function emptyBatch(): Batch {
  return {
    segments: [],
    blobs: [],
    runChanges: [],
    newRuns: [],
    attributes: [],
    inboxIn: [],
    inboxDone: [],
    attempts: [],
    attemptsDone: [],
    attemptsOfClosed: [],
    txResults: [],
    txResultsDone: [],
    given: [],
  };
}

/** The instant that stands for "nothing is due". */
export const NEVER = 9e15;
