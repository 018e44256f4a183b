import { expect, it } from 'vitest';
import { HandClock, quiet } from '../../test/fakes/hand-clock.ts';
import { playNode, schedule } from '../../test/fakes/played-worker.ts';
import { ModelData } from '../store/index.ts';

const SLOTS = 2;
const SHORT = 6;
const LONG = 8;

it('stops counting on slots whose attempts have turned long', async () => {
  const clock = new HandClock();
  const tokens: string[] = [];
  let resolved = 0;
  const played = await playNode(new ModelData(), {
    clock,
    activitySlots: SLOTS,
    attempt({ activityId, token }) {
      if (Number(activityId) > SHORT) tokens.push(token);
      else setImmediate(() => played.complete(token));
    },
    answer({ jobs }) {
      if (jobs.some(({ kind }) => kind === 'start')) return Array.from({ length: SHORT }, (_, n) => schedule(n + 1));
      resolved += jobs.filter(({ kind }) => kind === 'activity-resolved').length;
      return resolved === SHORT ? Array.from({ length: LONG }, (_, n) => schedule(SHORT + n + 1)) : [];
    },
  });
  await played.start();
  for (let turn = 0; turn < 20 && tokens.length < SLOTS; turn++) await quiet();
  expect(tokens).toHaveLength(SLOTS);
  const segments = () => played.node.activations.counts.segments;

  await clock.advance(1_000);
  const before = segments();
  await clock.advance(10_000);
  expect(segments()).toBe(before);

  // And whoever waits has its turn as ever.
  for (let n = 0; n < LONG; n++) {
    played.complete(tokens[n]!);
    await clock.advance(100);
  }
  expect(tokens).toHaveLength(LONG);
});
