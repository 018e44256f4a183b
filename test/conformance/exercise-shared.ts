import { describe, expect, test } from 'vitest';
import type { Clock, NodeId, Partition } from '../../src/core/index.ts';
import { emptyBatch, type Store } from '../../src/store/index.ts';
import {
  ALL,
  batchOf,
  claimed,
  commit,
  leaseOf,
  makeSet,
  message,
  NODE_A,
  NODE_B,
  runId,
  runRow,
  segmentRow,
  take,
  TTL_MS,
  type World,
} from './exercise-store.ts';

const [P1, P2, P3, P5] = [1, 2, 3, 5] as Partition[] as [Partition, Partition, Partition, Partition];
const NODE_C = 'node-c' as NodeId;

async function join(store: Store, node: NodeId, address?: string) {
  return leaseOf(await store.acquire(node, TTL_MS, address === undefined ? {} : { address }));
}

const ownersOf = async (store: Store): Promise<[Partition, NodeId][]> =>
  [...(await store.loadCluster()).owners].sort(([a], [b]) => a - b);

/** What a store must do that several nodes may work on. */
export function exerciseShared(name: string, make: (clock: Clock) => World | Promise<World>): void {
  const set = () => makeSet(make);

  describe(`${name}: several nodes`, () => {
    test('a node joins beside another, owns nothing, and is seen with its address', async () => {
      const { clock, store, other } = await set();
      const first = await store.acquire(NODE_A, TTL_MS, { address: 'a:1' });
      const second = await other.acquire(NODE_B, TTL_MS);
      expect([first, second]).toMatchObject([
        { status: 'acquired', owned: [], now: clock.at, wasAbandoned: false },
        { status: 'acquired', owned: [] },
      ]);
      const view = await store.loadCluster();
      expect(view.now).toBe(clock.at);
      expect(view.members.toSorted((a, b) => (a.node < b.node ? -1 : 1))).toEqual([
        {
          node: NODE_A,
          epoch: leaseOf(first).epoch,
          until: clock.at + TTL_MS,
          address: 'a:1',
          isGone: false,
        },
        {
          node: NODE_B,
          epoch: leaseOf(second).epoch,
          until: clock.at + TTL_MS,
          address: undefined,
          isGone: false,
        },
      ]);
      expect(view.owners).toEqual(new Map());
    });

    test('epochs grow over all nodes, and a claim counts as a commit', async () => {
      const { store, other } = await set();
      const a = await join(store, NODE_A);
      const b = await join(other, NODE_B);
      const again = (await store.reclaim(a, TTL_MS))!.lease;
      const c = await join(other, NODE_C);
      expect([a.epoch, b.epoch, again.epoch, c.epoch]).toEqual(
        [...new Set([a.epoch, b.epoch, again.epoch, c.epoch])].sort((x, y) => x - y),
      );
      const answer = claimed(await other.claim(b, TTL_MS, [P1]));
      expect(answer.lease).toEqual({ ...b, batch: 1 });
      expect(await other.claim(b, TTL_MS, [P2])).toEqual({ status: 'fenced' });
      expect(await ownersOf(store)).toEqual([[P1, NODE_B]]);
    });

    test('free partitions are claimed in the order of preference, and those of a live node are not', async () => {
      const { store, other } = await set();
      const a = claimed(await store.claim(await join(store, NODE_A), TTL_MS, [P2, P1]));
      expect(a.partitions).toEqual([P2, P1]);
      const b = claimed(await other.claim(await join(other, NODE_B), TTL_MS, [P3, P1]));
      expect(b.partitions).toEqual([P3]);
      expect(claimed(await store.claim(a.lease, TTL_MS, [P1, P3])).partitions).toEqual([P1]);
      expect(await ownersOf(store)).toEqual([
        [P1, NODE_A],
        [P2, NODE_A],
        [P3, NODE_B],
      ]);
    });

    test('two claims at once give no partition to both', async () => {
      const { store, other } = await set();
      const [a, b] = [await join(store, NODE_A), await join(other, NODE_B)];
      const [got, rest] = await Promise.all([store.claim(a, TTL_MS, ALL), other.claim(b, TTL_MS, ALL.toReversed())]);
      expect(new Set([...claimed(got).partitions, ...claimed(rest).partitions]).size).toBe(ALL.length);
      expect(claimed(got).partitions.length + claimed(rest).partitions.length).toBe(ALL.length);
    });

    test('a node whose lease has lapsed is fenced whole by who claims one of its partitions', async () => {
      const { clock, store, other } = await set();
      const a = claimed(await store.claim(await join(store, NODE_A), TTL_MS, [P1, P2])).lease;
      clock.at += TTL_MS;
      const b = await join(other, NODE_B);
      expect(claimed(await other.claim(b, TTL_MS, [P2])).partitions).toEqual([P2]);
      expect(await store.commit(a, TTL_MS, emptyBatch())).toEqual({ status: 'fenced' });
      expect(await store.claim(a, TTL_MS, [P1])).toEqual({ status: 'fenced' });
      expect(await store.reclaim(a, TTL_MS)).toBeUndefined();
      expect(await ownersOf(other)).toEqual([[P2, NODE_B]]);
      expect((await other.loadCluster()).members.map(({ node }) => node)).toEqual([NODE_B]);
    });

    test('a node that is named as dead is fenced before its lease lapses, and others are not', async () => {
      const { store, other } = await set();
      const a = await take(store);
      const b = await join(other, NODE_B);
      const none = claimed(await other.claim(b, TTL_MS, [P1], [NODE_C]));
      expect(none.partitions).toEqual([]);
      expect(claimed(await other.claim(none.lease, TTL_MS, [P1], [NODE_A])).partitions).toEqual([P1]);
      expect(await store.commit(a, TTL_MS, emptyBatch())).toEqual({ status: 'fenced' });
    });

    test('nobody is fenced by its own claim, though its lease has lapsed and it names itself', async () => {
      const { clock, store } = await set();
      const a = await take(store);
      clock.at += TTL_MS;
      const again = claimed(await store.claim(a, TTL_MS, [P1], [NODE_A]));
      expect(again.partitions).toEqual([P1]);
      expect(await store.commit(again.lease, TTL_MS, emptyBatch())).toMatchObject({ status: 'committed' });
    });

    test('a commit renews the lease, so that nothing of the node can be claimed', async () => {
      const { clock, store, other } = await set();
      const a = await take(store);
      clock.at += TTL_MS - 1;
      await commit(store, a, {});
      clock.at += TTL_MS - 1;
      const b = await join(other, NODE_B);
      expect(claimed(await other.claim(b, TTL_MS, ALL)).partitions).toEqual([]);
    });

    test('reclaim renews the lease and keeps the partitions', async () => {
      const { clock, store, other } = await set();
      const a = await take(store);
      clock.at += TTL_MS - 1;
      const { lease } = (await store.reclaim(a, TTL_MS))!;
      clock.at += TTL_MS - 1;
      const b = await join(other, NODE_B);
      expect(claimed(await other.claim(b, TTL_MS, ALL)).partitions).toEqual([]);
      await commit(store, lease, { newRuns: [runRow(1)] });
    });

    test('a partition is given by a commit, to a node or to nobody, and that node writes to it from then on', async () => {
      const { store, other } = await set();
      const a = await take(store);
      const b = await join(other, NODE_B);
      const after = await commit(store, a, {
        newRuns: [runRow(1)],
        segments: [segmentRow(1, 1, 1)],
        given: [
          { partition: P3, to: NODE_B },
          { partition: P5, to: undefined },
          { partition: P2, to: NODE_C },
        ],
      });
      const { owners } = await other.loadCluster();
      expect([owners.get(P3), owners.get(P5), owners.get(P2), owners.get(P1)]).toEqual([
        NODE_B,
        undefined,
        undefined,
        NODE_A,
      ]);
      await expect(store.commit(after, TTL_MS, batchOf({ segments: [segmentRow(1, 2, 2)] }))).rejects.toMatchObject({
        code: 'UNEXPECTED',
      });
      await commit(other, b, { segments: [segmentRow(1, 2, 2)] });
      expect(await other.loadHeads([P3])).toEqual(new Map([[P3, 2]]));
    });

    test.each([
      ['a segment', { segments: [segmentRow(1, 1, 1)] }],
      ['a run', { newRuns: [runRow(1)] }],
      ['a message that is done', { inboxDone: [message(1, 0)] }],
      ['what is given', { given: [{ partition: P3, to: NODE_B }] }],
    ])('%s of a partition that another has is refused whole', async (_, parts) => {
      const { store, other } = await set();
      await take(store);
      const b = await join(other, NODE_B);
      const batch = batchOf({ ...parts, inboxIn: [message(9, 9)] });
      await expect(other.commit(b, TTL_MS, batch)).rejects.toMatchObject({ code: 'UNEXPECTED' });
      expect(await store.loadInbox(10, ALL)).toEqual([]);
      expect((await store.loadCluster()).owners.get(P3)).toBe(NODE_A);
      await commit(other, b, {});
    });

    test('a message may be sent to a partition that another has', async () => {
      const { store, other } = await set();
      const a = claimed(await store.claim(await join(store, NODE_A), TTL_MS, [P3])).lease;
      const b = claimed(await other.claim(await join(other, NODE_B), TTL_MS, [P5])).lease;
      await commit(store, a, { inboxIn: [message(1, 0)] });
      expect(await other.loadInbox(10, [P5])).toHaveLength(1);
      expect(await store.loadInbox(10, [P3])).toEqual([]);
      await commit(other, b, { inboxDone: [message(1, 0)] });
      expect(await other.loadInbox(10, [P5])).toEqual([]);
    });

    test('what is looked for is of the partitions asked for alone', async () => {
      const { store } = await set();
      const there = runRow(2, { partition: P5, wakeAt: 50 });
      await commit(store, await take(store), {
        newRuns: [runRow(1), there, runRow(3, { partition: P5 })],
        segments: [segmentRow(1, 1, 1), segmentRow(2, 1, 1, P5)],
      });
      const page = { after: undefined, limit: 10 };
      expect((await store.loadAwake({ ...page, dueBy: undefined, of: [P3] })).map(({ run }) => run)).toEqual([
        runId(1),
      ]);
      expect(await store.loadAwake({ ...page, dueBy: 60, of: [P3] })).toEqual([]);
      expect(await store.loadAwake({ ...page, dueBy: 60, of: [P5] })).toEqual([there]);
      expect([await store.nextWakeAt(0, [P3]), await store.nextWakeAt(0, [P5])]).toEqual([undefined, 50]);
      expect(await store.loadHeads([P5])).toEqual(new Map([[P5, 1]]));
    });

    test('release frees all that the node has, at once', async () => {
      const { store, other } = await set();
      const a = await take(store);
      const b = await join(other, NODE_B);
      await store.release({ ...a, epoch: a.epoch - 1 });
      expect(claimed(await other.claim(b, TTL_MS, [P1])).partitions).toEqual([]);
      await store.release(a);
      expect(await ownersOf(other)).toEqual([]);
      expect(claimed(await other.claim({ ...b, batch: 1 }, TTL_MS, ALL)).partitions).toEqual(ALL);
      expect(await store.commit(a, TTL_MS, emptyBatch())).toEqual({ status: 'fenced' });
    });

    test('a node that joins again has nothing of what it had, and its old lease is fenced', async () => {
      const { store, other } = await set();
      const a = await take(store);
      await join(other, NODE_A);
      expect(await ownersOf(other)).toEqual([]);
      expect(await store.commit(a, TTL_MS, emptyBatch())).toEqual({ status: 'fenced' });
    });

    test('a node whose process has died is seen to be gone before its lease lapses', async () => {
      const { world, store, other } = await set();
      await take(store);
      await join(other, NODE_B);
      expect((await other.loadCluster()).members.map(({ isGone }) => isGone)).toEqual([false, false]);
      await world.die!(store, NODE_A);
      const { members } = await other.loadCluster();
      expect(new Map(members.map(({ node, isGone }) => [node, isGone]))).toEqual(
        new Map([
          [NODE_A, true],
          [NODE_B, false],
        ]),
      );
    });

    test('a hint reaches the other nodes, and not the one that gives it', async () => {
      const { store, other } = await set();
      const own: unknown[] = [];
      store.onHint((partitions) => {
        if (partitions) own.push(partitions);
      });
      const heard = new Promise<readonly Partition[]>((resolve) => {
        other.onHint((partitions) => {
          // Undefined: it listens from here on, and may have missed what was said before.
          if (partitions) resolve(partitions);
          else store.hint([P5, P1]);
        });
      });
      store.hint([P5, P1]);
      expect(new Set(await heard)).toEqual(new Set([P1, P5]));
      expect(own).toEqual([]);
    });

    test('a store put back to before a claim says that it went back', async () => {
      const { world, store, other } = await set();
      const a = await join(store, NODE_A);
      await Promise.all([store.close(), other.close()]);
      await world.copy();
      const later = await world.open();
      const { lease } = claimed(await later.claim(a, TTL_MS, [P1]));
      await later.close();
      await world.putBack();
      const restored = await world.open();
      expect(await restored.claim(lease, TTL_MS, [P2])).toEqual({ status: 'went-back', expected: 1, found: 0 });
      expect(await ownersOf(restored)).toEqual([]);
    });
  });
}
