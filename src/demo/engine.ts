// The process that is killed: engine, worker and client in one, on one SQLite file. Started again, it finds the workflow
// where it was and goes on.
//   engine.ts <repository> <folder> [--die-half-way]
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../core/index.ts';
import { Client, Connection } from '../entry/client.ts';
import { NativeConnection, Worker } from '../entry/worker.ts';
import { makeActivities } from './activities.ts';
import { readLedger, writeLedger } from './ledger.ts';
import { databaseIn, ledgerIn, reportIn } from './places.ts';
import { TASKS } from './tasks.ts';
import { decideHalfWay } from './verdict.ts';
import type { landBranches } from './workflows.ts';

/** How often it is asked whether it is half way, in milliseconds: a few times in the shortest step. */
const HALF_WAY_POLL_MS = 20;

const [, , repository = '', folder = '', ...flags] = process.argv;
const address = `sqlite:${databaseIn(folder)}`;
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  namespace: 'default',
  taskQueue: 'demo',
  workflowsPath: fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './workflows.ts' : './workflows.js', import.meta.url),
  ),
  activities: makeActivities(folder),
});
const client = new Client({ connection: await Connection.connect({ address }) });
const report = await worker.runUntil(async () => {
  const handle = await client.workflow.start<typeof landBranches>('landBranches', {
    workflowId: 'demo',
    taskQueue: 'demo',
    args: [{ repository, tasks: [...TASKS] }],
    // The second start of this process finds the workflow that the first one began.
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  // Raced, so that a fault in the watching ends the process with its reason.
  return await Promise.race([handle.result(), ...(flags.includes('--die-half-way') ? [dieHalfWay()] : [])]);
});
writeFileSync(reportIn(folder), JSON.stringify(report));
await client.connection.close();
await connection.close();

/** Ends this process by SIGKILL once two tasks are durably through and another is at work: no handler runs, nothing is flushed. */
async function dieHalfWay(): Promise<never> {
  const recorded = new Set<string>();
  for (;;) {
    await new Promise<void>((resolve) => void systemClock.after(HALF_WAY_POLL_MS, resolve));
    for (const task of decideHalfWay(readLedger(ledgerIn(folder))) ?? []) {
      if (recorded.has(task)) continue;
      const { status } = await client.workflow.getHandle(`task-${task}`).describe();
      if (status.name !== 'COMPLETED') continue;
      recorded.add(task);
      writeLedger(ledgerIn(folder), { what: 'recorded', task, pid: process.pid });
    }
    if (recorded.size < 2 || decideHalfWay(readLedger(ledgerIn(folder))) === undefined) continue;
    writeLedger(ledgerIn(folder), { what: 'killed', pid: process.pid });
    process.kill(process.pid, 'SIGKILL');
  }
}
