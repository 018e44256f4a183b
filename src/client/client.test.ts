import { beforeEach, describe, expect, expectTypeOf, it } from 'vitest';
import { FakeKernel, refusal } from '../../test/fakes/fake-kernel.ts';
import { HandClock, quiet } from '../../test/fakes/hand-clock.ts';
import {
  ApplicationFailure,
  decode,
  encode,
  type PayloadCodec,
  type SignalDefinition,
  type UpdateDefinition,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '../common/index.ts';
import type { RunDescription, RunResult } from '../contract/index.ts';
import {
  Client,
  type ClientOptions,
  Connection,
  isGrpcCancelledError,
  isGrpcDeadlineError,
  isGrpcServiceError,
  QueryNotRegisteredError,
  QueryRejectedError,
  ServiceError,
  status,
  WithStartWorkflowOperation,
  type WorkflowClientInterceptor,
  WorkflowContinuedAsNewError,
  WorkflowFailedError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from './index.ts';

async function greet(name: string, _times: number): Promise<string> {
  return name;
}
const options = { workflowId: 'w', taskQueue: 'q', args: ['Ada', 2] as [string, number] };
const params = (kernel: FakeKernel, index = -1): Record<string, unknown> =>
  kernel.requests.at(index)!.params as unknown as Record<string, unknown>;
const runsAsked = (kernel: FakeKernel): (string | undefined)[] =>
  kernel.requests.map((_, index) => (params(kernel, index)['target'] as { runId?: string } | undefined)?.runId);

let clock: HandClock;
let kernel: FakeKernel;
let client: Client;
const connect = async (more: Partial<ClientOptions> = {}): Promise<Client> =>
  new Client({ connection: await Connection.connect({ address: kernel.address }), identity: 'me', ...more });

beforeEach(async () => {
  clock = new HandClock();
  kernel = new FakeKernel(clock);
  kernel.on('start', () => ({ runId: 'first', started: true }));
  client = await connect();
});

describe('a start', () => {
  it('carries everything that was given, once, under one request id', async () => {
    const handle = await client.workflow.start(greet, {
      ...options,
      retry: { maximumAttempts: 3 },
      workflowExecutionTimeout: '1h',
      workflowRunTimeout: '30m',
      workflowTaskTimeout: 5000,
      startDelay: '2s',
      memo: { note: [1] },
      searchAttributes: { Colour: ['red'] },
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowIdConflictPolicy: 'USE_EXISTING',
      priority: { priorityKey: 2 },
      staticSummary: 'sum',
      staticDetails: 'det',
    });
    expect(params(kernel)).toEqual({
      namespace: 'default',
      identity: 'me',
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      start: {
        workflowId: 'w',
        type: 'greet',
        queue: 'q',
        input: ['"Ada"', '2'],
        retry: { maximumAttempts: 3 },
        executionTimeoutMs: 3_600_000,
        runTimeoutMs: 1_800_000,
        taskTimeoutMs: 5000,
        startDelayMs: 2000,
        memo: { note: '[1]' },
        searchAttributes: { Colour: '["red"]' },
        idReuse: 'REJECT_DUPLICATE',
        idConflict: 'USE_EXISTING',
        priority: 2,
        staticSummary: 'sum',
        staticDetails: 'det',
      },
    });
    expect(handle).toMatchObject({ workflowId: 'w', firstExecutionRunId: 'first', eagerlyStarted: false });
  });

  it.each<[string, unknown, RegExp]>([
    ['no options', undefined, /a start needs options/],
    ['no workflow id', { taskQueue: 'q' }, /workflowId is text of 1 to 1000 characters; it is missing/],
    ['a workflow id that is too long', { workflowId: 'x'.repeat(1001), taskQueue: 'q' }, /it is 1001 characters long/],
    ['no task queue', { workflowId: 'w' }, /taskQueue is text .* it is missing/],
    ['one argument for a list', { workflowId: 'w', taskQueue: 'q', args: 'Ada' }, /args is a list; it is "Ada"/],
    ['an impossible duration', { workflowId: 'w', taskQueue: 'q', startDelay: 'soon' }, /"10s".*this is "soon"/],
    [
      'an impossible retry policy',
      { workflowId: 'w', taskQueue: 'q', retry: { maximumAttempts: 0 } },
      /retry\.maximumAttempts/,
    ],
    [
      'an unknown policy',
      { workflowId: 'w', taskQueue: 'q', workflowIdReusePolicy: 'NEVER' },
      /one of ALLOW_DUPLICATE, /,
    ],
    [
      'a cron schedule',
      { workflowId: 'w', taskQueue: 'q', cronSchedule: '* * * * *' },
      /cronSchedule is not carried out/,
    ],
  ])('is refused before it is asked: %s', async (_, given, message) => {
    const refused = await client.workflow.start('greet', given as never).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) as string });
    expect(kernel.requests).toHaveLength(0);
  });

  it('is refused for a function without a name, and for what names nothing', async () => {
    await expect(
      client.workflow.start(
        (
          () => async () =>
            1
        )(),
        { workflowId: 'w', taskQueue: 'q' },
      ),
    ).rejects.toThrow(/anonymous/);
    await expect(client.workflow.start(7 as unknown as string, options)).rejects.toThrow(/named by its type/);
  });

  it('of an id that is taken says so, with the type', async () => {
    kernel.on('start', () => {
      throw refusal('WORKFLOW_ALREADY_STARTED');
    });
    const error: unknown = await client.workflow.start(greet, options).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(WorkflowExecutionAlreadyStartedError);
    expect(error).toMatchObject({ workflowId: 'w', workflowType: 'greet' });
  });
});

describe('a result', () => {
  const ended: RunResult[] = [];
  beforeEach(() => {
    ended.length = 0;
    kernel.on('result', () => ended.shift()!);
  });

  it('follows the chain of runs from the one that was started', async () => {
    ended.push(
      { runId: 'first', status: 'CONTINUED_AS_NEW', nextRunId: 'second' },
      { runId: 'second', status: 'COMPLETED', value: '"Ada"' },
    );
    const result = await client.workflow.execute(greet, options);
    expectTypeOf(result).toBeString();
    expect(result).toBe('Ada');
    expect(runsAsked(kernel).slice(1)).toEqual(['first', 'second']);
  });

  it('is that the run went on, for one who does not follow', async () => {
    ended.push({ runId: 'first', status: 'CONTINUED_AS_NEW', nextRunId: 'second' });
    const error: unknown = await client.workflow
      .getHandle('w', 'first', { followRuns: false })
      .result()
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(WorkflowContinuedAsNewError);
    expect(error).toMatchObject({ newExecutionRunId: 'second' });
  });

  it.each<[RunResult['status'], string | undefined, string]>([
    ['FAILED', 'ApplicationFailure', 'RETRY_POLICY_NOT_SET'],
    ['CANCELLED', 'CancelledFailure', 'NON_RETRYABLE_FAILURE'],
    ['TERMINATED', 'TerminatedFailure', 'NON_RETRYABLE_FAILURE'],
    ['TIMED_OUT', 'TimeoutFailure', 'TIMEOUT'],
  ])('of a run that ended as %s fails with its cause', async (closedAs, name, retryState) => {
    const kinds = { FAILED: 'application', CANCELLED: 'cancelled', TERMINATED: 'terminated' } as const;
    const kind = kinds[closedAs as keyof typeof kinds];
    ended.push({ runId: 'r', status: closedAs, ...(kind ? { failure: { kind, message: 'why' } } : {}) });
    const error: unknown = await client.workflow.result('w').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(WorkflowFailedError);
    expect(error).toMatchObject({ retryState, cause: { name } });
  });

  it('of a handle by name is that of the open or latest run', async () => {
    ended.push({ runId: 'r', status: 'COMPLETED' });
    expect(await client.workflow.getHandle('w', undefined, { firstExecutionRunId: 'first' }).result()).toBeUndefined();
    expect(params(kernel)).toEqual({ target: { namespace: 'default', workflowId: 'w' } });
  });
});

describe('a handle', () => {
  const rename: UpdateDefinition<string, [string]> = { type: 'update', name: 'rename' };
  const add: SignalDefinition<[number]> = { type: 'signal', name: 'add' };

  it('signals, cancels, terminates, pauses and resumes its run', async () => {
    for (const method of ['signal', 'cancel', 'terminate', 'pause', 'resume'] as const)
      kernel.on(method, () => ({ runId: 'r' }));
    const handle = client.workflow.getHandle('w', 'r', { firstExecutionRunId: 'first' });
    await handle.signal(add, 5);
    expect(params(kernel)).toMatchObject({ name: 'add', input: ['5'], target: { workflowId: 'w', runId: 'r' } });
    await handle.cancel();
    expect(params(kernel)).toMatchObject({ target: { runId: 'r', firstRunId: 'first' } });
    await handle.terminate('enough');
    expect(params(kernel)).toMatchObject({ reason: 'enough', identity: 'me' });
    await handle.pause('lunch');
    await handle.resume();
    expect(kernel.requests.map(({ method }) => method)).toEqual(['signal', 'cancel', 'terminate', 'pause', 'resume']);
  });

  it('asks queries, and tells why there is no answer', async () => {
    const handle = client.workflow.getHandle('w');
    kernel.on('query', () => ({ id: '1', value: '[1]' }));
    expect(await handle.query('items', 'x')).toEqual([1]);
    expect(params(kernel)).toMatchObject({ name: 'items', input: ['"x"'] });
    kernel.on('query', () => ({ rejected: 'TERMINATED' }));
    await expect(handle.query('items')).rejects.toBeInstanceOf(QueryRejectedError);
    kernel.on('query', () => ({
      id: '1',
      failure: { kind: 'application', message: 'no such query' },
      notRegistered: true,
    }));
    const error: unknown = await handle.query('items').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(QueryNotRegisteredError);
    expect(error).toMatchObject({ message: 'no such query', code: status.INVALID_ARGUMENT });
  });

  it('rejects queries of closed runs where it was told to', async () => {
    const strict = await connect({ workflow: { queryRejectCondition: 'NOT_OPEN' } });
    kernel.on('query', () => ({ id: '1' }));
    await strict.workflow.getHandle('w').query('items');
    expect(params(kernel)).toMatchObject({ rejectWhen: 'NOT_OPEN' });
  });

  it('updates: accepted first, the result by asking again until it is there', async () => {
    kernel.on('update', () => ({ stage: 'ACCEPTED', runId: 'r' }));
    const handle = await client.workflow
      .getHandle('w')
      .startUpdate(rename, { args: ['x'], waitForStage: 'ACCEPTED', updateId: 'u' });
    expect(handle).toMatchObject({ updateId: 'u', workflowId: 'w', workflowRunId: 'r' });
    const stages = ['ACCEPTED', 'COMPLETED'] as const;
    let asked = 0;
    kernel.on('poll-update', () =>
      asked++ === 0
        ? { stage: stages[0], runId: 'r' }
        : { stage: stages[1], runId: 'r', outcome: { status: 'completed', value: '"old"' } },
    );
    expect(await handle.result()).toBe('old');
    expect(asked).toBe(2);
    expect(params(kernel)).toMatchObject({ updateId: 'u', waitFor: 'COMPLETED', target: { runId: 'r' } });
  });

  it('updates that fail say why', async () => {
    kernel.on('update', () => ({
      stage: 'COMPLETED',
      runId: 'r',
      outcome: { status: 'failed', failure: { kind: 'application', message: 'too short', type: 'Refused' } },
    }));
    const error: unknown = await client.workflow
      .getHandle('w')
      .executeUpdate(rename, { args: [''] })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(WorkflowUpdateFailedError);
    expect((error as Error).cause).toBeInstanceOf(ApplicationFailure);
    expect((error as Error).cause).toMatchObject({ message: 'too short', type: 'Refused' });
  });

  it('refuses a definition of another sort, a stage that is none, and arguments that are no list', async () => {
    const handle = client.workflow.getHandle('w');
    await expect(handle.signal(rename as never)).rejects.toThrow(
      'a signal is meant, and this is the definition of another sort: update',
    );
    await expect(handle.startUpdate(rename, { args: ['x'], waitForStage: 'ADMITTED' as never })).rejects.toThrow(
      /'ACCEPTED'; it is "ADMITTED"/,
    );
    await expect(handle.executeUpdate(rename, { args: 'x' as never })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(handle.query('')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(() => client.workflow.getHandle('')).toThrow(/workflowId/);
    expect(kernel.requests).toHaveLength(0);
  });

  it('describes a run with dates, decoded memo and both sorts of attributes', async () => {
    const description: RunDescription = {
      namespace: 'default',
      workflowId: 'w',
      runId: 'r',
      firstRunId: 'r',
      type: 'greet',
      queue: 'q',
      status: 'COMPLETED',
      startedAt: 1000,
      closedAt: 2000,
      historyLength: 7,
      historyBytes: 300,
      memo: { a: '1' },
      searchAttributes: { Colour: '["red"]' },
      parent: { workflowId: 'p', runId: 'pr' },
      staticSummary: 'sum',
      activities: [],
      timers: [],
      children: [],
      externals: [],
      updates: [],
      waitingFor: [],
      queuesWithoutWorker: [],
    };
    kernel.on('describe', () => description);
    const described = await client.workflow.getHandle('w').describe();
    expect(described).toMatchObject({
      taskQueue: 'q',
      status: { code: 2, name: 'COMPLETED' },
      startTime: new Date(1000),
      closeTime: new Date(2000),
      memo: { a: 1 },
      searchAttributes: { Colour: ['red'] },
      parentExecution: { workflowId: 'p', runId: 'pr' },
      historySize: 300,
      waitingFor: [],
      raw: description,
    });
    expect(await described.staticSummary()).toBe('sum');
    expect(await described.staticDetails()).toBeUndefined();
  });

  it('fetches all pages of the history of one run', async () => {
    kernel.on('history', ({ fromSeq }) => ({
      runId: 'r',
      closed: true,
      segments: [
        {
          seq: fromSeq,
          time: 5,
          firstEventId: fromSeq,
          eventCount: 1,
          rounds: [{ jobs: [{ kind: 'signalled', name: `s${fromSeq}`, input: [] }] }],
        },
      ],
      ...(fromSeq < 3 ? { next: fromSeq + 1 } : {}),
    }));
    const history = await client.workflow.getHandle('w').fetchHistory();
    expect(history).toMatchObject({ workflowId: 'w', runId: 'r' });
    expect(history.events.map(({ eventId, eventType }) => [eventId, eventType])).toEqual([
      ['1', 'EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED'],
      ['2', 'EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED'],
      ['3', 'EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED'],
    ]);
    expect(runsAsked(kernel)).toEqual([undefined, 'r', 'r']);
    expect(JSON.parse(JSON.stringify(history))).toEqual(history);
  });
});

describe('with a start', () => {
  it('a signal reaches the run, new or not', async () => {
    kernel.on('signal-with-start', () => ({ runId: 'r', started: false }));
    const handle = await client.workflow.signalWithStart(greet, {
      ...options,
      signal: 'add',
      signalArgs: [1] as [number],
    });
    expect(params(kernel)).toMatchObject({
      name: 'add',
      input: ['1'],
      start: { workflowId: 'w', input: ['"Ada"', '2'] },
    });
    expect(handle.signaledRunId).toBe('r');
    expect(JSON.stringify(params(kernel))).not.toContain('signalArgs');
  });

  it('an update gives its result, and the operation the handle', async () => {
    kernel.on('update-with-start', () => ({
      started: true,
      stage: 'COMPLETED',
      runId: 'r',
      outcome: { status: 'completed', value: '7' },
    }));
    const operation = new WithStartWorkflowOperation(greet, { ...options, workflowIdConflictPolicy: 'USE_EXISTING' });
    expect(await client.workflow.executeUpdateWithStart('count', { startWorkflowOperation: operation })).toBe(7);
    expect(await operation.workflowHandle()).toMatchObject({ workflowId: 'w' });
    await expect(
      client.workflow.executeUpdateWithStart('count', { startWorkflowOperation: operation }),
    ).rejects.toThrow(/good for one/);
  });

  it('an update whose start is refused fails both', async () => {
    kernel.on('update-with-start', () => {
      throw refusal('WORKFLOW_ALREADY_STARTED');
    });
    const operation = new WithStartWorkflowOperation(greet, { ...options, workflowIdConflictPolicy: 'FAIL' });
    const update = client.workflow.startUpdateWithStart('count', {
      startWorkflowOperation: operation,
      waitForStage: 'ACCEPTED',
    });
    await expect(update).rejects.toBeInstanceOf(WorkflowExecutionAlreadyStartedError);
    await expect(operation.workflowHandle()).rejects.toBeInstanceOf(WorkflowExecutionAlreadyStartedError);
  });

  it('an update needs to know what becomes of an open run', async () => {
    const operation = new WithStartWorkflowOperation(greet, options as never);
    await expect(
      client.workflow.executeUpdateWithStart('count', { startWorkflowOperation: operation }),
    ).rejects.toThrow(/workflowIdConflictPolicy/);
    await expect(client.workflow.executeUpdateWithStart('count', {} as never)).rejects.toThrow(
      /startWorkflowOperation is new WithStart.*it is missing/,
    );
  });
});

describe('errors', () => {
  it('of a workflow that is not there, and of one that has closed', async () => {
    const handle = client.workflow.getHandle('w', 'r');
    kernel.on('signal', () => {
      throw refusal('WORKFLOW_CLOSED', { status: 'COMPLETED' });
    });
    const error: unknown = await handle.signal('s').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(WorkflowNotFoundError);
    expect(error).toMatchObject({ workflowId: 'w', runId: 'r', status: 'COMPLETED' });
  });

  it('of the engine carry a cause of the shape of gRPC’s', async () => {
    kernel.on('describe', () => {
      throw refusal('ADMISSION_DENIED', { rule: 'x' });
    });
    const error: unknown = await client.workflow
      .getHandle('w')
      .describe()
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ServiceError);
    const { cause } = error as ServiceError;
    expect(isGrpcServiceError(cause)).toBe(true);
    expect(cause).toMatchObject({
      code: status.PERMISSION_DENIED,
      pleachCode: 'ADMISSION_DENIED',
      values: { rule: 'x' },
    });
    expect(isGrpcServiceError(new Error('x'))).toBe(false);
    expect(isGrpcServiceError(undefined)).toBe(false);
  });

  it('an ordinary call that nobody answers ends after ten seconds', async () => {
    const described = client.workflow
      .getHandle('w')
      .describe()
      .catch((e: unknown) => e);
    await clock.advance(10_000);
    const error: unknown = await described;
    expect(error).toBeInstanceOf(ServiceError);
    expect(isGrpcDeadlineError(error)).toBe(true);
  });
});

describe('limits', () => {
  it('follow the calls that are made inside them, and no others made meanwhile', async () => {
    const handle = client.workflow.getHandle('w');
    const abort = new AbortController();
    const inside = client.withAbortSignal(abort.signal, () => handle.result()).catch((e: unknown) => e);
    let isOutsideDone = false;
    void handle
      .result()
      .finally(() => (isOutsideDone = true))
      .catch(() => undefined);
    await quiet();
    abort.abort();
    expect(isGrpcCancelledError(await inside)).toBe(true);
    await quiet();
    expect(isOutsideDone).toBe(false);
    expect(kernel.heardOf('abandon')).toHaveLength(1);
  });

  it('an update whose wait is over may still take place: its own error says so', async () => {
    const update = client.withAbortSignal(AbortSignal.abort(), () => client.workflow.getHandle('w').executeUpdate('u'));
    const error: unknown = await update.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(WorkflowUpdateRPCTimeoutOrCancelledError);
    expect(isGrpcCancelledError(error)).toBe(true);
  });

  it('a deadline bounds long waits too', async () => {
    const result = client.withDeadline(Date.now() - 1, () => client.workflow.result('w')).catch((e: unknown) => e);
    await clock.advance(1);
    expect(isGrpcDeadlineError(await result)).toBe(true);
  });
});

describe('interceptors', () => {
  it('stand in front of every act, and may add headers', async () => {
    kernel.on('signal', () => ({ runId: 'r' })).on('query', () => ({ id: '1', value: '1' }));
    const payload = { metadata: { encoding: encode('json/plain') }, data: encode('"t"') };
    const seen: string[] = [];
    const tracing: WorkflowClientInterceptor = {
      start: (input, next) => {
        seen.push(`start ${input.workflowType} ${input.options.workflowId}`);
        return next({ ...input, headers: { trace: payload } });
      },
      signal: (input, next) => {
        seen.push(`signal ${input.signalName}`);
        return next({ ...input, headers: { trace: payload } });
      },
      query: async (input, next) => `${String(await next(input))} and more`,
    };
    client = await connect({ interceptors: { workflow: [tracing] } });
    const handle = await client.workflow.start(greet, options);
    expect(params(kernel)).toMatchObject({ start: { headers: { trace: '"t"' } } });
    await handle.signal('add');
    expect(params(kernel)).toMatchObject({ headers: { trace: '"t"' } });
    expect(await handle.query('q')).toBe('1 and more');
    expect(seen).toEqual(['start greet w', 'signal add']);
  });

  it('of the older form are made for each handle', async () => {
    const made: string[] = [];
    client = await connect({
      interceptors: {
        workflow: { calls: [({ workflowId }) => ({ start: (input, next) => (made.push(workflowId), next(input)) })] },
      },
    });
    await client.workflow.start(greet, options);
    expect(made).toEqual(['w']);
  });
});

describe('codecs', () => {
  const reversed = (text: string): string => Array.from(text).reverse().join('');
  const codec: PayloadCodec = {
    encode: async (payloads) =>
      payloads.map(({ data }) => ({
        metadata: { encoding: encode('x/reversed') },
        data: encode(reversed(decode(data))),
      })),
    decode: async (payloads) =>
      payloads.map(({ data }) => ({
        metadata: { encoding: encode('json/plain') },
        data: encode(reversed(decode(data))),
      })),
  };

  it('go over what is sent and what comes back', async () => {
    client = await connect({ dataConverter: { payloadCodecs: [codec] } });
    kernel.on('result', () => ({ runId: 'r', status: 'COMPLETED', value: { encoding: 'x/reversed', text: '"adA"' } }));
    expect(await client.workflow.execute(greet, { ...options, memo: { m: 'no' } })).toBe('Ada');
    expect(params(kernel, 0)).toMatchObject({
      start: { input: [{ encoding: 'x/reversed', text: '"adA"' }, { text: '2' }], memo: { m: { text: '"on"' } } },
    });
  });
});

describe('activities that are completed from elsewhere', () => {
  it('are completed, failed and cancelled, by token or by name', async () => {
    kernel.on('complete-activity', () => ({}));
    await client.activity.complete(encode('the-token'), 5);
    expect(params(kernel)).toMatchObject({
      activity: { token: 'the-token' },
      outcome: { status: 'completed', value: '5' },
    });
    await client.activity.fail({ workflowId: 'w', activityId: '1' }, new Error('no'));
    expect(params(kernel)).toMatchObject({
      activity: { target: { namespace: 'default', workflowId: 'w' }, activityId: '1' },
      outcome: { status: 'failed', failure: { message: 'no' } },
    });
    await client.activity.reportCancellation(encode('the-token'), 'd');
    expect(params(kernel)).toMatchObject({
      outcome: { status: 'cancelled', failure: { kind: 'cancelled', details: ['"d"'] } },
    });
  });

  it('say at a heartbeat that they should stop', async () => {
    kernel.on('heartbeat-activity', () => ({ cancelRequested: true, paused: false }));
    await expect(client.activity.heartbeat(encode('t'), 1)).rejects.toMatchObject({ name: 'ActivityCancelledError' });
    kernel.on('heartbeat-activity', () => ({ cancelRequested: false, paused: true }));
    await expect(client.activity.heartbeat(encode('t'))).rejects.toMatchObject({ name: 'ActivityPausedError' });
  });

  it('that are over, or cannot be reached, or are named by nothing, say so', async () => {
    kernel.on('complete-activity', () => {
      throw refusal('TOKEN_STALE');
    });
    await expect(client.activity.complete(encode('t'), 1)).rejects.toMatchObject({ name: 'ActivityNotFoundError' });
    kernel.on('complete-activity', () => {
      throw refusal('ADMISSION_DENIED');
    });
    await expect(client.activity.complete(encode('t'), 1)).rejects.toMatchObject({
      name: 'ActivityCompletionError',
      cause: { code: status.PERMISSION_DENIED },
    });
    await expect(client.activity.complete({} as never, 1)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
