import { Client, Connection } from '../../src/entry/client.ts';
import { NativeConnection, Worker, type WorkerOptions } from '../../src/entry/worker.ts';
import { type Begun, Histories, type HowToReplay } from './histories.ts';

/** An engine with one worker that runs and one client, for all tests of a suite. */
export interface Suite {
  readonly connection: NativeConnection;
  readonly clientConnection: Connection;
  /** What it starts is replayed when the suite is closed. */
  readonly client: Client;
  readonly histories: Histories;
  /** Ends the worker, replays all histories as `Histories.expectSame` does, and ends the engine. */
  close(atLeast: number, how?: (begun: Begun) => HowToReplay): Promise<void>;
}

/** Opens one. Histories are replayed with the worker's own workflows unless `close` is told otherwise. */
export async function openSuite(address: string, options: Omit<WorkerOptions, 'connection'>): Promise<Suite> {
  const histories = new Histories();
  const connection = await NativeConnection.connect({ address });
  const clientConnection = await Connection.connect({ address });
  const client = new Client({
    connection: clientConnection,
    interceptors: { workflow: [histories.interceptor] },
  });
  const worker = await Worker.create({ connection, ...options });
  const running = worker.run();
  const { workflowsPath } = options;
  return {
    connection,
    clientConnection,
    client,
    histories,
    async close(atLeast, how = () => (workflowsPath === undefined ? {} : { workflowsPath })) {
      worker.shutdown();
      await running;
      await histories.expectSame(client, how, atLeast);
      await clientConnection.close();
      await connection.close();
    },
  };
}
