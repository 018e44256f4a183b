import * as activity from '../../src/entry/activity.ts';
import { IllegalStateError } from '../../src/entry/common.ts';
import * as testing from '../../src/entry/testing.ts';
import * as worker from '../../src/entry/worker.ts';
import {
  anything,
  circle,
  noDurations,
  noFunctions,
  noNames,
  noOptions,
  type Row,
  refuses,
  takes,
  trap,
} from './trial.ts';

/** What the rows of workers are tried on. */
export interface WorkerRoom {
  nativeConnection: worker.NativeConnection;
  workflowsPath: string;
  /** A worker that has run and stopped. */
  stopped: worker.Worker;
}

async function collect(results: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const one of results) all.push(one);
  return all;
}

const REFUSED = 'INVALID_ARGUMENT';
const noTimeouts = [...noDurations, -1, '-1s'];
const noPaths = [null, '', 5, {}, circle];
const noTextLists = [null, 5, 'text', {}, [5]];
const insideActivity = (name: string, call: () => unknown): [string, Row<WorkerRoom>] => [
  `activity.${name}`,
  () =>
    refuses(
      IllegalStateError,
      /Activity context not initialized: call this from an activity function/,
      ['Activity'],
      call,
    ),
];

const activityRows: Record<string, Row<WorkerRoom>> = {
  ...Object.fromEntries([
    insideActivity('Context.current', () => activity.Context.current()),
    insideActivity('activityInfo', () => activity.activityInfo()),
    insideActivity('cancellationDetails', () => activity.cancellationDetails()),
    insideActivity('cancellationSignal', () => activity.cancellationSignal()),
    insideActivity('cancelled', () => activity.cancelled()),
    insideActivity('heartbeat', () => activity.heartbeat()),
    ...(['log', 'trace', 'debug', 'info', 'warn', 'error'] as const).map((level) =>
      insideActivity(`log.${level}`, () => activity.log[level]('INFO', 'x' as never)),
    ),
    insideActivity('metricMeter.createCounter', () => activity.metricMeter.createCounter('x')),
    insideActivity('metricMeter.createGauge', () => activity.metricMeter.createGauge('x')),
    insideActivity('metricMeter.createHistogram', () => activity.metricMeter.createHistogram('x')),
    insideActivity('metricMeter.withTags', () => activity.metricMeter.withTags({})),
  ]),
  'activity.getClient': () => [
    ...refuses(IllegalStateError, /Activity context not initialized/, ['Activity'], () => activity.getClient()),
    ...refuses(IllegalStateError, /getClient: this activity has no client.*make a Client/, ['getClient'], () =>
      new testing.MockActivityEnvironment().run(async () => activity.getClient()),
    ),
  ],
  'activity.database': () => [
    ...refuses(IllegalStateError, /Activity context not initialized/, ['Activity'], () => activity.database()),
    ...refuses('DATABASE_ELSEWHERE', /database: this activity runs outside a worker.*run it in a/, ['database'], () =>
      new testing.MockActivityEnvironment().run(async () => activity.database()),
    ),
  ],
  'activity.transactional': () => [
    ...refuses(TypeError, /transactional takes a function/, [undefined, ...noFunctions.slice(1)], (work) =>
      activity.transactional(work),
    ),
    ...refuses('DATABASE_ELSEWHERE', /transactional: this activity runs outside/, ['transactional'], () =>
      new testing.MockActivityEnvironment().run(activity.transactional(() => 1)),
    ),
  ],
  'activity.Context#transact': () =>
    refuses(TypeError, /transactional takes a function/, [undefined, ...noFunctions.slice(1)], (work) =>
      new testing.MockActivityEnvironment().run(async () => activity.Context.current().transact(work)),
    ),
  'activity.sleep': () => [
    ...refuses(IllegalStateError, /Activity context not initialized/, ['Activity'], () => activity.sleep(1)),
    ...refuses(TypeError, /sleep: its duration is/, [undefined, ...noDurations], (duration) =>
      new testing.MockActivityEnvironment().run(async () => activity.sleep(duration)),
    ),
  ],
  'activity.new Context': () =>
    refuses(
      TypeError,
      /new Context(: cancelled)? (takes an object such as|is a promise)/,
      [undefined, ...noOptions],
      (parts) => Reflect.construct(activity.Context, [parts]),
    ),
};

const logger = (): worker.DefaultLogger => new worker.DefaultLogger('ERROR', () => undefined);
const noLevels = [undefined, null, 5, 'LOUD', 'info', {}];

const runtimeRows: Record<string, Row<WorkerRoom>> = {
  'worker.new DefaultLogger': () => [
    ...refuses(
      TypeError,
      /DefaultLogger: the level is one of TRACE/,
      noLevels.slice(1),
      (level) => new worker.DefaultLogger(level),
    ),
    ...refuses(
      TypeError,
      /DefaultLogger takes a function/,
      noFunctions.slice(1),
      (log) => new worker.DefaultLogger('INFO', log),
    ),
  ],
  'worker.DefaultLogger#log': () =>
    refuses(TypeError, /log: the level is one of TRACE/, noLevels, (level) => logger().log(level, 'x')),
  ...Object.fromEntries(
    (['trace', 'debug', 'info', 'warn', 'error'] as const).map((level): [string, Row<WorkerRoom>] => [
      `worker.DefaultLogger#${level}`,
      () => takes(anything, (message) => logger()[level](message, message)),
    ]),
  ),
  'worker.Runtime.install': () => [
    ...refuses(TypeError, /Runtime\.install takes an object such as/, [undefined, ...noOptions], (value) =>
      worker.Runtime.install(value),
    ),
    ...refuses(TypeError, /Runtime\.install: logger has the methods debug/, [null, 5, 'text', {}, trap], (value) =>
      worker.Runtime.install({ logger: value }),
    ),
    ...refuses(
      TypeError,
      /Runtime\.install: shutdownSignals is a list of signals/,
      [null, 5, 'SIGTERM', {}, ['SIGNONE']],
      (value) => worker.Runtime.install({ shutdownSignals: value }),
    ),
    ...refuses(IllegalStateError, /has already been instantiated; install it once/, ['Runtime'], () => {
      worker.Runtime.instance();
      worker.Runtime.install({});
    }),
  ],
  'worker.Runtime.instance': () => takes([1], () => worker.Runtime.instance()),
  'worker.Runtime#shutdown': () => takes([1], () => worker.Runtime.instance().shutdown()),
  'worker.Runtime#watch': () =>
    refuses(TypeError, /Runtime\.watch takes a function/, noFunctions, (fn) => worker.Runtime.instance().watch(fn)),
  'worker.makeTelemetryFilterString': () => [
    ...refuses(
      TypeError,
      /makeTelemetryFilterString takes an object/,
      [undefined, ...noOptions],
      worker.makeTelemetryFilterString,
    ),
    ...refuses(TypeError, /makeTelemetryFilterString: core: the level is one of/, noLevels, (core) =>
      worker.makeTelemetryFilterString({ core }),
    ),
  ],
  'worker.new GracefulShutdownPeriodExpiredError': () =>
    takes([undefined, null, 5, {}], (message) => new worker.GracefulShutdownPeriodExpiredError(message)),
  'worker.new ReplayError': () => takes([undefined, null, 5, {}], (message) => new worker.ReplayError(message)),
};

/** What names workflow code, in the options of a worker, of a replay and of a bundle. */
const workflowCode =
  (make: (room: WorkerRoom, options: never) => unknown): Row<WorkerRoom> =>
  (room) => [
    ...refuses(REFUSED, /workflowsPath is the path of a module/, noPaths, (workflowsPath) =>
      make(room, { workflowsPath } as never),
    ),
    ...refuses('BUNDLE_FAILED', /workflowsPath/, ['/nowhere/workflows.ts'], (workflowsPath) =>
      make(room, { workflowsPath } as never),
    ),
  ];

const bundled =
  (make: (room: WorkerRoom, options: never) => unknown): Row<WorkerRoom> =>
  (room) => [
    ...refuses(
      REFUSED,
      /workflowBundle is \{ code \} or \{ codePath \}/,
      [null, 5, 'text', {}, { code: 5 }, { codePath: 5 }],
      (workflowBundle) => make(room, { workflowBundle } as never),
    ),
    ...refuses(
      REFUSED,
      /workflowBundle\.codePath is a file that bundleWorkflowCode made/,
      ['/nowhere/code.js'],
      (codePath) => make(room, { workflowBundle: { codePath } } as never),
    ),
  ];

const create = (room: WorkerRoom, options: object): Promise<worker.Worker> =>
  worker.Worker.create({ connection: room.nativeConnection, taskQueue: 'q', activities: {}, ...options });

const workerRowsProper: Record<string, Row<WorkerRoom>> = {
  'worker.Worker.create': (room) => [
    ...refuses(REFUSED, /a worker needs options: \{ connection, taskQueue/, [undefined, ...noOptions], (value) =>
      worker.Worker.create(value),
    ),
    ...refuses(
      REFUSED,
      /a worker's connection comes from NativeConnection\.connect/,
      [null, 5, 'memory:', {}, trap],
      (connection) => create(room, { connection }),
    ),
    ...refuses(REFUSED, /taskQueue is text of 1 to 1000/, [undefined, ...noNames], (taskQueue) =>
      create(room, { taskQueue }),
    ),
    ...refuses(REFUSED, /namespace is text of 1 to 1000/, noNames, (namespace) => create(room, { namespace })),
    ...refuses(REFUSED, /identity is text of 1 to 1000/, noNames.slice(1), (identity) => create(room, { identity })),
    ...refuses(REFUSED, /a worker needs workflowsPath, workflowBundle or activities/, [undefined], (activities) =>
      create(room, { activities }),
    ).map((trial) => ({ ...trial, value: 'activities' })),
    ...refuses(REFUSED, /activities is an object of functions/, [null, 5, 'text'], (activities) =>
      create(room, { activities }),
    ),
    ...[
      'maxConcurrentActivityTaskExecutions',
      'maxConcurrentLocalActivityExecutions',
      'maxConcurrentWorkflowTaskExecutions',
      'maxCachedWorkflows',
      'workflowThreadPoolSize',
    ].flatMap((key) =>
      refuses(
        REFUSED,
        new RegExp(`${key} is a whole number of at least 1`),
        [null, 0, -1, 1.5, Number.NaN, Infinity, '5', {}],
        (value) => create(room, { [key]: value }),
      ),
    ),
    ...['maxActivitiesPerSecond', 'maxTaskQueueActivitiesPerSecond', 'workflowHeapMb'].flatMap((key) =>
      refuses(
        REFUSED,
        new RegExp(`${key} is a number above 0`),
        [null, 0, -1, Number.NaN, Infinity, '5', {}],
        (value) => create(room, { [key]: value }),
      ),
    ),
    ...[
      'shutdownGraceTime',
      'shutdownForceTime',
      'maxHeartbeatThrottleInterval',
      'defaultHeartbeatThrottleInterval',
      'workflowSpinTimeout',
    ].flatMap((key) =>
      refuses(REFUSED, new RegExp(`${key} is`), noTimeouts, (value) => create(room, { [key]: value })),
    ),
    ...refuses(REFUSED, /workflowFailureErrorTypes is a list of names/, noTextLists, (workflowFailureErrorTypes) =>
      create(room, { workflowFailureErrorTypes }),
    ),
    ...['workerDeploymentOptions', 'useVersioning', 'buildId', 'tuner', 'plugins'].flatMap((key) =>
      refuses(REFUSED, new RegExp(`${key} is not carried out by this release.*: \\w+`), [5, 'x', {}], (value) =>
        create(room, { [key]: value }),
      ),
    ),
    ...refuses(REFUSED, /sinks is \{ name: \{ function: \{ fn/, [null, 5, 'text'], (sinks) => create(room, { sinks })),
    ...refuses(REFUSED, /sinks\.a(\.b)? is \{ name: \{ function: \{ fn/, [null, 5], (a) =>
      create(room, { sinks: { a } }),
    ),
    ...refuses(REFUSED, /sinks\.a\.b is \{ name/, [null, 5, {}, { fn: 5 }], (b) =>
      create(room, { sinks: { a: { b } } }),
    ),
    ...refuses(REFUSED, /interceptors is \{ activity/, [null, 5, 'text'], (interceptors) =>
      create(room, { interceptors }),
    ),
    ...refuses(REFUSED, /workflowInterceptorModules is a list of modules/, noTextLists, (workflowModules) =>
      create(room, { workflowsPath: room.workflowsPath, interceptors: { workflowModules } }),
    ),
    ...refuses(TypeError, /dataConverter takes an object/, noOptions, (dataConverter) =>
      create(room, { dataConverter }),
    ),
    ...workflowCode((_, options: object) => create(room, options))(room),
    ...bundled((_, options: object) => create(room, options))(room),
  ],
  'worker.Worker.runReplayHistory': (room) => [
    ...refuses(
      REFUSED,
      /a replay needs options with workflowsPath or workflowBundle/,
      [undefined, null, 5, {}, 'text'],
      (options) => worker.Worker.runReplayHistory(options, {}),
    ),
    ...refuses(
      'HISTORY_UNREADABLE',
      /history/,
      [undefined, null, 5, 'text', {}, [], { events: 5 }, { segments: [null] }, circle, trap],
      (history) => worker.Worker.runReplayHistory({ workflowsPath: room.workflowsPath }, history),
    ),
    ...refuses(
      'HISTORY_UNREADABLE',
      /an event is an object|its first event is/,
      [null, 5, {}, { eventType: 5 }],
      (event) => worker.Worker.runReplayHistory({ workflowsPath: room.workflowsPath }, { events: [event] }),
    ),
    ...workflowCode((_, options) => worker.Worker.runReplayHistory(options, {}))(room),
    ...bundled((_, options) => worker.Worker.runReplayHistory(options, {}))(room),
  ],
  'worker.Worker.runReplayHistories': (room) => [
    ...refuses(
      REFUSED,
      /runReplayHistories takes a list, or an iterable/,
      [undefined, null, 5, {}, trap],
      (histories) => collect(worker.Worker.runReplayHistories({ workflowsPath: room.workflowsPath }, histories)),
    ),
    ...refuses(REFUSED, /each is \{ workflowId, history \}/, [undefined, null, 5, {}], (one) =>
      collect(worker.Worker.runReplayHistories({ workflowsPath: room.workflowsPath }, [one])),
    ),
  ],
  'worker.Worker#run': ({ stopped }) =>
    refuses(IllegalStateError, /a worker runs once; this one is STOPPED: make another/, ['STOPPED'], () =>
      stopped.run(),
    ),
  'worker.Worker#runUntil': ({ stopped }) => [
    ...refuses(TypeError, /runUntil takes a promise, or a function/, [undefined, null, 5, {}, trap], (work) =>
      stopped.runUntil(work),
    ),
    ...refuses(IllegalStateError, /a worker runs once/, ['STOPPED'], () => stopped.runUntil(async () => 1)),
  ],
  'worker.Worker#shutdown': ({ stopped }) =>
    refuses(IllegalStateError, /Not running\. Current state: STOPPED; only a running worker/, ['STOPPED'], () =>
      stopped.shutdown(),
    ),
  'worker.Worker#getState': ({ stopped }) => takes([1], () => stopped.getState()),
  'worker.Worker#getStatus': ({ stopped }) => takes([1], () => stopped.getStatus()),
  'worker.appendDefaultInterceptors': () =>
    refuses(TypeError, /appendDefaultInterceptors takes an object/, [undefined, ...noOptions], (value) =>
      worker.appendDefaultInterceptors(value),
    ),
  'worker.bundleWorkflowCode': (room) => [
    ...refuses(
      REFUSED,
      /bundleWorkflowCode: its argument is \{ workflowsPath \}/,
      [undefined, null, 5, 'text'],
      (options) => worker.bundleWorkflowCode(options),
    ),
    ...['payloadConverterPath', 'failureConverterPath'].flatMap((key) =>
      refuses(REFUSED, new RegExp(`${key} is the path of a module`), [null, 5, {}], (value) =>
        worker.bundleWorkflowCode({ workflowsPath: room.workflowsPath, [key]: value }),
      ),
    ),
    ...['workflowInterceptorModules', 'ignoreModules'].flatMap((key) =>
      refuses(REFUSED, new RegExp(`${key} is a list of modules`), noTextLists, (value) =>
        worker.bundleWorkflowCode({ workflowsPath: room.workflowsPath, [key]: value }),
      ),
    ),
    ...workflowCode((_, options) => worker.bundleWorkflowCode(options))(room),
  ],
  'worker.NativeConnection.connect': () => [
    ...refuses(REFUSED, /NativeConnection\.connect takes options such as/, noOptions, (value) =>
      worker.NativeConnection.connect(value),
    ),
    ...refuses(REFUSED, /an address is text, such as sqlite:/, [null, '', 5, {}, trap], (address) =>
      worker.NativeConnection.connect({ address }),
    ),
    ...refuses('ADDRESS_UNSUPPORTED', /use sqlite:/, ['tape:', 'localhost:7233'], (address) =>
      worker.NativeConnection.connect({ address }),
    ),
    ...refuses(TypeError, /connectTimeout is/, noTimeouts, (connectTimeout) =>
      worker.NativeConnection.connect({ address: 'memory:input', connectTimeout }),
    ),
  ],
  'worker.NativeConnection#ensureConnected': (room) => takes([1], () => room.nativeConnection.ensureConnected()),
  'worker.NativeConnection#close': () =>
    takes(['twice'], async () => {
      const connection = await worker.NativeConnection.connect({ address: 'memory:closed' });
      await connection.close();
      await connection.close();
    }),
};

const testingRows: Record<string, Row<WorkerRoom>> = {
  'testing.new MockActivityEnvironment': () =>
    refuses(
      TypeError,
      /MockActivityEnvironment takes an object/,
      noOptions,
      (info) => new testing.MockActivityEnvironment(info),
    ),
  'testing.MockActivityEnvironment#run': () =>
    refuses(TypeError, /MockActivityEnvironment\.run takes a function/, noFunctions, (fn) =>
      new testing.MockActivityEnvironment().run(fn),
    ),
  ...Object.fromEntries(
    (['createLocal', 'createTimeSkipping'] as const).map((make): [string, Row<WorkerRoom>] => [
      `testing.TestWorkflowEnvironment.${make}`,
      () => [
        ...refuses(TypeError, /TestWorkflowEnvironment takes an object/, noOptions, (options) =>
          testing.TestWorkflowEnvironment[make](options),
        ),
        ...refuses(TypeError, /TestWorkflowEnvironment: client takes an object/, noOptions, (client) =>
          testing.TestWorkflowEnvironment[make]({ client }),
        ),
      ],
    ]),
  ),
  'testing.TestWorkflowEnvironment.createFromExistingServer': () => [
    ...refuses(TypeError, /TestWorkflowEnvironment takes an object/, noOptions, (options) =>
      testing.TestWorkflowEnvironment.createFromExistingServer(options),
    ),
    ...refuses('ADDRESS_UNSUPPORTED', /use sqlite:/, ['tape:'], (address) =>
      testing.TestWorkflowEnvironment.createFromExistingServer({ address }),
    ),
  ],
  'testing.TestWorkflowEnvironment#currentTimeMs': () =>
    takes([1], async () => {
      const env = await testing.TestWorkflowEnvironment.createLocal();
      await env.currentTimeMs();
      await env.teardown();
    }),
  'testing.TestWorkflowEnvironment#teardown': () =>
    takes(['twice'], async () => {
      const env = await testing.TestWorkflowEnvironment.createTimeSkipping();
      await env.teardown();
      await env.teardown();
    }),
};

/** Bad inputs to what `pleach/worker`, `pleach/activity` and `pleach/testing` export. */
export const workerRows: Record<string, Row<WorkerRoom>> = {
  ...activityRows,
  ...runtimeRows,
  ...workerRowsProper,
  ...testingRows,
};
