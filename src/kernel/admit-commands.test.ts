import { expect, it } from 'vitest';
import type { Command, WorkflowJob } from '../common/index.ts';
import { silentLog, systemClock, systemRandom } from '../core/index.ts';
import { ModelData, ModelStore } from '../store/index.ts';
import type { Admission, AdmissionDecision } from './admission.ts';
import { KernelNode } from './node.ts';
import { decodeSegment } from './segments.ts';

const SCHEDULE: Command = {
  kind: 'schedule-activity',
  seq: 1,
  activityId: '1',
  type: 'step',
  input: [],
  options: { startToCloseMs: 60_000, cancellation: 'TRY_CANCEL' },
};
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

/** A node on these tables, with a worker that is played: the first activation of "parent" asks for `first`. */
async function open(data: ModelData, first: Command, decide: Admission['decide']) {
  const { resolve, promise: begun } = Promise.withResolvers<string>();
  const told: WorkflowJob[] = [];
  const { resolve: hear, promise: heard } = Promise.withResolvers<WorkflowJob>();
  const dead = [...data.nodes.keys()][0];
  const node = await KernelNode.open({
    store: new ModelStore(data, systemClock, 4),
    clock: systemClock,
    random: systemRandom(),
    log: silentLog,
    admission: { decide: (request) => (request.command ? decide(request) : { admitted: true }) },
    ...(dead === undefined ? {} : { deadNode: dead }),
  });
  const peer = node.connect({
    local: true,
    send: (message) => {
      if (message.kind === 'attempt') resolve(`attempt of ${message.task.activityId}`);
      if (message.kind !== 'activate') return;
      const { activation } = message;
      if (activation.workflowId === 'child') resolve('activation of child');
      told.push(...activation.jobs);
      const answer = activation.jobs.find(({ kind }) => kind === 'activity-resolved' || kind === 'child-start-failed');
      if (answer) hear(answer);
      const isFirst = activation.workflowId === 'parent' && activation.jobs.some(({ kind }) => kind === 'start');
      const commands = isFirst ? [first] : [];
      queueMicrotask(() =>
        peer.receive({
          kind: 'activated',
          workerId: 'w',
          runId: activation.runId,
          token: activation.token,
          result: { status: 'done', rounds: [{ jobs: activation.jobs, commands }] },
        }),
      );
    },
  });
  peer.receive({
    kind: 'register',
    worker: {
      workerId: 'w',
      identity: 'w',
      namespace: 'default',
      queue: 'q',
      bundleId: 'b',
      anyWorkflowType: true,
      activityTypes: ['step'],
      activitySlots: 1,
      workflowSlots: 1,
      runningTokens: [],
    },
  });
  return { node, begun, heard };
}

function start(node: KernelNode): Promise<unknown> {
  const params = {
    namespace: 'default',
    start: { workflowId: 'parent', type: 'parent', queue: 'q', input: [] },
    requestId: 'r',
    identity: 'test',
  };
  return node.requests.handle('start', params, () => undefined);
}

const kindsOf = (data: ModelData, at: number): string[] => {
  const [rows] = [...data.segments.values()];
  return decodeSegment(rows![at]!).rounds.flatMap(({ jobs }) => jobs.map(({ kind }) => kind));
};

for (const [command, answer] of [
  [SCHEDULE, 'activity-resolved'],
  [CHILD, 'child-start-failed'],
] as const) {
  it(`writes a denial that is given at once into the segment of the ${command.kind} that it denies`, async () => {
    const data = new ModelData();
    const { node, heard } = await open(data, command, () => ({ admitted: false, rule: 'none' }));
    await start(node);
    expect((await heard).kind).toBe(answer);
    expect(kindsOf(data, 0)).toEqual(['start', 'admission-awaited', 'admission-decided', answer]);
    await node.stop();
  });
}

for (const [command, effect] of [
  [SCHEDULE, 'attempt of 1'],
  [CHILD, 'activation of child'],
] as const) {
  it(`asks again about a ${command.kind} whose promised decision died with its process`, async () => {
    const data = new ModelData();
    const first = await open(data, command, () => new Promise<AdmissionDecision>(() => undefined));
    await start(first.node);
    first.node.abandon();
    const second = await open(data, command, () => ({ admitted: true }));
    expect(await second.begun).toBe(effect);
    await second.node.stop();
  });
}

it('starts an admitted child in the commit of its decision', async () => {
  const data = new ModelData();
  const { promise, resolve } = Promise.withResolvers<AdmissionDecision>();
  const { node, begun } = await open(data, CHILD, () => promise);
  await start(node);
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
