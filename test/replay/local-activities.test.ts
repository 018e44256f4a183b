import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundleWorkflowCode, Worker } from '../../src/entry/worker.ts';
import { openSuite, type Suite } from './suite.ts';
import { playsPlan, type Plan } from './workflows.ts';

const workflowsPath = fileURLToPath(new URL('./workflows.ts', import.meta.url));
let suite: Suite;
let ids = 0;

beforeAll(async () => {
  const turns = async (count: number): Promise<number> => {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
    return count;
  };
  suite = await openSuite('memory:local-replay', {
    taskQueue: 'q',
    workflowsPath,
    activities: { turns, others: turns },
  });
});

afterAll(() => suite.close(60));

/** Local activities that take some turns of the loop, activities and timers; one after another, or beside each other. */
const plan = fc.letrec<{ plan: Plan }>((tie) => ({
  plan: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ kind: fc.constant('local' as const), turns: fc.nat(3) }),
    fc.record({ kind: fc.constant('activity' as const), turns: fc.nat(2) }),
    fc.record({ kind: fc.constant('timer' as const), ms: fc.constantFrom(1, 2) }),
    fc.record({
      kind: fc.constantFrom('all' as const, 'chain' as const),
      parts: fc.array(tie('plan'), { minLength: 1, maxLength: 4 }),
    }),
  ),
})).plan;

interface Told {
  events: { markerRecordedEventAttributes?: { details: { data: { payloads: { data: string }[] } } } }[];
}

/** Runs a plan, and gives its history as another engine would: the events alone, as JSON. */
async function eventsOf(played: Plan): Promise<Told> {
  const handle = await suite.client.workflow.start(playsPlan, {
    workflowId: `p-${++ids}`,
    taskQueue: 'q',
    args: [played],
  });
  await handle.result();
  const { events } = await handle.fetchHistory();
  return JSON.parse(JSON.stringify({ events })) as Told;
}

it('replays from the events alone however local activities were asked for: in turn, together, beside other work', async () => {
  const workflowBundle = await bundleWorkflowCode({ workflowsPath });
  await fc.assert(
    fc.asyncProperty(plan, async (played) => {
      const replayed = Worker.runReplayHistory({ workflowBundle }, await eventsOf(played));
      await expect(replayed).resolves.toBeUndefined();
    }),
    { numRuns: 60 },
  );
}, 60_000);

it('notices code that asks for another local activity, or for none, where one ended', async () => {
  const workflowBundle = await bundleWorkflowCode({ workflowsPath });
  const replay = (history: unknown): Promise<void> => Worker.runReplayHistory({ workflowBundle }, history);
  const local: Plan = { kind: 'local', turns: 1 };
  const timer: Plan = { kind: 'timer', ms: 1 };
  const history = await eventsOf({ kind: 'all', parts: [timer, local] });
  await replay(history);

  const renamed = structuredClone(history);
  const { markerRecordedEventAttributes: marker } = renamed.events.find(
    (event) => event.markerRecordedEventAttributes,
  )!;
  const data = marker!.details.data.payloads[0]!;
  const told = Buffer.from(data.data, 'base64').toString();
  data.data = Buffer.from(told.replace('"turns"', '"others"')).toString('base64');
  await expect(replay(renamed)).rejects.toThrow(
    /the end of local activity 1 others where the code has asked for turns/,
  );

  // The code does what it is told to: told otherwise, it is other code.
  const without = structuredClone(history);
  without.events[0] = (await eventsOf({ kind: 'all', parts: [timer] })).events[0]!;
  await expect(replay(without)).rejects.toThrow(
    /the end of local activity 1 turns where the code has not asked for it/,
  );
});
