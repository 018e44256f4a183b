import { expect, it } from 'vitest';
import { HandClock, quiet } from '../../test/fakes/hand-clock.ts';
import { playNode } from '../../test/fakes/played-worker.ts';
import { ModelData } from '../store/index.ts';

const DELAY_MS = 60_000;

it('says of a run that was paused before its first task that it cannot be asked, and asks no worker for ever', async () => {
  const clock = new HandClock();
  let activations = 0;
  const { node, ask } = await playNode(new ModelData(), {
    clock,
    answer: () => {
      activations++;
      return [];
    },
  });
  const start = { workflowId: 'w', type: 't', queue: 'q', input: [], startDelayMs: DELAY_MS };
  const params = { namespace: 'default', start, requestId: 'start', identity: 'test' };
  await node.requests.handle('start', params, () => undefined);
  await ask('pause', 'pause');
  await clock.advance(DELAY_MS);
  await quiet();
  await expect(ask('query', 'query', { name: 'state', input: [] })).rejects.toMatchObject({ code: 'QUERY_FAILED' });
  expect(activations).toBe(0);
  await node.stop();
});
