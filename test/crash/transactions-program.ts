import { Context, transactional } from '../../src/entry/activity.ts';
import { NativeConnection, Worker } from '../../src/entry/worker.ts';

/** A worker in a process of its own on the file of an engine elsewhere. What its transaction is told ends it. */
const [, , file = ''] = process.argv;

const activities = {
  put: transactional(async (tx, name: string): Promise<string> => {
    const { attempt } = Context.current().info;
    await tx.execute('insert into put (name, attempt) values (?, ?)', [name, attempt]);
    if (name === 'dies' && attempt === 1) process.kill(process.pid, 'SIGKILL');
    return name;
  }),
  async putAndDie(name: string): Promise<string> {
    const put = await activities.put(name);
    if (Context.current().info.attempt === 1) process.kill(process.pid, 'SIGKILL');
    return put;
  },
};

const connection = await NativeConnection.connect({ address: `sqlite:${file}` });
const worker = await Worker.create({ connection, taskQueue: 'far', activities });
process.on('message', () => worker.shutdown());
await worker.run();
await connection.close();
process.disconnect?.();
