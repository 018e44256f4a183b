import type { Activation, Command, WireActivityOptions, WireFailure } from '../../src/common/index.ts';
import type { AttemptTask, FromKernel, RequestName, RunDescription } from '../../src/contract/index.ts';
import { type Clock, silentLog, systemClock, systemRandom } from '../../src/core/index.ts';
import { type Admission, KernelNode } from '../../src/kernel/index.ts';
import { type ModelData, ModelStore, type Store } from '../../src/store/index.ts';

/** How a worker is played. */
export interface Play {
  /** The commands that answer an activation. */
  answer(activation: Activation): readonly Command[];
  /** Told of each attempt that is handed out. */
  attempt?(task: AttemptTask): void;
  /** Told of each attempt that should stop. */
  cancel?(message: Extract<FromKernel, { kind: 'attempt-cancel' }>): void;
  /** Told of each attempt whose end is settled. */
  settled?(token: string): void;
  /** Whether the worker is in a process of its own. */
  isRemote?: boolean;
  /** Tokens that it announces. */
  runningTokens?: string[];
  admission?: Admission;
  activitySlots?: number;
  maxTaskQueueActivitiesPerSecond?: number;
  /** Default the host's. */
  clock?: Clock;
  /** The store to run on, where it is not the plain model. */
  store?: Store;
}

/** A real node on these tables, which takes over from the one before, with a worker in its process that is played. */
export async function playNode(data: ModelData, play: Play) {
  const clock = play.clock ?? systemClock;
  const dead = [...data.nodes.keys()][0];
  const node = await KernelNode.open({
    store: play.store ?? new ModelStore(data, clock, 4),
    clock,
    random: systemRandom(),
    log: silentLog,
    ...(play.admission ? { admission: play.admission } : {}),
    ...(dead === undefined ? {} : { deadNode: dead }),
  });
  const peer = node.connect({
    local: play.isRemote !== true,
    send: (message) => {
      if (message.kind === 'attempt') play.attempt?.(message.task);
      if (message.kind === 'attempt-cancel') play.cancel?.(message);
      if (message.kind === 'attempt-settled') play.settled?.(message.token);
      if (message.kind !== 'activate') return;
      const { activation } = message;
      const commands = [...play.answer(activation)];
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
      activitySlots: play.activitySlots ?? 1,
      workflowSlots: 1,
      ...(play.maxTaskQueueActivitiesPerSecond === undefined
        ? {}
        : { maxTaskQueueActivitiesPerSecond: play.maxTaskQueueActivitiesPerSecond }),
      runningTokens: play.runningTokens ?? [],
    },
  });
  const effect = { identity: 'test' };
  const target = { namespace: 'default', workflowId: 'w' };
  return {
    node,
    /** Starts workflow "w"; resolves when that is durable. */
    start: (requestId = 'start') =>
      node.requests.handle(
        'start',
        { namespace: 'default', start: { workflowId: 'w', type: 't', queue: 'q', input: [] }, requestId, ...effect },
        () => undefined,
      ),
    signal: (requestId: string) =>
      node.requests.handle('signal', { target, name: 's', input: [], requestId, ...effect }, () => undefined),
    ask: (method: RequestName, requestId: string, more: object = {}) =>
      node.requests.handle(method, { target, requestId, ...effect, ...more }, () => undefined),
    describe: async () => (await node.requests.handle('describe', { target }, () => undefined)) as RunDescription,
    result: () => node.requests.handle('result', { target }, () => undefined),
    complete: (token: string) =>
      peer.receive({ kind: 'attempt-done', workerId: 'w', token, outcome: { status: 'completed', value: '1' } }),
    fail: (token: string, failure: WireFailure) =>
      peer.receive({ kind: 'attempt-done', workerId: 'w', token, outcome: { status: 'failed', failure } }),
    heartbeat: (token: string) => peer.receive({ kind: 'heartbeat', workerId: 'w', token }),
  };
}

/** A command that schedules an activity. */
export function schedule(seq: number, options: Partial<WireActivityOptions> = {}): Command {
  return {
    kind: 'schedule-activity',
    seq,
    activityId: String(seq),
    type: 'step',
    input: [],
    options: { startToCloseMs: 60_000, cancellation: 'TRY_CANCEL', retry: { maximumAttempts: 1 }, ...options },
  };
}
