import { fileURLToPath } from 'node:url';
import { Client, Connection, type WorkflowHandle } from 'pleach/client';
import { NativeConnection, Worker } from 'pleach/worker';
import { type Figures, type Peer, runScenario, type Scenario, slowStep } from './measure.ts';
import type { conversation, fanOut, sequence, slow } from './pleach-workflows.ts';

/** pleach on a SQLite file, with default options. */
const address = process.env['BENCH_ADDRESS'] ?? 'sqlite:./bench.db';
const taskQueue = 'bench';
const connection = await NativeConnection.connect({ address });
const worker = await Worker.create({
  connection,
  taskQueue,
  workflowsPath: fileURLToPath(new URL('./pleach-workflows.ts', import.meta.url)),
  activities: { nothing: async () => undefined, slowStep },
});
const client = new Client({ connection: await Connection.connect({ address }) });
const running = worker.run();

const peer: Peer = {
  async sequence(workflowId, steps) {
    await client.workflow.execute<typeof sequence>('sequence', { workflowId, taskQueue, args: [steps] });
  },
  async fanOut(workflowId, steps) {
    await client.workflow.execute<typeof fanOut>('fanOut', { workflowId, taskQueue, args: [steps] });
  },
  async conversation(workflowId) {
    const handle: WorkflowHandle<typeof conversation> = await client.workflow.start<typeof conversation>(
      'conversation',
      { workflowId, taskQueue },
    );
    return async (n) => {
      const answer = await handle.executeUpdate<number, [number]>('say', { args: [n] });
      if (answer !== n) throw new Error(`said ${n}, heard ${answer}`);
    };
  },
  async beginSlow(workflowId, steps) {
    await client.workflow.start<typeof slow>('slow', { workflowId, taskQueue, args: [workflowId, steps] });
  },
  async slowResult(workflowId) {
    await client.workflow.getHandle(workflowId).result();
  },
  async counters() {
    const engine = connection.caller.address as { figures?(): Promise<Record<string, number> | undefined> };
    const figures = (await engine.figures?.()) ?? {};
    const { commits = 0, entries = 0, bytes = 0 } = figures;
    const kernel = figures['cpuMicros'] as unknown as { user: number; system: number } | undefined;
    const main = process.threadCpuUsage();
    return {
      commits,
      segments: entries,
      bytes,
      kernelThreadMicros: kernel ? kernel.user + kernel.system : 0,
      mainThreadMicros: main.user + main.system,
    } satisfies Figures;
  },
  async close() {
    worker.shutdown();
    await running;
    await client.connection.close();
    await connection.close();
  },
};

await runScenario(peer, process.argv[2] as Scenario);
