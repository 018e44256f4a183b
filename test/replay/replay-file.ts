import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';
import type { Segment } from '../../src/common/index.ts';
import { type RunId, silentLog, systemClock } from '../../src/core/index.ts';
import { loadPage } from '../../src/kernel/index.ts';
import { SqliteStore } from '../../src/store/index.ts';
import { bundleWorkflowCode, WorkflowContext } from '../../src/worker/index.ts';

/**
 * Replays every run that a file holds and expects the same commands of each; of one at least.
 * @param file a database that no engine has open
 */
export async function expectSameInFile(file: string, workflowsPath: string): Promise<void> {
  const { replayed, differences } = await replayFile(file, workflowsPath);
  expect(differences).toEqual([]);
  expect(replayed).toBeGreaterThan(0);
}

/**
 * Replays every run that a file holds, open or closed: the same code must ask for the same commands.
 * @param file a database that no engine has open
 * @returns how many were replayed, and what differed
 */
export async function replayFile(
  file: string,
  workflowsPath: string,
): Promise<{ replayed: number; differences: string[] }> {
  const context = new WorkflowContext(await bundleWorkflowCode({ workflowsPath }), { log: silentLog });
  const store = new SqliteStore(file, systemClock);
  const database = new DatabaseSync(file, { readOnly: true });
  const differences: string[] = [];
  let replayed = 0;
  try {
    for (const { id } of database.prepare('select hex(id) as id from run order by id').all() as { id: string }[]) {
      const run = id.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') as RunId;
      const segments: Segment[] = [];
      for (let from: number | undefined = 1; from !== undefined;) {
        const page = await loadPage(store, run, from);
        segments.push(...page.segments);
        from = page.next;
      }
      const answer = context.replay(run, segments);
      if ('failure' in answer && answer.failure.cause === 'NONDETERMINISM')
        differences.push(`${run}: ${answer.failure.failure.message}`);
      context.evict(run);
      replayed++;
    }
  } finally {
    database.close();
    await store.close();
  }
  return { replayed, differences };
}
