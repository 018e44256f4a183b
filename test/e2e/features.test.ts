import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Client,
  WithStartWorkflowOperation,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '../../src/entry/client.ts';
import { bundleWorkflowCode, Worker } from '../../src/entry/worker.ts';
import { openSuite, type Suite } from '../replay/suite.ts';
import { activities, ledger, told } from './activities.ts';
import * as workflows from './workflows.ts';

const workflowsPath = fileURLToPath(new URL('./workflows.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pleach-e2e-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const address of [`memory:e2e`, `sqlite:${join(folder, 'features.db')}`]) {
  describe(`on ${address.split(':')[0]}`, () => {
    let suite: Suite;
    let client: Client;
    let ids = 0;
    const at = <Extra extends object>(extra: Extra = {} as Extra) => ({
      workflowId: `w-${++ids}`,
      taskQueue: 'e2e',
      ...extra,
    });
    const until = async (holds: () => Promise<boolean>): Promise<void> => {
      for (let tries = 0; tries < 500; tries++) {
        if (await holds()) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      throw new Error('it never came to hold');
    };

    beforeAll(async () => {
      suite = await openSuite(address, { taskQueue: 'e2e', workflowsPath, activities });
      client = suite.client;
    });

    afterAll(() => suite.close(ids));

    it('runs a workflow with an activity', async () => {
      expect(await client.workflow.execute(workflows.echo, at({ args: ['hello'] }))).toBe('hello');
    });

    it('runs steps one after another, and many at once', async () => {
      expect(await client.workflow.execute(workflows.steps, at({ args: [5] }))).toBe(15);
      expect(await client.workflow.execute(workflows.fanOut, at({ args: [250] }))).toBe(31_375);
    });

    it('sleeps no shorter than it was told', async () => {
      expect(await client.workflow.execute(workflows.naps, at({ args: [30] }))).toBe('slept');
    });

    it('answers a condition with a time-out by false', async () => {
      expect(await client.workflow.execute(workflows.deadline, at())).toBe(false);
    });

    it('takes signals in order, answers queries, open and closed', async () => {
      const handle = await client.workflow.start(workflows.basket, at());
      for (const item of ['a', 'b', 'c']) await handle.signal(workflows.addItem, item);
      expect(await handle.query(workflows.items)).toEqual(['a', 'b', 'c']);
      await handle.signal(workflows.finish);
      expect(await handle.result()).toEqual(['basket', 'a', 'b', 'c']);
      expect(await handle.query(workflows.items)).toEqual(['a', 'b', 'c']);
      await expect(handle.signal(workflows.addItem, 'late')).rejects.toBeInstanceOf(WorkflowNotFoundError);
    });

    it('accepts an update, and rejects one without a trace', async () => {
      const handle = await client.workflow.start(workflows.basket, at());
      expect(await handle.executeUpdate(workflows.rename, { args: ['trug'], updateId: 'u1' })).toBe('basket');
      expect(await handle.executeUpdate(workflows.rename, { args: ['ignored'], updateId: 'u1' })).toBe('basket');
      const before = (await handle.describe()).historyLength;
      const refused = await handle.executeUpdate(workflows.rename, { args: [''] }).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(WorkflowUpdateFailedError);
      expect((refused as Error).cause).toMatchObject({ message: 'a name is needed' });
      expect((await handle.describe()).historyLength).toBe(before);
      await expect(handle.executeUpdate('unknown')).rejects.toBeInstanceOf(WorkflowUpdateFailedError);
      await handle.signal(workflows.finish);
      expect(await handle.result()).toEqual(['trug']);
    });

    it('starts with a signal, and with an update', async () => {
      const options = at();
      const handle = await client.workflow.signalWithStart(workflows.basket, {
        ...options,
        signal: workflows.addItem,
        signalArgs: ['first'],
      });
      await client.workflow.signalWithStart(workflows.basket, {
        ...options,
        signal: workflows.addItem,
        signalArgs: ['second'],
      });
      const operation = new WithStartWorkflowOperation(workflows.basket, {
        ...options,
        workflowIdConflictPolicy: 'USE_EXISTING',
      });
      expect(
        await client.workflow.executeUpdateWithStart(workflows.rename, {
          args: ['x'],
          startWorkflowOperation: operation,
        }),
      ).toBe('basket');
      await handle.signal(workflows.finish);
      expect(await (await operation.workflowHandle()).result()).toEqual(['x', 'first', 'second']);
    });

    it('refuses a second run of an open id, and uses or ends it when told to', async () => {
      const options = at();
      const first = await client.workflow.start(workflows.basket, options);
      await expect(client.workflow.start(workflows.basket, options)).rejects.toMatchObject({
        name: 'WorkflowExecutionAlreadyStartedError',
      });
      const same = await client.workflow.start(workflows.basket, {
        ...options,
        workflowIdConflictPolicy: 'USE_EXISTING',
      });
      expect(same.firstExecutionRunId).toBe(first.firstExecutionRunId);
      const next = await client.workflow.start(workflows.basket, {
        ...options,
        workflowIdConflictPolicy: 'TERMINATE_EXISTING',
      });
      expect(next.firstExecutionRunId).not.toBe(first.firstExecutionRunId);
      await next.signal(workflows.finish);
      await next.result();
      await expect(
        client.workflow.start(workflows.basket, { ...options, workflowIdReusePolicy: 'REJECT_DUPLICATE' }),
      ).rejects.toMatchObject({
        name: 'WorkflowExecutionAlreadyStartedError',
      });
    });

    it('fails a workflow by a failure, with its chain of causes', async () => {
      const error = await client.workflow
        .execute(workflows.fails, at({ args: ['application'] }))
        .catch((e: unknown) => e);
      expect(error).toBeInstanceOf(WorkflowFailedError);
      expect((error as Error).cause).toMatchObject({
        name: 'ApplicationFailure',
        type: 'Broken',
        details: [{ why: 'test' }],
      });
      const other = await client.workflow.execute(workflows.fails, at({ args: ['activity'] })).catch((e: unknown) => e);
      expect((other as Error).cause).toMatchObject({ name: 'ActivityFailure', cause: { type: 'Luck' } });
    });

    it('blocks a run whose code throws a plain error, and says so', async () => {
      const handle = await client.workflow.start(workflows.fails, at({ args: ['plain'] }));
      await until(async () => (await handle.describe()).blocked !== undefined);
      const { blocked, waitingFor } = await handle.describe();
      expect(blocked).toMatchObject({ cause: 'ERROR_THROWN', failure: { message: 'a plain error' } });
      expect(blocked?.failure.stackTrace).toMatch(/workflows\.ts:\d+/);
      expect(waitingFor[0]).toContain('its code');
      await handle.terminate('seen');
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'TerminatedFailure', message: 'seen' } });
    });

    it('blocks a run that has more open than a run may have, and says how many', async () => {
      const handle = await client.workflow.start(workflows.manyTimers, at({ args: [100_001] }));
      await until(async () => (await handle.describe()).blocked !== undefined);
      const { blocked } = await handle.describe();
      expect(blocked).toMatchObject({ cause: 'COMMAND_REFUSED' });
      expect(blocked?.failure.message).toContain('100001 open timers, and a run may have 100000');
      await handle.terminate();
    });

    it('blocks a run of an unknown type with the nearest names', async () => {
      const handle = await client.workflow.start('ecko', at());
      await until(async () => (await handle.describe()).blocked !== undefined);
      expect((await handle.describe()).blocked?.failure.message).toContain('near to it: echo');
      await handle.terminate();
    });

    it('says that a queue has no worker', async () => {
      const handle = await client.workflow.start(workflows.echo, { ...at({ args: ['x'] }), taskQueue: 'nobody' });
      const described = await handle.describe();
      expect(described.queuesWithoutWorker).toEqual(['nobody']);
      expect(described.waitingFor.join()).toContain('a worker on task queue "nobody"');
      await handle.terminate();
    });

    it('retries activities by policy, by a list of delays, and falls back', async () => {
      expect(await client.workflow.execute(workflows.retries, at())).toBe(3);
      expect(await client.workflow.execute(workflows.delays, at())).toBe(3);
      expect(await client.workflow.execute(workflows.fallsBack, at())).toBe('first');
      expect(await client.workflow.execute(workflows.activityFailure, at())).toBe(
        'alwaysFails MAXIMUM_ATTEMPTS_REACHED Luck no luck',
      );
    });

    it('ends attempts that take too long or fall silent', async () => {
      expect(await client.workflow.execute(workflows.timesOut, at())).toBe('TimeoutFailure START_TO_CLOSE');
      expect(await client.workflow.execute(workflows.heartbeatTimesOut, at())).toBe('HEARTBEAT');
    });

    it('cancels an activity, a run, and a child', async () => {
      expect(await client.workflow.execute(workflows.cancelsActivity, at())).toBe('cancelled');
      expect(await client.workflow.execute(workflows.cancelsChild, at())).toBe('cancelled');
      const handle = await client.workflow.start(workflows.cancelled, at());
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      expect(ledger).toContain('cleanup');
      expect((await handle.describe()).status.name).toBe('CANCELLED');
    });

    it('runs children, passes their failures on, and signals them', async () => {
      expect(await client.workflow.execute(workflows.parent, at({ args: ['via child'] }))).toBe('via child');
      expect(await client.workflow.execute(workflows.parentOfFailing, at())).toBe('ChildWorkflowFailure: broken');
      expect(await client.workflow.execute(workflows.signalsChild, at())).toEqual(['basket', 'from parent']);
    });

    it('ends or leaves children when their parent closes, as their policy says', async () => {
      await client.workflow.execute(workflows.abandons, at({ args: [`left-${ids}`] }));
      expect((await client.workflow.getHandle(`left-${ids - 1}`).describe()).status.name).toBe('RUNNING');
      const id = `ended-${ids}`;
      await client.workflow.execute(workflows.terminatesChild, at({ args: [id] }));
      await until(async () => (await client.workflow.getHandle(id).describe()).status.name === 'TERMINATED');
    });

    it('signals other workflows, and says when there is none', async () => {
      const other = await client.workflow.start(workflows.basket, at());
      expect(await client.workflow.execute(workflows.signalsOther, at({ args: [other.workflowId, 'hi'] }))).toBe(
        'sent',
      );
      expect(await other.query(workflows.items)).toEqual(['hi']);
      await other.signal(workflows.finish);
      expect(await client.workflow.execute(workflows.signalsOther, at({ args: ['no-such-workflow', 'hi'] }))).toBe(
        'ExternalWorkflowExecutionNotFound',
      );
    });

    it('continues as new, and a result follows the chain', async () => {
      expect(await client.workflow.execute(workflows.counts, at({ args: [4] }))).toBe(4);
    });

    it('runs local activities inside the workflow task', async () => {
      expect(await client.workflow.execute(workflows.local, at())).toBe('ab2d');
    });

    it('keeps memo and search attributes', async () => {
      const handle = await client.workflow.start(workflows.attributes, at({ memo: { from: 'client' } }));
      expect(await handle.result()).toEqual({
        memo: { from: 'client', note: 'kept' },
        searchAttributes: { Colour: ['red'] },
        workflowType: 'attributes',
      });
      expect(await handle.describe()).toMatchObject({
        memo: { from: 'client', note: 'kept' },
        searchAttributes: { Colour: ['red'] },
      });
    });

    it('takes the new path of a patch in a new run', async () => {
      expect(await client.workflow.execute(workflows.patchedOnce, at())).toBe('new');
    });

    it('undoes a saga in reverse', async () => {
      ledger.length = 0;
      await expect(client.workflow.execute(workflows.booking, at({ args: ['mail'] }))).rejects.toBeInstanceOf(
        WorkflowFailedError,
      );
      expect(ledger).toEqual(['do seat', 'do money', 'do mail', 'undo mail', 'undo money', 'undo seat']);
    });

    it('waits for a person when an undo fails, and goes on as told', async () => {
      told.fail = true;
      const handle = await client.workflow.start(workflows.stuckSaga, at());
      await until(async () => (await handle.describe()).currentDetails?.includes('undo-failed') ?? false);
      expect(await handle.query('__pleach_sagas')).toEqual([
        { saga: 0, step: 'one', state: 'undo-failed', failure: 'the undo fails' },
      ]);
      told.fail = false;
      await handle.executeUpdate('__pleach_saga', { args: [{ step: 'one', action: 'retry' }] });
      await expect(handle.result()).rejects.toMatchObject({ cause: { message: 'the body failed' } });
      expect(ledger).toContain('undone at last');
    });

    it('replays every history that this suite has made to the same commands', async () => {
      const workflowBundle = await bundleWorkflowCode({ workflowsPath });
      // Children, successors and earlier runs of an id come on top.
      const replayed = await suite.histories.expectSame(client, () => ({ workflowBundle }), ids);
      expect(replayed).toBeGreaterThan(ids);
    });

    it('replays what is left of them in the field, the events alone, as JSON', async () => {
      const workflowBundle = await bundleWorkflowCode({ workflowsPath });
      const failed: string[] = [];
      for (let n = 1; n <= ids; n++) {
        const { events } = await client.workflow.getHandle(`w-${n}`).fetchHistory();
        const told = JSON.parse(JSON.stringify({ events })) as unknown;
        await Worker.runReplayHistory({ workflowBundle }, told).catch((error: Error) =>
          failed.push(`w-${n}: ${error.message}`),
        );
      }
      expect(failed).toEqual([]);
    });
  });
}
