import type { NodeId, Partition, RunId } from '../core/index.ts';

/** A node's hold on its partitions. Every write names all three; a write that names old ones changes nothing. */
export interface Lease {
  readonly node: NodeId;
  /** Grows with every acquisition by anyone: the fence. */
  readonly epoch: number;
  /** Commits under this epoch so far; a store that went back in time is noticed by it. */
  readonly batch: number;
}

/** Who holds the store, where it is not the asker. */
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
      partitions: number;
      /** Whether the last holder ended without giving its lease up: its process died, or was cut off. */
      wasAbandoned: boolean;
    }
  | { status: 'held'; holder: Holder; now: number };

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
}

/** The answer to a commit. */
export type CommitAnswer =
  | { status: 'committed'; lease: Lease; now: number }
  /** Another node has taken over: nothing was written, nothing will be. */
  | { status: 'fenced' }
  /** The store holds an older state than this node has seen committed. */
  | { status: 'went-back'; expected: number; found: number };

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
  /**
   * Takes the store for a node, unless another holds it.
   * @param dead a node whose process is known to be gone, so that its lease need not be waited for
   */
  acquire(node: NodeId, ttlMs: number, dead?: string): Promise<Acquisition>;
  /**
   * After a commit of unknown outcome: raises the node's own epoch, which waits for what was under way, and reads.
   * @returns the new lease and the batch number that the old epoch reached; undefined where another node has taken over
   */
  reclaim(lease: Lease, ttlMs: number): Promise<{ lease: Lease; reached: number; now: number } | undefined>;
  /** Writes all of a batch or nothing, and renews the lease. An empty batch only renews. */
  commit(lease: Lease, ttlMs: number, batch: Batch): Promise<CommitAnswer>;
  /** Gives the lease up at once. */
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
  /**
   * A page of open runs that must be looked at: with no `dueBy`, those that were live when their node ended (`wakeAt`
   * undefined), by run id; else those due by then, by instant and run id. Goes on after `after`, a row of the last page.
   */
  loadAwake(options: { dueBy: number | undefined; after: RunRow | undefined; limit: number }): Promise<RunRow[]>;
  /** The earliest instant after `after` at which a run that is not live must be looked at. */
  nextWakeAt(after: number): Promise<number | undefined>;
  /** Messages that wait, by sender and position. */
  loadInbox(limit: number): Promise<InboxRow[]>;
  /** The last position of each partition that has one. */
  loadHeads(): Promise<Map<Partition, number>>;
  close(): Promise<void>;
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
  };
}

/** The instant that stands for "nothing is due". */
export const NEVER = 9e15;
