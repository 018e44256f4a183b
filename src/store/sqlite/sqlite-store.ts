import type { DatabaseSync, StatementSync } from 'node:sqlite';
import * as zlib from 'node:zlib';
import type { Clock, NodeId, Partition, RunId } from '../../core/index.ts';
import { PleachError } from '../../core/index.ts';
import {
  type Acquisition,
  type AttemptRow,
  type AttributeValue,
  type AwakeOptions,
  type Batch,
  type ClaimAnswer,
  type Cluster,
  type CommitAnswer,
  type InboxRow,
  type Lease,
  type RunKey,
  type RunRow,
  type SegmentRow,
  type Store,
  type StoreIdentity,
  type TxResultRow,
  emptyBatch,
} from '../port.ts';
import { storeError } from './errors.ts';
import { Heads } from './heads.ts';
import { openFile, type OpenOptions } from './open.ts';

/** Runs whose last segment is kept in mind; past it all are forgotten, and asked for again as they are written to. */
const SEQS_KEPT_MAX = 20_000;

/**
 * The store on one SQLite file, in WAL mode with `synchronous = FULL`: a commit has reached the disk when it returns.
 *
 * All calls are synchronous underneath. The thread they run on is the kernel's own, where the wait for the disk is what
 * gathers the next commit. Every writer begins `immediate`: a deferred transaction that has read gets BUSY_SNAPSHOT at
 * once, whatever the busy time-out says.
 */
export class SqliteStore implements Store {
  readonly identity: StoreIdentity;
  readonly isShared = false;
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #sql: ReturnType<typeof prepareAll>;
  /** The last segment of runs written lately, true while the fence holds: to ask costs a read each. */
  readonly #seqs = new Map<RunId, number>();
  /** The ends of the partitions, true while the fence holds. */
  #heads: Heads | undefined;

  /** @throws DATABASE_UNOPENABLE · DATABASE_NOT_OURS · DATABASE_NEWER · DATABASE_CORRUPT · STORE_READ_ONLY · STORE_FULL */
  constructor(path: string, clock: Clock, options: OpenOptions = {}) {
    const { db, identity } = openFile(path, options);
    this.#db = db;
    this.#path = path;
    this.identity = identity;
    this.#clock = clock;
    try {
      this.#sql = prepareAll(db);
    } catch (error) {
      db.close();
      throw storeError(`opening ${path}`, error);
    }
  }

  async acquire(node: NodeId, ttlMs: number, { dead }: { dead?: string } = {}): Promise<Acquisition> {
    return this.#transaction('taking the database', () => {
      this.#forgetEnds();
      const now = this.#clock.now();
      const rows = this.#sql.nodes.all() as unknown as { id: string; epoch: number; batch: number; until: number }[];
      const holder = rows.find((row) => row.id !== node && row.id !== dead && row.until > now);
      if (holder) return { status: 'held', holder: { node: holder.id, epoch: holder.epoch, until: holder.until }, now };
      const epoch = Math.max(0, ...rows.map((row) => row.epoch)) + 1;
      // One row stays, so that the next epoch grows from it; whoever held the others finds no row and is fenced.
      this.#sql.deleteNodes.run();
      this.#sql.insertNode.run(node, epoch, 0, now + ttlMs);
      return {
        status: 'acquired',
        lease: { node, epoch, batch: 0 },
        now,
        owned: this.#all,
        wasAbandoned: rows.some((row) => row.until > 0),
      };
    });
  }

  get #all(): Partition[] {
    return Array.from({ length: this.identity.partitions }, (_, partition) => partition as Partition);
  }

  async loadCluster(): Promise<Cluster> {
    return this.#read('looking who has the database', () => {
      const rows = this.#sql.nodes.all() as unknown as { id: NodeId; epoch: number; until: number }[];
      const members = rows.map(({ id, epoch, until }) => ({
        node: id,
        epoch,
        until,
        address: undefined,
        isGone: false,
      }));
      const holder = members[0]?.node;
      return {
        now: this.#clock.now(),
        members,
        owners: new Map(holder === undefined ? [] : this.#all.map((partition) => [partition, holder])),
      };
    });
  }

  async claim(lease: Lease, ttlMs: number, wanted: readonly Partition[]): Promise<ClaimAnswer> {
    // The lease of a file holds all of its partitions.
    const answer = await this.commit(lease, ttlMs, emptyBatch());
    return answer.status === 'committed' ? { ...answer, partitions: [...wanted] } : answer;
  }

  async reclaim(lease: Lease, ttlMs: number) {
    return this.#transaction('finding out what became of a commit', () => {
      const now = this.#clock.now();
      const row = this.#sql.node.get(lease.node, lease.epoch) as { batch: number } | undefined;
      if (!row) return undefined;
      this.#sql.raise.run(now + ttlMs, lease.node, lease.epoch);
      return { lease: { node: lease.node, epoch: lease.epoch + 1, batch: 0 }, reached: row.batch, now };
    });
  }

  async commit(lease: Lease, ttlMs: number, batch: Batch): Promise<CommitAnswer> {
    return this.#transaction('committing', () => {
      const now = this.#clock.now();
      const fence = this.#sql.fence.run(now + ttlMs, lease.node, lease.epoch, lease.batch);
      if (Number(fence.changes) === 0) {
        this.#forgetEnds();
        return this.#refused(lease);
      }
      this.#write(batch);
      return { status: 'committed', lease: { ...lease, batch: lease.batch + 1 }, now };
    });
  }

  #refused(lease: Lease): CommitAnswer {
    const row = this.#sql.node.get(lease.node, lease.epoch) as { batch: number } | undefined;
    if (row && row.batch < lease.batch) return { status: 'went-back', expected: lease.batch, found: row.batch };
    // An epoch below ours cannot follow from what we have seen: the file was put back to before our acquisition.
    const highest = (this.#sql.nodes.all() as unknown as { epoch: number }[]).reduce(
      (max, n) => Math.max(max, n.epoch),
      0,
    );
    if (highest < lease.epoch) return { status: 'went-back', expected: lease.epoch, found: highest };
    return { status: 'fenced' };
  }

  #write(batch: Batch): void {
    const sql = this.#sql;
    for (const change of batch.runChanges) {
      sql.changeRun.run(change.status, change.closedAt ?? null, change.wakeAt ?? null, runKey(change.run));
    }
    for (const row of batch.newRuns) {
      sql.insertRun.run(
        runKey(row.run),
        row.namespace,
        row.workflowId,
        row.partition,
        row.type,
        row.queue,
        runKey(row.firstRun),
        row.status,
        row.startedAt,
        row.closedAt ?? null,
        row.wakeAt ?? null,
      );
    }
    for (const row of batch.blobs) sql.insertBlob.run(runKey(row.run), row.n, zlib.crc32(row.body), row.body);
    for (const { run, namespace, values } of batch.attributes) {
      sql.deleteAttributes.run(runKey(run));
      for (const { key, type, value } of values) sql.insertAttribute.run(namespace, key, value, runKey(run), type);
    }
    this.#requireDense(batch.segments);
    for (const row of batch.segments) {
      sql.insertSegment.run(
        runKey(row.run),
        row.seq,
        row.partition,
        row.pos,
        row.format,
        row.firstEventId,
        row.eventCount,
        row.time,
        zlib.crc32(row.body),
        row.body,
      );
    }
    for (const [chunk, body] of this.#heads?.takeMoved() ?? []) sql.putHeads.run(chunk, body);
    for (const row of batch.inboxIn) sql.insertInbox.run(row.to, row.from, row.fromPos, row.index, row.toRun, row.body);
    for (const key of batch.inboxDone) sql.deleteInbox.run(key.to, key.from, key.fromPos, key.index);
    for (const row of batch.attempts) sql.putAttempt.run(runKey(row.run), row.seq, row.body);
    for (const row of batch.attemptsDone) sql.deleteAttempt.run(runKey(row.run), row.seq);
    for (const run of batch.attemptsOfClosed) sql.deleteAttempts.run(runKey(run));
    for (const row of batch.txResults) sql.insertTxResult.run(runKey(row.run), row.activityId, row.body);
    for (const { run, activityId } of batch.txResultsDone) {
      if (activityId === undefined) sql.deleteTxResults.run(runKey(run));
      else sql.deleteTxResult.run(runKey(run), activityId);
    }
  }

  /** A gap in a run or in a partition's log could never be read back: such a batch is a broken caller's. */
  #requireDense(segments: readonly SegmentRow[]): void {
    if (segments.length === 0) return;
    const heads = (this.#heads ??= this.#readHeads());
    for (const row of segments) {
      const seq = 1 + (this.#seqs.get(row.run) ?? this.#lastSeq(row.run));
      const pos = 1 + heads.of(row.partition);
      if (row.seq !== seq || row.pos !== pos) {
        throw new PleachError(
          'UNEXPECTED',
          `committing: segment ${row.seq} of run ${row.run} at position ${row.pos} of partition ${row.partition}; next are segment ${seq} and position ${pos}`,
          { run: row.run, seq: row.seq, pos: row.pos },
        );
      }
      this.#seqs.set(row.run, seq);
      heads.move(row.partition, pos);
    }
    if (this.#seqs.size > SEQS_KEPT_MAX) this.#seqs.clear();
  }

  #lastSeq(run: RunId): number {
    return (this.#sql.lastSeq.get(runKey(run)) as { seq: number | null }).seq ?? 0;
  }

  #readHeads(): Heads {
    return new Heads(this.#sql.heads.all() as unknown as { chunk: number; body: Uint8Array }[]);
  }

  /** Nothing is known of the ends of the histories any more: another may write, or what we wrote was taken back. */
  #forgetEnds(): void {
    this.#seqs.clear();
    this.#heads = undefined;
  }

  async release(lease: Lease): Promise<void> {
    this.#transaction('giving the database back', () => {
      // The row stays, a step on and with no time left: the next node counts on from it, and what still travels under
      // the lease that was given up is fenced.
      this.#sql.expire.run(lease.node, lease.epoch);
    });
  }

  async findRuns(keys: readonly RunKey[]): Promise<(RunRow | undefined)[]> {
    return this.#read('looking runs up', () =>
      keys.map((key) => {
        const row =
          'runId' in key
            ? this.#sql.runById.get(runKey(key.runId as RunId))
            : this.#lastRun(key.namespace, key.workflowId);
        return row ? toRunRow(row as unknown as RawRun) : undefined;
      }),
    );
  }

  /** The open run of an id, or the latest. Most ids are new, and one look finds that there is none. */
  #lastRun(namespace: string, workflowId: string) {
    const latest = this.#sql.latestRun.get(namespace, workflowId);
    if (!latest || latest['status'] === 'RUNNING') return latest;
    // A wall clock that went back must not hide the open one behind one that has closed.
    return this.#sql.openRun.get(namespace, workflowId) ?? latest;
  }

  async loadSegments(run: RunId, fromSeq: number, limit: number): Promise<SegmentRow[]> {
    return this.#read('loading a history', () =>
      (this.#sql.segments.all(runKey(run), fromSeq, limit) as unknown as RawSegment[]).map((raw) => {
        if (zlib.crc32(raw.body) !== raw.crc) {
          throw new PleachError(
            'DATABASE_CORRUPT',
            `segment ${raw.seq} of run ${run} does not match its checksum; other runs are unharmed. Restore the file from a backup, or terminate the run`,
            { run, seq: raw.seq },
          );
        }
        return {
          run,
          seq: raw.seq,
          partition: raw.part as Partition,
          pos: raw.pos,
          format: raw.format,
          firstEventId: raw.first_event,
          eventCount: raw.events,
          time: raw.time,
          body: raw.body,
        };
      }),
    );
  }

  async loadBlobs(run: RunId, numbers: readonly number[]): Promise<(Uint8Array | undefined)[]> {
    return this.#read('loading large payloads', () =>
      numbers.map((n) => {
        const raw = this.#sql.blob.get(runKey(run), n) as { crc: number; body: Uint8Array } | undefined;
        if (raw && zlib.crc32(raw.body) !== raw.crc) {
          throw new PleachError(
            'DATABASE_CORRUPT',
            `blob ${n} of run ${run} does not match its checksum; other runs are unharmed. Restore the file from a backup, or terminate the run`,
            { run, blob: n },
          );
        }
        return raw?.body;
      }),
    );
  }

  async loadAttributes(run: RunId): Promise<AttributeValue[]> {
    return this.#read('reading search attributes', () =>
      (this.#sql.attributes.all(runKey(run)) as unknown as AttributeValue[]).map(({ key, type, value }) => ({
        key,
        type,
        value,
      })),
    );
  }

  async loadAttempts(run: RunId): Promise<AttemptRow[]> {
    return this.#read('loading attempts', () =>
      (this.#sql.attempts.all(runKey(run)) as unknown as { seq: number; body: Uint8Array }[]).map((raw) => ({
        run,
        seq: raw.seq,
        body: raw.body,
      })),
    );
  }

  async loadTxResults(run: RunId): Promise<TxResultRow[]> {
    return this.#read('loading what transactions have decided', () =>
      (this.#sql.txResults.all(runKey(run)) as unknown as { activity: string; body: Uint8Array }[]).map((raw) => ({
        run,
        activityId: raw.activity,
        body: raw.body,
      })),
    );
  }

  async loadAwake({ dueBy, after, limit }: AwakeOptions): Promise<RunRow[]> {
    const afterRun = after ? runKey(after.run) : new Uint8Array(0);
    return this.#read('looking for runs to wake', () => {
      const rows =
        dueBy === undefined
          ? this.#sql.awakeLive.all(afterRun, limit)
          : this.#sql.awakeDue.all(dueBy, after?.wakeAt ?? -1, afterRun, limit);
      return (rows as unknown as RawRun[]).map(toRunRow);
    });
  }

  async nextWakeAt(after: number): Promise<number | undefined> {
    return this.#read('looking for the next run to wake', () => {
      const row = this.#sql.nextWake.get(after) as { at: number | null } | undefined;
      return row?.at ?? undefined;
    });
  }

  async loadInbox(limit: number): Promise<InboxRow[]> {
    return this.#read('reading messages', () =>
      (
        this.#sql.inbox.all(limit) as unknown as {
          to_part: number;
          from_part: number;
          from_pos: number;
          i: number;
          to_run: string;
          body: Uint8Array;
        }[]
      ).map((raw) => ({
        to: raw.to_part as Partition,
        from: raw.from_part as Partition,
        fromPos: raw.from_pos,
        index: raw.i,
        toRun: raw.to_run,
        body: raw.body,
      })),
    );
  }

  async loadHeads(): Promise<Map<Partition, number>> {
    return this.#read('reading the heads of the log', () => this.#readHeads().all());
  }

  hint(): void {
    // Nobody else is there to be told.
  }

  onHint(): void {
    // Nobody else is there to tell.
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
  }

  #read<T>(doing: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw storeError(`${doing} (${this.#path})`, error);
    }
  }

  #transaction<T>(doing: string, work: () => T): T {
    try {
      this.#sql.begin.run();
      const answer = work();
      this.#sql.commit.run();
      return answer;
    } catch (error) {
      // On a full disk SQLite has rolled back by itself, and a second rollback would hide the cause.
      if (this.#db.isOpen && this.#db.isTransaction) this.#sql.rollback.run();
      this.#forgetEnds();
      throw storeError(`${doing} (${this.#path})`, error);
    }
  }
}

interface RawRun {
  id: Uint8Array;
  namespace: string;
  workflow_id: string;
  part: number;
  type: string;
  queue: string;
  first_run: Uint8Array;
  status: string;
  started_at: number;
  closed_at: number | null;
  wake_at: number | null;
}

interface RawSegment {
  seq: number;
  part: number;
  pos: number;
  format: number;
  first_event: number;
  events: number;
  time: number;
  crc: number;
  body: Uint8Array;
}

function toRunRow(raw: RawRun): RunRow {
  return {
    run: runText(raw.id),
    namespace: raw.namespace,
    workflowId: raw.workflow_id,
    partition: raw.part as Partition,
    type: raw.type,
    queue: raw.queue,
    firstRun: runText(raw.first_run),
    status: raw.status,
    startedAt: raw.started_at,
    closedAt: raw.closed_at ?? undefined,
    wakeAt: raw.wake_at ?? undefined,
  };
}

/** A run id as its sixteen bytes: half the index of what its text would take. */
export function runKey(run: RunId): Uint8Array {
  return Buffer.from(run.replaceAll('-', ''), 'hex');
}

function runText(key: Uint8Array): RunId {
  const hex = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as RunId;
}

const RUN_COLUMNS = 'id, namespace, workflow_id, part, type, queue, first_run, status, started_at, closed_at, wake_at';

function prepareAll(db: DatabaseSync) {
  const sql = (text: string): StatementSync => db.prepare(text);
  return {
    begin: sql('begin immediate'),
    commit: sql('commit'),
    rollback: sql('rollback'),
    nodes: sql('select id, epoch, batch, until from node'),
    node: sql('select batch from node where id = ? and epoch = ?'),
    deleteNodes: sql('delete from node'),
    insertNode: sql('insert into node (id, epoch, batch, until) values (?, ?, ?, ?)'),
    raise: sql('update node set epoch = epoch + 1, batch = 0, until = ? where id = ? and epoch = ?'),
    fence: sql('update node set batch = batch + 1, until = ? where id = ? and epoch = ? and batch = ?'),
    expire: sql('update node set epoch = epoch + 1, batch = 0, until = 0 where id = ? and epoch = ?'),
    insertRun: sql(`insert into run (${RUN_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    changeRun: sql('update run set status = ?, closed_at = ?, wake_at = ? where id = ?'),
    openRun: sql(`select ${RUN_COLUMNS} from run where namespace = ? and workflow_id = ? and status = 'RUNNING'`),
    latestRun: sql(
      `select ${RUN_COLUMNS} from run where namespace = ? and workflow_id = ? order by started_at desc, id desc limit 1`,
    ),
    runById: sql(`select ${RUN_COLUMNS} from run where id = ?`),
    awakeLive: sql(
      `select ${RUN_COLUMNS} from run where status = 'RUNNING' and wake_at is null and id > ? order by id limit ?`,
    ),
    awakeDue: sql(
      `select ${RUN_COLUMNS} from run where status = 'RUNNING' and wake_at <= ? and (wake_at, id) > (?, ?) order by wake_at, id limit ?`,
    ),
    nextWake: sql(`select min(wake_at) as at from run where status = 'RUNNING' and wake_at > ?`),
    insertSegment: sql(
      'insert into segment (run, seq, part, pos, format, first_event, events, time, crc, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    segments: sql(
      'select seq, part, pos, format, first_event, events, time, crc, body from segment where run = ? and seq >= ? order by seq limit ?',
    ),
    insertBlob: sql('insert into blob (run, n, crc, body) values (?, ?, ?, ?)'),
    blob: sql('select crc, body from blob where run = ? and n = ?'),
    deleteAttributes: sql('delete from run_attr where run = ?'),
    insertAttribute: sql('insert into run_attr (namespace, key, value, run, type) values (?, ?, ?, ?, ?)'),
    attributes: sql('select key, type, value from run_attr where run = ? order by key, value'),
    lastSeq: sql('select max(seq) as seq from segment where run = ?'),
    heads: sql('select chunk, body from head'),
    putHeads: sql(
      'insert into head (chunk, body) values (?, ?) on conflict (chunk) do update set body = excluded.body',
    ),
    insertInbox: sql('insert into inbox (to_part, from_part, from_pos, i, to_run, body) values (?, ?, ?, ?, ?, ?)'),
    deleteInbox: sql('delete from inbox where to_part = ? and from_part = ? and from_pos = ? and i = ?'),
    inbox: sql(
      'select to_part, from_part, from_pos, i, to_run, body from inbox order by from_part, from_pos, i limit ?',
    ),
    putAttempt: sql(
      'insert into attempt (run, seq, body) values (?, ?, ?) on conflict (run, seq) do update set body = excluded.body',
    ),
    attempts: sql('select seq, body from attempt where run = ? order by seq'),
    deleteAttempt: sql('delete from attempt where run = ? and seq = ?'),
    deleteAttempts: sql('delete from attempt where run = ?'),
    insertTxResult: sql('insert into tx_result (run, activity, body) values (?, ?, ?) on conflict do nothing'),
    txResults: sql('select activity, body from tx_result where run = ? order by activity'),
    deleteTxResult: sql('delete from tx_result where run = ? and activity = ?'),
    deleteTxResults: sql('delete from tx_result where run = ?'),
  };
}
