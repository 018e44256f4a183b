import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSuite, type Suite } from './suite.ts';
import { readsItsPlace } from './workflows.ts';

const folder = mkdtempSync(join(tmpdir(), 'pleach-told-'));
let suite: Suite;

beforeAll(async () => {
  suite = await openSuite(`sqlite:${join(folder, 'told.db')}`, {
    taskQueue: 'q',
    workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
    activities: { turns: async (count: number) => count },
  });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('tells slow code the same time and length in a replay, though its jobs became durable under it', async () => {
  const handle = await suite.client.workflow.start(readsItsPlace, { workflowId: 'w', taskQueue: 'q', args: [3] });
  await handle.result();
  const { pleach } = (await handle.fetchHistory()) as unknown as {
    pleach: { segments: { rounds: { commands?: unknown[]; told?: unknown }[] }[] };
  };
  const rounds = pleach.segments.flatMap((segment) => segment.rounds);
  // It was slow: jobs lie on the disk without an answer, and the answer says what it went by.
  expect(rounds.some(({ commands }) => commands === undefined)).toBe(true);
  expect(rounds.some(({ told }) => told !== undefined)).toBe(true);
  // The names of its activities are made of what it was told: a replay that tells it otherwise does not pass.
  await suite.close(1);
});
