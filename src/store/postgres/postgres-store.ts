import * as zlib from 'node:zlib';
import type { QueryConfig } from 'pg';
import type { Clock, NodeId, Partition, RunId } from '../../core/index.ts';
import { LIMITS, PleachError } from '../../core/index.ts';
import type {
  Acquisition,
  AttemptRow,
  AttributeType,
  AttributeValue,
  AwakeOptions,
  Batch,
  ClaimAnswer,
  Cluster,
  CommitAnswer,
  InboxRow,
  Lease,
  RunKey,
  RunRow,
  SegmentRow,
  Store,
  StoreIdentity,
  TxResultRow,
} from '../port.ts';
import { parseAddress, type PostgresAddress } from './address.ts';
import { type Element, type ElementType, encodeArray } from './binary-arrays.ts';
import { type Checks, coalesce, CommitStatements, crcOf, Known, LOCAL_SETTINGS, nowSql } from './commit-statement.ts';
import { storeError } from './errors.ts';
import { Lane, type LaneOptions, type Password, Pool } from './lane.ts';
import { migrate, quoted } from './migrate.ts';
import { Session } from './session.ts';

/** How a database is opened. */
export interface PostgresOptions {
  /** Waits and retries. */
  clock: Clock;
  /** The store's time, for tests; else the server's clock. */
  now?: () => number;
  /** Partitions of a database that is made now; one that is there keeps its own. Default 256. */
  partitions?: number;
  /** In place of the address's: the password, or who knows it, asked at each connection. */
  password?: Password;
}

/** Runs whose last segment is kept in mind; past it all are forgotten, and asked for again as they are written to. */
const RUNS_KNOWN_MAX = 20_000;

/** How a session of ours works; behind a pooler each commit sets what it must. */
const SETTINGS = {
  synchronous_commit: 'on',
  idle_in_transaction_session_timeout: String(LIMITS.storeStatementMs),
};
/** The journal's plans are made while tables are small and used when they are large: they go by the keys in any case. */
const JOURNAL_SETTINGS = {
  ...SETTINGS,
  lock_timeout: String(LIMITS.storeLockMs),
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
};

/**
 * The store on PostgreSQL 14 and later, shared by several nodes. The tables lie in a schema of their own, whose name is in
 * every statement, so that nothing depends on a session's path.
 *
 * Connections: one for the journal (leases and commits), a few for reads, and one that shows that the process lives and
 * carries hints. Every statement ends by the server's time-out and by one of ours that is a little longer, so that a
 * connection that went silent is noticed before the lease ends. A statement is never sent twice.
 */
export class PostgresStore implements Store {
  readonly identity: StoreIdentity;
  readonly isShared = true;
  readonly #address: PostgresAddress;
  readonly #now: (() => number) | undefined;
  readonly #journal: Lane;
  readonly #reads: Pool;
  readonly #session: Session | undefined;
  readonly #schema: string;
  readonly #schemaNumber: number;
  readonly #statements: CommitStatements;
  readonly #known = new Known(RUNS_KNOWN_MAX);

  /**
   * Opens a database and brings its tables to what this release knows.
   * @param address `postgres://user@host:port/database?schema=…`
   * @throws INVALID_ARGUMENT · DATABASE_UNOPENABLE · DATABASE_NEWER · DATABASE_NOT_OURS · MIGRATION_CHANGED · STORE_UNAVAILABLE
   */
  static async open(address: string, options: PostgresOptions): Promise<PostgresStore> {
    const parsed = parseAddress(address);
    const schemaNumber = zlib.crc32(Buffer.from(parsed.schema)) >>> 1;
    const lane = new Lane({
      address: parsed,
      password: options.password,
      statementMs: LIMITS.storeMigrationMs,
      settings: SETTINGS,
    });
    try {
      const identity = await migrate(lane, parsed, options.partitions ?? 256, schemaNumber);
      return new PostgresStore(parsed, schemaNumber, identity, options);
    } catch (error) {
      throw storeError(`opening ${parsed.shown}`, error);
    } finally {
      await lane.close();
    }
  }

  private constructor(
    address: PostgresAddress,
    schemaNumber: number,
    identity: StoreIdentity,
    options: PostgresOptions,
  ) {
    const lane = (statementMs: number, settings: Record<string, string>): LaneOptions => ({
      address,
      password: options.password,
      statementMs,
      settings,
    });
    this.#address = address;
    this.#now = options.now;
    this.identity = identity;
    this.#schema = quoted(address.schema);
    this.#schemaNumber = schemaNumber;
    this.#statements = new CommitStatements(this.#schema, address.isPooled);
    this.#journal = new Lane(lane(LIMITS.storeStatementMs, JOURNAL_SETTINGS));
    this.#reads = new Pool(
      () => new Lane(lane(LIMITS.storeReadMs, SETTINGS)),
      options.clock,
      LIMITS.storeReadConnectionsMax,
    );
    this.#session = address.isPooled
      ? undefined
      : new Session(lane(LIMITS.storeStatementMs, SETTINGS), options.clock, this.#schema, schemaNumber);
  }

  /** The time that a test gives, or null for the server's. */
  get #givenNow(): number | null {
    return this.#now?.() ?? null;
  }

  async acquire(node: NodeId, ttlMs: number, { address }: { address?: string } = {}): Promise<Acquisition> {
    this.#known.forget();
    const doing = 'joining the database';
    const session = await this.#say(doing, async () => (await this.#session?.hold()) ?? null);
    const [row] = await this.#write<{ epoch: number; now: number }>(doing, {
      text: `with next as (update ${this.#schema}.cluster set epoch = epoch + 1 returning epoch),
        freed as (update ${this.#schema}.partition set node = null from next where node = $1::text)
        insert into ${this.#schema}.node as n (id, epoch, batch, until, session, address)
        select $1::text, epoch, 0, ${nowSql('$2')} + $3::int8, $4::int4, $5::text from next
        on conflict (id) do update set epoch = excluded.epoch, batch = 0, until = excluded.until,
          session = excluded.session, address = excluded.address
        returning n.epoch, n.until - $3::int8 as now`,
      values: [node, this.#givenNow, ttlMs, session, address ?? null],
    });
    return {
      status: 'acquired',
      lease: { node, epoch: row!.epoch, batch: 0 },
      now: row!.now,
      owned: [],
      wasAbandoned: false,
    };
  }

  async loadCluster(): Promise<Cluster> {
    interface Row {
      now: number;
      id: NodeId | null;
      epoch: number;
      until: number;
      address: string | null;
      gone: boolean;
      parts: string | null;
    }
    const rows = await this.#read<Row>(
      'looking who works on the database',
      `select ${nowSql('$1')} as now, n.id, n.epoch, n.until, n.address,
        n.session is not null and not exists (
          select 1 from pg_locks l where l.locktype = 'advisory' and l.granted and l.objsubid = 2
            and l.database = (select oid from pg_database where datname = current_database())
            and l.classid = $2::int8::oid and l.objid = n.session::int8::oid) as gone,
        (select string_agg(p.id::text, ',') from ${this.#schema}.partition p where p.node = n.id) as parts
      from (select 1) as always left join ${this.#schema}.node n on true order by n.id`,
      [this.#givenNow, this.#schemaNumber],
    );
    const there = rows.filter((row): row is Row & { id: NodeId } => row.id !== null);
    return {
      now: rows[0]!.now,
      members: there.map((row) => ({
        node: row.id,
        epoch: row.epoch,
        until: row.until,
        address: row.address ?? undefined,
        isGone: row.gone,
      })),
      owners: new Map(
        there.flatMap((row) => listOf(row.parts).map((partition): [Partition, NodeId] => [partition, row.id])),
      ),
    };
  }

  async claim(
    lease: Lease,
    ttlMs: number,
    wanted: readonly Partition[],
    dead: readonly NodeId[] = [],
  ): Promise<ClaimAnswer> {
    // Claims take turns by the row of the cluster, so that two never wait for each other's partitions. A dead node's row
    // is deleted before anything of its is taken, which waits for its commit under way; one that has just renewed its
    // lease by that is no longer dead.
    const [row] = await this.#write<{ now: number; parts: string | null }>('claiming partitions', {
      text: `with turn as (select epoch from ${this.#schema}.cluster for update),
        fence as (
          update ${this.#schema}.node n set batch = batch + 1, until = ${nowSql('$4')} + $5::int8 from turn
          where n.id = $1::text and n.epoch = $2::int8 and n.batch = $3::int8
          returning n.until - $5::int8 as now${this.#address.isPooled ? `, ${LOCAL_SETTINGS}` : ''}),
        gone as (
          delete from ${this.#schema}.node n using fence
          where n.id <> $1::text and (n.until <= fence.now or n.id = any($6::text[])) returning n.id),
        fenced as (select coalesce(array_agg(id), '{}') as ids from gone),
        taken as (
          update ${this.#schema}.partition p
          set node = case when p.id = any($7::int4[]) then $1::text end
          from fence, fenced
          where p.node = any(fenced.ids) or (p.id = any($7::int4[]) and (p.node is null or p.node = $1::text
            or not exists (select 1 from ${this.#schema}.node n where n.id = p.node)))
          returning p.id, p.node)
        select fence.now, (select string_agg(id::text, ',') from taken where node = $1::text) as parts from fence`,
      values: [
        lease.node,
        lease.epoch,
        lease.batch,
        this.#givenNow,
        ttlMs,
        encodeArray('text', dead),
        encodeArray('int4', wanted),
      ],
    });
    if (!row) return this.#refused(lease);
    const got = new Set(listOf(row.parts));
    const partitions = wanted.filter((partition) => got.has(partition));
    this.#known.own(partitions);
    return { status: 'committed', lease: { ...lease, batch: lease.batch + 1 }, now: row.now, partitions };
  }

  async reclaim(lease: Lease, ttlMs: number) {
    this.#known.forget();
    // The row's lock is what waits for a commit of a connection that we have lost.
    const [row] = await this.#write<{ epoch: number; reached: number; now: number }>(
      'finding out what became of a commit',
      {
        text: `with held as (
            select id, batch from ${this.#schema}.node where id = $1::text and epoch = $2::int8 for update),
          next as (
            update ${this.#schema}.cluster set epoch = epoch + 1 from held returning cluster.epoch, held.batch),
          raised as (
            update ${this.#schema}.node n set epoch = next.epoch, batch = 0, until = ${nowSql('$3')} + $4::int8
            from next where n.id = $1::text returning n.epoch, n.until - $4::int8 as now)
          select raised.epoch, raised.now, next.batch as reached from raised, next`,
        values: [lease.node, lease.epoch, this.#givenNow, ttlMs],
      },
    );
    if (!row) return undefined;
    return { lease: { node: lease.node, epoch: row.epoch, batch: 0 }, reached: row.reached, now: row.now };
  }

  async commit(lease: Lease, ttlMs: number, batch: Batch): Promise<CommitAnswer> {
    const rows = coalesce(batch);
    const checks = this.#known.checksFor(rows);
    const head = [lease.node, lease.epoch, lease.batch, this.#givenNow, ttlMs];
    const [row] = await this.#write<{ now: number }>('committing', this.#statements.of(head, rows, checks));
    if (!row) return this.#refused(lease, checks);
    this.#known.wrote(rows, checks);
    return { status: 'committed', lease: { ...lease, batch: lease.batch + 1 }, now: row.now };
  }

  /** Why a fence did not move: nothing was written. */
  async #refused(lease: Lease, checks?: Checks): Promise<Exclude<CommitAnswer, { status: 'committed' }>> {
    this.#known.forget();
    const [row] = await this.#write<{ highest: number; epoch: number | null; batch: number | null }>(
      'finding out why a commit was refused',
      {
        text: `select c.epoch as highest, n.epoch, n.batch
          from ${this.#schema}.cluster c left join ${this.#schema}.node n on n.id = $1::text`,
        values: [lease.node],
      },
    );
    const { highest, epoch, batch } = row!;
    if (epoch === lease.epoch && batch === lease.batch && checks !== undefined) {
      throw new PleachError(
        'UNEXPECTED',
        `committing: the batch leaves a gap, or writes to a partition that ${lease.node} has not; one of these is not there: ${JSON.stringify(checks).slice(0, 500)}`,
        { ...checks },
      );
    }
    if (epoch === lease.epoch && batch !== null && batch < lease.batch)
      return { status: 'went-back', expected: lease.batch, found: batch };
    // An epoch below ours cannot follow from what we have seen: the database was put back to before we joined.
    if (highest < lease.epoch) return { status: 'went-back', expected: lease.epoch, found: highest };
    return { status: 'fenced' };
  }

  async release(lease: Lease): Promise<void> {
    await this.#write('leaving the database', {
      text: `with gone as (delete from ${this.#schema}.node where id = $1::text and epoch = $2::int8 returning id)
        update ${this.#schema}.partition p set node = null from gone where p.node = gone.id`,
      values: [lease.node, lease.epoch],
    });
    this.#known.forget();
  }

  async findRuns(keys: readonly RunKey[]): Promise<(RunRow | undefined)[]> {
    const found = new Map<string, RunRow>();
    const ids = keys.flatMap((key) => ('runId' in key && isRunId(key.runId) ? [key.runId] : []));
    const names = keys.flatMap((key) => ('runId' in key ? [] : [key]));
    const doing = 'looking runs up';
    if (ids.length > 0) {
      const rows = await this.#read<RawRun>(
        doing,
        `select ${RUN_COLUMNS} from ${this.#schema}.run r where r.id = any($1::uuid[])`,
        [encodeArray('uuid', ids)],
      );
      for (const row of rows) found.set(row.id, toRunRow(row));
    }
    if (names.length > 0) {
      // The open run of an id, else the latest: a wall clock that went back hides no open run.
      const rows = await this.#read<RawRun>(
        doing,
        `select l.* from unnest($1::text[], $2::text[]) as k(namespace, workflow_id) cross join lateral (
          select u.* from (
            (select ${RUN_COLUMNS} from ${this.#schema}.run r
              where r.namespace = k.namespace and r.workflow_id = k.workflow_id and r.status = 'RUNNING' limit 1)
            union all
            (select ${RUN_COLUMNS} from ${this.#schema}.run r
              where r.namespace = k.namespace and r.workflow_id = k.workflow_id
              order by r.started_at desc, r.id desc limit 1)
          ) as u order by u.status = 'RUNNING' desc limit 1) as l`,
        [arrayOf('text', names, (key) => key.namespace), arrayOf('text', names, (key) => key.workflowId)],
      );
      for (const row of rows) found.set(`${row.namespace}\0${row.workflow_id}`, toRunRow(row));
    }
    return keys.map((key) =>
      found.get('runId' in key ? key.runId.toLowerCase() : `${key.namespace}\0${key.workflowId}`),
    );
  }

  async loadSegments(run: RunId, fromSeq: number, limit: number): Promise<SegmentRow[]> {
    const rows = await this.#read<RawSegment>(
      'loading a history',
      `select seq, part, pos, format, first_event, events, time, crc, body from ${this.#schema}.segment
        where run = $1::uuid and seq >= $2::int4 order by seq limit $3::int8`,
      [run, fromSeq, limit],
    );
    return rows.map((raw) => {
      if (crcOf(raw.body) !== raw.crc) throw corrupt(`segment ${raw.seq}`, run, { seq: raw.seq });
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
    });
  }

  async loadBlobs(run: RunId, numbers: readonly number[]): Promise<(Uint8Array | undefined)[]> {
    if (numbers.length === 0) return [];
    const rows = await this.#read<{ n: number; crc: number; body: Buffer }>(
      'loading large payloads',
      `select n, crc, body from ${this.#schema}.blob where run = $1::uuid and n = any($2::int8[])`,
      [run, encodeArray('int8', numbers)],
    );
    const found = new Map(rows.map((raw) => [raw.n, raw]));
    return numbers.map((n) => {
      const raw = found.get(n);
      if (raw && crcOf(raw.body) !== raw.crc) throw corrupt(`blob ${n}`, run, { blob: n });
      return raw && new Uint8Array(raw.body);
    });
  }

  async loadAttributes(run: RunId): Promise<AttributeValue[]> {
    const rows = await this.#read<{ key: string; type: AttributeType; num: number | null; txt: string | null }>(
      'reading search attributes',
      `select key, type, num, txt from ${this.#schema}.run_attr where run = $1::uuid order by key, num nulls last, txt`,
      [run],
    );
    return rows.map(({ key, type, num, txt }) => ({ key, type, value: num ?? txt! }));
  }

  async loadAttempts(run: RunId): Promise<AttemptRow[]> {
    const rows = await this.#read<{ seq: number; body: Buffer }>(
      'loading attempts',
      `select seq, body from ${this.#schema}.attempt where run = $1::uuid order by seq`,
      [run],
    );
    return rows.map(({ seq, body }) => ({ run, seq, body }));
  }

  async loadTxResults(run: RunId): Promise<TxResultRow[]> {
    const rows = await this.#read<{ activity: string; body: Buffer }>(
      'loading outcomes of transactions',
      `select activity, body from ${this.#schema}.tx_result where run = $1::uuid order by activity`,
      [run],
    );
    return rows.map(({ activity, body }) => ({ run, activityId: activity, body }));
  }

  async loadAwake({ dueBy, after, limit, of }: AwakeOptions): Promise<RunRow[]> {
    // Each partition gives its first few by the key alone; of the few that are left, the rows are read.
    const [condition, order] =
      dueBy === undefined
        ? ['r.wake_at is null and r.id > $2::uuid and $4::int8 is null and $5::int8 is not null', 'id']
        : ['r.wake_at <= $4::int8 and (r.wake_at, r.id) > ($5::int8, $2::uuid)', 'wake_at, id'];
    const rows = await this.#read<RawRun>(
      'looking for runs to wake',
      `select ${RUN_COLUMNS} from (
          select k.id, k.wake_at from unnest($1::int4[]) as p(part) cross join lateral (
            select r.id, r.wake_at from ${this.#schema}.run r
            where r.part = p.part and r.status = 'RUNNING' and ${condition} order by ${order} limit $3::int8) as k
          order by ${order} limit $3::int8) as first
        join ${this.#schema}.run r on r.id = first.id order by ${order.replaceAll(/\w+/g, 'r.$&')}`,
      [encodeArray('int4', of), after?.run ?? NO_RUN, limit, dueBy ?? null, after?.wakeAt ?? -1],
    );
    return rows.map(toRunRow);
  }

  async nextWakeAt(after: number, of: readonly Partition[]): Promise<number | undefined> {
    const [row] = await this.#read<{ at: number | null }>(
      'looking for the next run to wake',
      `select min(k.wake_at) as at from unnest($1::int4[]) as p(part) cross join lateral (
        select r.wake_at from ${this.#schema}.run r
        where r.part = p.part and r.status = 'RUNNING' and r.wake_at > $2::int8 order by r.wake_at limit 1) as k`,
      [encodeArray('int4', of), after],
    );
    return row?.at ?? undefined;
  }

  async loadInbox(limit: number, of: readonly Partition[]): Promise<InboxRow[]> {
    const rows = await this.#read<{
      to_part: number;
      from_part: number;
      from_pos: number;
      i: number;
      to_run: string;
      body: Buffer;
    }>(
      'reading messages',
      `select to_part, from_part, from_pos, i, to_run, body from ${this.#schema}.inbox
        where to_part = any($1::int4[]) order by from_part, from_pos, i, to_part limit $2::int8`,
      [encodeArray('int4', of), limit],
    );
    return rows.map((raw) => ({
      to: raw.to_part as Partition,
      from: raw.from_part as Partition,
      fromPos: raw.from_pos,
      index: raw.i,
      toRun: raw.to_run,
      body: raw.body,
    }));
  }

  async loadHeads(of: readonly Partition[]): Promise<Map<Partition, number>> {
    const rows = await this.#read<{ part: number; pos: number | null }>(
      'reading the heads of the log',
      `select p.part, (select max(s.pos) from ${this.#schema}.segment s where s.part = p.part) as pos
        from unnest($1::int4[]) as p(part)`,
      [encodeArray('int4', of)],
    );
    return new Map(
      rows.flatMap(({ part, pos }): [Partition, number][] => (pos === null ? [] : [[part as Partition, pos]])),
    );
  }

  hint(partitions: readonly Partition[]): void {
    this.#session?.hint(partitions);
  }

  onHint(listener: (partitions: readonly Partition[] | undefined) => void): void {
    this.#session?.listen(listener);
  }

  async close(): Promise<void> {
    await Promise.all([this.#journal.close(), this.#reads.close(), this.#session?.close()]);
  }

  #write<Row>(doing: string, query: QueryConfig): Promise<Row[]> {
    return this.#say(doing, () => this.#journal.run<Row>(query));
  }

  #read<Row>(doing: string, text: string, values: unknown[]): Promise<Row[]> {
    return this.#say(doing, () => this.#reads.run<Row>({ text, values }));
  }

  async #say<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storeError(`${doing} (${this.#address.shown})`, error);
    }
  }
}

const NO_RUN = '00000000-0000-0000-0000-000000000000';
const RUN_COLUMNS =
  'r.id, r.namespace, r.workflow_id, r.part, r.type, r.queue, r.first_run, r.status, r.started_at, r.closed_at, r.wake_at';

interface RawRun {
  id: RunId;
  namespace: string;
  workflow_id: string;
  part: number;
  type: string;
  queue: string;
  first_run: RunId;
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
  body: Buffer;
}

function toRunRow(raw: RawRun): RunRow {
  return {
    run: raw.id,
    namespace: raw.namespace,
    workflowId: raw.workflow_id,
    partition: raw.part as Partition,
    type: raw.type,
    queue: raw.queue,
    firstRun: raw.first_run,
    status: raw.status,
    startedAt: raw.started_at,
    closedAt: raw.closed_at ?? undefined,
    wakeAt: raw.wake_at ?? undefined,
  };
}

function isRunId(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);
}

function arrayOf<T>(type: ElementType, rows: readonly T[], of: (row: T) => Element): Buffer {
  return encodeArray(type, rows.map(of));
}

function listOf(parts: string | null): Partition[] {
  return parts === null ? [] : parts.split(',').map((text) => Number(text) as Partition);
}

function corrupt(what: string, run: RunId, details: Record<string, number>): PleachError {
  return new PleachError(
    'DATABASE_CORRUPT',
    `${what} of run ${run} does not match its checksum; other runs are unharmed. Restore the database from a backup, or terminate the run`,
    { run, ...details },
  );
}
