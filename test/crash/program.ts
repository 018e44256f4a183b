import { appendFileSync, closeSync, fsyncSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Context, transactional } from '../../src/entry/activity.ts';
import { Client, Connection } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';
import { segmentsOf } from '../../src/contract/index.ts';

/**
 * One scenario in a process of its own: engine, worker and client on a file. Started again after its end, it says the
 * same things with the same request ids, and goes on.
 */
const [, , file = '', ledger = '', scenario = '', out = ''] = process.argv;

/** Writes a line and has it on the disk when it returns. */
function note(line: string): void {
  const fd = openSync(ledger, 'a');
  writeSync(fd, `${line}\n`);
  fsyncSync(fd);
  closeSync(fd);
}

const activities = {
  async act(name: string): Promise<string> {
    const { info } = Context.current();
    note(
      `${info.workflowExecution.runId} ${info.isLocal ? 'local' : 'activity'}-${info.activityId} ${name} ${info.attempt}`,
    );
    return name;
  },
  async grow(text: string): Promise<string> {
    await activities.act(`grow-${text.length}`);
    return `${text}${text}`;
  },
  /** Its own table is the ledger. The process ends where it is told to: before its commit, or right after it. */
  put: transactional(async (tx, name: string): Promise<string> => {
    await tx.execute('create table if not exists put (name text primary key, attempt integer not null)');
    await tx.execute('insert into put (name, attempt) values (?, ?)', [name, Context.current().info.attempt]);
    crashAt(`${name}:within`);
    return name;
  }),
  async putAndDie(name: string): Promise<string> {
    const put = await activities.put(name);
    crashAt(`${name}:committed`);
    return put;
  },
};

function crashAt(point: string): void {
  if (process.env['PLEACH_CRASH_AT'] === point) process.kill(process.pid, 'SIGKILL');
}

export type CrashActivities = typeof activities;

if (import.meta.main) {
  const engine = {
    storeWrapper: fileURLToPath(new URL('./crashing-store.ts', import.meta.url)),
    partitions: 4,
    leaseTtlMs: 10_000,
  };
  const address = `sqlite:${file}`;
  const connection = await NativeConnection.connect({ address, engine });
  const worker = await Worker.create({
    connection,
    taskQueue: 'crash',
    workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
    activities,
  });
  const client = new Client({ connection: await Connection.connect({ address, engine }) });
  const namespace = 'default';
  const target = { namespace, workflowId: 'the-workflow' };
  const identity = 'crash';
  const result = await worker.runUntil<unknown>(async () => {
    const { caller } = client.connection;
    await caller.call('start', {
      namespace,
      start: { workflowId: target.workflowId, type: scenario, queue: 'crash', input: [] },
      requestId: 'the-start',
      identity,
    });
    const closed = (error: unknown): void => {
      // Said again after the run has closed: it took effect before the crash.
      if ((error as { code?: string }).code !== 'WORKFLOW_CLOSED') throw error;
    };
    if (scenario === 'signal') {
      for (const n of [1, 2]) {
        await caller
          .call('signal', { target, name: 'go', input: [`"s${n}"`], requestId: `signal-${n}`, identity })
          .catch(closed);
      }
    }
    if (scenario === 'update') {
      for (const n of [1, 2]) {
        await caller
          .call('update', {
            target,
            updateId: `u${n}`,
            name: 'change',
            input: [`"u${n}"`],
            waitFor: 'COMPLETED',
            requestId: `update-${n}`,
            identity,
          })
          .catch(closed);
      }
    }
    if (scenario === 'cancel') await caller.call('cancel', { target, requestId: 'the-cancel', identity }).catch(closed);
    return (await client.workflow.result(target.workflowId)) as unknown;
  });
  const history = await client.workflow.getHandle(target.workflowId).fetchHistory();
  const isPut = scenario === 'transactional';
  const put = isPut ? await connection.database.query('select name, attempt from put order by name') : [];
  const left = isPut ? await connection.database.query('select activity from tx_result') : [];
  writeFileSync(out, JSON.stringify({ result, segments: segmentsOf(history), put, left }));
  appendFileSync(ledger, '');
  await client.connection.close();
  await connection.close();
}
