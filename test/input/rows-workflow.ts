import { IllegalStateError } from '../../src/entry/common.ts';
import * as workflow from '../../src/entry/workflow.ts';
import { anything, noDurations, noFunctions, noNames, noOptions, type Row, refuses, takes } from './trial.ts';

/** What only a workflow may call, with arguments that one would take. Outside one, each is refused before it looks at what it was given. */
export const insideOnly: Record<string, () => unknown> = {
  allHandlersFinished: () => workflow.allHandlersFinished(),
  condition: () => workflow.condition(() => true),
  continueAsNew: () => workflow.continueAsNew(),
  deprecatePatch: () => workflow.deprecatePatch('p'),
  executeChild: () => workflow.executeChild('child'),
  getCurrentDetails: () => workflow.getCurrentDetails(),
  getExternalWorkflowHandle: () => workflow.getExternalWorkflowHandle('w'),
  makeContinueAsNewFunc: () => workflow.makeContinueAsNewFunc(),
  patched: () => workflow.patched('p'),
  saga: () => workflow.saga(async () => undefined),
  scheduleActivity: () => workflow.scheduleActivity('a', [], { startToCloseTimeout: 1 }),
  scheduleLocalActivity: () => workflow.scheduleLocalActivity('a', [], { startToCloseTimeout: 1 }),
  setCurrentDetails: () => workflow.setCurrentDetails('d'),
  setDefaultQueryHandler: () => workflow.setDefaultQueryHandler(() => 1),
  setDefaultSignalHandler: () => workflow.setDefaultSignalHandler(() => undefined),
  setDefaultUpdateHandler: () => workflow.setDefaultUpdateHandler(() => 1),
  setHandler: () => workflow.setHandler(workflow.defineSignal('s'), () => undefined),
  sleep: () => workflow.sleep(1),
  startChild: () => workflow.startChild('child'),
  upsertMemo: () => workflow.upsertMemo({ a: 1 }),
  upsertSearchAttributes: () => workflow.upsertSearchAttributes({ a: [1] }),
  uuid4: () => workflow.uuid4(),
  workflowInfo: () => workflow.workflowInfo(),
};

const outside = Object.entries(insideOnly).map(([name, call]): [string, Row] => [
  `workflow.${name}`,
  () =>
    refuses(IllegalStateError, /Workflow APIs can only be called from inside a workflow; call it from/, [name], call),
]);

const noActivityOptions = [undefined, ...noOptions];
const noTimeouts = [...noDurations, -1, '-1s'];
const proxied =
  (make: (options: never) => unknown, what: RegExp): Row =>
  () => [
    ...refuses(TypeError, what, noActivityOptions, make),
    ...refuses(
      TypeError,
      /Required either scheduleToCloseTimeout or startToCloseTimeout/,
      [{}, { startToCloseTimeout: 0 }],
      make,
    ),
    ...['startToCloseTimeout', 'scheduleToCloseTimeout', 'scheduleToStartTimeout'].flatMap((field) =>
      refuses(TypeError, new RegExp(`${field} is`), noTimeouts, (value) =>
        make({ startToCloseTimeout: '1s', [field]: value } as never),
      ),
    ),
    ...refuses(TypeError, /cancellationType is one of TRY_CANCEL/, [null, 5, 'NONE', {}], (cancellationType) =>
      make({ startToCloseTimeout: '1s', cancellationType } as never),
    ),
    ...refuses(TypeError, /retry takes an object/, noOptions, (retry) =>
      make({ startToCloseTimeout: '1s', retry } as never),
    ),
  ];

const noStorage: Row = () =>
  refuses(IllegalStateError, /inside a workflow only; outside, take the one of/, ['AsyncLocalStorage'], () =>
    Reflect.construct(workflow.AsyncLocalStorage, []),
  );

const scope = (): workflow.CancellationScope => new workflow.CancellationScope({ cancellable: true });

/** Bad inputs to what `pleach/workflow` exports, outside a workflow; `inside.ts` has those that a workflow tries. */
export const workflowRows: Record<string, Row> = {
  ...Object.fromEntries(outside),
  'workflow.currentUpdateInfo': () => takes([1], () => workflow.currentUpdateInfo()),
  'workflow.inWorkflowContext': () => takes([1], () => workflow.inWorkflowContext()),
  'workflow.defineSignal': () =>
    refuses(TypeError, /defineSignal: the name is text of 1 to 1000/, [undefined, ...noNames], workflow.defineSignal),
  'workflow.defineQuery': () =>
    refuses(TypeError, /defineQuery: the name is text of 1 to 1000/, [undefined, ...noNames], workflow.defineQuery),
  'workflow.defineUpdate': () =>
    refuses(TypeError, /defineUpdate: the name is text of 1 to 1000/, [undefined, ...noNames], workflow.defineUpdate),
  'workflow.setWorkflowOptions': () => [
    ...refuses(TypeError, /setWorkflowOptions takes an object such as/, [undefined, ...noOptions], (options) =>
      workflow.setWorkflowOptions(options, async () => undefined),
    ),
    ...refuses(TypeError, /setWorkflowOptions: its second argument takes a function/, noFunctions, (fn) =>
      workflow.setWorkflowOptions({}, fn),
    ),
  ],
  'workflow.proxyActivities': () => [
    ...proxied(workflow.proxyActivities, /proxyActivities: options takes an object/)(undefined),
    ...refuses(TypeError, /heartbeatTimeout is/, noTimeouts, (heartbeatTimeout) =>
      workflow.proxyActivities({ startToCloseTimeout: '1s', heartbeatTimeout }),
    ),
    ...refuses(TypeError, /activity options: taskQueue is text of 1 to 1000/, noNames, (taskQueue) =>
      workflow.proxyActivities({ startToCloseTimeout: '1s', taskQueue }),
    ),
    ...refuses(TypeError, /priority.* is a whole number from 1/, [0, 6, -1, 1.5, Number.NaN, '1'], (priorityKey) =>
      workflow.proxyActivities({ startToCloseTimeout: '1s', priority: { priorityKey } }),
    ),
    ...refuses(TypeError, /Only strings are supported for Activity types/, [Symbol.iterator], (name) =>
      Reflect.get(workflow.proxyActivities({ startToCloseTimeout: '1s' }), name),
    ),
  ],
  'workflow.proxyLocalActivities': proxied(
    workflow.proxyLocalActivities,
    /proxyLocalActivities: options takes an object/,
  ),
  'workflow.new CancellationScope': () => [
    ...refuses(TypeError, /CancellationScope takes an object/, noOptions, (options) =>
      Reflect.construct(workflow.CancellationScope, [options]),
    ),
    ...refuses(TypeError, /CancellationScope: its time-out is/, noDurations, (timeout) =>
      Reflect.construct(workflow.CancellationScope, [{ cancellable: true, timeout }]),
    ),
  ],
  'workflow.CancellationScope#run': () =>
    refuses(TypeError, /CancellationScope takes a function/, noFunctions, (work) => scope().run(work)),
  'workflow.CancellationScope#cancel': () => takes([undefined, null, 5, {}], (reason) => scope().cancel(reason)),
  'workflow.CancellationScope#onCancel': () =>
    refuses(TypeError, /onCancel takes a function/, noFunctions, (listener) => scope().onCancel(listener)),
  'workflow.CancellationScope.current': () => takes([1], () => workflow.CancellationScope.current()),
  'workflow.CancellationScope.cancellable': () =>
    refuses(TypeError, /CancellationScope takes a function/, noFunctions, (work) =>
      workflow.CancellationScope.cancellable(work),
    ),
  'workflow.CancellationScope.nonCancellable': () =>
    refuses(TypeError, /CancellationScope takes a function/, noFunctions, (work) =>
      workflow.CancellationScope.nonCancellable(work),
    ),
  'workflow.CancellationScope.withTimeout': () => [
    ...refuses(TypeError, /CancellationScope: its time-out is/, noDurations, (timeout) =>
      workflow.CancellationScope.withTimeout(timeout, async () => 1),
    ),
    ...refuses(TypeError, /CancellationScope takes a function/, noFunctions, (work) =>
      workflow.CancellationScope.withTimeout(5, work),
    ),
  ],
  // Nobody has one outside a workflow; `inside.ts` tries its methods.
  'workflow.AsyncLocalStorage#run': noStorage,
  'workflow.AsyncLocalStorage#exit': noStorage,
  'workflow.AsyncLocalStorage#getStore': noStorage,
  'workflow.new AsyncLocalStorage': noStorage,
  'workflow.new Trigger': () => takes([1], () => void new workflow.Trigger()),
  'workflow.new WorkflowError': () => takes([undefined, null, 5, {}], (message) => new workflow.WorkflowError(message)),
  'workflow.new DeterminismViolationError': () =>
    takes([undefined, null, 5, {}], (message) => new workflow.DeterminismViolationError(message)),
  'workflow.new ContinueAsNew': () => takes(anything, (command) => new workflow.ContinueAsNew(command)),
  'workflow.proxySinks': () => [
    ...refuses(TypeError, /a sink is named by text/, [Symbol.iterator], (name) =>
      Reflect.get(workflow.proxySinks(), name),
    ),
    ...refuses(TypeError, /a sink's function is named by text/, [Symbol.iterator], (name) =>
      Reflect.get(workflow.proxySinks()['alerts']!, name),
    ),
    ...refuses(IllegalStateError, /alerts\.raise: Workflow APIs can only be called from inside/, ['alerts'], () =>
      workflow.proxySinks()['alerts']!['raise']!(),
    ),
  ],
  ...Object.fromEntries(
    (['createCounter', 'createGauge', 'createHistogram'] as const).map((make): [string, Row] => [
      `workflow.metricMeter.${make}`,
      () => [
        ...refuses(
          TypeError,
          /metricMeter: the name of an instrument is text of 1 to 1000/,
          [undefined, ...noNames],
          (name) => workflow.metricMeter[make](name),
        ),
        ...refuses(
          IllegalStateError,
          /metricMeter: Workflow APIs can only be called from inside/,
          ['metricMeter'],
          () => {
            const instrument = workflow.metricMeter[make]('x') as never as Record<string, (value: number) => void>;
            (instrument['add'] ?? instrument['record'])!(1);
          },
        ),
      ],
    ]),
  ),
  'workflow.metricMeter.withTags': () => takes([undefined, null, 5, {}], (tags) => workflow.metricMeter.withTags(tags)),
  // A log line must never be what fails; outside a workflow it goes nowhere.
  ...Object.fromEntries(
    (['trace', 'debug', 'info', 'warn', 'error'] as const).map((level) => [
      `workflow.log.${level}`,
      () => takes(anything, (message) => workflow.log[level](message, message)),
    ]),
  ),
};
