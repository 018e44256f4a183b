// oxlint-disable vitest/no-conditional-expect -- every branch asserts; the cases differ in what they demand
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { PleachError } from '../../src/core/index.ts';
import { type OpenOptions, SqliteStore } from '../../src/store/index.ts';
import { endUnrun } from '../available.ts';
import { batchOf, commit, handClock, message, runId, runRow, segmentRow, take } from './exercise-store.ts';

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pleach-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function open(path: string, options?: OpenOptions): SqliteStore {
  const store = new SqliteStore(path, handClock(), options);
  onTestFinished(() => store.close());
  return store;
}

function errorOf(work: () => unknown): PleachError {
  try {
    work();
  } catch (error) {
    if (error instanceof PleachError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Every file of a folder, byte for byte. */
function contents(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString('base64')]),
  );
}

test('a file that was made keeps its partitions, whatever it is opened with later', async () => {
  const path = join(temporaryFolder(), 'a.db');
  await open(path, { partitions: 16 }).close();
  expect(open(path, { partitions: 32 }).identity).toMatchObject({ partitions: 16, schema: 4 });
});

test('a file with a newer schema is refused, and left as it is', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'a.db');
  await open(path).close();
  const db = new DatabaseSync(path);
  db.exec('pragma user_version = 99');
  db.close();
  const before = contents(folder);
  const error = errorOf(() => open(path));
  expect(error).toMatchObject({ code: 'DATABASE_NEWER', details: { found: 99, known: 4 } });
  expect(error.message).toContain('Update pleach');
  expect(contents(folder)).toEqual(before);
});

test.each(['', 'x', 'SQLite format', 'a shopping list: eggs, flour, milk\n'.repeat(500)])(
  'a text file (%#) is refused, or taken where it is empty',
  (text) => {
    const folder = temporaryFolder();
    const path = join(folder, 'list.txt');
    writeFileSync(path, text);
    if (text === '') {
      expect(open(path).identity.partitions).toBe(256);
      return;
    }
    expect(errorOf(() => open(path))).toMatchObject({ code: 'DATABASE_NOT_OURS' });
    expect(contents(folder)).toEqual({ 'list.txt': Buffer.from(text).toString('base64') });
  },
);

test.each(['delete', 'wal'])(
  "another program's database in %s mode is refused, and not a byte of it changes",
  (mode) => {
    const folder = temporaryFolder();
    const path = join(folder, 'theirs.db');
    const theirs = new DatabaseSync(path);
    theirs.exec(`pragma journal_mode = ${mode}; create table song (name text); insert into song values ('x')`);
    theirs.close();
    const before = readFileSync(path);
    expect(errorOf(() => open(path))).toMatchObject({ code: 'DATABASE_NOT_OURS' });
    expect(readFileSync(path).equals(before)).toBe(true);
  },
);

test("another program's database with our schema's number is refused all the same", () => {
  const path = join(temporaryFolder(), 'theirs.db');
  const theirs = new DatabaseSync(path);
  theirs.exec('create table song (name text); pragma user_version = 1; pragma application_id = 7');
  theirs.close();
  expect(errorOf(() => open(path))).toMatchObject({ code: 'DATABASE_NOT_OURS', details: { application: 7 } });
});

test('a folder in the place of the file is refused', () => {
  const path = join(temporaryFolder(), 'a.db');
  mkdirSync(path);
  expect(errorOf(() => open(path))).toMatchObject({ code: 'DATABASE_UNOPENABLE', details: { path } });
});

test('a file below a file is refused as one that cannot be opened', () => {
  const file = join(temporaryFolder(), 'file');
  writeFileSync(file, 'x');
  expect(errorOf(() => open(join(file, 'below', 'a.db')))).toMatchObject({ code: 'DATABASE_UNOPENABLE' });
});

test('a folder that is missing is made', () => {
  expect(open(join(temporaryFolder(), 'one', 'two', 'a.db')).identity.schema).toBe(4);
});

test('a full database refuses a commit whole, and takes the same commit when room is made', async () => {
  const store = open(join(temporaryFolder(), 'a.db'), { pagesMax: 60 });
  const big = Buffer.alloc(20_000, 1);
  let lease = await take(store);
  let sent = 0;
  for (let full = false; !full;) {
    const batch = batchOf({ newRuns: [runRow(sent)], inboxIn: [message(sent, 0, { body: big })] });
    const answer = await store.commit(lease, 10_000, batch).catch((error: PleachError) => error);
    if (answer instanceof PleachError) {
      expect(answer).toMatchObject({ code: 'STORE_FULL' });
      expect(answer.message).toContain('Make room');
      full = true;
    } else {
      if (answer.status !== 'committed') throw new Error(answer.status);
      lease = answer.lease;
      sent++;
    }
  }
  expect(sent).toBeGreaterThan(3);
  expect(await store.findRuns([{ runId: runId(sent) }, { runId: runId(sent - 1) }])).toEqual([
    undefined,
    runRow(sent - 1),
  ]);
  expect(await store.loadInbox(100)).toHaveLength(sent);
  lease = await commit(store, lease, { inboxDone: [message(0, 0), message(1, 0)] });
  await commit(store, lease, { newRuns: [runRow(sent)], inboxIn: [message(sent, 0, { body: big })] });
  expect(await store.findRuns([{ runId: runId(sent) }])).toEqual([runRow(sent)]);
});

test('a flipped byte in a segment is found and names its run, and other runs are read as ever', async () => {
  const path = join(temporaryFolder(), 'a.db');
  const store = open(path);
  const body = Buffer.from('a body that is found in the file');
  await commit(store, await take(store), {
    segments: [segmentRow(1, 1, 1), { ...segmentRow(2, 1, 2), body }, segmentRow(3, 1, 3)],
  });
  await store.close();
  const bytes = readFileSync(path);
  const at = bytes.indexOf(body);
  expect(at).toBeGreaterThan(0);
  bytes[at + 5]! ^= 1;
  writeFileSync(path, bytes);
  const again = open(path);
  await expect(again.loadSegments(runId(2), 1, 10)).rejects.toMatchObject({
    code: 'DATABASE_CORRUPT',
    message: expect.stringContaining(runId(2)) as string,
    details: { run: runId(2), seq: 1 },
  });
  expect(await again.loadSegments(runId(1), 1, 10)).toHaveLength(1);
  expect(await again.loadSegments(runId(3), 1, 10)).toHaveLength(1);
});

test('a flipped byte in a blob is found and names its run, and other blobs are read as ever', async () => {
  const path = join(temporaryFolder(), 'a.db');
  const store = open(path);
  const body = Buffer.from('a large payload that is found in the file');
  const blobs = [
    { run: runId(1), n: 1, body },
    { run: runId(1), n: 2, body: Buffer.from('another') },
  ];
  await commit(store, await take(store), { newRuns: [runRow(1)], blobs });
  await store.close();
  const bytes = readFileSync(path);
  const at = bytes.indexOf(body);
  expect(at).toBeGreaterThan(0);
  bytes[at + 5]! ^= 1;
  writeFileSync(path, bytes);
  const again = open(path);
  await expect(again.loadBlobs(runId(1), [1])).rejects.toMatchObject({
    code: 'DATABASE_CORRUPT',
    details: { run: runId(1), blob: 1 },
  });
  expect(await again.loadBlobs(runId(1), [2])).toEqual([new Uint8Array(Buffer.from('another'))]);
});

test('blobs and search attributes go with the row of their run, and those of others stay', async () => {
  const path = join(temporaryFolder(), 'a.db');
  const store = open(path);
  const of = (run: number) => ({
    blobs: [{ run: runId(run), n: 1, body: Buffer.from(`blob of run ${run}`) }],
    attributes: [
      { run: runId(run), namespace: 'default', values: [{ key: 'region', type: 'KEYWORD' as const, value: 'EU' }] },
    ],
  });
  const lease = await commit(store, await take(store), { newRuns: [runRow(1)], ...of(1) });
  await commit(store, lease, { newRuns: [runRow(2)], ...of(2) });
  const db = new DatabaseSync(path);
  onTestFinished(() => db.close());
  expect(db.prepare("delete from run where workflow_id = 'order-1'").run().changes).toBe(1);
  expect(await store.loadBlobs(runId(1), [1])).toEqual([undefined]);
  expect(await store.loadAttributes(runId(1))).toEqual([]);
  expect(await store.loadBlobs(runId(2), [1])).toEqual([new Uint8Array(Buffer.from('blob of run 2'))]);
  expect(await store.loadAttributes(runId(2))).toHaveLength(1);
});

test('filters compare search attributes as numbers and as text, by a scan of the key', async () => {
  const path = join(temporaryFolder(), 'a.db');
  const store = open(path);
  const sizes = [9, 10.5, 100, -3];
  await commit(store, await take(store), {
    newRuns: sizes.map((_, index) => runRow(index + 1)),
    attributes: sizes.map((value, index) => ({
      run: runId(index + 1),
      namespace: 'default',
      values: [{ key: 'size', type: 'DOUBLE' as const, value }],
    })),
  });
  const db = new DatabaseSync(path);
  onTestFinished(() => db.close());
  const filter =
    "select value from run_attr where namespace = 'default' and key = 'size' and value > 9 and value < 101";
  expect(
    db
      .prepare(filter)
      .all()
      .map((row) => row['value']),
  ).toEqual([10.5, 100]);
  const [plan] = db.prepare(`explain query plan ${filter}`).all();
  expect(plan?.['detail']).toContain(
    'SEARCH run_attr USING PRIMARY KEY (namespace=? AND key=? AND value>? AND value<?)',
  );
});

test('a file of the version before is given the new tables, and its histories are read as ever', async () => {
  const path = join(temporaryFolder(), 'a.db');
  const store = open(path, { partitions: 8 });
  await commit(store, await take(store), { newRuns: [runRow(1)], segments: [segmentRow(1, 1, 1)] });
  await store.release(await take(store));
  await store.close();
  const db = new DatabaseSync(path);
  db.exec(
    'drop table blob; drop table run_attr; drop table tx_result; drop table user_migration; pragma user_version = 2',
  );
  db.close();
  const again = open(path);
  expect(again.identity).toMatchObject({ partitions: 8, schema: 4 });
  expect((await again.loadSegments(runId(1), 1, 10)).map((row) => Buffer.from(row.body).toString())).toEqual([
    'segment 1 of run 1',
  ]);
  const lease = await take(again);
  await commit(again, lease, { blobs: [{ run: runId(1), n: 1, body: Buffer.from('large') }] });
  expect(await again.loadBlobs(runId(1), [1])).toEqual([new Uint8Array(Buffer.from('large'))]);
  expect(await again.loadAttributes(runId(1))).toEqual([]);
  expect(await again.loadTxResults(runId(1))).toEqual([]);
});

test('a file that lost its second half is called damaged', async () => {
  const path = join(temporaryFolder(), 'a.db');
  const store = open(path);
  await commit(store, await take(store), { segments: [{ ...segmentRow(1, 1, 1), body: Buffer.alloc(100_000, 7) }] });
  await store.close();
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, bytes.length >> 1));
  const readOne = async (): Promise<unknown> => open(path).loadSegments(runId(1), 1, 10);
  await expect(readOne()).rejects.toMatchObject({ code: 'DATABASE_CORRUPT' });
});

test('a commit that another process keeps waiting fails as unavailable, and goes through once it is free', async () => {
  const path = join(temporaryFolder(), 'a.db');
  const store = open(path, { busyMs: 1 });
  const lease = await take(store);
  const other = new DatabaseSync(path);
  onTestFinished(() => other.close());
  other.exec('begin immediate');
  await expect(store.commit(lease, 10_000, batchOf({ newRuns: [runRow(1)] }))).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  });
  other.exec('rollback');
  await commit(store, lease, { newRuns: [runRow(1)] });
});

test('a database on a file system that turned read-only refuses writing and says what to mend', async (context) => {
  const folder = temporaryFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', folder], { encoding: 'utf8' });
  if (mounted.status !== 0) {
    endUnrun(context, 'mount', mounted.error?.message ?? mounted.stderr.trim());
  }
  try {
    const path = join(folder, 'a.db');
    const store = new SqliteStore(path, handClock());
    await commit(store, await take(store), { newRuns: [runRow(1)] });
    await store.close();
    expect(spawnSync('mount', ['-o', 'remount,ro', folder]).status).toBe(0);
    let opened: SqliteStore | undefined;
    const write = async (): Promise<unknown> => {
      opened = new SqliteStore(path, handClock());
      return take(opened);
    };
    const error = await write().catch((thrown: PleachError) => thrown);
    await opened?.close();
    expect(error).toBeInstanceOf(PleachError);
    const { code, message: said } = error as PleachError;
    expect(['STORE_READ_ONLY', 'DATABASE_UNOPENABLE']).toContain(code);
    expect(said).toMatch(/Make the file and its folder writable|Check that its folder exists and may be written/);
    expect(spawnSync('mount', ['-o', 'remount,rw', folder]).status).toBe(0);
    const mended = new SqliteStore(path, handClock());
    expect(await mended.findRuns([{ runId: runId(1) }])).toEqual([runRow(1)]);
    await mended.close();
  } finally {
    spawnSync('umount', [folder]);
  }
});
