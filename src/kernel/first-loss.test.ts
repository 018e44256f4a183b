import { expect, it } from 'vitest';
import { HandClock, quiet } from '../../test/fakes/hand-clock.ts';
import { playNode, schedule } from '../../test/fakes/played-worker.ts';
import { ModelData } from '../store/index.ts';

const INTERVAL_MS = 600_000;
/** Enough for a new node to load the run and find its attempt lost. */
const LOAD_MS = 1000;

it('makes the first loss of a worker good at once, and lets one that follows a loss wait by policy', async () => {
  const data = new ModelData();
  const clock = new HandClock();
  const attempts: number[] = [];
  const open = () =>
    playNode(data, {
      clock,
      attempt: ({ attempt }) => attempts.push(attempt),
      answer: ({ jobs }) => {
        if (!jobs.some(({ kind }) => kind === 'start')) return [{ kind: 'complete' }];
        const command = schedule(1);
        if (command.kind !== 'schedule-activity') throw new Error('it schedules an activity');
        const retry = { initialIntervalMs: INTERVAL_MS, backoffCoefficient: 1, maximumAttempts: 5 };
        return [{ ...command, options: { ...command.options, retry } }];
      },
    });
  const first = await open();
  await first.start();
  await quiet();
  expect(attempts).toEqual([1]);

  // Each node takes over from one that has died with the attempt in it.
  await open();
  await clock.advance(LOAD_MS);
  expect(attempts).toEqual([1, 2]);

  const third = await open();
  await clock.advance(INTERVAL_MS - LOAD_MS);
  expect(attempts).toEqual([1, 2]);
  await clock.advance(INTERVAL_MS);
  expect(attempts).toEqual([1, 2, 3]);
  await third.node.stop();
});
