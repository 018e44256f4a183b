import { expect, it } from 'vitest';
import { HandClock } from '../../test/fakes/hand-clock.ts';
import { playNode, schedule } from '../../test/fakes/played-worker.ts';
import { ModelData } from '../store/index.ts';

const STEPS = 100;
const PER_SECOND = 5;

/** A clock of a busy process: a look takes half a millisecond, and a wait may end some too soon. */
class BusyClock extends HandClock {
  #looksMs = 0;
  #waits = 0;

  override monotonicMs(): number {
    this.#looksMs += 0.5;
    return super.monotonicMs() + this.#looksMs;
  }

  override after(delayMs: number, fire: () => void) {
    return super.after(delayMs - ((this.#waits++ * 1.3) % 8), fire);
  }
}

it('comes back for what a limit held up, though the limit has room by the time that it is asked how long to wait', async () => {
  const clock = new BusyClock();
  const attempts: string[] = [];
  const played = await playNode(new ModelData(), {
    clock,
    activitySlots: STEPS,
    maxTaskQueueActivitiesPerSecond: PER_SECOND,
    attempt: ({ activityId }) => attempts.push(activityId),
    answer: ({ jobs }) =>
      jobs.some(({ kind }) => kind === 'start') ? Array.from({ length: STEPS }, (_, n) => schedule(n + 1)) : [],
  });
  await played.start();
  // Twice the time that the limit asks for.
  await clock.advance((2 * STEPS * 1000) / PER_SECOND);
  expect(attempts).toHaveLength(STEPS);
});
