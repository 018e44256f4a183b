import { expect, it } from 'vitest';
import { playNode, schedule } from '../../test/fakes/played-worker.ts';
import { PleachError, systemClock } from '../core/index.ts';
import { type Batch, ModelData, ModelStore } from '../store/index.ts';
import { decodeSegment } from './segments.ts';

/** A store that refuses the first commit in which a job of this kind stands. */
function refusingStore(data: ModelData, kind: string): ModelStore {
  const store = new ModelStore(data, systemClock, 4);
  const commit = store.commit.bind(store);
  let isRefused = false;
  store.commit = (lease, ttlMs, batch) => {
    if (isRefused || !hasJob(batch, kind)) return commit(lease, ttlMs, batch);
    isRefused = true;
    return Promise.reject(new PleachError('UNEXPECTED', 'refused', {}));
  };
  return store;
}

function hasJob(batch: Batch, kind: string): boolean {
  return batch.segments.some((row) =>
    decodeSegment(row).rounds.some((round) => round.jobs.some((job) => job.kind === kind)),
  );
}

it('takes a result in whose segment the store refused once, and answers who waits for the run', async () => {
  const data = new ModelData();
  const attempts: string[] = [];
  const { node, start, result, complete } = await playNode(data, {
    store: refusingStore(data, 'activity-resolved'),
    attempt: ({ token }) => {
      attempts.push(token);
      complete(token);
    },
    answer: ({ jobs, history }) => {
      if (jobs.some(({ kind }) => kind === 'start')) return [schedule(1)];
      // The refused activation is made again from the history, by an instance that is built anew.
      return jobs.some(({ kind }) => kind === 'activity-resolved') && history ? [{ kind: 'complete' }] : [];
    },
  });
  await start();
  expect(await result()).toMatchObject({ status: 'COMPLETED' });
  expect(attempts).toHaveLength(1);
  await node.stop();
});

it('tells whoever asked that the segment was refused, and takes the same request when it is asked again', async () => {
  const data = new ModelData();
  const { node, start, signal, ask, result } = await playNode(data, {
    store: refusingStore(data, 'signalled'),
    answer: () => [],
  });
  await start();
  await expect(signal('s')).rejects.toMatchObject({ code: 'UNEXPECTED' });
  await signal('s');
  const ended = result();
  await ask('terminate', 't');
  expect(await ended).toMatchObject({ status: 'TERMINATED' });
  expect(
    [...data.segments.values()].flat().filter((row) => hasJob({ segments: [row] } as Batch, 'signalled')),
  ).toHaveLength(1);
  await node.stop();
});

it('closes a run whose closing segment the store refused once', async () => {
  const data = new ModelData();
  const { node, start, ask, result } = await playNode(data, {
    store: refusingStore(data, 'terminated'),
    answer: () => [],
  });
  await start();
  const ended = result();
  await ask('terminate', 't');
  expect(await ended).toMatchObject({ status: 'TERMINATED' });
  await node.stop();
});
