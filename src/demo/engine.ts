import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '../entry/client.ts';
import { NativeConnection, Worker } from '../entry/worker.ts';
import { makeActivities } from './activities.ts';
import { TASKS } from './tasks.ts';
import type { landBranches } from './workflows.ts';

// The process that is killed: engine, worker and client in one, on one SQLite file. Started again, it finds the
// workflow where it was and goes on.
const [, , source = '', folder = ''] = process.argv;
const address = `sqlite:${join(folder, 'demo.db')}`;
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  taskQueue: 'demo',
  workflowsPath: fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './workflows.ts' : './workflows.js', import.meta.url),
  ),
  activities: makeActivities({ source, folder }),
});
const client = new Client({ connection: await Connection.connect({ address }) });
const outcomes = await worker.runUntil(async () => {
  const handle = await client.workflow.start<typeof landBranches>('landBranches', {
    workflowId: 'demo',
    taskQueue: 'demo',
    args: [[...TASKS]],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  return handle.result();
});
writeFileSync(join(folder, 'outcomes.json'), JSON.stringify(outcomes));
await client.connection.close();
await connection.close();
