import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Client, Connection } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';
import { expectSameInFile } from '../replay/replay-file.ts';

const SPIN_MS = 500;
const HEAP_MB = 64;
const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

/** What stalls or breaks a run, and what `describe` says of it. */
const CULPRITS: Record<string, { cause: string; says: RegExp; spinMs?: number }> = {
  tightLoop: { cause: 'SPIN', says: /"tightLoop" ran for 500 ms without giving way/ },
  microtaskLoop: { cause: 'SPIN', says: /"microtaskLoop" ran for 500 ms without giving way/ },
  spinningGetter: { cause: 'SPIN', says: /"spinningGetter" ran for 500 ms without giving way/ },
  arrayGrowth: { cause: 'SANDBOX_LOST', says: /its heap of 64 MB is full/, spinMs: 20_000 },
  throwingGetter: { cause: 'CONVERTER_FAILED', says: /in the getter/ },
  throwingToJson: { cause: 'CONVERTER_FAILED', says: /in toJSON/ },
  throwingThenable: { cause: 'ERROR_THROWN', says: /in then/ },
};

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
    // What broken code asked for before it broke is what mended code asks for.
    await expectSameInFile(join(folder, 'runs.db'), fixture('mended-workflows.js'));
    rmSync(folder, { recursive: true, force: true });
  });

  const worker = (workflows: string, spinMs = SPIN_MS): Promise<Worker> =>
    Worker.create({
      connection,
      taskQueue: 'q',
      workflowsPath: fixture(workflows),
      workflowSpinTimeout: spinMs,
      workflowHeapMb: HEAP_MB,
    });
  const until = async <T>(look: () => Promise<T | undefined>): Promise<T> => {
    for (let tries = 0; tries < 1000; tries++) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error('it never came to hold');
  };
  const start = (type: string, args: unknown[] = []) =>
    client.workflow.start(type, { workflowId: `${type}-${args.join()}`, taskQueue: 'q', args });

  for (const [type, { cause, says, spinMs }] of Object.entries(CULPRITS)) {
    it(`${type}: the run is blocked, the others go on, and mended code lets it end`, async () => {
      const broken = await worker('broken-workflows.js', spinMs);
      await broken.runUntil(async () => {
        const before = await Promise.all([1, 2, 3].map((n) => start('innocent', [20 + n])));
        const culprit = await start(type);
        const after = await Promise.all([4, 5, 6].map((n) => start('innocent', [20 + n])));
        const blocked = await until(async () => (await culprit.describe()).blocked);
        expect(blocked.cause).toBe(cause);
        expect(blocked.failure.message).toMatch(says);
        const results = await Promise.all([...before, ...after].map((handle) => handle.result() as Promise<number>));
        expect(results).toEqual([21, 22, 23, 24, 25, 26]);
        // Tried again, it is in quarantine: those that start now never meet it.
        const late = await Promise.all([7, 8, 9].map((n) => start('innocent', [20 + n])));
        expect(await Promise.all(late.map((handle) => handle.result() as Promise<number>))).toEqual([27, 28, 29]);
      });
      const mended = await worker('mended-workflows.js');
      await mended.runUntil(async () => {
        expect(await client.workflow.getHandle(`${type}-`).result()).toBe('mended');
      });
    });
  }

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

  it('a bundle that cannot be loaded blocks its runs with the reason, and starts no thread after thread', async () => {
    const broken = await Worker.create({ connection, taskQueue: 'q', workflowBundle: { code: 'not a bundle at all' } });
    await broken.runUntil(async () => {
      const handle = await start('innocent', [1]);
      const blocked = await until(async () => (await handle.describe()).blocked);
      expect(blocked.cause).toBe('SANDBOX_LOST');
      expect(blocked.failure.message).toMatch(/the sandbox cannot be started: .*Look at the bundle/);
    });
    const mended = await worker('mended-workflows.js');
    await mended.runUntil(async () => {
      expect(await client.workflow.getHandle('innocent-1').result()).toBe(1);
    });
  });
});
