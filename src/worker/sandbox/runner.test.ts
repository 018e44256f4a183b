import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { Activation, ActivationResult, Segment, WorkflowJob } from '../../common/index.ts';
import { silentLog } from '../../core/index.ts';
import { bundleWorkflowCode } from './bundle.ts';
import { ActivationRunner } from './runner.ts';

const workflowsPath = fileURLToPath(new URL('../../../test/e2e/workflows.ts', import.meta.url));
const RUN = '01a21838-db03-7aa8-85ce-c7f1ad8cd58f';
const STEPS = 20;

const start: WorkflowJob = {
  kind: 'start',
  namespace: 'default',
  workflowId: 'w',
  runId: RUN,
  firstRunId: RUN,
  startedAt: 0,
  randomSeed: RUN,
  type: 'steps',
  queue: 'q',
  input: [String(STEPS)],
  attempt: 1,
};
const resolved = (seq: number): WorkflowJob => ({
  kind: 'activity-resolved',
  seq,
  outcome: { status: 'completed', value: '0' },
});

it('replays a long history in slices, between which other runs have their turn', async () => {
  const bundle = await bundleWorkflowCode({ workflowsPath });
  let nowMs = 0;
  let turns = 0;
  const makeRunner = (): ActivationRunner =>
    new ActivationRunner({
      bundle,
      log: silentLog,
      // Every look at the clock finds four milliseconds gone.
      clock: { now: () => 0, monotonicMs: () => (nowMs += 4), after: never, every: never, soon: never },
      maxCachedRuns: 10,
      runLocalActivity: never,
      cancelLocalActivity: never,
      localResolved: never,
      async turn() {
        turns++;
      },
    });
  const activation = (baseSeq: number, jobs: WorkflowJob[], history?: Segment[]): Activation => ({
    runId: RUN,
    workflowId: 'w',
    namespace: 'default',
    type: 'steps',
    token: baseSeq + 1,
    baseSeq,
    time: 0,
    historyLength: 0,
    historyBytes: 0,
    timeoutMs: 10_000,
    jobs,
    ...(history ? { history } : {}),
  });
  const commandsOf = (result: ActivationResult) => (result.status === 'done' ? result.rounds[0]?.commands : undefined);

  const first = makeRunner();
  const history: Segment[] = [];
  for (let seq = 0; seq < STEPS; seq++) {
    const jobs = [seq === 0 ? start : resolved(seq)];
    const commands = commandsOf(await first.run(activation(seq, jobs)));
    expect(commands).toMatchObject([{ kind: 'schedule-activity', seq: seq + 1 }]);
    history.push({ seq: seq + 1, time: 0, firstEventId: 1, eventCount: 3, rounds: [{ jobs, commands: commands! }] });
  }
  turns = 0;
  const last = await makeRunner().run(activation(STEPS, [resolved(STEPS)], history));
  expect(commandsOf(last)).toMatchObject([{ kind: 'complete' }]);
  expect(turns).toBeGreaterThan(3);
});

function never(): never {
  throw new Error('not asked for here');
}
