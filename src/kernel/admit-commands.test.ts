import { expect, it } from 'vitest';
import { playNode, schedule } from '../../test/fakes/played-worker.ts';
import type { Command, WorkflowJob } from '../common/index.ts';
import { ModelData } from '../store/index.ts';
import type { Admission, AdmissionDecision } from './admission.ts';
import { decodeSegment } from './segments.ts';

const CHILD: Command = {
  kind: 'start-child',
  seq: 1,
  workflowId: 'child',
  type: 'child',
  queue: 'q',
  input: [],
  closePolicy: 'TERMINATE',
  cancellation: 'WAIT_CANCELLATION_COMPLETED',
};

/** A node whose workflow "w" asks for one thing, which is decided by a rule. */
async function open(data: ModelData, first: Command, decide: Admission['decide']) {
  const begun = Promise.withResolvers<string>();
  const heard = Promise.withResolvers<WorkflowJob>();
  const played = await playNode(data, {
    admission: { decide: (request) => (request.command ? decide(request) : { admitted: true }) },
    attempt: (task) => begun.resolve(`attempt of ${task.activityId}`),
    answer: ({ workflowId, jobs }) => {
      if (workflowId === 'child') begun.resolve('activation of child');
      const answer = jobs.find(({ kind }) => kind === 'activity-resolved' || kind === 'child-start-failed');
      if (answer) heard.resolve(answer);
      return workflowId === 'w' && jobs.some(({ kind }) => kind === 'start') ? [first] : [];
    },
  });
  return { ...played, begun: begun.promise, heard: heard.promise };
}

const kindsOf = (data: ModelData, at: number): string[] => {
  const [rows] = [...data.segments.values()];
  return decodeSegment(rows![at]!).rounds.flatMap(({ jobs }) => jobs.map(({ kind }) => kind));
};

for (const [command, answer] of [
  [schedule(1), 'activity-resolved'],
  [CHILD, 'child-start-failed'],
] as const) {
  it(`writes a denial that is given at once into the segment of the ${command.kind} that it denies`, async () => {
    const data = new ModelData();
    const { node, start, heard } = await open(data, command, () => ({ admitted: false, rule: 'none' }));
    await start();
    expect((await heard).kind).toBe(answer);
    expect(kindsOf(data, 0)).toEqual(['start', 'admission-awaited', 'admission-decided', answer]);
    await node.stop();
  });
}

for (const [command, effect] of [
  [schedule(1), 'attempt of 1'],
  [CHILD, 'activation of child'],
] as const) {
  it(`asks again about a ${command.kind} whose promised decision died with its process`, async () => {
    const data = new ModelData();
    const first = await open(data, command, () => new Promise<AdmissionDecision>(() => undefined));
    await first.start();
    first.node.abandon();
    const second = await open(data, command, () => ({ admitted: true }));
    expect(await second.begun).toBe(effect);
    await second.node.stop();
  });
}

it('starts an admitted child in the commit of its decision', async () => {
  const data = new ModelData();
  const { promise, resolve } = Promise.withResolvers<AdmissionDecision>();
  const { node, start, begun } = await open(data, CHILD, () => promise);
  await start();
  const inboxes: number[] = [];
  const commit = node.store.commit.bind(node.store);
  node.store.commit = (lease, ttlMs, batch) => {
    const decides = batch.segments.some((row) =>
      decodeSegment(row).rounds.some(({ jobs }) => jobs.some(({ kind }) => kind === 'admission-decided')),
    );
    if (decides) inboxes.push(batch.inboxIn.length);
    return commit(lease, ttlMs, batch);
  };
  resolve({ admitted: true });
  await begun;
  expect(inboxes).toEqual([1]);
  await node.stop();
});

it('tells a signal that its run has closed while the rules took their time', async () => {
  const asked = Promise.withResolvers<void>();
  const { promise, resolve } = Promise.withResolvers<AdmissionDecision>();
  const { node, start, signal, ask } = await playNode(new ModelData(), {
    answer: () => [],
    admission: {
      decide: ({ act }) => {
        if (act !== 'signal') return { admitted: true };
        asked.resolve();
        return promise;
      },
    },
  });
  await start();
  const signalled = signal('s').then(
    () => 'taken',
    (error: { code: string }) => error.code,
  );
  await asked.promise;
  await ask('terminate', 't');
  resolve({ admitted: true });
  expect(await signalled).toBe('WORKFLOW_CLOSED');
  expect(node.room.waitingJobs).toBe(0);
  await node.stop();
});
