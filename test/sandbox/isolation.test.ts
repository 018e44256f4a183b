import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Client, Connection } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';

const SPIN_MS = 500;
const HEAP_MB = 64;
const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

describe('on a SQLite file, in one worker with one workflow thread', () => {
  let folder: string;
  let connection: NativeConnection;
  let client: Client;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pleach-isolation-'));
    const address = `sqlite:${join(folder, 'runs.db')}`;
    connection = await NativeConnection.connect({ address });
    client = new Client({ connection: await Connection.connect({ address }) });
  });

  afterEach(async () => {
    await client.connection.close();
    await connection.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const worker = (workflows: string): Promise<Worker> =>
    Worker.create({
      connection,
      taskQueue: 'q',
      workflowsPath: fixture(workflows),
      workflowSpinTimeout: SPIN_MS,
      workflowHeapMb: HEAP_MB,
    });
  const start = (type: string, args: unknown[] = []) =>
    client.workflow.start(type, { workflowId: `${type}-${args.join()}`, taskQueue: 'q', args });

  it('a query that spins fails alone: its run answers others and goes on', async () => {
    const broken = await worker('broken-workflows.js');
    await broken.runUntil(async () => {
      const handle = await start('answering');
      const other = await start('innocent', [20]);
      await expect(handle.query('spin')).rejects.toThrow(/"answering" ran for 500 ms without giving way/);
      expect((await handle.describe()).blocked).toBeUndefined();
      expect(await handle.query('fine')).toBe('fine');
      await handle.signal('end');
      expect(await handle.result()).toBe('ended');
      expect(await other.result()).toBe(20);
    });
  });
});
