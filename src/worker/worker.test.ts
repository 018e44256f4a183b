import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeKernel } from '../../test/fakes/fake-kernel.ts';
import { HandClock, quiet } from '../../test/fakes/hand-clock.ts';
import type { AttemptTask } from '../contract/index.ts';
import { LIMITS } from '../core/index.ts';
import { NativeConnection } from './connection.ts';
import { Worker } from './worker.ts';

const task = (token: string): AttemptTask => ({
  token,
  namespace: 'default',
  workflowId: 'w',
  runId: 'r',
  workflowType: 't',
  activityId: '1',
  type: 'step',
  queue: 'q',
  attempt: 1,
  input: [],
  options: { cancellation: 'TRY_CANCEL' },
  scheduledAt: 0,
  currentScheduledAt: 0,
  startedAt: 0,
});

let clock: HandClock;
let kernel: FakeKernel;
let worker: Worker;
let running: Promise<void>;
let workerId: string;

beforeEach(async () => {
  clock = new HandClock();
  kernel = new FakeKernel(clock);
  const connection = await NativeConnection.connect({ address: kernel.address });
  worker = await Worker.create({ connection, taskQueue: 'q', activities: { step: async () => 'done' } });
  running = worker.run();
  await quiet();
  workerId = kernel.heardOf('register')[0]!.worker.workerId;
});

afterEach(async () => {
  if (worker.getState() === 'RUNNING') worker.shutdown();
  await clock.advance(LIMITS.attemptUnannouncedMs);
  await running;
});

const told = (): string[] => kernel.heardOf('attempt-done').map(({ token }) => token);

async function reconnect(): Promise<void> {
  kernel.break();
  await clock.advance(100);
}

async function endOne(isRemote: boolean): Promise<void> {
  kernel.say({ kind: 'registered', workerId, ...(isRemote ? { keepsEnds: true } : {}) });
  kernel.say({ kind: 'attempt', workerId, task: task('t1') });
  await quiet();
  expect(told()).toEqual(['t1']);
}

describe('the end of an attempt', () => {
  it('is announced and told again on the next link until it is settled', async () => {
    await endOne(true);
    await reconnect();
    expect(kernel.heardOf('register').at(-1)!.worker.runningTokens).toEqual(['t1']);
    expect(told()).toEqual(['t1', 't1']);
    kernel.say({ kind: 'registered', workerId, keepsEnds: true });
    kernel.say({ kind: 'attempt-settled', workerId, token: 't1' });
    await reconnect();
    expect(kernel.heardOf('register').at(-1)!.worker.runningTokens).toEqual([]);
    expect(told()).toEqual(['t1', 't1']);
  });

  it('is told once to an engine of the same process', async () => {
    await endOne(false);
    await reconnect();
    expect(kernel.heardOf('register').at(-1)!.worker.runningTokens).toEqual([]);
    expect(told()).toEqual(['t1']);
  });

  it('is waited for by a shutdown until it is settled', async () => {
    await endOne(true);
    worker.shutdown();
    await quiet();
    expect(worker.getState()).toBe('DRAINING');
    kernel.say({ kind: 'attempt-settled', workerId, token: 't1' });
    await running;
    expect(worker.getState()).toBe('STOPPED');
  });

  it('holds a shutdown no longer than the engine would wait for the worker', async () => {
    await endOne(true);
    worker.shutdown();
    await clock.advance(LIMITS.attemptUnannouncedMs);
    await running;
    expect(worker.getState()).toBe('STOPPED');
  });
});
