import { expect, it } from 'vitest';
import { playNode } from '../../test/fakes/played-worker.ts';
import { type Clock, systemClock } from '../core/index.ts';
import { ModelData, ModelStore } from '../store/index.ts';

/** A clock that stands: all that happens, happens in one millisecond. */
const standing: Clock = {
  now: () => 1_800_000_000_000,
  monotonicMs: () => 0,
  after: (delayMs, fire) => systemClock.after(delayMs, fire),
  every: (periodMs, fire) => systemClock.every(periodMs, fire),
  soon: (fire) => systemClock.soon(fire),
};

it('finds the last run of a chain, though all of it began in one millisecond', async () => {
  const data = new ModelData();
  const { node, start, result } = await playNode(data, {
    clock: standing,
    answer: ({ jobs }) => {
      const begin = jobs.find((job) => job.kind === 'start');
      if (!begin) return [];
      const round = Number(begin.input[0] ?? '0');
      if (round === 8) return [{ kind: 'complete' }];
      return [{ kind: 'continue-as-new', type: 't', queue: 'q', input: [String(round + 1)] }];
    },
  });
  await start();
  await expect.poll(result).toMatchObject({ status: 'COMPLETED' });
  expect(data.runs.size).toBe(9);
  await node.stop();
});

it('answers an update from the run that goes on, though it came while the one before was closing', async () => {
  const data = new ModelData();
  const store = new ModelStore(data, systemClock, 4);
  const commit = store.commit.bind(store);
  const closing = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  store.commit = async (lease, ttlMs, batch) => {
    if (batch.runChanges.some(({ status }) => status !== 'RUNNING')) {
      closing.resolve();
      await gate.promise;
    }
    return commit(lease, ttlMs, batch);
  };
  const { node, start, signal } = await playNode(data, {
    store,
    answer: ({ jobs }) => {
      if (jobs.some(({ kind }) => kind === 'signalled'))
        return [{ kind: 'continue-as-new', type: 't', queue: 'q', input: [] }];
      const update = jobs.find((job) => job.kind === 'update-requested');
      if (!update) return [];
      const { updateId } = update;
      return [
        { kind: 'update-accepted', updateId },
        { kind: 'update-completed', updateId, outcome: { status: 'completed', value: '1' } },
      ];
    },
  });
  await start();
  const signalled = signal('s');
  await closing.promise;
  const target = { namespace: 'default', workflowId: 'w' };
  const asked = { target, updateId: 'u', name: 'n', input: [], waitFor: 'COMPLETED', requestId: 'u', identity: 'test' };
  const updated = node.requests.handle('update', asked, () => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  gate.resolve();
  await signalled;
  expect(await updated).toMatchObject({ stage: 'COMPLETED', outcome: { status: 'completed' } });
  await node.stop();
});
