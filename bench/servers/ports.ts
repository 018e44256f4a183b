import type { ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';

/** A server that the bench has started. */
export interface Server {
  url: string;
  process: ChildProcess;
  stop(): Promise<void>;
}

/** Gives a port of the loopback that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** Asks until something answers. @param tries how often, a few milliseconds apart */
export async function until(tries: number, everyMs: number, works: () => Promise<void>): Promise<void> {
  for (let left = tries; ; left--) {
    try {
      await works();
      return;
    } catch (error) {
      if (left <= 0) throw error;
      await new Promise((done) => setTimeout(done, everyMs));
    }
  }
}
