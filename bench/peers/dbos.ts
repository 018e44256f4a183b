import { DBOS } from '@dbos-inc/dbos-sdk';
import { type Peer, runScenario, type Scenario, slowStep } from './measure.ts';

/** DBOS on PostgreSQL, workflows started directly, pool 10 (its default). */
DBOS.setConfig({ name: 'bench', systemDatabaseUrl: process.env['BENCH_POSTGRES']!, logLevel: 'error' });

const nothing = async (): Promise<void> => undefined;

const sequence = DBOS.registerWorkflow(
  async (steps: number) => {
    for (let i = 0; i < steps; i++) await DBOS.runStep(nothing, { name: 'nothing' });
    return steps;
  },
  { name: 'sequence' },
);
const fanOut = DBOS.registerWorkflow(
  async (steps: number) => {
    await Promise.all(Array.from({ length: steps }, () => DBOS.runStep(nothing, { name: 'nothing' })));
    return steps;
  },
  { name: 'fanOut' },
);
const slow = DBOS.registerWorkflow(
  async (id: string, steps: number) => {
    for (let i = 0; i < steps; i++) await DBOS.runStep(() => slowStep(id, i), { name: 'slowStep' });
    return steps;
  },
  { name: 'slow' },
);
const conversation = DBOS.registerWorkflow(
  async (rounds: number) => {
    for (let i = 0; i < rounds; i++) {
      const heard = await DBOS.recv<number>('say', 600);
      await DBOS.setEvent(`answer-${heard}`, heard);
    }
  },
  { name: 'conversation' },
);

await DBOS.launch();

const peer: Peer = {
  async sequence(workflowID, steps) {
    await (await DBOS.startWorkflow(sequence, { workflowID })(steps)).getResult();
  },
  async fanOut(workflowID, steps) {
    await (await DBOS.startWorkflow(fanOut, { workflowID })(steps)).getResult();
  },
  async conversation(workflowID) {
    await DBOS.startWorkflow(conversation, { workflowID })(1_000_000);
    return async (n) => {
      await DBOS.send(workflowID, n, 'say');
      const answer = await DBOS.getEvent<number>(workflowID, `answer-${n}`, 60);
      if (answer !== n) throw new Error(`said ${n}, heard ${answer}`);
    };
  },
  async beginSlow(workflowID, steps) {
    await DBOS.startWorkflow(slow, { workflowID })(workflowID, steps);
  },
  async slowResult(workflowID) {
    await DBOS.retrieveWorkflow(workflowID).getResult();
  },
  async close() {
    // Its conversations never end, so a graceful end would wait for them.
    process.exit(0);
  },
};

await runScenario(peer, process.argv[2] as Scenario);
