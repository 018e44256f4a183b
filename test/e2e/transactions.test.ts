import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Context, database, getClient, transactional } from '../../src/entry/activity.ts';
import { NativeConnection } from '../../src/entry/worker.ts';
import { openSuite, type Suite } from '../replay/suite.ts';
import * as workflows from './transactions-workflows.ts';

const workflowsPath = fileURLToPath(new URL('./transactions-workflows.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pleach-tx-'));
const file = `sqlite:${join(folder, 'tx.db')}`;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MIGRATIONS = [
  {
    name: 'step',
    sql: 'create table step (key text primary key, attempt integer not null); create index s on step (attempt)',
  },
];
/** Resolved when a transaction that waits has begun, and what it waits for. */
const begun = Promise.withResolvers<void>();
const goOn = Promise.withResolvers<void>();

const activities = {
  add: transactional(async (tx, key: string, how: string): Promise<string> => {
    const { attempt } = Context.current().info;
    await tx.execute('insert into step (key, attempt) values (?, ?)', [key, attempt]);
    if (how === 'fails twice' && attempt < 3) throw new Error('not yet');
    if (how === 'twice') await tx.execute('insert into step (key, attempt) values (?, ?)', [key, attempt]);
    if (how === 'slow') await new Promise(() => undefined);
    if (how === 'client') await getClient().workflow.getHandle('x').describe();
    if (how === 'nested') await database().transaction(() => undefined);
    // The kernel has given it up by the time that this says so; what decides is what is committed.
    if (how === 'late') await Context.current().cancelled.catch(() => undefined);
    if (how === 'waits') {
      begun.resolve();
      await goOn.promise;
    }
    return `${key}@${attempt}`;
  }),
};
export type TransactionActivities = typeof activities;

let suite: Suite;
beforeAll(async () => {
  suite = await openSuite(file, { taskQueue: 'tx', workflowsPath, activities });
  await suite.connection.database.migrate(MIGRATIONS);
});
afterAll(() => suite.close(5));

const rows = (key: string) =>
  suite.connection.database.query<{ key: string; attempt: number }>('select key, attempt from step where key = ?', [
    key,
  ]);
const run = (key: string, how = 'plain'): Promise<string> =>
  suite.client.workflow.execute(workflows.one, { workflowId: key, taskQueue: 'tx', args: [key, how] });
const left = () => suite.connection.database.query('select activity from tx_result');

describe('a transactional activity', () => {
  it('writes its rows and its result once, and leaves nothing behind', async () => {
    expect(await run('plain')).toBe('plain@1');
    expect(await rows('plain')).toEqual([{ key: 'plain', attempt: 1 }]);
    expect(await left()).toEqual([]);
  });

  it('leaves nothing of an attempt that failed', async () => {
    const handle = { workflowId: 'retried', taskQueue: 'tx', args: ['retried'] as [string] };
    expect(await suite.client.workflow.execute(workflows.retried, handle)).toBe('retried@3');
    expect(await rows('retried')).toEqual([{ key: 'retried', attempt: 3 }]);
  });

  it('takes its turn with others and with the journal', async () => {
    const options = { workflowId: 'several', taskQueue: 'tx', args: ['several', 30] as [string, number] };
    const got = await suite.client.workflow.execute(workflows.several, options);
    expect(got).toHaveLength(30);
    expect(await suite.connection.database.query("select count(*) as n from step where key like 'several-%'")).toEqual([
      { n: 30 },
    ]);
  });

  it.each([
    ['client', 'TRANSACTION_ENGINE_CALL', /asks the engine, which waits/],
    ['nested', 'TRANSACTION_ENGINE_CALL', /a transaction is within another/],
    ['slow', 'TRANSACTION_TIMEOUT', /more than 1000 ms and was rolled back/],
    ['twice', 'UNIQUE_VIOLATION', /step\.key/],
  ])('that %s is rolled back and says why', async (how, _code, message) => {
    expect(await run(how, how)).toMatch(message);
    expect(await rows(how)).toEqual([]);
    // And whoever comes next has the database.
    expect(await run(`after-${how}`)).toBe(`after-${how}@1`);
  });

  it('that is committed as its time-out comes is completed, and not failed', async () => {
    expect(await run('late', 'late')).toBe('late@1');
    expect(await rows('late')).toEqual([{ key: 'late', attempt: 1 }]);
    expect(await left()).toEqual([]);
  });

  it('that is committed as it is cancelled is completed', async () => {
    const handle = await suite.client.workflow.start(workflows.one, {
      workflowId: 'cancelled',
      taskQueue: 'tx',
      args: ['cancelled', 'waits'],
    });
    await begun.promise;
    // It takes effect behind the transaction, as everything that is to be durable does.
    const cancelled = handle.cancel();
    goOn.resolve();
    await cancelled;
    expect(await handle.result()).toBe('cancelled@1');
    expect(await rows('cancelled')).toEqual([{ key: 'cancelled', attempt: 1 }]);
    expect(await left()).toEqual([]);
  });
});

it('elsewhere it is an error that says what to do', async () => {
  const memory = await openSuite('memory:tx', { taskQueue: 'tx', workflowsPath, activities });
  const result = await memory.client.workflow.execute(workflows.one, {
    workflowId: 'memory',
    taskQueue: 'tx',
    args: ['memory', 'plain'],
  });
  expect(result).toMatch(/no database that this process may open; connect to sqlite/);
  expect(() => memory.connection.database).toThrow(/connect to sqlite/);
  await memory.close(1);
});

describe("an author's migrations", () => {
  it('are applied once, and one that was changed is refused', async () => {
    const path = `sqlite:${join(folder, 'migrations.db')}`;
    const connection = await NativeConnection.connect({ address: path });
    const { database: tables } = connection;
    const one = { name: 'one', sql: 'create table one (a)' };
    const two = { name: 'two', sql: 'create table two (a); insert into two values (1)' };
    await Promise.all([tables.migrate([one]), tables.migrate([one])]);
    await tables.migrate([one, two]);
    await tables.migrate([one, two]);
    expect(await tables.query('select count(*) as n from two')).toEqual([{ n: 1 }]);
    const code = 'MIGRATION_CHANGED';
    await expect(tables.migrate([{ ...one, sql: 'create table one (b)' }, two])).rejects.toMatchObject({ code });
    await expect(tables.migrate([two, one])).rejects.toMatchObject({ code });
    await expect(tables.migrate([one])).rejects.toMatchObject({ code });
    const broken = { name: 'three', sql: 'create table three (a); create table three (a)' };
    await expect(tables.migrate([one, two, broken])).rejects.toMatchObject({ code: 'STATEMENT_FAILED' });
    await expect(tables.query('select * from three')).rejects.toMatchObject({ code: 'STATEMENT_FAILED' });
    await connection.close();
  });
});

describe('values', () => {
  it('come back as SQLite has them, and what is none is refused', async () => {
    const tables = suite.connection.database;
    await tables.execute('create table v (a, b, c, d, e, f, g)');
    const at = new Date(1_700_000_000_000);
    await tables.execute('insert into v values (?, ?, ?, ?, ?, ?, ?)', [
      null,
      1.5,
      2n ** 60n,
      'x',
      true,
      Buffer.from('y'),
      at,
    ]);
    expect(await tables.query('select * from v')).toEqual([
      { a: null, b: 1.5, c: 2n ** 60n, d: 'x', e: 1, f: new Uint8Array([121]), g: at.getTime() },
    ]);
    await expect(tables.query('select ?', [undefined as never])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(tables.query('insert into v (a) values (1)')).rejects.toThrow(/goes through `execute`/);
    await expect(tables.transaction((tx) => tx.execute('commit'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
