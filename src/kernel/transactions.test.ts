import { describe, expect, it } from 'vitest';
import { HandClock, quiet } from '../../test/fakes/hand-clock.ts';
import { playNode, schedule } from '../../test/fakes/played-worker.ts';
import type { Job, WireOutcome } from '../common/index.ts';
import { LIMITS, type RunId } from '../core/index.ts';
import { ModelData } from '../store/index.ts';

const TIMEOUT_MS = 500;
type Grant = { grant: string; node: string; epoch: number };

/** A workflow with one activity that has begun a transaction; the node's store is `data`. */
async function begun(maximumAttempts = 1) {
  const clock = new HandClock();
  const data = new ModelData();
  const tokens: string[] = [];
  const outcomes: WireOutcome[] = [];
  const play = {
    clock,
    isRemote: true,
    activitySlots: 2,
    attempt: ({ token }: { token: string }) => tokens.push(token),
    answer: ({ jobs }: { jobs: readonly Job[] }) => {
      const resolved = jobs.find((job) => job.kind === 'activity-resolved');
      if (resolved) outcomes.push(resolved.outcome);
      // Another step keeps the run open, so that what stands under the key can be seen.
      if (resolved) return [{ kind: 'start-timer' as const, seq: 2, delayMs: 3_600_000 }];
      if (!jobs.some(({ kind }) => kind === 'start')) return [];
      const retry = { initialIntervalMs: 10, backoffCoefficient: 1, maximumAttempts };
      return [schedule(1, { startToCloseMs: TIMEOUT_MS, retry })];
    },
  };
  const played = await playNode(data, play);
  const runId = ((await played.start()) as { runId: RunId }).runId;
  await clock.advance(100);
  const begin = (token: string) =>
    played.node.requests.handle('begin-transaction', { activity: { token } }, () => undefined) as Promise<Grant>;
  const asked = begin(tokens[0]!);
  await clock.advance(20);
  const grant = await asked;
  const end = ({ grant: id }: Grant) => played.node.requests.handle('end-transaction', { grant: id }, () => undefined);
  /** What the activity's own transaction would leave when it is committed. */
  const commit = (value: string): void => {
    const body = new TextEncoder().encode(JSON.stringify({ status: 'completed', value }));
    data.txResults.set(runId, new Map([['1', { run: runId, activityId: '1', body }]]));
  };
  const kept = (): WireOutcome[] =>
    [...(data.txResults.get(runId)?.values() ?? [])].map(
      ({ body }) => JSON.parse(new TextDecoder().decode(body)) as WireOutcome,
    );
  return { clock, data, play, played, tokens, outcomes, begin, grant, end, commit, kept };
}

describe('a transactional activity that times out', () => {
  it('is completed where its transaction was committed first', async () => {
    const { clock, outcomes, tokens, grant, end, commit } = await begun();
    await clock.advance(TIMEOUT_MS);
    expect(outcomes).toEqual([]);
    commit('"done"');
    await end(grant);
    await clock.advance(100);
    expect(outcomes).toEqual([{ status: 'completed', value: '"done"' }]);
    expect(tokens).toHaveLength(1);
  });

  it('is failed where it was not, and stands so under its key', async () => {
    const { clock, outcomes, grant, end, kept } = await begun();
    await clock.advance(TIMEOUT_MS);
    await end(grant);
    await clock.advance(100);
    expect(outcomes).toMatchObject([{ status: 'failed', failure: { cause: { kind: 'timeout' } } }]);
    expect(kept()).toEqual(outcomes);
  });

  it('is tried again where its policy says so and nothing was committed', async () => {
    const { clock, outcomes, tokens, grant, end, kept } = await begun(2);
    await clock.advance(TIMEOUT_MS);
    await end(grant);
    await clock.advance(100);
    expect(tokens).toHaveLength(2);
    expect([outcomes, kept()]).toEqual([[], []]);
  });

  it('may not begin its transaction any more', async () => {
    const { clock, tokens, grant, end, begin } = await begun();
    await end(grant);
    await clock.advance(TIMEOUT_MS + 100);
    const late = begin(tokens[0]!).catch((error: unknown) => error);
    await clock.advance(100);
    expect(await late).toMatchObject({ code: 'TOKEN_STALE' });
  });
});

it('a committed transaction is the result on the next node, and is not run again', async () => {
  const { clock, data, play, tokens, outcomes, commit } = await begun(5);
  commit('"done"');
  await playNode(data, play);
  await clock.advance(LIMITS.attemptUnannouncedMs * 2);
  expect(outcomes).toEqual([{ status: 'completed', value: '"done"' }]);
  expect(tokens).toHaveLength(1);
});

describe('the journal', () => {
  it('commits nothing while a transaction has the database, and goes on at its end', async () => {
    const { clock, played, grant, end } = await begun();
    let isTaken = false;
    void played.signal('s').then(() => (isTaken = true));
    await clock.advance(100);
    expect(isTaken).toBe(false);
    await end(grant);
    await clock.advance(100);
    expect(isTaken).toBe(true);
  });

  it('raises its epoch over a transaction that does not say that it has ended, and goes on', async () => {
    const { clock, played, grant } = await begun();
    let isTaken = false;
    void played.signal('s').then(() => (isTaken = true));
    await clock.advance(LIMITS.transactionGrantMs + 100);
    expect(isTaken).toBe(true);
    expect(played.node.journal.lease.epoch).toBeGreaterThan(grant.epoch);
  });

  it('gives each its turn, and keeps its lease however long the line is', async () => {
    const { clock, played, tokens, begin, grant, end } = await begun(100);
    await end(grant);
    const line = Array.from({ length: 30 }, () => begin(tokens.at(-1)!).catch(() => undefined));
    for (const asked of line) {
      void asked.then(async (given) => {
        if (given) played.node.clock.after(LIMITS.transactionMs, () => void end(given));
      });
    }
    await clock.advance(LIMITS.transactionMs * 35);
    await quiet();
    expect(played.node.ended).toBe(false);
    expect(played.node.journal.holds()).toBe(true);
  });
});
