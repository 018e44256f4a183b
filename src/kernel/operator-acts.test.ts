import { beforeEach, describe, expect, it } from 'vitest';
import { HandClock } from '../../test/fakes/hand-clock.ts';
import { playNode, schedule } from '../../test/fakes/played-worker.ts';
import type { Job, WireActivityOptions, WireFailure, WorkflowJob } from '../common/index.ts';
import type { AttemptTask } from '../contract/index.ts';
import { ModelData, ModelStore } from '../store/index.ts';
import type { Admission } from './admission.ts';
import { decodeSegment } from './segments.ts';

const BROKEN: WireFailure = { kind: 'application', message: 'broken' };
const RETRY = { initialIntervalMs: 1_000, maximumAttempts: 3 };
const ONE = { activityId: '1' };

let data: ModelData;
let clock: HandClock;
/** What was handed out to the worker, what it was told to stop, and the jobs that answer the run's activities. */
let attempts: AttemptTask[];
let stops: string[];
let answers: WorkflowJob[];

beforeEach(() => {
  data = new ModelData();
  clock = new HandClock();
  attempts = [];
  stops = [];
  answers = [];
});

/** A node whose workflow "w" schedules so many activities and waits; where asked to, it has one come to an end before. */
async function open(
  options: Partial<WireActivityOptions> = { retry: RETRY },
  more: { count?: number; admission?: Admission; hasFirst?: boolean } = {},
) {
  const store = new ModelStore(data, clock, 4);
  const commit = store.commit.bind(store);
  let gate: Promise<void> | undefined;
  store.commit = async (...args) => {
    await gate;
    return commit(...args);
  };
  const played = await playNode(data, {
    clock,
    store,
    ...(more.admission ? { admission: more.admission } : {}),
    attempt: (task) => attempts.push(task),
    cancel: ({ reason }) => stops.push(reason),
    answer: ({ jobs }) => {
      const resolved = jobs.filter((job) => job.kind === 'activity-resolved');
      answers.push(...resolved);
      const isStart = jobs.some(({ kind }) => kind === 'start');
      if (isStart && more.hasFirst) return [schedule(100, options)];
      if (!isStart && !(more.hasFirst && resolved[0]?.seq === 100)) return [];
      return Array.from({ length: more.count ?? 1 }, (_, index) => schedule(index + 1, options));
    },
  });
  /** Has commits wait until what it returns is called. */
  const holdCommits = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate = promise;
    return resolve;
  };
  const activity = async (seq = 1) => {
    const found = (await played.describe()).activities.find(({ activityId }) => activityId === String(seq));
    return found!;
  };
  return { ...played, activity, holdCommits };
}

const jobsWritten = (kind: Job['kind']): Job[] =>
  [...data.segments.values()]
    .flat()
    .flatMap((row) => decodeSegment(row).rounds.flatMap(({ jobs }) => jobs))
    .filter((job) => job.kind === kind);

const HOUR_MS = 3_600_000;

describe('an activity that is paused', () => {
  it('takes no further attempt after the one that runs, until it is unpaused', async () => {
    const { node, start, ask, fail, activity } = await open();
    await start();
    await clock.advance(1);
    await ask('pause-activity', 'p', { ...ONE, reason: 'lunch' });
    expect(await activity()).toMatchObject({
      state: 'PAUSE_REQUESTED',
      attempt: 1,
      paused: { identity: 'test', reason: 'lunch' },
    });
    fail(attempts[0]!.token, BROKEN);
    await clock.advance(HOUR_MS);
    expect(attempts).toHaveLength(1);
    expect(await activity()).toMatchObject({ state: 'PAUSED', attempt: 2, lastFailure: BROKEN });
    await ask('unpause-activity', 'u', ONE);
    await clock.advance(1);
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect((await activity()).paused).toBeUndefined();
    expect(jobsWritten('activity-paused')).toEqual([
      { kind: 'activity-paused', seq: 1, by: { identity: 'test', reason: 'lunch' }, requestId: 'p' },
    ]);
    expect(jobsWritten('activity-resumed')).toHaveLength(1);
    await node.stop();
  });

  it('waits no longer for its next attempt once it is unpaused', async () => {
    const { node, start, ask, fail } = await open({ retry: { initialIntervalMs: HOUR_MS, maximumAttempts: 3 } });
    await start();
    await clock.advance(1);
    fail(attempts[0]!.token, BROKEN);
    await clock.advance(1);
    await ask('pause-activity', 'p', ONE);
    await clock.advance(2 * HOUR_MS);
    expect(attempts).toHaveLength(1);
    await ask('unpause-activity', 'u', ONE);
    await clock.advance(1);
    expect(attempts).toHaveLength(2);
    await node.stop();
  });

  it('does not begin when a slot comes free, and begins when it is unpaused', async () => {
    const { node, start, ask, complete, activity } = await open({}, { count: 2 });
    await start();
    await clock.advance(100);
    await ask('pause-activity', 'p', { activityId: '2' });
    complete(attempts[0]!.token);
    await clock.advance(1_000);
    expect(attempts).toHaveLength(1);
    expect((await activity(2)).state).toBe('PAUSED');
    await ask('unpause-activity', 'u', { activityId: '2' });
    await clock.advance(1);
    expect(attempts.map(({ activityId }) => activityId)).toEqual(['1', '2']);
    await node.stop();
  });

  it('does not begin when the slot that it was to have comes free, though its start is noted', async () => {
    // The first attempt takes no time, so that the third expects the slot of the second and is noted as started.
    const options = { startToCloseMs: HOUR_MS, retry: RETRY };
    const { node, start, ask, complete } = await open(options, { count: 2, hasFirst: true });
    await start();
    await clock.advance(0);
    complete(attempts[0]!.token);
    await clock.advance(0);
    expect(jobsWritten('activity-started')).toHaveLength(3);
    await ask('pause-activity', 'p', { activityId: '2' });
    complete(attempts[1]!.token);
    await clock.advance(2 * HOUR_MS);
    expect(attempts.map(({ activityId }) => activityId)).toEqual(['100', '1']);
    await ask('unpause-activity', 'u', { activityId: '2' });
    await clock.advance(1);
    expect(attempts.map(({ activityId, attempt }) => `${activityId}@${attempt}`)).toEqual(['100@1', '1@1', '2@1']);
    await node.stop();
  });

  it('still has the attempt that ran, whose result is taken', async () => {
    const { node, start, ask, complete } = await open();
    await start();
    await clock.advance(1);
    await ask('pause-activity', 'p', ONE);
    complete(attempts[0]!.token);
    await clock.advance(1);
    expect(answers).toMatchObject([{ seq: 1, outcome: { status: 'completed' } }]);
    await node.stop();
  });

  it('has its running attempt again after it is unpaused, under the same time-out', async () => {
    const { node, start, ask, activity } = await open({ startToCloseMs: 5_000, retry: RETRY });
    await start();
    await clock.advance(1_000);
    await ask('pause-activity', 'p', ONE);
    await ask('unpause-activity', 'u', ONE);
    expect((await activity()).state).toBe('STARTED');
    await clock.advance(3_900);
    expect(stops).toEqual([]);
    await clock.advance(200);
    expect(stops).toEqual(['TIMED_OUT']);
    await node.stop();
  });

  it('times its running attempt out, and is told so with the next sign of life', async () => {
    const { node, start, ask, heartbeat, activity } = await open({ startToCloseMs: 5_000, retry: RETRY });
    await start();
    await clock.advance(1);
    heartbeat(attempts[0]!.token);
    await clock.advance(1);
    await ask('pause-activity', 'p', ONE);
    expect(stops).toEqual([]);
    heartbeat(attempts[0]!.token);
    await clock.advance(1);
    expect(stops).toEqual(['PAUSED']);
    await clock.advance(6_000);
    expect(stops).toEqual(['PAUSED', 'TIMED_OUT']);
    expect(await activity()).toMatchObject({ state: 'PAUSED', attempt: 2 });
    await node.stop();
  });

  it('is still bound by its schedule-to-close time-out', async () => {
    const { node, start, ask } = await open({ scheduleToCloseMs: 5_000, retry: RETRY });
    await start();
    await clock.advance(1);
    await ask('pause-activity', 'p', ONE);
    await clock.advance(5_000);
    expect(answers).toMatchObject([{ outcome: { failure: { cause: { timeoutType: 'SCHEDULE_TO_CLOSE' } } } }]);
    await node.stop();
  });

  it('stays paused under the node that takes over, which counts the attempt that died', async () => {
    const first = await open();
    await first.start();
    await clock.advance(1);
    await first.ask('pause-activity', 'p', ONE);
    // The process dies here: nothing further of it comes to the tables.
    const { node, ask, activity } = await open();
    await clock.advance(5_000);
    expect(attempts).toHaveLength(1);
    expect(await activity()).toMatchObject({ state: 'PAUSED', attempt: 2, paused: { identity: 'test' } });
    await ask('unpause-activity', 'u', ONE);
    await clock.advance(1);
    expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2]);
    // The request that the other node took in has had its effect.
    await ask('pause-activity', 'p', ONE);
    expect((await activity()).state).toBe('STARTED');
    await node.stop();
  });

  it('has a later attempt that died under the pause counted too', async () => {
    const first = await open();
    await first.start();
    await clock.advance(1);
    first.fail(attempts[0]!.token, BROKEN);
    await clock.advance(2_000);
    expect(attempts).toHaveLength(2);
    await first.ask('pause-activity', 'p', ONE);
    const { node, activity } = await open();
    await clock.advance(5_000);
    expect(await activity()).toMatchObject({ state: 'PAUSED', attempt: 3 });
    await node.stop();
  });
});

describe('an edit of an activity', () => {
  it('brings the next attempt nearer, and is seen in describe', async () => {
    const { node, start, ask, fail, activity } = await open({ retry: { initialIntervalMs: HOUR_MS } });
    await start();
    await clock.advance(1);
    fail(attempts[0]!.token, BROKEN);
    await clock.advance(1);
    const options = { retry: { initialIntervalMs: 50, maximumAttempts: 9 }, startToCloseMs: 700 };
    await ask('update-activity-options', 'e', { ...ONE, options, input: ['"other"'], reason: 'slow' });
    expect(await activity()).toMatchObject({
      state: 'BACKING_OFF',
      maximumAttempts: 9,
      options: { ...options, cancellation: 'TRY_CANCEL' },
      edited: { identity: 'test', reason: 'slow', fields: ['retry', 'startToCloseMs', 'input'] },
    });
    await clock.advance(60);
    expect(attempts[1]).toMatchObject({ attempt: 2, input: ['"other"'], options: { startToCloseMs: 700 } });
    expect(jobsWritten('activity-edited')).toHaveLength(1);
    await node.stop();
  });

  it('ends an activity that waits for an attempt which the new policy does not grant', async () => {
    const { node, start, ask, fail } = await open();
    await start();
    await clock.advance(1);
    fail(attempts[0]!.token, BROKEN);
    await clock.advance(1);
    await ask('update-activity-options', 'e', { ...ONE, options: { retry: { maximumAttempts: 1 } } });
    await clock.advance(1);
    expect(answers).toMatchObject([
      { outcome: { status: 'failed', failure: { retryState: 'MAXIMUM_ATTEMPTS_REACHED', cause: BROKEN } } },
    ]);
    await clock.advance(HOUR_MS);
    expect(attempts).toHaveLength(1);
    await node.stop();
  });

  it('holds for the attempt that runs: its time-out moves', async () => {
    const { node, start, ask } = await open({ startToCloseMs: 1_000, retry: RETRY });
    await start();
    await clock.advance(1);
    await ask('update-activity-options', 'e', { ...ONE, options: { startToCloseMs: 9_000 } });
    await clock.advance(8_000);
    expect(stops).toEqual([]);
    await clock.advance(1_500);
    expect(stops).toEqual(['TIMED_OUT']);
    await node.stop();
  });

  it('is there under the node that takes over', async () => {
    const first = await open();
    await first.start();
    await clock.advance(1);
    await first.ask('update-activity-options', 'e', { ...ONE, options: { retry: { maximumAttempts: 1 } } });
    const { node } = await open();
    await clock.advance(HOUR_MS);
    expect(attempts).toHaveLength(1);
    expect(answers).toMatchObject([{ outcome: { failure: { retryState: 'MAXIMUM_ATTEMPTS_REACHED' } } }]);
    await node.stop();
  });
});

describe('a run that is paused', () => {
  it('begins no attempt, and says who stopped it and why', async () => {
    const { node, start, ask, fail, describe: look } = await open();
    await start();
    await clock.advance(1);
    await ask('pause', 'p', { reason: 'lunch' });
    fail(attempts[0]!.token, BROKEN);
    await clock.advance(HOUR_MS);
    expect(attempts).toHaveLength(1);
    expect(await look()).toMatchObject({ paused: { identity: 'test', reason: 'lunch' } });
    await ask('resume', 'r');
    await clock.advance(1);
    expect(attempts).toHaveLength(2);
    expect(jobsWritten('paused')).toEqual([
      { kind: 'paused', by: { identity: 'test', reason: 'lunch' }, requestId: 'p' },
    ]);
    await node.stop();
  });

  for (const act of ['pause', 'update-activity-options'] as const) {
    it(`begins no attempt that becomes ready while a ${act} is on its way to the disk`, async () => {
      const { node, start, signal, ask, fail, holdCommits } = await open();
      await start();
      await clock.advance(1);
      fail(attempts[0]!.token, BROKEN);
      await clock.advance(900);
      const release = holdCommits();
      const asked = [signal('s')];
      await clock.advance(1);
      asked.push(ask(act, 'p', act === 'pause' ? {} : { ...ONE, options: { retry: { maximumAttempts: 1 } } }));
      // It becomes ready behind the act, which no segment holds yet.
      await clock.advance(500);
      release();
      await Promise.all(asked);
      await clock.advance(500);
      expect(attempts).toHaveLength(1);
      await node.stop();
    });
  }

  for (const act of ['pause-activity', 'update-activity-options'] as const) {
    it(`begins no attempt whose noted start is made durable with a ${act}`, async () => {
      const { node, start, signal, ask, fail, holdCommits } = await open();
      await start();
      await clock.advance(1);
      fail(attempts[0]!.token, BROKEN);
      await clock.advance(900);
      const release = holdCommits();
      const asked = [signal('s')];
      await clock.advance(500);
      const more = act === 'pause-activity' ? {} : { options: { retry: { maximumAttempts: 1 } } };
      asked.push(ask(act, 'p', { ...ONE, ...more }));
      await clock.advance(1);
      release();
      await Promise.all(asked);
      await clock.advance(500);
      expect(jobsWritten('activity-started')).toHaveLength(2);
      expect(attempts).toHaveLength(1);
      await node.stop();
    });
  }

  it('is not paused again by a request that comes twice', async () => {
    const { node, start, ask, describe: look } = await open();
    await start();
    await ask('pause', 'p');
    await ask('resume', 'r');
    await ask('pause', 'p');
    expect((await look()).paused).toBeUndefined();
    expect(jobsWritten('paused')).toHaveLength(1);
    await node.stop();
  });

  it('is paused once by two that ask at once, and both are told when that is durable', async () => {
    const { node, start, ask } = await open();
    await start();
    const told = [ask('pause', 'p1'), ask('pause', 'p2')].map(async (asked) => {
      await asked;
      return jobsWritten('paused').length;
    });
    expect(await Promise.all(told)).toEqual([1, 1]);
    await node.stop();
  });
});

describe('an act that cannot be', () => {
  it('is refused with a code', async () => {
    const { node, start, ask } = await open();
    await start();
    const edit = (more: object): Promise<unknown> => ask('update-activity-options', 'e', { ...ONE, ...more });
    const refusals: [Promise<unknown>, string][] = [
      [ask('pause-activity', 'p', { activityId: 'none' }), 'ACTIVITY_NOT_FOUND'],
      [ask('pause-activity', 'p', {}), 'INVALID_ARGUMENT'],
      [ask('pause', 'p', { reason: 7 }), 'INVALID_ARGUMENT'],
      [edit({}), 'INVALID_ARGUMENT'],
      [edit({ options: { startToCloseMs: 0 } }), 'INVALID_ARGUMENT'],
      [edit({ options: { cancellation: 'ABANDON' } }), 'INVALID_ARGUMENT'],
      [edit({ options: { retry: { maximumAttempts: -1 } } }), 'INVALID_ARGUMENT'],
      [edit({ input: 'text' }), 'PAYLOAD_MALFORMED'],
    ];
    for (const [asked, code] of refusals) await expect(asked).rejects.toMatchObject({ code });
    await ask('terminate', 't');
    await expect(ask('pause', 'late')).rejects.toMatchObject({ code: 'WORKFLOW_CLOSED' });
    await expect(ask('pause-activity', 'late', ONE)).rejects.toMatchObject({ code: 'WORKFLOW_CLOSED' });
    await node.stop();
  });

  it('is a pause of what awaits admission', async () => {
    const admission: Admission = {
      decide: ({ command }) => (command ? new Promise(() => undefined) : { admitted: true }),
    };
    const { node, start, ask, activity } = await open({}, { admission });
    await start();
    await expect(ask('pause-activity', 'p', ONE)).rejects.toMatchObject({ code: 'ACTIVITY_AWAITS_ADMISSION' });
    await ask('update-activity-options', 'e', { ...ONE, options: { startToCloseMs: 5 } });
    expect(await activity()).toMatchObject({ state: 'AWAITING_ADMISSION', options: { startToCloseMs: 5 } });
    await node.stop();
  });

  it('is what a rule denies', async () => {
    const asked: string[] = [];
    const admission: Admission = {
      decide: ({ act }) => {
        asked.push(act);
        return { admitted: act === 'start' || act === 'schedule-activity' };
      },
    };
    const { node, start, ask } = await open({}, { admission });
    await start();
    const acts = [
      ['pause', {}],
      ['resume', {}],
      ['pause-activity', ONE],
      ['unpause-activity', ONE],
      ['update-activity-options', { ...ONE, input: [] }],
    ] as const;
    for (const [act, more] of acts)
      await expect(ask(act, act, more)).rejects.toMatchObject({ code: 'ADMISSION_DENIED' });
    expect(asked.slice(2)).toEqual(acts.map(([act]) => act));
    await node.stop();
  });
});
