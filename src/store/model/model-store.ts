import type { Clock, NodeId, Partition, RunId } from '../../core/index.ts';
import { PleachError } from '../../core/index.ts';
import { PARTITION_HASH } from '../partition.ts';
import type {
  Acquisition,
  AttemptRow,
  AttributeValue,
  AwakeOptions,
  Batch,
  ClaimAnswer,
  Cluster,
  CommitAnswer,
  InboxKey,
  InboxRow,
  Lease,
  RunKey,
  RunRow,
  SegmentRow,
  Store,
  StoreIdentity,
  TxResultRow,
} from '../port.ts';

/**
 * The tables of a store as plain maps: the whole truth of what the SQL stores must do, small enough to read. Several
 * `ModelStore`s over one `ModelData` are several processes on one database.
 */
export class ModelData {
  readonly nodes = new Map<NodeId, { epoch: number; batch: number; until: number; address: string | undefined }>();
  /** The highest epoch that any node has had: what comes after is higher, whoever has left meanwhile. */
  epoch = 0;
  /** Nodes whose process is known to be dead. */
  readonly gone = new Set<NodeId>();
  /** Who owns what, where several nodes may work here. */
  readonly owners = new Map<Partition, NodeId>();
  readonly listeners = new Set<(partitions: readonly Partition[]) => void>();
  readonly runs = new Map<RunId, RunRow>();
  readonly segments = new Map<RunId, SegmentRow[]>();
  readonly blobs = new Map<RunId, Map<number, Uint8Array>>();
  readonly attributes = new Map<RunId, AttributeValue[]>();
  readonly heads = new Map<Partition, number>();
  readonly inbox = new Map<string, InboxRow>();
  readonly attempts = new Map<RunId, Map<number, AttemptRow>>();
  readonly txResults = new Map<RunId, Map<string, TxResultRow>>();
  readonly open = new Map<string, RunId>();
}

/** What the tables hold now, to be put back later. Rows are replaced and never changed, so the tables alone are copied. */
export function copyModel(data: ModelData): ModelData {
  return Object.assign(new ModelData(), {
    nodes: new Map([...data.nodes].map(([id, row]) => [id, { ...row }])),
    epoch: data.epoch,
    gone: data.gone,
    owners: new Map(data.owners),
    listeners: data.listeners,
    runs: new Map(data.runs),
    segments: new Map([...data.segments].map(([run, rows]) => [run, [...rows]])),
    blobs: new Map([...data.blobs].map(([run, blobs]) => [run, new Map(blobs)])),
    attributes: new Map(data.attributes),
    heads: new Map(data.heads),
    inbox: new Map(data.inbox),
    attempts: new Map([...data.attempts].map(([run, rows]) => [run, new Map(rows)])),
    txResults: new Map([...data.txResults].map(([run, rows]) => [run, new Map(rows)])),
    open: new Map(data.open),
  });
}

/** Puts the tables back to an older state under whoever works on them, as a restored backup would. */
export function putModelBack(data: ModelData, older: ModelData): void {
  Object.assign(data, copyModel(older));
}

const key = (namespace: string, workflowId: string): string => `${namespace}\0${workflowId}`;
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
/** Numbers come before text, text by its bytes. */
const byKeyAndValue = (a: AttributeValue, b: AttributeValue): number =>
  byBytes(a.key, b.key) ||
  (typeof a.value === 'number' && typeof b.value === 'number'
    ? a.value - b.value
    : typeof a.value === 'string' && typeof b.value === 'string'
      ? byBytes(a.value, b.value)
      : typeof a.value === 'number'
        ? -1
        : 1);
const inboxKey = (k: InboxKey): string => `${k.to}/${k.from}/${k.fromPos}/${k.index}`;

/** A store in memory, for tests, `memory:` and the simulator. */
export class ModelStore implements Store {
  readonly identity: StoreIdentity;
  readonly isShared: boolean;
  readonly #data: ModelData;
  readonly #acceptsOlder: boolean;
  readonly #clock: Clock;
  #listener: ((partitions: readonly Partition[]) => void) | undefined;

  /**
   * @param options.acceptsOlder a planted bug: a commit that has seen a later state than the store holds is taken
   * @param options.isShared whether several nodes may work on it. Default false.
   */
  constructor(
    data: ModelData,
    clock: Clock,
    partitions = 256,
    options: { acceptsOlder?: boolean; isShared?: boolean } = {},
  ) {
    this.#acceptsOlder = options.acceptsOlder ?? false;
    this.isShared = options.isShared ?? false;
    this.#data = data;
    this.#clock = clock;
    this.identity = { partitions, hash: PARTITION_HASH, schema: 1 };
  }

  get #all(): Partition[] {
    return Array.from({ length: this.identity.partitions }, (_, partition) => partition as Partition);
  }

  async acquire(node: NodeId, ttlMs: number, options: { dead?: string; address?: string } = {}): Promise<Acquisition> {
    const now = this.#clock.now();
    const wasAbandoned = !this.isShared && [...this.#data.nodes.values()].some((row) => row.until > 0);
    for (const [id, row] of this.#data.nodes) {
      if (!this.isShared && id !== node && id !== options.dead && row.until > now) {
        return { status: 'held', holder: { node: id, epoch: row.epoch, until: row.until }, now };
      }
    }
    const epoch = ++this.#data.epoch;
    if (this.isShared) this.#freeOwned(node);
    else this.#data.nodes.clear();
    this.#data.nodes.set(node, { epoch, batch: 0, until: now + ttlMs, address: options.address });
    return {
      status: 'acquired',
      lease: { node, epoch, batch: 0 },
      now,
      owned: this.isShared ? [] : this.#all,
      wasAbandoned,
    };
  }

  async loadCluster(): Promise<Cluster> {
    const members = [...this.#data.nodes].map(([node, row]) => ({
      node,
      epoch: row.epoch,
      until: row.until,
      address: row.address,
      isGone: this.#data.gone.has(node),
    }));
    const only = members[0]?.node;
    const owners =
      this.isShared || only === undefined
        ? this.#data.owners
        : new Map(this.#all.map((partition) => [partition, only]));
    return { now: this.#clock.now(), members, owners: new Map(owners) };
  }

  async claim(
    lease: Lease,
    ttlMs: number,
    wanted: readonly Partition[],
    dead: readonly NodeId[] = [],
  ): Promise<ClaimAnswer> {
    const answer = this.#fence(lease, ttlMs);
    if (answer.status !== 'committed') return answer;
    if (!this.isShared) return { ...answer, partitions: [...wanted] };
    const now = this.#clock.now();
    for (const [id, row] of this.#data.nodes) {
      if (id === lease.node || (row.until > now && !dead.includes(id))) continue;
      // Nothing owned and fenced: whatever it still sends finds no row.
      this.#freeOwned(id);
      this.#data.nodes.delete(id);
    }
    const partitions = wanted.filter((partition) => {
      const owner = this.#data.owners.get(partition);
      return owner === undefined || owner === lease.node;
    });
    for (const partition of partitions) this.#data.owners.set(partition, lease.node);
    return { ...answer, partitions };
  }

  #freeOwned(node: NodeId): void {
    for (const [partition, owner] of this.#data.owners) if (owner === node) this.#data.owners.delete(partition);
  }

  async reclaim(lease: Lease, ttlMs: number) {
    const row = this.#data.nodes.get(lease.node);
    if (!row || row.epoch !== lease.epoch) return undefined;
    const reached = row.batch;
    row.epoch = ++this.#data.epoch;
    row.batch = 0;
    row.until = this.#clock.now() + ttlMs;
    return { lease: { node: lease.node, epoch: row.epoch, batch: 0 }, reached, now: this.#clock.now() };
  }

  async commit(lease: Lease, ttlMs: number, batch: Batch): Promise<CommitAnswer> {
    const answer = this.#fence(lease, ttlMs, () => this.#check(lease.node, batch));
    if (answer.status === 'committed') this.#write(batch);
    return answer;
  }

  /** @param check throws where the commit must not be, before anything is moved */
  #fence(lease: Lease, ttlMs: number, check: () => void = () => undefined): CommitAnswer {
    const row = this.#data.nodes.get(lease.node);
    if (!row || row.epoch !== lease.epoch) {
      if (this.#data.epoch < lease.epoch)
        return { status: 'went-back', expected: lease.epoch, found: this.#data.epoch };
      return { status: 'fenced' };
    }
    if (row.batch < lease.batch && !this.#acceptsOlder)
      return { status: 'went-back', expected: lease.batch, found: row.batch };
    if (row.batch > lease.batch) return { status: 'fenced' };
    check();
    row.batch++;
    row.until = this.#clock.now() + ttlMs;
    return { status: 'committed', lease: { ...lease, batch: row.batch }, now: this.#clock.now() };
  }

  /** Every constraint is checked before anything is written: all or nothing. */
  #check(node: NodeId, batch: Batch): void {
    const closing = new Set(batch.runChanges.filter((c) => c.status !== 'RUNNING').map((c) => c.run));
    const conflict = (what: string): never => {
      throw new PleachError('UNEXPECTED', `committing: ${what} is there already`, {});
    };
    const opening = new Set<string>();
    const made = new Set<RunId>();
    for (const row of batch.newRuns) {
      const id = key(row.namespace, row.workflowId);
      if (row.status === 'RUNNING' && opening.has(id)) conflict(`an open run of ${row.workflowId}`);
      if (row.status === 'RUNNING') opening.add(id);
      const open = this.#data.open.get(id);
      if (row.status === 'RUNNING' && open !== undefined && !closing.has(open))
        conflict(`an open run of ${row.workflowId}`);
      if (this.#data.runs.has(row.run) || made.has(row.run)) conflict(`run ${row.run}`);
      made.add(row.run);
    }
    const requireRun = (run: RunId, what: string): void => {
      if (this.#data.runs.has(run) || made.has(run)) return;
      throw new PleachError('UNEXPECTED', `committing: ${what} is of run ${run}, which is not there`, {});
    };
    const named = new Set<string>();
    for (const { run, n } of batch.blobs) {
      requireRun(run, `blob ${n}`);
      const id = `${run}/${n}`;
      if (this.#data.blobs.get(run)?.has(n) || named.has(id)) conflict(`blob ${n} of run ${run}`);
      named.add(id);
    }
    for (const { run, values } of batch.attributes) {
      if (values.length > 0) requireRun(run, 'a search attribute');
      if (new Set(values.map(({ key: name, value }) => JSON.stringify([name, value]))).size < values.length)
        conflict(`a search attribute of run ${run}`);
    }
    const requireOwned = (partition: Partition, what: string): void => {
      if (!this.isShared || this.#data.owners.get(partition) === node) return;
      throw new PleachError(
        'UNEXPECTED',
        `committing: ${what} is in partition ${partition}, which ${node} has not`,
        {},
      );
    };
    for (const row of batch.newRuns) requireOwned(row.partition, `run ${row.run}`);
    for (const { to } of batch.inboxDone) requireOwned(to, 'a message that is taken');
    for (const { partition } of batch.given) requireOwned(partition, 'what is given');
    const nextSeq = new Map<RunId, number>();
    const nextPos = new Map<Partition, number>();
    for (const row of batch.segments) {
      requireOwned(row.partition, `segment ${row.seq} of run ${row.run}`);
      const seq = nextSeq.get(row.run) ?? (this.#data.segments.get(row.run)?.length ?? 0) + 1;
      if (row.seq !== seq) conflict(`segment ${row.seq} of run ${row.run} (next is ${seq})`);
      nextSeq.set(row.run, seq + 1);
      const pos = nextPos.get(row.partition) ?? (this.#data.heads.get(row.partition) ?? 0) + 1;
      if (row.pos !== pos) conflict(`position ${row.pos} of partition ${row.partition} (next is ${pos})`);
      nextPos.set(row.partition, pos + 1);
    }
    const sent = new Set<string>();
    for (const row of batch.inboxIn) {
      const id = inboxKey(row);
      if (this.#data.inbox.has(id) || sent.has(id)) conflict(`message ${id}`);
      sent.add(id);
    }
  }

  #write(batch: Batch): void {
    const data = this.#data;
    for (const change of batch.runChanges) {
      const row = data.runs.get(change.run);
      if (!row) continue;
      data.runs.set(change.run, { ...row, status: change.status, closedAt: change.closedAt, wakeAt: change.wakeAt });
      if (change.status !== 'RUNNING') data.open.delete(key(row.namespace, row.workflowId));
    }
    for (const row of batch.newRuns) {
      data.runs.set(row.run, { ...row });
      if (row.status === 'RUNNING') data.open.set(key(row.namespace, row.workflowId), row.run);
    }
    for (const { run, n, body } of batch.blobs) {
      const blobs = data.blobs.get(run) ?? new Map<number, Uint8Array>();
      blobs.set(n, body);
      data.blobs.set(run, blobs);
    }
    for (const { run, values } of batch.attributes) data.attributes.set(run, [...values].sort(byKeyAndValue));
    for (const row of batch.segments) {
      const rows = data.segments.get(row.run);
      if (rows) rows.push({ ...row });
      else data.segments.set(row.run, [{ ...row }]);
      data.heads.set(row.partition, row.pos);
    }
    for (const row of batch.inboxIn) data.inbox.set(inboxKey(row), { ...row });
    for (const done of batch.inboxDone) data.inbox.delete(inboxKey(done));
    for (const row of batch.attempts) {
      const rows = data.attempts.get(row.run) ?? new Map<number, AttemptRow>();
      rows.set(row.seq, { ...row });
      data.attempts.set(row.run, rows);
    }
    for (const done of batch.attemptsDone) data.attempts.get(done.run)?.delete(done.seq);
    for (const run of batch.attemptsOfClosed) data.attempts.delete(run);
    for (const row of batch.txResults) {
      const rows = data.txResults.get(row.run) ?? new Map<string, TxResultRow>();
      if (!rows.has(row.activityId)) rows.set(row.activityId, row);
      data.txResults.set(row.run, rows);
    }
    for (const { run, activityId } of batch.txResultsDone) {
      if (activityId === undefined) data.txResults.delete(run);
      else data.txResults.get(run)?.delete(activityId);
    }
    for (const { partition, to } of batch.given) {
      if (to === undefined || !data.nodes.has(to)) data.owners.delete(partition);
      else data.owners.set(partition, to);
    }
  }

  async release(lease: Lease): Promise<void> {
    const row = this.#data.nodes.get(lease.node);
    if (!row || row.epoch !== lease.epoch) return;
    if (this.isShared) {
      this.#freeOwned(lease.node);
      this.#data.nodes.delete(lease.node);
      return;
    }
    // Whatever still travels under the lease that was given up meets a new epoch.
    row.epoch = ++this.#data.epoch;
    row.batch = 0;
    row.until = 0;
  }

  async findRuns(keys: readonly RunKey[]): Promise<(RunRow | undefined)[]> {
    return keys.map((k) => {
      const id = 'runId' in k ? (k.runId as RunId) : this.#latest(k.namespace, k.workflowId);
      const row = id === undefined ? undefined : this.#data.runs.get(id);
      return row ? { ...row } : undefined;
    });
  }

  /** The open run of a workflow id, else the one that started last: a wall clock that went back hides no open run. */
  #latest(namespace: string, workflowId: string): RunId | undefined {
    const open = this.#data.open.get(key(namespace, workflowId));
    if (open !== undefined) return open;
    let last: RunRow | undefined;
    for (const row of this.#data.runs.values()) {
      if (row.namespace !== namespace || row.workflowId !== workflowId) continue;
      if (!last || row.startedAt > last.startedAt || (row.startedAt === last.startedAt && row.run > last.run))
        last = row;
    }
    return last?.run;
  }

  async loadSegments(run: RunId, fromSeq: number, limit: number): Promise<SegmentRow[]> {
    return (this.#data.segments.get(run) ?? []).slice(Math.max(0, fromSeq - 1), Math.max(0, fromSeq - 1) + limit);
  }

  async loadBlobs(run: RunId, numbers: readonly number[]): Promise<(Uint8Array | undefined)[]> {
    return numbers.map((n) => this.#data.blobs.get(run)?.get(n));
  }

  async loadAttributes(run: RunId): Promise<AttributeValue[]> {
    return (this.#data.attributes.get(run) ?? []).map((value) => ({ ...value }));
  }

  async loadAttempts(run: RunId): Promise<AttemptRow[]> {
    return [...(this.#data.attempts.get(run)?.values() ?? [])].sort((a, b) => a.seq - b.seq);
  }

  async loadTxResults(run: RunId): Promise<TxResultRow[]> {
    return [...(this.#data.txResults.get(run)?.values() ?? [])];
  }

  async loadAwake({ dueBy, after, limit, of }: AwakeOptions): Promise<RunRow[]> {
    const wanted = new Set(of);
    const before = (a: RunRow, b: RunRow): boolean =>
      (a.wakeAt ?? 0) < (b.wakeAt ?? 0) || ((a.wakeAt ?? 0) === (b.wakeAt ?? 0) && a.run < b.run);
    return [...this.#data.runs.values()]
      .filter(
        (row) =>
          row.status === 'RUNNING' &&
          wanted.has(row.partition) &&
          (dueBy === undefined ? row.wakeAt === undefined : row.wakeAt !== undefined && row.wakeAt <= dueBy) &&
          (after === undefined || before(after, row)),
      )
      .sort((a, b) => (before(a, b) ? -1 : 1))
      .slice(0, limit)
      .map((row) => ({ ...row }));
  }

  async nextWakeAt(after: number, of: readonly Partition[]): Promise<number | undefined> {
    const wanted = new Set(of);
    let next: number | undefined;
    for (const row of this.#data.runs.values()) {
      if (row.status !== 'RUNNING' || row.wakeAt === undefined || row.wakeAt <= after) continue;
      if (wanted.has(row.partition) && (next === undefined || row.wakeAt < next)) next = row.wakeAt;
    }
    return next;
  }

  async loadInbox(limit: number, of: readonly Partition[]): Promise<InboxRow[]> {
    const wanted = new Set(of);
    return [...this.#data.inbox.values()]
      .filter((row) => wanted.has(row.to))
      .sort((a, b) => a.from - b.from || a.fromPos - b.fromPos || a.index - b.index)
      .slice(0, limit);
  }

  async loadHeads(of: readonly Partition[]): Promise<Map<Partition, number>> {
    return new Map(
      of.flatMap((partition) => {
        const head = this.#data.heads.get(partition);
        return head === undefined ? [] : [[partition, head]];
      }),
    );
  }

  hint(partitions: readonly Partition[]): void {
    for (const listener of this.#data.listeners) if (listener !== this.#listener) listener(partitions);
  }

  onHint(listener: (partitions: readonly Partition[] | undefined) => void): void {
    if (this.#listener) this.#data.listeners.delete(this.#listener);
    this.#listener = listener;
    this.#data.listeners.add(listener);
  }

  async close(): Promise<void> {
    // The data outlives the store that reads it.
    if (this.#listener) this.#data.listeners.delete(this.#listener);
  }
}
