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

const ANSWERS = new Set<string>(['activity-resolved', 'child-start-failed', 'signal-external-resolved']);

/** A command that signals workflow "other". */
const tell = (seq: number): Command => ({
  kind: 'signal-external',
  seq,
  target: { workflowId: 'other' },
  name: `s${seq}`,
  input: [],
});

/** A node whose workflow "w" asks for one thing, which is decided by a rule. */
async function open(data: ModelData, first: Command, decide: Admission['decide']) {
  const begun = Promise.withResolvers<string>();
  const heard = Promise.withResolvers<WorkflowJob>();
  const played = await playNode(data, {
    admission: { decide: (request) => (request.command ? decide(request) : { admitted: true }) },
    attempt: (task) => begun.resolve(`attempt of ${task.activityId}`),
    answer: ({ workflowId, jobs }) => {
      if (workflowId === 'child') begun.resolve('activation of child');
      if (jobs.some(({ kind }) => kind === 'signalled')) begun.resolve(`signal of ${workflowId}`);
      const answer = jobs.find(({ kind }) => ANSWERS.has(kind));
      if (answer) heard.resolve(answer);
      return workflowId === 'w' && jobs.some(({ kind }) => kind === 'start') ? [first] : [];
    },
  });
  return { ...played, startOther: () => startOther(played), begun: begun.promise, heard: heard.promise };
}

const startOther = ({ ask }: Pick<Awaited<ReturnType<typeof playNode>>, 'ask'>): Promise<unknown> =>
  ask('start', 'other', { namespace: 'default', start: { workflowId: 'other', type: 't', queue: 'q', input: [] } });

const kindsOf = (data: ModelData, at: number): string[] => {
  const [rows] = [...data.segments.values()];
  return decodeSegment(rows![at]!).rounds.flatMap(({ jobs }) => jobs.map(({ kind }) => kind));
};

for (const [command, answer] of [
  [schedule(1), 'activity-resolved'],
  [CHILD, 'child-start-failed'],
  [tell(1), 'signal-external-resolved'],
] as const) {
  it(`writes a denial that is given at once into the segment of the ${command.kind} that it denies`, async () => {
    const data = new ModelData();
    const { node, start, heard } = await open(data, command, () => ({ admitted: false, rule: 'none' }));
    await start();
    const denied = await heard;
    expect(denied.kind).toBe(answer);
    expect(JSON.stringify(denied)).toContain('"type":"AdmissionDenied"');
    expect(kindsOf(data, 0)).toEqual(['start', 'admission-awaited', 'admission-decided', answer]);
    await node.stop();
  });
}

for (const [command, effect] of [
  [schedule(1), 'attempt of 1'],
  [CHILD, 'activation of child'],
  [tell(1), 'signal of other'],
] as const) {
  it(`asks again about a ${command.kind} whose promised decision died with its process`, async () => {
    const data = new ModelData();
    const first = await open(data, command, () => new Promise<AdmissionDecision>(() => undefined));
    await first.startOther();
    await first.start();
    first.node.abandon();
    const second = await open(data, command, () => ({ admitted: true }));
    expect(await second.begun).toBe(effect);
    await second.node.stop();
  });
}

for (const [command, does] of [
  [CHILD, 'starts an admitted child'],
  [tell(1), 'sends an admitted signal'],
] as const) {
  it(`${does} in the commit of its decision`, async () => {
    const data = new ModelData();
    const { promise, resolve } = Promise.withResolvers<AdmissionDecision>();
    const { node, start, startOther: other, begun } = await open(data, command, () => promise);
    await other();
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
}

it('sends signals to one workflow in their order, whichever is decided first', async () => {
  const { promise, resolve } = Promise.withResolvers<AdmissionDecision>();
  const heard: string[] = [];
  const all = Promise.withResolvers<void>();
  const played = await playNode(new ModelData(), {
    admission: {
      decide: ({ command }) =>
        command?.kind === 'signal-external' && command.seq === 1 ? promise : { admitted: true },
    },
    answer: ({ workflowId, jobs }) => {
      for (const job of jobs) if (job.kind === 'signalled' && workflowId === 'other') heard.push(job.name);
      if (heard.length === 3) all.resolve();
      if (workflowId === 'other') return [];
      // The third comes with an activation of its own, while the first is still parked.
      if (jobs.some(({ kind }) => kind === 'start')) return [tell(1), tell(2)];
      return jobs.some(({ kind }) => kind === 'signalled') ? [tell(3)] : [];
    },
  });
  await startOther(played);
  await played.start();
  await played.signal('more');
  expect((await played.describe()).waitingFor).toContain('the admission of a signal of workflow "other"');
  expect(heard).toEqual([]);
  resolve({ admitted: true });
  await all.promise;
  expect(heard).toEqual(['s1', 's2', 's3']);
  await played.node.stop();
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
