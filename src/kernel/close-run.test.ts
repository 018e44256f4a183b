import { expect, it } from 'vitest';
import { playNode } from '../../test/fakes/played-worker.ts';
import { type Clock, systemClock } from '../core/index.ts';
import { ModelData } from '../store/index.ts';

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
