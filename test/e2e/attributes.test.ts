import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { Client, Connection } from '../../src/entry/client.ts';
import { TypedSearchAttributes } from '../../src/entry/common.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';
import { expectSameInFile } from '../replay/replay-file.ts';
import { change, DUE, goOn, listed, REGION, SIZE, TAGS } from './attributes-workflows.ts';

const folder = mkdtempSync(join(tmpdir(), 'pleach-attributes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('keeps the rows of search attributes as the run sets, changes and hands them on', async () => {
  const file = join(folder, 'a.db');
  const address = `sqlite:${file}`;
  const connection = await NativeConnection.connect({ address });
  const workflowsPath = fileURLToPath(new URL('./attributes-workflows.ts', import.meta.url));
  const worker = await Worker.create({ connection, taskQueue: 'attributes', workflowsPath });
  const client = new Client({ connection: await Connection.connect({ address }) });
  const db = new DatabaseSync(file, { readOnly: true });
  const rows = () =>
    db
      .prepare(
        'select key, run_attr.type, value, status from run_attr join run on run = id order by status, key, value',
      )
      .all()
      .map((row) => Object.values(row).join(' '));
  await worker.runUntil(async () => {
    const due = new Date(1_800_000_000_000);
    const handle = await client.workflow.start(listed, {
      workflowId: 'w',
      taskQueue: 'attributes',
      typedSearchAttributes: [
        { key: REGION, value: 'EU' },
        { key: SIZE, value: 3 },
        { key: DUE, value: due },
        { key: TAGS, value: ['a', 'b'] },
      ],
    });
    // Acknowledged with the start's own commit.
    expect(rows()).toEqual([
      'due DATETIME 1800000000000 RUNNING',
      'region KEYWORD EU RUNNING',
      'size DOUBLE 3 RUNNING',
      'tags KEYWORD_LIST a RUNNING',
      'tags KEYWORD_LIST b RUNNING',
    ]);
    await handle.signal(change);
    const changed = [
      { key: SIZE, value: 12.5 },
      { key: DUE, value: due },
      { key: TAGS, value: ['new'] },
    ];
    const isChanged = async () =>
      JSON.stringify((await handle.describe()).typedSearchAttributes.get(TAGS)) === JSON.stringify(['new']);
    while (!(await isChanged())) await new Promise((done) => setImmediate(done));
    await handle.signal(goOn);
    expect(await handle.result()).toBe(12.5);
    const own = ['due DATETIME 1800000000000', 'size DOUBLE 12.5', 'tags KEYWORD_LIST new'];
    expect(rows()).toEqual([...own.map((row) => `${row} COMPLETED`), ...own.map((row) => `${row} CONTINUED_AS_NEW`)]);
    const { typedSearchAttributes } = await client.workflow.getHandle('w').describe();
    const names = (all: TypedSearchAttributes) => all.getAll().sort((a, b) => (a.key.name < b.key.name ? -1 : 1));
    expect(names(typedSearchAttributes)).toEqual(names(new TypedSearchAttributes(changed as never)));
  });
  db.close();
  await client.connection.close();
  await connection.close();
  await expectSameInFile(file, workflowsPath);
});
