import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Client, Connection } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';
import { replayFile } from '../replay/replay-file.ts';
import * as workflows from './workflows.ts';

const SLOTS = 2;
const workflowsPath = fileURLToPath(new URL('./workflows.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pleach-slots-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const address of ['memory:slots', `sqlite:${join(folder, 'slots.db')}`]) {
  describe(`on ${address.split(':')[0]}`, () => {
    it('never runs more attempts than a worker has slots, whether they are short or turn long', async () => {
      let running = 0;
      let most = 0;
      let pauseMs = 0;
      const begun: string[] = [];
      const connection = await NativeConnection.connect({ address });
      const worker = await Worker.create({
        connection,
        taskQueue: 'slots',
        workflowsPath,
        maxConcurrentActivityTaskExecutions: SLOTS,
        activities: {
          async note(text: string) {
            begun.push(text);
            most = Math.max(most, ++running);
            await new Promise((done) => setTimeout(done, pauseMs));
            running--;
          },
        },
      });
      const client = new Client({ connection: await Connection.connect({ address }) });
      const start = (from: number): Promise<void> =>
        client.workflow.execute(workflows.notes, {
          workflowId: `notes-${from}`,
          taskQueue: 'slots',
          args: [from, 15],
        });
      await worker.runUntil(async () => {
        // Short attempts teach the kernel to expect slots; long ones then break that expectation.
        await Promise.all([0, 1, 2, 3].map((i) => start(i * 100)));
        pauseMs = 70;
        await Promise.all([4, 5].map((i) => start(i * 100)));
      });
      await client.connection.close();
      await connection.close();
      // What lies in memory is gone with its engine.
      const file = address.startsWith('sqlite:') ? address.slice('sqlite:'.length) : undefined;
      expect(file && (await replayFile(file, workflowsPath))).toEqual(file && { replayed: 6, differences: [] });
      expect(most).toBe(SLOTS);
      expect(begun.toSorted()).toEqual(
        [0, 1, 2, 3, 4, 5].flatMap((i) => Array.from({ length: 15 }, (_, n) => `${i * 100 + n}`)).toSorted(),
      );
    });
  });
}
