import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { Client, Connection } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';
import { Histories } from '../replay/histories.ts';
import * as workflows from './workflows.ts';

const PER_SECOND = 40;
const workflowsPath = fileURLToPath(new URL('./workflows.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pleach-limit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const address of ['memory:limit', `sqlite:${join(folder, 'limit.db')}`]) {
  test(`two workers begin no more together than their queue's limit, on ${address.split(':')[0]}, from one engine to the next`, async () => {
    for (const round of [0, 1]) {
      const begun: number[] = [];
      const connection = await NativeConnection.connect({ address });
      const histories = new Histories();
      const client = new Client({
        connection: await Connection.connect({ address }),
        interceptors: { workflow: [histories.interceptor] },
      });
      const fromMs = performance.now();
      const workers = await Promise.all(
        [0, 1].map((n) =>
          Worker.create({
            connection,
            taskQueue: 'limited',
            identity: `worker-${n}`,
            workflowsPath,
            maxTaskQueueActivitiesPerSecond: PER_SECOND,
            activities: { note: async () => void begun.push(performance.now() - fromMs) },
          }),
        ),
      );
      const running = workers.map((worker) => worker.run());
      await client.workflow.execute(workflows.notes, {
        workflowId: `notes-${round}`,
        taskQueue: 'limited',
        args: [0, 20],
      });
      for (const worker of workers) worker.shutdown();
      await Promise.all(running);
      await histories.expectSame(client, () => ({ workflowsPath }), 1);
      await client.connection.close();
      await connection.close();
      expect(begun).toHaveLength(20);
      // Each engine begins with nothing in hand, so what has begun never outruns the clock.
      begun.forEach((atMs, index) => expect((index + 1) / PER_SECOND).toBeLessThanOrEqual(atMs / 1000 + 0.001));
    }
  });
}
