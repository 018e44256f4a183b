import { describe, expect, it } from 'vitest';
import { HandClock, quiet } from '../../test/fakes/hand-clock.ts';
import { playNode, schedule } from '../../test/fakes/played-worker.ts';
import { LIMITS } from '../core/index.ts';
import { type Batch, type CommitAnswer, type Lease, ModelData, ModelStore } from '../store/index.ts';

/** A store whose commits wait while the gate is shut. */
class GatedStore extends ModelStore {
  readonly #waiting: (() => void)[] = [];
  #isShut = false;

  shut(): void {
    this.#isShut = true;
  }

  open(): void {
    this.#isShut = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  override async commit(lease: Lease, ttlMs: number, batch: Batch): Promise<CommitAnswer> {
    if (this.#isShut) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return super.commit(lease, ttlMs, batch);
  }
}

const RETRIED = { retry: { initialIntervalMs: 60_000, backoffCoefficient: 1, maximumAttempts: 5 } };

/** One workflow with one activity, and its worker in another process; the first attempt has been handed out. */
async function began(options: Parameters<typeof schedule>[1] = {}, isRemote = true) {
  const clock = new HandClock();
  const data = new ModelData();
  const store = new GatedStore(data, clock, 4);
  const tokens: string[] = [];
  const settled: string[] = [];
  const play = {
    clock,
    isRemote,
    attempt: ({ token }: { token: string }) => tokens.push(token),
    settled: (token: string) => settled.push(token),
    answer: ({ jobs }: { jobs: readonly { kind: string }[] }) =>
      jobs.some(({ kind }) => kind === 'start')
        ? [schedule(1, options)]
        : jobs.some(({ kind }) => kind === 'activity-resolved')
          ? [{ kind: 'complete' as const }]
          : [],
  };
  const played = await playNode(data, { ...play, store });
  await played.start();
  await clock.advance(100);
  expect(tokens).toHaveLength(1);
  return { clock, data, store, tokens, settled, play, played, token: tokens[0]! };
}

describe('the end of an attempt in another process', () => {
  it('is settled when the result is on the disk, and not before, however often it is told', async () => {
    const { clock, store, settled, played, token } = await began();
    store.shut();
    played.complete(token);
    await clock.advance(50);
    played.complete(token);
    await clock.advance(50);
    expect(settled).toEqual([]);
    store.open();
    await clock.advance(100);
    expect(settled).toEqual([token, token]);
    played.complete(token);
    await quiet();
    expect(settled).toEqual([token, token, token]);
  });

  it('is settled when it failed and that is on the disk', async () => {
    const { clock, store, settled, played, token } = await began(RETRIED);
    const failure = { kind: 'application' as const, type: 'Broken', message: 'broken' };
    store.shut();
    played.fail(token, failure);
    await clock.advance(50);
    played.fail(token, failure);
    await clock.advance(50);
    expect(settled).toEqual([]);
    store.open();
    await clock.advance(100);
    expect(settled).toEqual([token, token]);
  });

  it('is settled when its run has ended meanwhile', async () => {
    const { clock, settled, played, token } = await began();
    await played.ask('terminate', 'end');
    played.complete(token);
    await clock.advance(100);
    expect(settled).toEqual([token]);
  });

  it('counts on the next node where it was lost with the one before', async () => {
    const { clock, data, store, tokens, settled, play, played, token } = await began();
    store.shut();
    played.complete(token);
    await clock.advance(50);
    const next = await playNode(data, { ...play, runningTokens: [token] });
    next.complete(token);
    await clock.advance(LIMITS.attemptUnannouncedMs * 2);
    expect(await next.result()).toMatchObject({ status: 'COMPLETED' });
    expect(tokens).toEqual([token]);
    expect(settled).toEqual([token]);
    await next.node.stop();
  });
});

it('nothing is settled with a worker of the same process', async () => {
  const { clock, settled, played, token } = await began({}, false);
  played.complete(token);
  await clock.advance(100);
  expect(await played.result()).toMatchObject({ status: 'COMPLETED' });
  expect(settled).toEqual([]);
});
