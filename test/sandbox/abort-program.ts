import { fileURLToPath } from 'node:url';
import { Client, Connection } from '../../src/entry/client.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';

/**
 * A process that workflow code may end: a worker on a file, and the file's engine where no other process is. What it is
 * to do comes in lines on its standard input, each a call of the client in JSON; what came of it goes out in a line.
 */
export type Ask = { id: number; workflowId: string } & (
  | { act: 'start'; type: string; args: unknown[] }
  | { act: 'result' | 'blocked' | 'end' }
  | { act: 'query' | 'update'; name: string }
);

const [, , file = '', workflows = ''] = process.argv;

if (import.meta.main) {
  const address = `sqlite:${file}`;
  const connection = await NativeConnection.connect({ address });
  const client = new Client({ connection: await Connection.connect({ address }) });
  const worker = await Worker.create({
    connection,
    taskQueue: 'q',
    workflowsPath: fileURLToPath(new URL(`./fixtures/${workflows}`, import.meta.url)),
    workflowHeapMb: 64,
    workflowSpinTimeout: '2 minutes',
  });
  const answer = async (ask: Ask): Promise<unknown> => {
    const handle = client.workflow.getHandle(ask.workflowId);
    switch (ask.act) {
      case 'start':
        await client.workflow.start(ask.type, {
          workflowId: ask.workflowId,
          taskQueue: 'q',
          args: ask.args,
          // On a slow machine V8 takes its time to give up.
          workflowTaskTimeout: '2 minutes',
        });
        return 'started';
      case 'result':
        return handle.result();
      case 'blocked':
        return (await handle.describe()).blocked;
      case 'end':
        return handle.signal('end');
      case 'query':
        // The worker has been started and may not be known yet; a query finds a worker or fails.
        while ((await handle.describe()).queuesWithoutWorker.length > 0)
          await new Promise((done) => setImmediate(done));
        return handle.query(ask.name);
      case 'update':
        return handle.executeUpdate(ask.name);
    }
  };
  const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  await worker.runUntil(async () => {
    say({ up: true });
    let rest = '';
    for await (const chunk of process.stdin) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        const ask = JSON.parse(line) as Ask;
        answer(ask).then(
          (value) => say({ id: ask.id, value }),
          (error: unknown) => say({ id: ask.id, error: String(error) }),
        );
      }
    }
  });
  await client.connection.close();
  await connection.close();
}
