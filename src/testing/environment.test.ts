import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { Histories } from '../../test/replay/histories.ts';
import { heartbeat, sleep } from '../activity/index.ts';
import { Worker } from '../worker/index.ts';
import { MockActivityEnvironment, TestWorkflowEnvironment } from './index.ts';

const workflowsPath = fileURLToPath(new URL('../../test/e2e/workflows.ts', import.meta.url));

it('lets a workflow sleep for a month in no time', async () => {
  const histories = new Histories();
  const env = await TestWorkflowEnvironment.createTimeSkipping({
    client: { interceptors: { workflow: [histories.interceptor] } },
  });
  const worker = await Worker.create({ connection: env.nativeConnection, taskQueue: 'test', workflowsPath });
  const month = 30 * 86_400_000;
  const before = await env.currentTimeMs();
  const result: unknown = await worker.runUntil(
    env.client.workflow.execute('naps', { workflowId: 'nap', taskQueue: 'test', args: [month] }),
  );
  expect(result).toBe('slept');
  expect((await env.currentTimeMs()) - before).toBeGreaterThanOrEqual(month);
  await histories.expectSame(env.client, () => ({ workflowsPath }), 1);
  await env.teardown();
});

it('skips while the test sleeps, and not before', async () => {
  const histories = new Histories();
  const env = await TestWorkflowEnvironment.createTimeSkipping({
    client: { interceptors: { workflow: [histories.interceptor] } },
  });
  const worker = await Worker.create({ connection: env.nativeConnection, taskQueue: 'test', workflowsPath });
  await worker.runUntil(async () => {
    const handle = await env.client.workflow.start('naps', { workflowId: 'nap', taskQueue: 'test', args: [3_600_000] });
    expect((await handle.describe()).status.name).toBe('RUNNING');
    await env.sleep('30m');
    expect((await handle.describe()).status.name).toBe('RUNNING');
    await env.sleep('31m');
    expect((await handle.describe()).status.name).toBe('COMPLETED');
  });
  await histories.expectSame(env.client, () => ({ workflowsPath }), 1);
  await env.teardown();
});

it('runs an activity by itself, with its heartbeats and its cancellation', async () => {
  const env = new MockActivityEnvironment({ attempt: 2 });
  const beats: unknown[] = [];
  env.on('heartbeat', (details) => beats.push(details));
  const running = env.run(async (text: string) => {
    heartbeat(text);
    await sleep('1h');
  }, 'here');
  env.cancel();
  await expect(running).rejects.toMatchObject({ name: 'CancelledFailure' });
  expect(beats).toEqual(['here']);
});
