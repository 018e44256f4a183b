import { writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';

/**
 * A process that says on standard output what it is about to ask for and what it was told, each in a call of the system of
 * its own, so that a trace shows what lies between.
 */
const [, , file = '', count = '1'] = process.argv;
const address = `sqlite:${file}`;
const say = (line: string): void => void writeSync(1, `${line}\n`);

const connection = await NativeConnection.connect({ address });
const client = new Client({ connection: await Connection.connect({ address }) });
const worker = await Worker.create({
  connection,
  taskQueue: 'q',
  workflowsPath: fileURLToPath(new URL('./synced-workflows.ts', import.meta.url)),
  activities: { step: async (n: number) => n },
});
await worker.runUntil(async () => {
  for (let n = 0; n < Number(count); n++) {
    say(`ask start ${n}`);
    const handle = await client.workflow.start('talks', { workflowId: `talk-${n}`, taskQueue: 'q', args: [n] });
    say(`ack start ${n}`);
    await handle.query('steps');
    say(`ask signal ${n}`);
    await handle.signal('word', 'x');
    say(`ack signal ${n}`);
    say(`ask update ${n}`);
    await handle.executeUpdate('say', { args: ['y'] });
    say(`ack update ${n}`);
    say(`ask end ${n}`);
    await handle.signal('end');
    await handle.result();
    say(`ack end ${n}`);
  }
});
await client.connection.close();
await connection.close();
