import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { segmentsOf } from '../../src/contract/index.ts';
import { LIMITS } from '../../src/core/index.ts';
import { ApplicationFailure } from '../../src/entry/activity.ts';
import { Client, Connection } from '../../src/entry/client.ts';
import { bundleWorkflowCode, NativeConnection, Worker } from '../../src/entry/worker.ts';
import { replayFile } from '../replay/replay-file.ts';
import * as workflows from './large-workflows.ts';

const { text } = workflows;
const workflowsPath = fileURLToPath(new URL('./large-workflows.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pleach-large-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const activities = {
  async same(value: string): Promise<string> {
    return value;
  },
  async make(name: string, kilobytes: number): Promise<string> {
    return text(name, kilobytes);
  },
  async fails(kilobytes: number): Promise<void> {
    throw ApplicationFailure.create({ message: 'no', details: [text('details', kilobytes)] });
  },
};
export type LargeActivities = typeof activities;

/** An engine with a worker and a client; `work` is done with them, and all of it ended. */
async function during<T>(address: string, work: (client: Client) => Promise<T>): Promise<T> {
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({ connection, taskQueue: 'large', workflowsPath, activities });
  const client = new Client({ connection: await Connection.connect({ address }) });
  try {
    return await worker.runUntil(() => work(client));
  } finally {
    await client.connection.close();
    await connection.close();
  }
}

/** The worker has been started and may not be known yet; a query finds a worker or fails. */
async function workerIsKnown(client: Client): Promise<void> {
  const echo = await client.workflow.execute(workflows.echoes, {
    workflowId: 'known',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    taskQueue: 'large',
    args: ['k'],
  });
  expect(echo).toBe('k');
}

const PARTS = {
  input: text('input', 100),
  memo: text('memo', 70),
  activity: text('activity', 300),
  made: text('made', 1000),
  local: text('local', 150),
  details: text('details', 120),
  child: text('child', 200),
  lost: text('lost', 100),
  signalled: text('signal', 150),
  updated: text('update', 160),
  handedOver: text('handed over', 500),
};

it('carries payloads of a megabyte through every kind of job and command, a restart and a replay', async () => {
  const file = join(folder, 'every.db');
  const address = `sqlite:${file}`;
  const { firstRunId } = await during(address, async (client) => {
    const friend = await client.workflow.start(workflows.friend, { workflowId: 'w-friend', taskQueue: 'large' });
    const handle = await client.workflow.start(workflows.everyKind, {
      workflowId: 'w',
      taskQueue: 'large',
      args: [PARTS.input],
      memo: { note: PARTS.memo },
    });
    await handle.signal(workflows.give, PARTS.signalled);
    expect(await friend.result()).toBe(text('external', 180));
    return { firstRunId: handle.firstExecutionRunId };
  });
  // Another engine: the run is folded from its segments, and its instance is made by replay.
  await during(address, async (client) => {
    const handle = client.workflow.getHandle('w');
    await workerIsKnown(client);
    expect(await handle.query(workflows.held, text('asked', 90))).toEqual([
      text('asked', 90),
      PARTS.input,
      PARTS.signalled,
      '',
    ]);
    expect(await handle.executeUpdate(workflows.change, { args: [PARTS.updated], updateId: 'u' })).toBe(
      `${PARTS.updated}!`,
    );
    expect(await handle.result()).toEqual(PARTS);
  });
  // And another, to which all of it is past.
  const workflowBundle = await bundleWorkflowCode({ workflowsPath });
  await during(address, async (client) => {
    expect(await client.workflow.getHandle('w').result()).toEqual(PARTS);
    const first = client.workflow.getHandle('w', firstRunId);
    await workerIsKnown(client);
    expect(await first.query(workflows.held, 'x')).toEqual(['x', PARTS.input, PARTS.signalled, PARTS.updated]);
    const update = first.getUpdateHandle<string>('u');
    expect(await update.result()).toBe(`${PARTS.updated}!`);
    expect((await first.describe()).memo).toEqual({ note: PARTS.memo });
    const history = await first.fetchHistory();
    const jobs = segmentsOf(history).flatMap(({ rounds }) => rounds.flatMap((round) => round.jobs));
    expect(jobs).toContainEqual(
      expect.objectContaining({ kind: 'signalled', input: [JSON.stringify(PARTS.signalled)] }),
    );
    await Worker.runReplayHistory({ workflowBundle }, history);
  });
  const db = new DatabaseSync(file, { readOnly: true });
  const largest = db.prepare('select max(length(body)) as bytes from segment').get() as { bytes: number };
  const blobs = db.prepare('select run, count(*) as n, min(length(body)) as least from blob group by run').all();
  const runs = db.prepare('select count(*) as n from run').get() as { n: number };
  db.close();
  expect(largest.bytes).toBeLessThanOrEqual(LIMITS.blobBytesMin);
  // Each run has its own: two of the workflow, its two children, and its friend. The two that tell of a worker have none.
  expect([blobs.length, runs.n]).toEqual([5, 7]);
  expect(Math.min(...blobs.map((row) => Number(row['least'])))).toBeGreaterThan(LIMITS.blobBytesMin);
  expect(await replayFile(file, workflowsPath)).toEqual({ replayed: runs.n, differences: [] });
});

it('gives the large input of a workflow to its next attempt', async () => {
  const input = text('again', 400);
  const result = await during(`sqlite:${join(folder, 'again.db')}`, (client) =>
    client.workflow.execute(workflows.triedAgain, {
      workflowId: 'w',
      taskQueue: 'large',
      args: [input],
      retry: { initialInterval: 1, maximumAttempts: 2 },
    }),
  );
  expect(result).toBe(input);
});
