import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { Client, Connection } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';
import { Histories } from '../replay/histories.ts';
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
      // Attempts end at once until this is set; then they end when it is opened.
      let gate: PromiseWithResolvers<void> | undefined;
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
            await gate?.promise;
            running--;
          },
        },
      });
      const histories = new Histories();
      const client = new Client({
        connection: await Connection.connect({ address }),
        interceptors: { workflow: [histories.interceptor] },
      });
      const start = (from: number) =>
        client.workflow.start(workflows.notes, { workflowId: `notes-${from}`, taskQueue: 'slots', args: [from, 15] });
      await worker.runUntil(async () => {
        // Short attempts teach the kernel to expect slots.
        const short = await Promise.all([0, 100, 200, 300].map(start));
        await Promise.all(short.map((handle) => handle.result()));
        // Long ones break that expectation: one that was noted as started goes back into the line, or none is noted.
        gate = Promise.withResolvers();
        const long = await Promise.all([400, 500].map(start));
        const seen = new Set<string>();
        for (let isBroken = false; !isBroken;) {
          // In memory the kernel lives in this thread, and its timers want a turn.
          await new Promise((resolve) => setImmediate(resolve));
          const described = await Promise.all(long.map((handle) => handle.describe()));
          const all = described.flatMap(({ workflowId, activities }) =>
            activities.map(({ activityId, state }) => ({ id: `${workflowId} ${activityId}`, state })),
          );
          const started = all.filter(({ state }) => state === 'STARTED');
          const wentBack = all.some(({ id, state }) => state === 'SCHEDULED' && seen.has(id));
          for (const { id } of started) seen.add(id);
          isBroken = all.length === 10 && running === SLOTS && (wentBack || started.length === SLOTS);
        }
        expect(running).toBe(SLOTS);
        gate.resolve();
        await Promise.all(long.map((handle) => handle.result()));
      });
      expect(await histories.expectSame(client, () => ({ workflowsPath }), 6)).toBe(6);
      await client.connection.close();
      await connection.close();
      expect(most).toBe(SLOTS);
      expect(begun.toSorted()).toEqual(
        [0, 1, 2, 3, 4, 5].flatMap((i) => Array.from({ length: 15 }, (_, n) => `${i * 100 + n}`)).toSorted(),
      );
    });
  });
}
