import { connect, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { LIMITS, systemClock } from '../../src/core/index.ts';
import { PostgresStore } from '../../src/store/index.ts';
import { CommitStatements } from '../../src/store/postgres/commit-statement.ts';
import { MIGRATIONS } from '../../src/store/postgres/migrations.ts';
import { HandClock } from '../fakes/hand-clock.ts';
import { PostgresServer } from '../fakes/postgres-server.ts';
import {
  ALL,
  batchOf,
  commit,
  handClock,
  leaseOf,
  message,
  NODE_A,
  NODE_B,
  runId,
  runRow,
  segmentRow,
  take,
  TTL_MS,
} from './exercise-store.ts';
import { PostgresWorld } from './postgres-world.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start(process.env['PLEACH_TEST_POSTGRES']);
});
afterAll(() => server.stop());

async function newWorld(query?: string): Promise<PostgresWorld> {
  const world = await PostgresWorld.make(server, handClock(), query);
  onTestFinished(() => world.dispose());
  return world;
}

/** A session past the store, with a transaction that a test leaves open for a while. */
async function beginBeside(world: PostgresWorld, text: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: server.url(world.name) });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.end());
  await client.query('begin');
  await client.query(text);
  return client;
}

/** Resolves when a statement of a store waits for a lock. */
async function lockWait(world: PostgresWorld): Promise<void> {
  for (;;) {
    const rows = await server.query(
      `select 1 from pg_stat_activity where datname = '${world.name}' and application_name = 'pleach' and wait_event_type = 'Lock'`,
    );
    if (rows.length > 0) return;
  }
}

const terminateAll = (world: PostgresWorld): Promise<unknown> =>
  server.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${world.name}' and application_name = 'pleach'`,
  );

const closing = { run: runId(1), status: 'COMPLETED', closedAt: 2000, wakeAt: undefined };

describe('a commit on PostgreSQL that is under way', () => {
  test('is waited for by reclaim, which counts it', async () => {
    const world = await newWorld();
    const [store, other] = [await world.open(), await world.open()];
    const lease = await commit(store, await take(store), { newRuns: [runRow(1)] });
    const beside = await beginBeside(world, 'update pleach.run set queue = queue');
    const written = store.commit(lease, TTL_MS, batchOf({ runChanges: [closing] }));
    await lockWait(world);
    const found = other.reclaim(lease, TTL_MS);
    await beside.query('rollback');
    expect(await written).toMatchObject({ status: 'committed' });
    expect(await found).toMatchObject({ reached: lease.batch + 1 });
  });

  test('is waited for by who claims from its node, which then finds the lease renewed', async () => {
    const clock = handClock();
    const world = await PostgresWorld.make(server, clock);
    onTestFinished(() => world.dispose());
    const [store, other] = [await world.open(), await world.open()];
    const lease = await commit(store, await take(store), { newRuns: [runRow(1)] });
    const thief = leaseOf(await other.acquire(NODE_B, 10 * TTL_MS));
    clock.at += TTL_MS;
    const beside = await beginBeside(world, 'update pleach.run set queue = queue');
    const written = store.commit(lease, TTL_MS, batchOf({ runChanges: [closing] }));
    await lockWait(world);
    const claim = other.claim(thief, TTL_MS, ALL);
    await beside.query('rollback');
    expect(await written).toMatchObject({ status: 'committed' });
    expect(await claim).toMatchObject({ status: 'committed', partitions: [] });
  });

  test('and whose connection ends is of unknown outcome, and reclaim tells that it was not written', async () => {
    const world = await newWorld();
    const store = await world.open();
    const lease = await commit(store, await take(store), { newRuns: [runRow(1)] });
    const beside = await beginBeside(world, 'update pleach.run set queue = queue');
    const written = store.commit(lease, TTL_MS, batchOf({ runChanges: [closing] }));
    const failed = written.catch((error: unknown) => error);
    await lockWait(world);
    await terminateAll(world);
    expect(await failed).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await beside.query('rollback');
    const found = await store.reclaim(lease, TTL_MS);
    expect(found).toMatchObject({ reached: lease.batch });
    await commit(store, found!.lease, { runChanges: [closing] });
    expect(await store.findRuns([{ runId: runId(1) }])).toMatchObject([{ status: 'COMPLETED' }]);
  });

  test('holds a thief up for no longer than its time-out', async () => {
    const world = await newWorld();
    const [store, other] = [await world.open(), await world.open()];
    await take(store);
    const thief = leaseOf(await other.acquire(NODE_B, TTL_MS));
    await beginBeside(world, `update pleach.node set batch = batch where id = '${NODE_A}'`);
    const begun = performance.now();
    await expect(other.claim(thief, TTL_MS, ALL, [NODE_A])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect(performance.now() - begun).toBeLessThan(LIMITS.storeStatementMs + 1_000);
  });
});

describe('a PostgreSQL that fails', () => {
  test('and comes back has everything that was acknowledged, and the same store works on', async () => {
    const world = await newWorld();
    const store = await world.open();
    const lease = await commit(store, await take(store), { newRuns: [runRow(1)], segments: [segmentRow(1, 1, 1)] });
    await server.kill();
    await expect(store.commit(lease, TTL_MS, batchOf({ newRuns: [runRow(2)] }))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
    });
    await expect(store.findRuns([{ runId: runId(1) }])).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await server.startAgain();
    const found = await store.reclaim(lease, TTL_MS);
    expect(found).toMatchObject({ reached: lease.batch });
    await commit(store, found!.lease, { segments: [segmentRow(1, 2, 2)] });
    expect(await store.findRuns([{ runId: runId(1) }, { runId: runId(2) }])).toEqual([runRow(1), undefined]);
    expect(await store.loadSegments(runId(1), 1, 10)).toHaveLength(2);
  });

  test('in silence is noticed well before a lease ends', async () => {
    const world = await newWorld();
    let isSilent = false;
    const sockets = new Set<Socket>();
    const proxy = createServer((socket) => {
      const onward = connect(server.port, '127.0.0.1');
      for (const [from, to] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        sockets.add(from);
        from.on('data', (bytes: Buffer) => isSilent || to.write(bytes));
        from.on('error', () => undefined);
        from.on('close', () => to.destroy());
      }
    }).listen(0, '127.0.0.1');
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });
    await new Promise((resolve) => proxy.once('listening', resolve));
    const { port } = proxy.address() as AddressInfo;
    const store = await PostgresStore.open(`postgres://postgres@127.0.0.1:${port}/${world.name}`, {
      clock: systemClock,
    });
    onTestFinished(() => store.close());
    const lease = await take(store);
    isSilent = true;
    const begun = performance.now();
    await expect(store.commit(lease, TTL_MS, batchOf({}))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const tookMs = performance.now() - begun;
    expect(tookMs).toBeGreaterThan(LIMITS.storeStatementMs);
    expect(tookMs).toBeLessThan(
      LIMITS.leaseTtlMs - LIMITS.leaseSlackMs - LIMITS.storeConnectMs - LIMITS.storeLockMs + 500,
    );
    isSilent = false;
    expect(await store.reclaim(lease, TTL_MS)).toMatchObject({ reached: lease.batch });
  });

  test('to write is told apart, and says what to mend', async () => {
    const world = await newWorld();
    await (await world.open()).close();
    await server.query(`alter database ${world.name} set default_transaction_read_only = on`);
    const store = await world.open();
    await expect(store.acquire(NODE_A, TTL_MS)).rejects.toMatchObject({
      code: 'STORE_READ_ONLY',
      message: expect.stringContaining('Name the address of the primary') as string,
    });
  });

  test('to keep a byte is found by the checksum of a segment and of a blob, and others are read as ever', async () => {
    const world = await newWorld();
    const store = await world.open();
    await commit(store, await take(store), {
      newRuns: [runRow(1), runRow(2)],
      segments: [segmentRow(1, 1, 1), segmentRow(2, 1, 2)],
      blobs: [{ run: runId(1), n: 1, body: Buffer.from('large') }],
    });
    await server.query(
      `update pleach.segment set body = set_byte(body, 3, 7) where run = '${runId(1)}'; update pleach.blob set body = set_byte(body, 3, 7)`,
      world.name,
    );
    await expect(store.loadSegments(runId(1), 1, 10)).rejects.toMatchObject({
      code: 'DATABASE_CORRUPT',
      details: { run: runId(1), seq: 1 },
    });
    await expect(store.loadBlobs(runId(1), [1])).rejects.toMatchObject({
      code: 'DATABASE_CORRUPT',
      details: { run: runId(1), blob: 1 },
    });
    expect(await store.loadSegments(runId(2), 1, 10)).toHaveLength(1);
  });

  test('to keep the connection for hints is listened to again, and all counts as hinted at', async () => {
    const world = await newWorld();
    const store = await world.open();
    let heard = 0;
    const twice = new Promise<void>((resolve) => {
      store.onHint((partitions) => {
        if (partitions !== undefined) return;
        heard++;
        if (heard === 1) void terminateAll(world);
        else resolve();
      });
    });
    await twice;
    expect(heard).toBe(2);
  });
});

test('reads that find every connection taken for too long are refused by name', async () => {
  const world = await newWorld();
  await (await world.open()).close();
  const clock = new HandClock();
  const store = await PostgresStore.open(server.url(world.name), { clock });
  onTestFinished(() => store.close());
  const beside = await beginBeside(world, 'lock table pleach.segment in access exclusive mode');
  const taken = Array.from({ length: LIMITS.storeReadConnectionsMax }, () => store.loadSegments(runId(1), 1, 1));
  const refused = store.loadSegments(runId(1), 1, 1).catch((error: unknown) => error);
  await lockWait(world);
  await clock.advance(LIMITS.storeReadWaitMs);
  expect(await refused).toMatchObject({
    code: 'STORE_READS_EXHAUSTED',
    details: { connections: LIMITS.storeReadConnectionsMax },
  });
  await beside.query('rollback');
  expect(await Promise.all(taken)).toEqual(taken.map(() => []));
  expect(await store.loadSegments(runId(1), 1, 1)).toEqual([]);
});

test('behind a pooler nothing is prepared or set for a session, and a commit is as durable', async () => {
  const world = await newWorld('&pooler=transaction');
  const store = await world.open();
  const lease = await commit(store, await take(store), {
    newRuns: [runRow(1)],
    segments: [segmentRow(1, 1, 1)],
    inboxIn: [message(1, 0)],
    attempts: [{ run: runId(1), seq: 1, body: Buffer.from('a') }],
  });
  expect(await store.loadSegments(runId(1), 1, 10)).toHaveLength(1);
  const { members } = await store.loadCluster();
  expect(members).toMatchObject([{ node: NODE_A, isGone: false }]);
  const texts = new CommitStatements('"pleach"', true).all();
  expect(texts.every((text) => text.includes(`set_config('synchronous_commit', 'on', true)`))).toBe(true);
  expect(await store.commit({ ...lease, batch: 0 }, TTL_MS, batchOf({}))).toEqual({ status: 'fenced' });
});

test('two schemas of one database know nothing of each other', async () => {
  const world = await newWorld();
  const store = await world.open();
  const beside = await PostgresStore.open(`${server.url(world.name)}?schema=beside`, {
    clock: systemClock,
    partitions: 8,
  });
  onTestFinished(() => beside.close());
  await commit(store, await take(store), { newRuns: [runRow(1)] });
  expect(beside.identity.partitions).toBe(8);
  expect(await beside.findRuns([{ runId: runId(1) }])).toEqual([undefined]);
  expect((await beside.loadCluster()).members).toEqual([]);
});

test.each([
  ['mysql://root@127.0.0.1/a', 'not an address of PostgreSQL'],
  ['postgres://me:secret@127.0.0.1/a?sslmode=maybe', 'sslmode=maybe'],
  ['postgres://me:secret@127.0.0.1/a?pooler=statement', 'pooler=statement'],
  ['postgres://me:secret@127.0.0.1/a?schema=A-b', 'the schema "A-b"'],
  ['postgres://me:secret@127.0.0.1/a?colour=red', 'the option "colour"'],
  ['postgres://me:secret@127.0.0.1/a?sslmode=verify-ca&sslrootcert=/nowhere', 'sslrootcert=/nowhere'],
])('the address %s is refused, and its password is not shown', async (address, said) => {
  const error = await PostgresStore.open(address, { clock: systemClock }).catch((thrown: Error) => thrown);
  expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(said) as string });
  expect((error as Error).message).not.toContain('secret');
});

test('a server that has no TLS is refused where TLS is required, and reached where it is preferred', async () => {
  const world = await newWorld();
  const open = (mode: string) =>
    PostgresStore.open(`${server.url(world.name)}?sslmode=${mode}`, { clock: systemClock });
  await expect(open('require')).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('does not support SSL') as string,
  });
  const store = await open('prefer');
  onTestFinished(() => store.close());
  await commit(store, await take(store), {});
  const rows = await server.query(`select 1 from pg_stat_activity where datname = '${world.name}'`);
  // The journal's and the one that shows that the process lives, each made once.
  expect(rows).toHaveLength(2);
});

describe('the tables on PostgreSQL', () => {
  test('are made once by many nodes that start together', async () => {
    const world = await newWorld();
    const stores = await Promise.all([world.open(), world.open(), world.open(), world.open()]);
    expect(stores.map(({ identity }) => identity.schema)).toEqual(stores.map(() => MIGRATIONS.length));
    const rows = await server.query('select number from pleach.migration', world.name);
    expect(rows).toHaveLength(MIGRATIONS.length);
  });

  test('let every statement of a commit be prepared', async () => {
    const world = await newWorld();
    await world.open();
    for (const isPooled of [false, true]) {
      const texts = new CommitStatements('"pleach"', isPooled).all();
      expect(texts).toHaveLength(8);
      for (const [index, text] of texts.entries()) {
        const [row] = await server.query(`prepare commit_${index} as ${text}; select 1 as done`, world.name).then(
          () => [{ done: 1 }],
          (error: Error) => [{ done: error.message }],
        );
        expect(row).toEqual({ done: 1 });
      }
    }
  });

  test.each([
    ['of a later release', `insert into pleach.migration values (99, 'later', 'x')`, 'DATABASE_NEWER'],
    ['made by another text', `update pleach.migration set checksum = 'x'`, 'MIGRATION_CHANGED'],
    ['spread by another hash', `update pleach.cluster set hash = 'other'`, 'DATABASE_NEWER'],
    [
      'of another program',
      'drop schema pleach cascade; create schema pleach; create table pleach.orders (id int)',
      'DATABASE_NOT_OURS',
    ],
  ])('that are %s are refused and left as they are', async (_, text, code) => {
    const world = await newWorld();
    await (await world.open()).close();
    await server.query(text, world.name);
    await expect(world.open()).rejects.toMatchObject({ code });
  });
});
