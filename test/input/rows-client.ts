import * as client from '../../src/entry/client.ts';
import type { WorkflowHandle } from '../../src/client/index.ts';
import { talk } from './inside.ts';
import {
  anything,
  circle,
  noDurations,
  noFunctions,
  noNames,
  noOptions,
  noTexts,
  type Row,
  refuses,
  takes,
  trap,
} from './trial.ts';

/** What the rows of clients are tried on: a client of an engine in memory, and a run that waits to be talked to. */
export interface ClientRoom {
  client: client.Client;
  connection: client.Connection;
  handle: WorkflowHandle<typeof talk>;
  /** Options of a start that would be taken; a new workflow id each time. */
  start(): { workflowId: string; taskQueue: string; args: [string] };
}

const REFUSED = 'INVALID_ARGUMENT';
const { ValueError } = client;
const missing = [undefined, ...noNames];
const noTimeouts = [...noDurations, -1, '-1s'];
const unwritable = [5n, circle, trap];
const anyText = anything.filter((value) => typeof value !== 'symbol' && value !== circle && value !== trap);
const noLists = [null, 5, 'text', {}, trap];

/** What every start refuses, however it is made. */
const start =
  (make: (room: ClientRoom, options: never) => unknown): Row<ClientRoom> =>
  (room) => {
    const withField = (field: string) => (value: never) => make(room, { ...room.start(), [field]: value } as never);
    return [
      ...refuses(
        REFUSED,
        /a start needs options: \{ workflowId, taskQueue, args \}/,
        [undefined, ...noOptions],
        (value) => make(room, value),
      ),
      ...refuses(REFUSED, /workflowId is text of 1 to 1000/, missing, withField('workflowId')),
      ...refuses(REFUSED, /taskQueue is text of 1 to 1000/, missing, withField('taskQueue')),
      ...refuses(REFUSED, /args is a list.*Put one argument in \[ \] too/, noLists, withField('args')),
      ...refuses(ValueError, /cannot be converted to a payload.*pass plain data/, [5n, circle, trap], (value) =>
        withField('args')([value] as never),
      ),
      ...refuses(REFUSED, /retry takes an object/, noOptions, withField('retry')),
      ...refuses(REFUSED, /memo is an object of names with values/, noOptions, withField('memo')),
      ...refuses(
        REFUSED,
        /searchAttributes is an object of names with values/,
        noOptions,
        withField('searchAttributes'),
      ),
      ...refuses(REFUSED, /typed search attribute/, [null, 5, 'text', {}], withField('typedSearchAttributes')),
      ...['workflowExecutionTimeout', 'workflowRunTimeout', 'workflowTaskTimeout', 'startDelay'].flatMap((field) =>
        refuses(REFUSED, new RegExp(`${field} is`), noTimeouts, withField(field)),
      ),
      ...refuses(
        REFUSED,
        /workflowIdReusePolicy is one of ALLOW_DUPLICATE/,
        [null, 'NONE', 5, {}],
        withField('workflowIdReusePolicy'),
      ),
      ...refuses(
        REFUSED,
        /workflowIdConflictPolicy is one of FAIL/,
        [null, 'NONE', 5, {}],
        withField('workflowIdConflictPolicy'),
      ),
      ...refuses(REFUSED, /priority.* is a whole number from 1/, [0, 6, Number.NaN, '1'], (priorityKey) =>
        withField('priority')({ priorityKey } as never),
      ),
      ...refuses(REFUSED, /staticSummary is text/, noTexts, withField('staticSummary')),
      ...refuses(REFUSED, /staticDetails is text/, noTexts, withField('staticDetails')),
      ...refuses(
        REFUSED,
        /cronSchedule is not carried out.*let the workflow sleep/,
        ['* * * * *'],
        withField('cronSchedule'),
      ),
    ];
  };

const workflowType =
  (make: (room: ClientRoom, type: never) => unknown): Row<ClientRoom> =>
  (room) =>
    refuses(REFUSED, /workflow (type )?is (named by its type, or|text of 1 to 1000)/, missing, (type) =>
      make(room, type),
    );

const both =
  (...rows: Row<ClientRoom>[]): Row<ClientRoom> =>
  (room) =>
    rows.flatMap((row) => row(room));

/** What takes limits or metadata around a function. */
const limits = (of: (room: ClientRoom) => client.BaseClient | client.Connection): Record<string, Row<ClientRoom>> => ({
  withDeadline: (room) => [
    ...refuses(
      REFUSED,
      /withDeadline takes a Date, or milliseconds/,
      [undefined, null, Number.NaN, Infinity, 'soon', {}],
      (value) => of(room).withDeadline(value, async () => 1),
    ),
    ...refuses(REFUSED, /takes a function that makes the calls/, noFunctions, (work) =>
      of(room).withDeadline(Date.now() + 1000, work),
    ),
  ],
  withAbortSignal: (room) => [
    ...refuses(
      REFUSED,
      /withAbortSignal takes the signal of an AbortController/,
      [undefined, null, 5, {}, trap],
      (value) => of(room).withAbortSignal(value, async () => 1),
    ),
    ...refuses(REFUSED, /takes a function that makes the calls/, noFunctions, (work) =>
      of(room).withAbortSignal(new AbortController().signal, work),
    ),
  ],
  withMetadata: (room) =>
    refuses(REFUSED, /withMetadata takes a function that makes the calls/, noFunctions, (work) =>
      of(room).withMetadata({}, work),
    ),
});

const under = (prefix: string, rows: Record<string, Row<ClientRoom>>): Record<string, Row<ClientRoom>> =>
  Object.fromEntries(Object.entries(rows).map(([name, row]) => [`${prefix}${name}`, row]));

const clientClass =
  (make: (options: never) => unknown): Row<ClientRoom> =>
  () => [
    ...refuses(REFUSED, /a client takes options such as/, noOptions, make),
    ...refuses(
      REFUSED,
      /a client's connection comes from Connection\.connect/,
      [null, 5, 'memory:', {}, trap],
      (connection) => make({ connection } as never),
    ),
    ...refuses(REFUSED, /namespace is text of 1 to 1000/, noNames, (namespace) => make({ namespace } as never)),
    ...refuses(REFUSED, /identity is text of 1 to 1000/, noNames, (identity) => make({ identity } as never)),
    ...refuses(TypeError, /dataConverter takes an object/, noOptions, (dataConverter) =>
      make({ dataConverter } as never),
    ),
    ...refuses(
      TypeError,
      /payloadCodecs is a list of codecs with encode and decode/,
      [null, 5, {}, [{}]],
      (payloadCodecs) => make({ dataConverter: { payloadCodecs } } as never),
    ),
    ...refuses(TypeError, /payloadConverterPath is the path of a module/, [5, {}], (payloadConverterPath) =>
      make({ dataConverter: { payloadConverterPath } } as never),
    ),
    ...refuses(ValueError, /dataConverter.*cannot be loaded/, ['/nowhere/converter.ts'], (payloadConverterPath) =>
      make({ dataConverter: { payloadConverterPath } } as never),
    ),
  ];

/** What names an activity, for its completion from elsewhere. */
const activity =
  (call: (of: client.ActivityClient, at: never) => unknown): Row<ClientRoom> =>
  (room) => [
    ...refuses(
      REFUSED,
      /an activity is named by its task token, or by \{ workflowId, activityId/,
      [undefined, null, 5, 'text', {}, circle, trap, { workflowId: 'w' }],
      (at) => call(room.client.activity, at),
    ),
    ...refuses(client.ActivityNotFoundError, /nowhere/, ['nowhere'], (workflowId) =>
      call(room.client.activity, { workflowId, activityId: '1' } as never),
    ),
    ...refuses(client.ActivityNotFoundError, /the attempt is no longer current: it/, ['attempt'], (token: string) =>
      call(room.client.activity, new TextEncoder().encode(token) as never),
    ),
  ];

const withStart =
  (call: (room: ClientRoom, options: never) => unknown): Row<ClientRoom> =>
  (room) => {
    const operation = (): client.WithStartWorkflowOperation<typeof talk> =>
      new client.WithStartWorkflowOperation(talk, { ...room.start(), workflowIdConflictPolicy: 'FAIL' });
    return [
      ...refuses(REFUSED, /an update takes options such as/, noOptions, (value) => call(room, value)),
      ...refuses(
        REFUSED,
        /startWorkflowOperation is new WithStartWorkflowOperation/,
        [undefined, null, 5, {}],
        (value) => call(room, { waitForStage: 'ACCEPTED', startWorkflowOperation: value } as never),
      ),
      ...refuses(REFUSED, /args is a list/, noLists, (args) =>
        call(room, { waitForStage: 'ACCEPTED', args, startWorkflowOperation: operation() } as never),
      ),
      ...refuses(REFUSED, /updateId is text of 1 to 1000/, noNames, (updateId) =>
        call(room, { waitForStage: 'ACCEPTED', updateId, startWorkflowOperation: operation() } as never),
      ),
    ];
  };

const error =
  (make: (message: never) => unknown): Row<ClientRoom> =>
  () =>
    takes(anyText, make);

const handle: Record<string, Row<ClientRoom>> = {
  signal: (room) => [
    ...refuses(
      REFUSED,
      /the signal name is text of 1 to 1000/,
      missing.filter((value) => value !== trap && !isPlain(value)),
      (name) => room.handle.signal(name),
    ),
    ...refuses(REFUSED, /a signal is meant, and this is the definition of another sort/, ['query'], (type) =>
      room.handle.signal({ type, name: 'x' } as never),
    ),
    ...refuses(ValueError, /cannot be converted to a payload/, unwritable, (value) => room.handle.signal('s', value)),
  ],
  query: (room) => [
    ...refuses(
      REFUSED,
      /the query name is text of 1 to 1000/,
      missing.filter((value) => value !== trap && !isPlain(value)),
      (name) => room.handle.query(name),
    ),
    ...refuses(client.QueryNotRegisteredError, /namr.*name/, ['namr'], (name) => room.handle.query(name)),
    ...refuses(ValueError, /cannot be converted to a payload/, unwritable, (value) => room.handle.query('name', value)),
  ],
  executeUpdate: (room) => [
    ...refuses(
      REFUSED,
      /the update name is text of 1 to 1000/,
      missing.filter((value) => value !== trap && !isPlain(value)),
      (name) => room.handle.executeUpdate(name),
    ),
    ...refuses(REFUSED, /an update takes options such as/, noOptions, (options) =>
      room.handle.executeUpdate('rename', options),
    ),
    ...refuses(REFUSED, /args is a list/, noLists, (args) => room.handle.executeUpdate('rename', { args })),
    ...refuses(REFUSED, /updateId is text of 1 to 1000/, noNames, (updateId) =>
      room.handle.executeUpdate('rename', { args: ['x'], updateId } as never),
    ),
  ],
  startUpdate: (room) =>
    refuses(
      REFUSED,
      /waitForStage is 'ACCEPTED'.*use executeUpdate/,
      [undefined, null, 5, 'COMPLETED'],
      (waitForStage) => room.handle.startUpdate('rename', { args: ['x'], waitForStage } as never),
    ),
  getUpdateHandle: (room) =>
    refuses(REFUSED, /updateId is text of 1 to 1000/, missing, (updateId) => room.handle.getUpdateHandle(updateId)),
  terminate: (room) => refuses(REFUSED, /the reason is text/, noTexts, (reason) => room.handle.terminate(reason)),
  pause: (room) => refuses(REFUSED, /the reason is text/, noTexts, (reason) => room.handle.pause(reason)),
  resume: (room) => refuses(REFUSED, /the reason is text/, noTexts, (reason) => room.handle.resume(reason)),
  ...Object.fromEntries(
    (['result', 'cancel', 'describe', 'fetchHistory'] as const).map((method): [string, Row<ClientRoom>] => [
      method,
      (room) =>
        refuses(client.WorkflowNotFoundError, /nowhere/, ['nowhere'], (id) =>
          room.client.workflow.getHandle(id)[method](),
        ),
    ]),
  ),
};

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

const talkOptions = { signal: 'done', signalArgs: [] };

/** Bad inputs to what `pleach/client` exports, and to the handle that it gives. */
export const clientRows: Record<string, Row<ClientRoom>> = {
  'client.defaultIdentity': () => takes([1], () => client.defaultIdentity()),
  'client.isGrpcServiceError': () => takes(anything, (value) => client.isGrpcServiceError(value)),
  'client.isGrpcCancelledError': () => takes(anything, (value) => client.isGrpcCancelledError(value)),
  'client.isGrpcDeadlineError': () => takes(anything, (value) => client.isGrpcDeadlineError(value)),
  'client.new ActivityCancelledError': error((m) => new client.ActivityCancelledError(m)),
  'client.new ActivityCompletionError': error((m) => new client.ActivityCompletionError(m)),
  'client.new ActivityNotFoundError': error((m) => new client.ActivityNotFoundError(m)),
  'client.new ActivityPausedError': error((m) => new client.ActivityPausedError(m)),
  'client.new ActivityResetError': error((m) => new client.ActivityResetError(m)),
  'client.new PleachError': error((m) => new client.PleachError('UNEXPECTED', m, {})),
  'client.new QueryNotRegisteredError': error((m) => new client.QueryNotRegisteredError(m)),
  'client.new QueryRejectedError': error((m) => new client.QueryRejectedError(m)),
  'client.new ServiceError': error((m) => Reflect.construct(client.ServiceError, [m])),
  'client.new WorkflowContinuedAsNewError': error((m) => new client.WorkflowContinuedAsNewError(m, m)),
  'client.new WorkflowFailedError': error((m) => new client.WorkflowFailedError(m, m, m)),
  'client.new WorkflowUpdateFailedError': error((m) => new client.WorkflowUpdateFailedError(m, m)),
  'client.new WorkflowUpdateRPCTimeoutOrCancelledError': error(
    (m) => new client.WorkflowUpdateRPCTimeoutOrCancelledError(m),
  ),
  'client.new BaseClient': clientClass((options) => Reflect.construct(client.BaseClient, [options])),
  'client.new Client': clientClass((options) => Reflect.construct(client.Client, [options])),
  'client.new WorkflowClient': clientClass((options) => Reflect.construct(client.WorkflowClient, [options])),
  'client.new ActivityClient': clientClass((options) => Reflect.construct(client.ActivityClient, [options])),
  'client.new AsyncCompletionClient': clientClass((options) =>
    Reflect.construct(client.AsyncCompletionClient, [options]),
  ),
  'client.Connection.connect': () => [
    ...refuses(REFUSED, /Connection\.connect takes options such as/, noOptions, (value) =>
      client.Connection.connect(value),
    ),
    ...refuses(REFUSED, /an address is text, such as sqlite:/, [null, '', 5, {}, trap], (address) =>
      client.Connection.connect({ address }),
    ),
    ...refuses(
      'ADDRESS_UNSUPPORTED',
      /use sqlite:\.\/file\.db or memory:/,
      ['tape:', 'localhost:7233', 'https://a.b'],
      (address) => client.Connection.connect({ address }),
    ),
    ...refuses(TypeError, /connectTimeout is/, noTimeouts, (connectTimeout) =>
      client.Connection.connect({ address: 'memory:input', connectTimeout }),
    ),
    ...refuses(REFUSED, /engine takes options such as/, noOptions, (engine) =>
      client.Connection.connect({ address: 'memory:other', engine }),
    ),
  ],
  'client.Connection.lazy': () => [
    ...refuses(REFUSED, /Connection\.lazy takes options such as/, noOptions, (value) => client.Connection.lazy(value)),
    ...refuses(REFUSED, /an address is text, such as sqlite:/, [null, '', 5, {}, trap], (address) =>
      client.Connection.lazy({ address }),
    ),
  ],
  'client.Connection#ensureConnected': () =>
    refuses('ADDRESS_UNSUPPORTED', /use sqlite:/, ['tape:'], (address) =>
      client.Connection.lazy({ address }).ensureConnected(),
    ),
  'client.Connection#close': () => takes(['memory:x'], (address) => client.Connection.lazy({ address }).close()),
  ...under(
    'client.Connection#',
    limits(({ connection }) => connection),
  ),
  ...under(
    'client.BaseClient#',
    limits((room) => room.client),
  ),
  'client.BaseClient#request': (room) =>
    refuses(REFUSED, /knows no request.*update it, or the client/, ['nonsense', 'constructor'], (method) =>
      room.client.request(method, {} as never),
    ),
  'client.BaseClient#effect': (room) => takes([1], () => room.client.effect()),
  'client.AsyncCompletionClient#complete': both(
    activity((of, at) => of.complete(at, 1)),
    (room) =>
      refuses(ValueError, /cannot be converted to a payload/, unwritable, (value) =>
        room.client.activity.complete({ workflowId: 'w', activityId: '1' }, value),
      ),
  ),
  'client.AsyncCompletionClient#fail': activity((of, at) => of.fail(at, new Error('x'))),
  'client.AsyncCompletionClient#reportCancellation': activity((of, at) => of.reportCancellation(at)),
  'client.AsyncCompletionClient#heartbeat': activity((of, at) => of.heartbeat(at)),
  'client.WorkflowClient#start': both(
    start((room, options) => room.client.workflow.start(talk, options)),
    workflowType((room, type) => room.client.workflow.start(type, room.start() as never)),
  ),
  'client.WorkflowClient#execute': both(
    start((room, options) => room.client.workflow.execute(talk, options)),
    workflowType((room, type) => room.client.workflow.execute(type, room.start() as never)),
  ),
  'client.WorkflowClient#signalWithStart': both(
    start((room, options: object) =>
      room.client.workflow.signalWithStart(
        talk,
        (isPlain(options) && options !== circle ? { ...options, ...talkOptions } : options) as never,
      ),
    ),
    workflowType((room, type) =>
      room.client.workflow.signalWithStart(type, { ...room.start(), ...talkOptions } as never),
    ),
    (room) => [
      ...refuses(REFUSED, /the signal name is text of 1 to 1000/, [undefined, null, '', 5], (signal) =>
        room.client.workflow.signalWithStart(talk, { ...room.start(), signal }),
      ),
      ...refuses(REFUSED, /signalArgs is a list/, noLists, (signalArgs) =>
        room.client.workflow.signalWithStart(talk, { ...room.start(), signal: 'done', signalArgs } as never),
      ),
    ],
  ),
  'client.WorkflowClient#startUpdateWithStart': withStart((room, options) =>
    room.client.workflow.startUpdateWithStart('rename', options),
  ),
  'client.WorkflowClient#executeUpdateWithStart': withStart((room, options) =>
    room.client.workflow.executeUpdateWithStart('rename', options),
  ),
  'client.WorkflowClient#getHandle': (room) => [
    ...refuses(REFUSED, /workflowId is text of 1 to 1000/, missing, (id) => room.client.workflow.getHandle(id)),
    ...refuses(REFUSED, /runId is text of 1 to 1000/, noNames, (runId) => room.client.workflow.getHandle('w', runId)),
    ...refuses(REFUSED, /getHandle takes options such as/, noOptions, (options) =>
      room.client.workflow.getHandle('w', undefined, options),
    ),
  ],
  'client.WorkflowClient#result': (room) => [
    ...refuses(REFUSED, /workflowId is text of 1 to 1000/, missing, (id) => room.client.workflow.result(id)),
    ...refuses(REFUSED, /runId is text of 1 to 1000/, noNames, (runId) => room.client.workflow.result('w', runId)),
    ...refuses(REFUSED, /result takes options such as/, noOptions, (options) =>
      room.client.workflow.result('w', undefined, options),
    ),
  ],
  // It is looked at where it is used: then its start is refused as any other is.
  'client.new WithStartWorkflowOperation': () =>
    takes(anything, (value) => void new client.WithStartWorkflowOperation(value, value)),
  'client.WithStartWorkflowOperation#use': (room) => [
    ...refuses(REFUSED, /good for one update; make another/, ['WithStartWorkflowOperation'], () => {
      const operation = new client.WithStartWorkflowOperation(talk, {
        ...room.start(),
        workflowIdConflictPolicy: 'FAIL',
      });
      operation.use();
      operation.use();
    }),
    ...refuses(REFUSED, /needs workflowIdConflictPolicy: USE_EXISTING or FAIL/, [undefined, null, {}], (options) =>
      new client.WithStartWorkflowOperation(talk, options).use(),
    ),
  ],
  'client.WithStartWorkflowOperation#settle': () =>
    refuses(TypeError, /settle takes an object such as \{ handle \} or \{ error \}/, [undefined, null, 5], (value) =>
      new client.WithStartWorkflowOperation(talk, {} as never).settle(value),
    ),
  'client.WithStartWorkflowOperation#workflowHandle': (room) =>
    refuses(REFUSED, /workflowId is text of 1 to 1000/, missing, async (workflowId) => {
      const operation = new client.WithStartWorkflowOperation(talk, {
        ...room.start(),
        workflowId,
        workflowIdConflictPolicy: 'FAIL',
      });
      await room.client.workflow
        .executeUpdateWithStart('rename', { args: ['x'], startWorkflowOperation: operation })
        .catch(() => undefined);
      await operation.workflowHandle();
    }),
  ...under('client.WorkflowHandle.', handle),
};
