import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/core/index.ts';
import { emptyBatch } from '../../src/store/index.ts';
import { commit, leaseOf, makeSet, NODE_A, NODE_B, take, TTL_MS, type World } from './exercise-store.ts';

/** What a store must do that one node alone may work on. */
export function exerciseSoleLease(name: string, make: (clock: Clock) => World): void {
  const set = () => makeSet(make);

  describe(`${name}: the lease`, () => {
    test('a free store is acquired, and held against another node until its time is up', async () => {
      const { clock, store, other } = await set();
      const first = await store.acquire(NODE_A, TTL_MS);
      expect(first).toMatchObject({ status: 'acquired', now: clock.at, lease: { node: NODE_A, batch: 0 } });
      clock.at += TTL_MS - 1;
      expect(await other.acquire(NODE_B, TTL_MS)).toEqual({
        status: 'held',
        holder: { node: NODE_A, epoch: leaseOf(first).epoch, until: clock.at + 1 },
        now: clock.at,
      });
      clock.at += 1;
      expect((await other.acquire(NODE_B, TTL_MS)).status).toBe('acquired');
    });

    test('a commit renews the lease, so that it is held from then on', async () => {
      const { clock, store, other } = await set();
      const lease = await take(store);
      clock.at += TTL_MS - 1;
      await commit(store, lease, {});
      clock.at += TTL_MS - 1;
      expect((await other.acquire(NODE_B, TTL_MS)).status).toBe('held');
    });

    test('the lease of a node that is known to be dead is not waited for', async () => {
      const { store, other } = await set();
      const lease = await take(store);
      expect((await other.acquire(NODE_B, TTL_MS, { dead: 'node-c' })).status).toBe('held');
      const taken = leaseOf(await other.acquire(NODE_B, TTL_MS, { dead: NODE_A }));
      expect(taken.epoch).toBeGreaterThan(lease.epoch);
      expect(await store.commit(lease, TTL_MS, emptyBatch())).toEqual({ status: 'fenced' });
    });

    test('the epoch grows with every acquisition, whoever acquires', async () => {
      const { clock, store, other } = await set();
      const epochs = [(await take(store)).epoch, (await take(store)).epoch];
      clock.at += TTL_MS;
      epochs.push((await take(other, NODE_B)).epoch);
      clock.at += TTL_MS;
      const last = await take(store);
      await store.release(last);
      epochs.push(last.epoch, (await take(other, NODE_B)).epoch);
      expect(epochs).toEqual([...new Set(epochs)].sort((a, b) => a - b));
    });

    test('a lease that is released is free at once', async () => {
      const { store, other } = await set();
      await store.release(await take(store));
      expect((await other.acquire(NODE_B, TTL_MS)).status).toBe('acquired');
    });

    test('who acquires is told whether the last holder gave its lease up or was cut off', async () => {
      const { clock, store, other } = await set();
      const first = await store.acquire(NODE_A, TTL_MS);
      expect(first).toMatchObject({ wasAbandoned: false });
      await store.release(leaseOf(first));
      expect(await other.acquire(NODE_B, TTL_MS)).toMatchObject({ wasAbandoned: false });
      expect(await store.acquire(NODE_A, TTL_MS, { dead: NODE_B })).toMatchObject({ wasAbandoned: true });
      clock.at += TTL_MS;
      expect(await other.acquire(NODE_B, TTL_MS)).toMatchObject({ wasAbandoned: true });
    });

    test('a lease that is old releases nothing', async () => {
      const { store, other } = await set();
      const old = await take(store);
      const taken = leaseOf(await other.acquire(NODE_B, TTL_MS, { dead: NODE_A }));
      await store.release(old);
      await store.release({ ...taken, epoch: taken.epoch - 1 });
      expect((await store.acquire(NODE_A, TTL_MS)).status).toBe('held');
    });

    test('reclaim renews the lease', async () => {
      const { clock, store, other } = await set();
      const lease = await take(store);
      clock.at += TTL_MS - 1;
      await store.reclaim(lease, TTL_MS);
      clock.at += TTL_MS - 1;
      expect((await other.acquire(NODE_B, TTL_MS)).status).toBe('held');
    });
  });
}
