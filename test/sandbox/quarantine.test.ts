import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Activation, ActivationResult } from '../../src/common/index.ts';
import { silentLog, systemClock } from '../../src/core/index.ts';
import { bundleWorkflowCode } from '../../src/worker/sandbox/bundle.ts';
import { Quarantine, quarantineEnvironment } from '../../src/worker/sandbox/quarantine.ts';

let quarantine: Quarantine;
let ended: string[];

beforeEach(async () => {
  const workflowsPath = fileURLToPath(new URL('./fixtures/broken-workflows.js', import.meta.url));
  ended = [];
  quarantine = new Quarantine({
    bundle: await bundleWorkflowCode({ workflowsPath }),
    log: silentLog,
    clock: systemClock,
    maxCachedRuns: 10,
    threads: 1,
    heapMb: 64,
    runLocalActivity: () => Promise.reject(new Error('there are none')),
    cancelLocalActivity: () => undefined,
    localResolved: () => undefined,
  });
});
afterEach(() => quarantine.close());

/** Activates a run that begins; its name is told when it has been answered. */
async function begin(runId: string, type: string, name = runId): Promise<ActivationResult> {
  const activation: Activation = {
    runId,
    workflowId: runId,
    namespace: 'default',
    type,
    token: 1,
    baseSeq: 0,
    time: 1000,
    historyLength: 0,
    historyBytes: 0,
    timeoutMs: 10_000,
    suspect: true,
    jobs: [
      {
        kind: 'start',
        namespace: 'default',
        runId,
        firstRunId: runId,
        workflowId: runId,
        type,
        queue: 'q',
        attempt: 1,
        randomSeed: 's',
        startedAt: 1000,
        input: ['1'],
      },
    ],
  };
  const result = await quarantine.activate(activation);
  ended.push(name);
  return result;
}

const id = (n: number): string => `01900000-0000-7000-8000-00000000000${n}`;

it('what ends the process is told so with V8’s words, and the next run has another process', async () => {
  const [lost, done] = await Promise.all([begin(id(1), 'abortsAtOnce'), begin(id(2), 'innocent')]);
  expect(lost).toMatchObject({ status: 'failed', cause: 'SANDBOX_LOST', failure: { type: 'SandboxLost' } });
  expect(JSON.stringify(lost)).toMatch(/"abortsAtOnce\\" ended the process .*: Fatal JavaScript invalid size error/);
  expect(done).toMatchObject({ status: 'done' });
});

it('runs go one at a time, those that have ended a process last, and only the latest activation of each', async () => {
  await begin(id(1), 'abortsAtOnce', 'first abort');
  const waiting = [
    begin(id(2), 'innocent', 'a'),
    begin(id(1), 'abortsAtOnce', 'second abort'),
    begin(id(3), 'innocent', 'b, superseded'),
    begin(id(3), 'innocent', 'b'),
    begin(id(4), 'innocent', 'c'),
  ];
  const results = await Promise.all(waiting);
  expect(results.map(({ status }) => status)).toEqual(['done', 'failed', 'miss', 'done', 'done']);
  expect(ended).toEqual(['first abort', 'b, superseded', 'a', 'b', 'c', 'second abort']);
});

it('what waits when it is closed is answered as missed', async () => {
  const waiting = [begin(id(1), 'innocent'), begin(id(2), 'innocent')];
  await quarantine.close();
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(['miss', 'miss']);
});

it('passes nothing on of the environment but what Node needs', () => {
  const passed = quarantineEnvironment({
    NODE_COMPILE_CACHE: '/cache',
    NODE_OPTIONS: '--inspect',
    TMPDIR: '/tmp',
    DATABASE_PASSWORD: 'secret',
    PATH: '/bin',
  });
  expect(passed).toEqual({ NODE_COMPILE_CACHE: '/cache', TMPDIR: '/tmp' });
});
