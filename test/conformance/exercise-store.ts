import { describe, expect, onTestFinished, test } from 'vitest';
import type { Clock, NodeId, Partition, RunId } from '../../src/core/index.ts';
import {
  type Acquisition,
  type AttributeValue,
  type Batch,
  type ClaimAnswer,
  emptyBatch,
  type InboxRow,
  type Lease,
  NEVER,
  type RunRow,
  type SegmentRow,
  type Store,
} from '../../src/store/index.ts';

/** One database that several stores may look at, each as a process of its own. */
export interface World {
  open(): Store | Promise<Store>;
  /** Copies the whole database aside; every store of this world must be closed first. */
  copy(): void | Promise<void>;
  /** Ends the process of a store: it gives nothing back. Others know at once. */
  die?(store: Store, node: NodeId): void | Promise<void>;
  /** Puts the copy back in its place. */
  putBack(): void | Promise<void>;
  dispose(): void | Promise<void>;
}

/** How long a lease lives. */
export const TTL_MS = 10_000;
/** Every partition. */
export const ALL = Array.from({ length: 256 }, (_, partition) => partition as Partition);
/** One node. */
export const NODE_A = 'node-a' as NodeId;
/** Another. */
export const NODE_B = 'node-b' as NodeId;

/** A wall clock that stands until it is moved. */
export function handClock(): Clock & { at: number } {
  return {
    at: 1_000_000,
    now() {
      return this.at;
    },
    monotonicMs() {
      return this.at;
    },
    after: () => ({ clear: () => undefined }),
    every: () => ({ clear: () => undefined }),
    soon: () => undefined,
  };
}

/** A run id that sorts by its number. */
export function runId(number: number): RunId {
  return `01900000-0000-7000-8000-${number.toString(16).padStart(12, '0')}` as RunId;
}

/** A row of an open run. */
export function runRow(number: number, change: Partial<RunRow> = {}): RunRow {
  return {
    run: runId(number),
    namespace: 'default',
    workflowId: `order-${number}`,
    partition: 3 as Partition,
    type: 'order',
    queue: 'main',
    firstRun: runId(number),
    status: 'RUNNING',
    startedAt: 1000 + number,
    closedAt: undefined,
    wakeAt: undefined,
    ...change,
  };
}

/** A segment with a body of its own. */
export function segmentRow(run: number, seq: number, pos: number, partition = 3): SegmentRow {
  return {
    run: runId(run),
    seq,
    partition: partition as Partition,
    pos,
    format: 1,
    firstEventId: seq * 10,
    eventCount: 4,
    time: 5000 + seq,
    body: Buffer.from(`segment ${seq} of run ${run}`),
  };
}

/** A message from partition 3. */
export function message(fromPos: number, index: number, change: Partial<InboxRow> = {}): InboxRow {
  return {
    to: 5 as Partition,
    from: 3 as Partition,
    fromPos,
    index,
    toRun: 'order-9',
    body: Buffer.from(`message ${fromPos}/${index}`),
    ...change,
  };
}

/** A batch with some of its parts. */
export function batchOf(parts: Partial<Batch>): Batch {
  return { ...emptyBatch(), ...parts };
}

/** The lease of an acquisition that was not refused. */
export function leaseOf(answer: Acquisition): Lease {
  if (answer.status !== 'acquired') throw new Error(`held by ${answer.holder.node}`);
  return answer.lease;
}

/** Takes a store for a node, with all partitions that are free or whose node is dead. */
export async function take(store: Store, node: NodeId = NODE_A): Promise<Lease> {
  const lease = leaseOf(await store.acquire(node, TTL_MS));
  if (!store.isShared) return lease;
  return claimed(await store.claim(lease, TTL_MS, ALL)).lease;
}

/** A claim that was not refused. */
export function claimed(answer: ClaimAnswer): Extract<ClaimAnswer, { status: 'committed' }> {
  if (answer.status !== 'committed') throw new Error(`claim was ${answer.status}`);
  return answer;
}

/** Commits, and fails where the store refuses. */
export async function commit(store: Store, lease: Lease, parts: Partial<Batch>): Promise<Lease> {
  const answer = await store.commit(lease, TTL_MS, batchOf(parts));
  if (answer.status !== 'committed') throw new Error(`commit was ${answer.status}`);
  return answer.lease;
}

const bytesOf = (rows: readonly { body: Uint8Array }[]): string[] =>
  rows.map((row) => Buffer.from(row.body).toString());
const runsOf = (rows: readonly RunRow[]): RunId[] => rows.map((row) => row.run);

/** Two processes on one database of their own. */
export async function makeSet(make: (clock: Clock) => World | Promise<World>) {
  const clock = handClock();
  const world = await make(clock);
  onTestFinished(() => world.dispose());
  return { clock, world, store: await world.open(), other: await world.open() };
}

/** What every provider of the store port must do; the same tests for each. */
export function exerciseStore(name: string, make: (clock: Clock) => World | Promise<World>): void {
  const set = () => makeSet(make);

  describe(`${name}: the fence`, () => {
    test('a commit under an old epoch is fenced and writes nothing', async () => {
      const { store } = await set();
      const old = await take(store);
      await take(store);
      expect(await store.commit(old, TTL_MS, batchOf({ newRuns: [runRow(1)] }))).toEqual({ status: 'fenced' });
      expect(await store.findRuns([{ runId: runId(1) }])).toEqual([undefined]);
    });

    test('a commit with an old batch number is fenced and writes nothing', async () => {
      const { store } = await set();
      const old = await take(store);
      await commit(store, old, { newRuns: [runRow(1)] });
      expect(await store.commit(old, TTL_MS, batchOf({ newRuns: [runRow(2)] }))).toEqual({ status: 'fenced' });
      expect(await store.findRuns([{ runId: runId(2) }])).toEqual([undefined]);
    });

    test('a commit under a lease that was released is fenced and writes nothing', async () => {
      const { store } = await set();
      const lease = await commit(store, await take(store), {});
      await store.release(lease);
      expect(await store.commit(lease, TTL_MS, batchOf({ newRuns: [runRow(1)] }))).toEqual({ status: 'fenced' });
      expect(await store.findRuns([{ runId: runId(1) }])).toEqual([undefined]);
    });

    test('a lease whose time is up commits as long as nobody has taken over', async () => {
      const { clock, store, other } = await set();
      let lease = await take(store);
      clock.at += 2 * TTL_MS;
      lease = await commit(store, lease, { newRuns: [runRow(1)] });
      clock.at += 2 * TTL_MS;
      await take(other, NODE_B);
      expect(await store.commit(lease, TTL_MS, emptyBatch())).toEqual({ status: 'fenced' });
    });

    test('a store put back to fewer commits says that it went back', async () => {
      const { world, store, other } = await set();
      let lease = await commit(store, await take(store), { newRuns: [runRow(1)] });
      await Promise.all([store.close(), other.close()]);
      await world.copy();
      const later = await world.open();
      lease = await commit(later, lease, { newRuns: [runRow(2)] });
      await later.close();
      await world.putBack();
      const restored = await world.open();
      expect(await restored.commit(lease, TTL_MS, batchOf({ newRuns: [runRow(3)] }))).toEqual({
        status: 'went-back',
        expected: lease.batch,
        found: lease.batch - 1,
      });
      expect(await restored.findRuns([{ runId: runId(2) }, { runId: runId(3) }])).toEqual([undefined, undefined]);
    });

    test('a store put back to before the acquisition says that it went back', async () => {
      const { world, store, other } = await set();
      const first = await take(store);
      await Promise.all([store.close(), other.close()]);
      await world.copy();
      const later = await world.open();
      const lease = await take(later);
      await later.close();
      await world.putBack();
      expect(await (await world.open()).commit(lease, TTL_MS, batchOf({ newRuns: [runRow(1)] }))).toEqual({
        status: 'went-back',
        expected: lease.epoch,
        found: first.epoch,
      });
    });
  });

  describe(`${name}: after a commit of unknown outcome`, () => {
    test('reclaim tells that the commit was written', async () => {
      const { store, other } = await set();
      const lease = await take(store);
      await commit(store, lease, { newRuns: [runRow(1)] });
      const answer = await other.reclaim(lease, TTL_MS);
      expect(answer).toMatchObject({ reached: lease.batch + 1, lease: { node: NODE_A, batch: 0 } });
      expect(answer!.lease.epoch).toBeGreaterThan(lease.epoch);
    });

    test('reclaim tells that the commit was not written, and fences it should it still come', async () => {
      const { store, other } = await set();
      const lease = await commit(store, await take(store), {});
      const answer = await other.reclaim(lease, TTL_MS);
      expect(answer).toMatchObject({ reached: lease.batch });
      expect(await store.commit(lease, TTL_MS, batchOf({ newRuns: [runRow(1)] }))).toEqual({ status: 'fenced' });
      await commit(store, answer!.lease, { newRuns: [runRow(1)] });
    });

    test('reclaim of a lease that another node has taken answers undefined', async () => {
      const { clock, store, other } = await set();
      const lease = await take(store);
      clock.at += TTL_MS;
      await take(other, NODE_B);
      expect(await store.reclaim(lease, TTL_MS)).toBeUndefined();
    });
  });

  describe(`${name}: a batch`, () => {
    const refusals: [string, Partial<Batch>][] = [
      ['a second open run of a workflow id', { newRuns: [runRow(3), runRow(4, { workflowId: 'order-1' })] }],
      ['two open runs of one workflow id at once', { newRuns: [runRow(3), runRow(4, { workflowId: 'order-3' })] }],
      ['a run id that is there', { newRuns: [runRow(3), runRow(1, { workflowId: 'another' })] }],
      ['a run id twice', { newRuns: [runRow(3), runRow(3, { workflowId: 'another' })] }],
      ['a segment that is there', { newRuns: [runRow(3)], segments: [segmentRow(3, 1, 2), segmentRow(1, 1, 3)] }],
      [
        'a segment past a gap in its run',
        { newRuns: [runRow(3)], segments: [segmentRow(3, 1, 2), segmentRow(1, 3, 3)] },
      ],
      ['a position that is taken', { newRuns: [runRow(3)], segments: [segmentRow(3, 1, 2), segmentRow(1, 2, 1)] }],
      [
        'a position past a gap in its partition',
        { newRuns: [runRow(3)], segments: [segmentRow(3, 1, 2), segmentRow(1, 2, 4)] },
      ],
      ['a message that is there', { newRuns: [runRow(3)], inboxIn: [message(1, 1), message(1, 0)] }],
      ['a message twice', { newRuns: [runRow(3)], inboxIn: [message(1, 1), message(1, 1)] }],
    ];
    test.each(refusals)('with %s is refused whole', async (_, parts) => {
      const { store } = await set();
      const lease = await commit(store, await take(store), {
        newRuns: [runRow(1)],
        segments: [segmentRow(1, 1, 1)],
        inboxIn: [message(1, 0)],
      });
      const attempt = { run: runId(1), seq: 1, body: Buffer.from('x') };
      const change = { run: runId(1), status: 'RUNNING', closedAt: undefined, wakeAt: 77 };
      await expect(
        store.commit(lease, TTL_MS, batchOf({ ...parts, runChanges: [change], attempts: [attempt] })),
      ).rejects.toMatchObject({ code: 'UNEXPECTED' });
      expect(await store.findRuns([{ runId: runId(3) }, { runId: runId(1) }])).toEqual([undefined, runRow(1)]);
      expect(await store.loadSegments(runId(3), 1, 10)).toEqual([]);
      expect(bytesOf(await store.loadSegments(runId(1), 1, 10))).toEqual(['segment 1 of run 1']);
      expect(bytesOf(await store.loadInbox(10, ALL))).toEqual(['message 1/0']);
      expect(await store.loadAttempts(runId(1))).toEqual([]);
      // Not even its number is used up: the same lease commits on.
      expect((await commit(store, lease, {})).batch).toBe(lease.batch + 1);
    });

    test('closes a run and opens its successor under the same workflow id', async () => {
      const { store, other } = await set();
      const lease = await commit(store, await take(store), { newRuns: [runRow(1)] });
      const successor = runRow(2, { workflowId: 'order-1', firstRun: runId(1) });
      await commit(store, lease, {
        runChanges: [{ run: runId(1), status: 'CONTINUED_AS_NEW', closedAt: 2000, wakeAt: undefined }],
        newRuns: [successor],
      });
      expect(await other.findRuns([{ namespace: 'default', workflowId: 'order-1' }, { runId: runId(1) }])).toEqual([
        successor,
        runRow(1, { status: 'CONTINUED_AS_NEW', closedAt: 2000 }),
      ]);
    });

    test('is seen by another process as soon as it is answered', async () => {
      const { store, other } = await set();
      await commit(store, await take(store), { newRuns: [runRow(1)], segments: [segmentRow(1, 1, 1)] });
      expect(await other.findRuns([{ runId: runId(1) }])).toEqual([runRow(1)]);
      expect(bytesOf(await other.loadSegments(runId(1), 1, 10))).toEqual(['segment 1 of run 1']);
    });
  });

  describe(`${name}: runs`, () => {
    test('the same workflow id in another namespace is another workflow', async () => {
      const { store } = await set();
      const elsewhere = runRow(2, { workflowId: 'order-1', namespace: 'elsewhere' });
      await commit(store, await take(store), { newRuns: [runRow(1), elsewhere] });
      expect(
        await store.findRuns([
          { namespace: 'elsewhere', workflowId: 'order-1' },
          { namespace: 'nowhere', workflowId: 'order-1' },
          { namespace: 'default', workflowId: 'order-1' },
        ]),
      ).toEqual([elsewhere, undefined, runRow(1)]);
    });

    test('the latest run is the open one, even where the clock went back before it started', async () => {
      const { store } = await set();
      const closed = runRow(2, { workflowId: 'order-1', status: 'COMPLETED', startedAt: 9000, closedAt: 9001 });
      const open = runRow(1, { startedAt: 500 });
      await commit(store, await take(store), { newRuns: [closed, open] });
      expect(await store.findRuns([{ namespace: 'default', workflowId: 'order-1' }])).toEqual([open]);
    });

    test('the latest run of those that have closed is the one that started last', async () => {
      const { store } = await set();
      const rows = [1, 3, 2].map((n) =>
        runRow(n, { workflowId: 'order', status: 'COMPLETED', startedAt: 1000, closedAt: 2000 }),
      );
      await commit(store, await take(store), { newRuns: rows });
      expect(await store.findRuns([{ namespace: 'default', workflowId: 'order' }])).toEqual([rows[1]]);
    });

    test('live runs are paged by run id, without those that wait or have closed', async () => {
      const { store } = await set();
      await commit(store, await take(store), {
        newRuns: [
          runRow(5),
          runRow(2),
          runRow(4),
          runRow(1, { wakeAt: 10 }),
          runRow(3, { status: 'FAILED', closedAt: 2000 }),
          runRow(6),
        ],
      });
      const first = await store.loadAwake({ dueBy: undefined, after: undefined, limit: 2, of: ALL });
      const second = await store.loadAwake({ dueBy: undefined, after: first.at(-1), limit: 2, of: ALL });
      expect([runsOf(first), runsOf(second)]).toEqual([
        [runId(2), runId(4)],
        [runId(5), runId(6)],
      ]);
      expect(await store.loadAwake({ dueBy: undefined, after: second.at(-1), limit: 2, of: ALL })).toEqual([]);
    });

    test('due runs are paged by instant and run id, up to the instant asked for and no further', async () => {
      const { store } = await set();
      await commit(store, await take(store), {
        newRuns: [
          runRow(1, { wakeAt: 300 }),
          runRow(2, { wakeAt: 100 }),
          runRow(3, { wakeAt: 300 }),
          runRow(4, { wakeAt: 200 }),
          runRow(5, { wakeAt: 301 }),
          runRow(6),
          runRow(7, { wakeAt: 100, status: 'COMPLETED', closedAt: 50 }),
          runRow(8, { wakeAt: NEVER }),
        ],
      });
      const pages: RunId[][] = [];
      for (let after: RunRow | undefined; ;) {
        const page = await store.loadAwake({ dueBy: 300, after, limit: 3, of: ALL });
        if (page.length === 0) break;
        pages.push(runsOf(page));
        after = page.at(-1);
      }
      expect(pages).toEqual([[runId(2), runId(4), runId(1)], [runId(3)]]);
    });

    test('the next instant to wake at is the earliest after the one given, of open runs that are not live', async () => {
      const { store } = await set();
      const lease = await take(store);
      expect(await store.nextWakeAt(0, ALL)).toBeUndefined();
      await commit(store, lease, {
        newRuns: [
          runRow(1, { wakeAt: 300 }),
          runRow(2, { wakeAt: 100 }),
          runRow(3, { wakeAt: 50, status: 'COMPLETED', closedAt: 60 }),
          runRow(4),
        ],
      });
      expect([
        await store.nextWakeAt(0, ALL),
        await store.nextWakeAt(100, ALL),
        await store.nextWakeAt(300, ALL),
      ]).toEqual([100, 300, undefined]);
    });

    test('a change of a run moves its status, its end and its wake-up, and nothing else', async () => {
      const { store } = await set();
      const lease = await commit(store, await take(store), { newRuns: [runRow(1)] });
      await commit(store, lease, {
        runChanges: [{ run: runId(1), status: 'RUNNING', closedAt: undefined, wakeAt: 900 }],
      });
      expect(await store.findRuns([{ runId: runId(1) }])).toEqual([runRow(1, { wakeAt: 900 })]);
    });
  });

  describe(`${name}: histories`, () => {
    test('segments come back as they were written, dense in their run and in their partition', async () => {
      const { store, other } = await set();
      const written = [segmentRow(1, 1, 1), segmentRow(2, 1, 2), segmentRow(1, 2, 3), segmentRow(3, 1, 1, 8)];
      let lease = await commit(store, await take(store), { segments: written.slice(0, 2) });
      lease = await commit(store, lease, { segments: written.slice(2) });
      const rows = (await Promise.all([1, 2, 3].map((n) => other.loadSegments(runId(n), 1, 10)))).flat();
      expect(rows.map((row) => ({ ...row, body: Buffer.from(row.body) }))).toEqual([
        written[0],
        written[2],
        written[1],
        written[3],
      ]);
      expect(await other.loadHeads(ALL)).toEqual(
        new Map([
          [3, 3],
          [8, 1],
        ]),
      );
    });

    test('a store with nothing in it has no heads', async () => {
      expect(await (await set()).store.loadHeads(ALL)).toEqual(new Map());
    });

    test('segments are paged from any of them on', async () => {
      const { store } = await set();
      await commit(store, await take(store), { segments: [1, 2, 3, 4, 5].map((seq) => segmentRow(1, seq, seq)) });
      const seqs = async (from: number, limit: number): Promise<number[]> =>
        (await store.loadSegments(runId(1), from, limit)).map((row) => row.seq);
      expect([await seqs(1, 2), await seqs(3, 2), await seqs(5, 2), await seqs(6, 2)]).toEqual([
        [1, 2],
        [3, 4],
        [5],
        [],
      ]);
      expect(await seqs(0, 1)).toEqual([1]);
    });
  });

  describe(`${name}: messages and attempts`, () => {
    test('messages wait in the order of their senders, positions and places', async () => {
      const { store } = await set();
      const sent = [
        message(2, 0),
        message(1, 1),
        message(1, 0),
        message(1, 0, { from: 2 as Partition, body: Buffer.from('from 2') }),
        message(-4, 0, { body: Buffer.from('an answer') }),
      ];
      await commit(store, await take(store), { inboxIn: sent });
      expect(bytesOf(await store.loadInbox(10, ALL))).toEqual([
        'from 2',
        'an answer',
        'message 1/0',
        'message 1/1',
        'message 2/0',
      ]);
      expect(bytesOf(await store.loadInbox(2, ALL))).toEqual(['from 2', 'an answer']);
    });

    test('a message that is done is gone, and one that is not there is no mistake', async () => {
      const { store } = await set();
      const lease = await commit(store, await take(store), { inboxIn: [message(1, 0), message(1, 1)] });
      const answer = await store.commit(lease, TTL_MS, batchOf({ inboxDone: [message(1, 0), message(7, 7)] }));
      expect(answer.status).toBe('committed');
      const [left, ...none] = await store.loadInbox(10, ALL);
      expect(none).toEqual([]);
      expect({ ...left, body: Buffer.from(left!.body) }).toEqual(message(1, 1));
    });

    test('an attempt is written, overwritten and deleted, alone or with all of its run', async () => {
      const { store } = await set();
      const attempt = (run: number, seq: number, body: string) => ({ run: runId(run), seq, body: Buffer.from(body) });
      const kept = async (run: number): Promise<string[]> =>
        (await store.loadAttempts(runId(run))).map((row) => `${row.seq} ${Buffer.from(row.body).toString()}`);
      let lease = await commit(store, await take(store), {
        attempts: [attempt(1, 2, 'b'), attempt(1, 1, 'a'), attempt(2, 1, 'other')],
      });
      lease = await commit(store, lease, { attempts: [attempt(1, 1, 'a again')] });
      expect(await kept(1)).toEqual(['1 a again', '2 b']);
      lease = await commit(store, lease, { attemptsDone: [{ run: runId(1), seq: 2 }] });
      expect(await kept(1)).toEqual(['1 a again']);
      await commit(store, lease, { attemptsOfClosed: [runId(1)] });
      expect([await kept(1), await kept(2)]).toEqual([[], ['1 other']]);
    });
  });

  describe(`${name}: what transactions have decided`, () => {
    const row = (run: number, activityId: string, body: string) => ({
      run: runId(run),
      activityId,
      body: Buffer.from(body),
    });
    const kept = async (store: Store, run: number): Promise<string[]> =>
      (await store.loadTxResults(runId(run))).map((one) => `${one.activityId} ${Buffer.from(one.body).toString()}`);

    test('the first outcome of an activity stays, whatever is written under its key after it', async () => {
      const { store } = await set();
      let lease = await commit(store, await take(store), {
        newRuns: [runRow(1), runRow(2)],
        txResults: [row(1, 'a', 'first'), row(2, 'a', 'other')],
      });
      lease = await commit(store, lease, { txResults: [row(1, 'a', 'second'), row(1, 'b', 'own')] });
      expect(await kept(store, 1)).toEqual(['a first', 'b own']);
      await commit(store, lease, {});
      expect(await kept(store, 2)).toEqual(['a other']);
    });

    test('outcomes go one by one, or with all of their run', async () => {
      const { store } = await set();
      let lease = await commit(store, await take(store), {
        newRuns: [runRow(1), runRow(2)],
        txResults: [row(1, 'a', '1'), row(1, 'b', '2'), row(1, 'c', '3'), row(2, 'a', '4')],
      });
      lease = await commit(store, lease, { txResultsDone: [{ run: runId(1), activityId: 'b' }] });
      expect(await kept(store, 1)).toEqual(['a 1', 'c 3']);
      await commit(store, lease, { txResultsDone: [{ run: runId(1) }] });
      expect([await kept(store, 1), await kept(store, 2)]).toEqual([[], ['a 4']]);
    });

    test('a node that has lost its lease decides nothing', async () => {
      const { store, other } = await set();
      const lease = await commit(store, await take(store), { newRuns: [runRow(1)] });
      await other.acquire(NODE_B, TTL_MS, { dead: lease.node });
      await store.release(lease);
      const answer = await store.commit(lease, TTL_MS, batchOf({ txResults: [row(1, 'a', 'late')] }));
      expect(answer.status).toBe('fenced');
      expect(await kept(other, 1)).toEqual([]);
    });
  });

  describe(`${name}: large payloads`, () => {
    const blob = (run: number, n: number, text: string) => ({ run: runId(run), n, body: Buffer.from(text) });
    const texts = (bodies: readonly (Uint8Array | undefined)[]): (string | undefined)[] =>
      bodies.map((body) => body && Buffer.from(body).toString());

    test('blobs come back to their run, in the order asked for, and what is not there is undefined', async () => {
      const { store, other } = await set();
      const lease = await commit(store, await take(store), {
        newRuns: [runRow(1), runRow(2)],
        segments: [segmentRow(1, 1, 1)],
        blobs: [blob(1, 2 ** 40, 'far'), blob(1, 7, 'seven'), blob(2, 7, 'of run 2'), blob(1, 8, '')],
      });
      expect(texts(await other.loadBlobs(runId(1), [7, 9, 2 ** 40, 8]))).toEqual(['seven', undefined, 'far', '']);
      expect(texts(await other.loadBlobs(runId(2), [7]))).toEqual(['of run 2']);
      expect(await other.loadBlobs(runId(1), [])).toEqual([]);
      await commit(store, lease, { blobs: [blob(1, 9, 'nine')] });
      expect(texts(await other.loadBlobs(runId(1), [9, 7]))).toEqual(['nine', 'seven']);
    });

    test('a megabyte comes back byte for byte', async () => {
      const { store, other } = await set();
      const body = Buffer.from(Array.from({ length: 1_000_000 }, (_, index) => (index * 31) % 256));
      await commit(store, await take(store), { newRuns: [runRow(1)], blobs: [{ run: runId(1), n: 1, body }] });
      const [read] = await other.loadBlobs(runId(1), [1]);
      expect(Buffer.compare(read!, body)).toBe(0);
    });

    test.each([
      ['whose number is taken', { blobs: [blob(1, 1, 'again')] }],
      ['of a run that is not there', { blobs: [blob(9, 1, 'whose?')] }],
    ])('a batch with a blob %s is refused whole', async (_, parts) => {
      const { store } = await set();
      const lease = await commit(store, await take(store), { newRuns: [runRow(1)], blobs: [blob(1, 1, 'first')] });
      const batch = batchOf({ ...parts, newRuns: [runRow(2)], segments: [segmentRow(1, 1, 1)] });
      await expect(store.commit(lease, TTL_MS, batch)).rejects.toMatchObject({ code: 'UNEXPECTED' });
      expect(texts(await store.loadBlobs(runId(1), [1]))).toEqual(['first']);
      expect(await store.findRuns([{ runId: runId(2) }])).toEqual([undefined]);
      expect(await store.loadSegments(runId(1), 1, 10)).toEqual([]);
    });

    test('a segment that is refused leaves none of its blobs', async () => {
      const { store } = await set();
      const lease = await commit(store, await take(store), { newRuns: [runRow(1)] });
      const batch = batchOf({ segments: [segmentRow(1, 2, 1)], blobs: [blob(1, 1, 'of segment 2')] });
      await expect(store.commit(lease, TTL_MS, batch)).rejects.toMatchObject({ code: 'UNEXPECTED' });
      expect(await store.loadBlobs(runId(1), [1])).toEqual([undefined]);
    });
  });

  describe(`${name}: search attributes`, () => {
    const given = (run: number, values: AttributeValue[]) => ({ run: runId(run), namespace: 'default', values });
    const keyword = (key: string, value: string): AttributeValue => ({ key, type: 'KEYWORD', value });

    test('values of every type come back as they were written, by key and value', async () => {
      const { store, other } = await set();
      const values: AttributeValue[] = [
        { key: 'bool', type: 'BOOL', value: 1 },
        { key: 'datetime', type: 'DATETIME', value: 1_700_000_000_123 },
        { key: 'double', type: 'DOUBLE', value: -2.5 },
        { key: 'int', type: 'INT', value: 42 },
        keyword('keyword', 'EU'),
        { key: 'list', type: 'KEYWORD_LIST', value: 'a' },
        { key: 'list', type: 'KEYWORD_LIST', value: 'b' },
        { key: 'text', type: 'TEXT', value: 'several words, ünd more' },
      ];
      await commit(store, await take(store), { newRuns: [runRow(1)], attributes: [given(1, [...values].reverse())] });
      expect(await other.loadAttributes(runId(1))).toEqual(values);
      expect(await other.loadAttributes(runId(2))).toEqual([]);
    });

    test('what a run has takes the place of all that it had, and others keep theirs', async () => {
      const { store } = await set();
      let lease = await commit(store, await take(store), {
        newRuns: [runRow(1), runRow(2)],
        attributes: [given(1, [keyword('a', 'x'), keyword('b', 'y')]), given(2, [keyword('a', 'x')])],
      });
      lease = await commit(store, lease, { attributes: [given(1, [keyword('b', 'z'), keyword('c', 'w')])] });
      expect(await store.loadAttributes(runId(1))).toEqual([keyword('b', 'z'), keyword('c', 'w')]);
      await commit(store, lease, { attributes: [given(1, [])] });
      expect(await store.loadAttributes(runId(1))).toEqual([]);
      expect(await store.loadAttributes(runId(2))).toEqual([keyword('a', 'x')]);
    });

    test.each([
      ['twice', [given(1, [keyword('a', 'x'), keyword('a', 'x')])]],
      ['of a run that is not there', [given(9, [keyword('a', 'x')])]],
    ])('a batch with an attribute %s is refused whole', async (_, attributes) => {
      const { store } = await set();
      const lease = await commit(store, await take(store), {
        newRuns: [runRow(1)],
        attributes: [given(1, [keyword('a', 'before')])],
      });
      const batch = batchOf({ newRuns: [runRow(2)], attributes });
      await expect(store.commit(lease, TTL_MS, batch)).rejects.toMatchObject({ code: 'UNEXPECTED' });
      expect(await store.loadAttributes(runId(1))).toEqual([keyword('a', 'before')]);
      expect(await store.findRuns([{ runId: runId(2) }])).toEqual([undefined]);
    });
  });
}
