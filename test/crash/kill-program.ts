import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Context } from '../../src/entry/activity.ts';
import { Client, Connection } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';
import type { load } from './workflows.ts';

/**
 * The process that is killed at random: engine, worker and a client that starts as fast as it may. What happened is
 * told to a ledger in another process, and counts only once that process has it on the disk.
 */
const [, , file = '', ledgerPath = '', round = '', mode = ''] = process.argv;

/** Lines that the ledger has not confirmed, in order. */
const unconfirmed: (() => void)[] = [];
const ledger = connect(ledgerPath);
ledger.on('data', (chunk: Buffer) => {
  for (const byte of chunk) if (byte === 10) unconfirmed.shift()?.();
});

function note(line: string): Promise<void> {
  return new Promise((confirmed) => {
    unconfirmed.push(confirmed);
    ledger.write(`${line}\n`);
  });
}

const activities = {
  async kept(id: string, step: string): Promise<void> {
    await note(`begin ${id} ${step} ${Context.current().info.attempt}`);
  },
};
export type KillActivities = typeof activities;

if (import.meta.main) {
  const address = `sqlite:${file}`;
  const connection = await NativeConnection.connect({ address });
  const worker = await Worker.create({
    connection,
    taskQueue: 'kill',
    workflowsPath: fileURLToPath(new URL('./workflows.ts', import.meta.url)),
    activities,
  });
  const client = new Client({ connection: await Connection.connect({ address }) });
  await worker.runUntil(async () => {
    await note('up');
    if (mode === 'start') {
      // Until the end that comes from outside: eight starts at once, each acknowledged before the next.
      await Promise.all(
        Array.from({ length: 8 }, async (_, lane) => {
          for (let n = 0; ; n++) {
            const id = `${round}-${lane}-${n}`;
            await client.workflow.start<typeof load>('load', { workflowId: id, taskQueue: 'kill', args: [id] });
            await note(`ack ${id}`);
          }
        }),
      );
    }
    for (const id of mode.split(',')) {
      const result = await client.workflow.result<typeof load>(id);
      await note(`result ${id} ${result}`);
    }
  });
  await client.connection.close();
  await connection.close();
  ledger.end();
}
