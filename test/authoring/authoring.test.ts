import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { activityInfo, metricMeter } from '../../src/entry/activity.ts';
import { Client, defaultPayloadConverter, WorkflowFailedError } from '../../src/entry/client.ts';
import type { MetricMeter, MetricTags } from '../../src/entry/common.ts';
import { DefaultLogger, type InjectedSinks, type LogEntry, Runtime, Worker } from '../../src/entry/worker.ts';
import { TestWorkflowEnvironment, workflowInterceptorModules } from '../../src/entry/testing.ts';
import { openSuite, type Suite } from '../replay/suite.ts';
import * as workflows from './workflows.ts';

const pathOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const workflowsPath = pathOf('./workflows.ts');
const interceptors = { workflowModules: [pathOf('./interceptors.ts')] };
const folder = mkdtempSync(join(tmpdir(), 'pleach-authoring-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const logged: LogEntry[] = [];
const measured: { instrument: string; value: number; tags: MetricTags }[] = [];
const instrument =
  (kind: string) =>
  (name: string): never => {
    const measure = (value: number, tags: MetricTags = {}): void =>
      void measured.push({ instrument: `${kind} ${name}`, value, tags });
    return { add: measure, record: measure, set: measure } as never;
  };
const meter: MetricMeter = {
  createCounter: instrument('counter'),
  createHistogram: instrument('histogram'),
  createGauge: instrument('gauge'),
  withTags: () => meter,
};

interface SinkTold {
  fn: string;
  workflowType: string;
  args: unknown[];
  isReplaying: boolean;
  startTime: Date;
}

/** Sinks that note what they were told. */
function notingSinks(told: SinkTold[]): InjectedSinks<workflows.TestSinks> {
  const noting =
    (fn: string) =>
    (info: { workflowType: string; startTime: Date; unsafe: { isReplaying: boolean } }, ...args: unknown[]): void => {
      const { workflowType, startTime, unsafe } = info;
      told.push({ fn, workflowType, args, isReplaying: unsafe.isReplaying, startTime });
    };
  return {
    alerts: {
      raise: { fn: noting('raise') },
      always: { fn: noting('always'), callDuringReplay: true },
      fail: {
        fn: () => {
          throw new Error('the pager is off');
        },
      },
    },
  };
}

beforeAll(async () => {
  await Runtime.instance().shutdown();
  Runtime.install({ logger: new DefaultLogger('INFO', (entry) => void logged.push(entry)), metricMeter: meter });
});
afterAll(() => Runtime.instance().shutdown());

describe.each([['memory:authoring'], [`sqlite:${join(folder, 'authoring.db')}`]])(
  'what authors write with, on %s',
  (address) => {
    let suite: Suite;
    let client: Client;
    const told: SinkTold[] = [];
    let ids = 0;
    const start = <Args extends unknown[]>(...args: Args) => ({
      workflowId: `a-${++ids}`,
      taskQueue: 'authoring',
      args,
    });

    beforeAll(async () => {
      const activities = {
        headers: async () => {
          metricMeter.createCounter('calls').withTags({ a: 1 }).add(1, { b: 2 });
          return Object.fromEntries(
            Object.entries(activityInfo().headers).map(([name, payload]) => [
              name,
              defaultPayloadConverter.fromPayload(payload),
            ]),
          );
        },
      };
      suite = await openSuite(address, {
        taskQueue: 'authoring',
        workflowsPath,
        activities,
        interceptors,
        sinks: notingSinks(told),
      });
      client = suite.client;
    });

    afterAll(async () => {
      const own = { workflowsPath, interceptors, sinks: notingSinks([]) };
      const asserting = { workflowsPath, interceptors: { workflowModules: workflowInterceptorModules } };
      await suite.close(10, ({ taskQueue }) => (taskQueue === 'asserting' ? asserting : own));
    });

    it('sinks are called by the worker with what the run knows of itself; what one throws stays there', async () => {
      const handle = await client.workflow.start(workflows.callsSinks, start());
      await handle.result();
      expect(told.map(({ fn, args }) => [fn, ...args])).toEqual([
        ['raise', 'begun', { at: 1 }],
        ['always', 'begun'],
        ['raise', 'slept'],
      ]);
      expect(told[0]).toMatchObject({ workflowType: 'callsSinks', isReplaying: false });
      expect(told[0]?.startTime).toBeInstanceOf(Date);
      const said = logged.map(({ message }) => message);
      expect(said).toContain('the sink alerts.fail failed');
      expect(said.join()).toMatch(/does not have: nobody\.hears; add it to sinks/);
      expect(said.join()).toMatch(/alerts\.raise was called with arguments that cannot travel as JSON/);
      expect(said.join()).not.toContain('__pleach');
    });

    it('an environment on this engine talks to it, and leaves it be', async () => {
      const env = await TestWorkflowEnvironment.createFromExistingServer({
        address,
        client: { interceptors: { workflow: [suite.histories.interceptor] } },
      });
      expect(await env.client.workflow.execute(workflows.tellsHeaders, start())).toEqual({});
      await env.teardown();
      expect(await client.workflow.execute(workflows.tellsHeaders, start())).toEqual({});
    });

    it('an assertion that fails in a workflow fails it, where the module for it is bundled', async () => {
      const taskQueue = 'asserting';
      const own = { workflowModules: workflowInterceptorModules };
      const asserting = await Worker.create({
        connection: suite.connection,
        taskQueue,
        workflowsPath,
        interceptors: own,
      });
      await asserting.runUntil(async () => {
        const options = { ...start(), taskQueue };
        const failed: unknown = await client.workflow
          .execute(workflows.assertsWrongly, options)
          .catch((e: unknown) => e);
        expect(failed).toBeInstanceOf(WorkflowFailedError);
        expect((failed as WorkflowFailedError).cause).toMatchObject({
          type: 'AssertionError',
          nonRetryable: true,
          message: 'expected 1 to be 2',
        });
      });
    });

    it('a replay calls only the sinks that ask for it', async () => {
      const handle = await client.workflow.start(workflows.callsSinks, start());
      await handle.result();
      const replayed: SinkTold[] = [];
      const history = JSON.parse(JSON.stringify(await handle.fetchHistory())) as unknown;
      await Worker.runReplayHistory({ workflowsPath, interceptors, sinks: notingSinks(replayed) }, history);
      expect(replayed.map(({ fn, args, isReplaying }) => [fn, ...args, isReplaying])).toEqual([
        ['always', 'begun', true],
      ]);
    });

    it('workflows and activities measure to the runtime, with their tags and those of interceptors', async () => {
      measured.length = 0;
      await client.workflow.execute(workflows.measures, start());
      const own = { namespace: 'default', taskQueue: 'authoring', workflowType: 'measures', team: 'red' };
      expect(measured).toEqual([
        { instrument: 'counter orders', value: 2, tags: { ...own, kind: 'book' } },
        { instrument: 'counter orders', value: 1, tags: { ...own, kind: 'pen' } },
        { instrument: 'gauge heat', value: 0.5, tags: { ...own, room: 'a' } },
        { instrument: 'histogram wait', value: 7, tags: own },
      ]);
      expect(logged.findLast(({ message }) => message === 'measured')?.meta).toMatchObject({ team: 'red' });
    });

    it('headers of interceptors reach activities, local ones, children, other runs and the successor', async () => {
      const waiting = await client.workflow.start(workflows.waitsForPoke, start());
      measured.length = 0;
      const result = await client.workflow.execute(workflows.sendsHeaders, start(1, waiting.workflowId));
      expect(result).toEqual({ successor: { from: 'continueAsNew' } });
      expect(await waiting.result()).toEqual({ from: 'signalWorkflow' });
      const line = logged.findLast(({ message }) => message.startsWith('{"activity"'));
      expect(JSON.parse(line?.message ?? '{}')).toEqual({
        activity: { from: 'scheduleActivity' },
        local: { from: 'scheduleLocalActivity' },
        child: { from: 'startChildWorkflowExecution' },
      });
      expect(measured).toEqual(
        Array.from({ length: 2 }, () => ({
          instrument: 'counter calls',
          value: 1,
          tags: { namespace: 'default', taskQueue: 'authoring', activityType: 'headers', a: 1, b: 2 },
        })),
      );
    });

    it('interceptors of the machinery see every batch of jobs and every end of an activation', async () => {
      expect(await client.workflow.execute(workflows.seesInternals, start())).toEqual([
        'activate',
        'conclude',
        'activate',
      ]);
    });

    it("a client's headers reach the run and its queries", async () => {
      const from = { from: defaultPayloadConverter.toPayload('client') };
      const own = new Client({
        connection: client.connection,
        interceptors: {
          workflow: [
            suite.histories.interceptor,
            {
              start: (input, next) => next({ ...input, headers: from }),
              query: (input, next) => next({ ...input, headers: from }),
            },
          ],
        },
      });
      expect(await own.workflow.execute(workflows.tellsHeaders, start())).toEqual({ from: 'client' });
      const handle = await own.workflow.start(workflows.waitsForPoke, start());
      expect(await handle.query(workflows.seen)).toEqual({ from: 'client' });
      await handle.signal(workflows.poke);
      await handle.result();
    });
  },
);
