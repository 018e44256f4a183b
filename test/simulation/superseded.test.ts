import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import type { Activation, WireOutcome } from '../../src/common/index.ts';
import { silentLog, systemClock } from '../../src/core/index.ts';
import { ActivationRunner, bundleWorkflowCode } from '../../src/worker/index.ts';

const workflowsPath = fileURLToPath(new URL('../../src/testing/simulator/workflows.ts', import.meta.url));

/** The first activation of a workflow that runs one local activity and then sleeps. */
function firstActivation(token: number): Activation {
  const state = {
    program: [
      { op: 'local', name: 'one' },
      { op: 'timer', ms: 5 },
    ],
    signals: [],
    updates: [],
    log: [],
    told: 0,
  };
  const run = { runId: 'run', workflowId: 'w', namespace: 'default', type: 'simulated' };
  return {
    ...run,
    token,
    baseSeq: 0,
    time: 1_800_000_000_000,
    historyLength: 0,
    historyBytes: 0,
    timeoutMs: 10_000,
    jobs: [
      {
        kind: 'start',
        ...run,
        queue: 'q',
        firstRunId: 'run',
        attempt: 1,
        randomSeed: 'seed',
        startedAt: 1_800_000_000_000,
        input: [JSON.stringify(state)],
      },
    ],
  };
}

it('ends an activation that was superseded while it waited, and leaves the instance to the next', async () => {
  const locals: ((outcome: WireOutcome) => void)[] = [];
  const runner = new ActivationRunner({
    bundle: await bundleWorkflowCode({ workflowsPath }),
    log: silentLog,
    clock: systemClock,
    maxCachedRuns: 10,
    runLocalActivity: () => new Promise((resolve) => locals.push(resolve)),
    cancelLocalActivity: () => undefined,
    localResolved: () => undefined,
    turn: () => Promise.resolve(),
  });
  const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const superseded = runner.run(firstActivation(1));
  await turns();
  const next = runner.run(firstActivation(2));
  await turns();
  expect(locals).toHaveLength(2);
  for (const resolve of locals) {
    resolve({ status: 'completed', value: '"one"' });
    await turns();
  }
  expect(await superseded).toEqual({ status: 'miss' });
  const answer = await next;
  const commands = answer.status === 'done' ? answer.rounds.map((round) => round.commands.map(({ kind }) => kind)) : [];
  expect(commands).toEqual([['schedule-local-activity'], ['start-timer']]);
});
