import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CULPRIT, endOnceAndHeal, innocentsEnd, Place, startInnocents } from './abort-process.ts';

describe('workflow code that makes V8 abort its process', () => {
  let place: Place;
  beforeEach(() => {
    place = new Place();
  });
  afterEach(() => place.clear());

  it('new Array(3e8).fill({}): the engine that is started again survives it, blocks the run and ends all others', async () => {
    expect(await endOnceAndHeal(place, 'hugeFill')).toBe('mended');
  });

  it.each(['mapGrowth', 'setGrowth'])(
    '%s: whether V8 ends the thread or the process, only its run is held up',
    async (type) => {
      const first = await place.run('broken-workflows.js');
      await startInnocents(first);
      await first.ask({ act: 'start', workflowId: CULPRIT, type, args: [] });
      const held = first.blocked(CULPRIT).then(
        () => undefined,
        () => undefined,
      );
      const last = (await Promise.race([first.ended, held])) ? await place.run('broken-workflows.js') : first;
      const blocked = await last.blocked(CULPRIT);
      expect(blocked.cause).toBe('SANDBOX_LOST');
      expect(blocked.failure.message).toMatch(/its heap of 64 MB is full|ended the process that it was run apart in/);
      await innocentsEnd(last);
      // Its next try is apart, and comes to the same.
      for (const { attempts } = blocked; (await last.blocked(CULPRIT)).attempts === attempts;)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await last.close()).toBe(0);
      const mended = await place.run('mended-workflows.js');
      expect(await mended.ask({ act: 'result', workflowId: CULPRIT })).toBe('mended');
    },
  );
});
