import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { TransactionFence } from '../../src/common/index.ts';
import { systemClock } from '../../src/core/index.ts';
import { SqliteDatabase, SqliteStore } from '../../src/store/index.ts';
import { commit, runId, runRow, take } from './exercise-store.ts';

const key = { runId: runId(1), activityId: 'a' };
let folder: string;
let store: SqliteStore;
let database: SqliteDatabase;
let other: SqliteDatabase;
let fence: TransactionFence;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pleach-database-'));
  const file = join(folder, 'a.db');
  store = new SqliteStore(file, systemClock);
  fence = await commit(store, await take(store), { newRuns: [runRow(1)] });
  database = new SqliteDatabase(file, systemClock);
  other = new SqliteDatabase(file, systemClock);
  await database.transact({
    fence,
    work: async (tx) => ({ value: await tx.execute('create table t (a integer primary key)') }),
  });
});

afterEach(async () => {
  await Promise.all([database.close(), other.close(), store.close()]);
  rmSync(folder, { recursive: true, force: true });
});

const insert = (into: SqliteDatabase, a: number, more: { fence?: TransactionFence; withKey?: boolean } = {}) =>
  into.transact({
    fence: more.fence ?? fence,
    ...(more.withKey === false ? {} : { key }),
    work: async (tx) => {
      await tx.execute('insert into t values (?)', [a]);
      return { value: a, outcome: `outcome ${a}` };
    },
  });
const rows = async () => (await other.query('select a from t order by a', [])).map(({ a }) => a);

it('the second transaction of an activity is given the outcome of the first, and writes nothing', async () => {
  expect(await insert(database, 1)).toEqual({ status: 'committed', value: 1 });
  expect(await insert(other, 2)).toEqual({ status: 'decided', outcome: 'outcome 1' });
  expect(await rows()).toEqual([1]);
});

it('an activity that the kernel has given up writes nothing', async () => {
  const lease = await take(store);
  await commit(store, lease, { txResults: [{ run: runId(1), activityId: 'a', body: Buffer.from('given up') }] });
  expect(await insert(database, 1, { fence: lease })).toEqual({ status: 'decided', outcome: 'given up' });
  expect(await rows()).toEqual([]);
});

it('a transaction that an earlier epoch let in is not begun', async () => {
  const lease = await take(store);
  expect((await store.reclaim(lease, 10_000))?.lease.epoch).toBeGreaterThan(lease.epoch);
  expect(await insert(database, 1, { fence: lease })).toEqual({ status: 'fenced' });
  expect(await insert(database, 1, { fence: lease, withKey: false })).toEqual({ status: 'fenced' });
  expect(await rows()).toEqual([]);
});

it('a transaction of a run that is closed is not begun', async () => {
  const lease = await take(store);
  const change = { run: runId(1), status: 'COMPLETED', closedAt: 1, wakeAt: undefined };
  await commit(store, lease, { runChanges: [change] });
  expect(await insert(database, 1, { fence: lease })).toEqual({ status: 'closed' });
  expect(await rows()).toEqual([]);
});

it('what a failed transaction wrote is gone, and so is its outcome', async () => {
  await insert(database, 1, { withKey: false });
  await expect(insert(database, 1)).rejects.toMatchObject({ code: 'UNIQUE_VIOLATION' });
  expect(await store.loadTxResults(runId(1))).toEqual([]);
  expect(await insert(other, 2)).toEqual({ status: 'committed', value: 2 });
  expect(await rows()).toEqual([1, 2]);
});

it('a statement after its transaction is refused', async () => {
  let late: (() => Promise<unknown>) | undefined;
  await database.transact({
    fence,
    work: async (tx) => {
      late = () => tx.execute('insert into t values (9)');
      return { value: 0 };
    },
  });
  await expect(late!()).rejects.toMatchObject({ code: 'TRANSACTION_TIMEOUT' });
  expect(await rows()).toEqual([]);
});
