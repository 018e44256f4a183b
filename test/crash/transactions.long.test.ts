import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { openSuite } from '../replay/suite.ts';
import { far } from './transactions-workflows.ts';

const folder = mkdtempSync(join(tmpdir(), 'pleach-far-tx-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a worker in another process writes once, though it is killed within its transaction and after its commit', async () => {
  const file = join(folder, 'far.db');
  const workflowsPath = fileURLToPath(new URL('./transactions-workflows.ts', import.meta.url));
  const suite = await openSuite(`sqlite:${file}`, { taskQueue: 'near', workflowsPath });
  const { database } = suite.connection;
  await database.migrate([{ name: 'put', sql: 'create table put (name text primary key, attempt integer not null)' }]);
  let isOver = false;
  let processes = 0;
  let child: ChildProcess | undefined;
  const ended = Promise.withResolvers<void>();
  const start = (): void => {
    processes++;
    child = fork(fileURLToPath(new URL('./transactions-program.ts', import.meta.url)), [file]);
    child.once('exit', () => (isOver ? ended.resolve() : start()));
  };
  start();
  const result = await suite.client.workflow.execute(far, { workflowId: 'far', taskQueue: 'near' });
  isOver = true;
  child!.send('stop');
  await ended.promise;
  expect(result).toBe('livesdiestold');
  expect(await database.query('select name, attempt from put order by name')).toEqual([
    { name: 'dies', attempt: 2 },
    { name: 'lives', attempt: 1 },
    { name: 'told', attempt: 1 },
  ]);
  expect(await database.query('select activity from tx_result')).toEqual([]);
  expect(processes).toBe(3);
  await suite.close(1);
}, 60_000);
