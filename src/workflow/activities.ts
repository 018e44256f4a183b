import {
  ActivityCancellationType,
  type ActivityInterfaceFor,
  type ActivityOptions,
  compileRetryPolicy,
  type Headers,
  type LocalActivityOptions,
  msTimeout,
  priorityOf,
  requireNameText,
  requireObject,
  requireWord,
  type UntypedActivities,
  type WireActivityOptions,
  wrongArgument,
} from '../common/index.ts';
import { getActivator } from './activator.ts';
import { headersToWire } from './headers.ts';
import { compose } from './interceptors.ts';
import { promiseInScope } from './scope.ts';

const LOCAL_RETRY_THRESHOLD_MS = 60_000;

function compileOptions(options: ActivityOptions & LocalActivityOptions): WireActivityOptions {
  const { cancellationType: cancellation = 'WAIT_CANCELLATION_COMPLETED' } = options;
  requireWord('cancellationType', cancellation, ActivityCancellationType);
  for (const name of ['activityId', 'taskQueue', 'fallback'] as const)
    if (options[name] !== undefined) requireNameText(`activity options: ${name}`, options[name]);
  const wire: WireActivityOptions = { cancellation };
  const set = <K extends keyof WireActivityOptions>(key: K, value: WireActivityOptions[K] | undefined): void => {
    if (value !== undefined) wire[key] = value;
  };
  set('scheduleToCloseMs', msTimeout(options.scheduleToCloseTimeout, 'scheduleToCloseTimeout'));
  set('scheduleToStartMs', msTimeout(options.scheduleToStartTimeout, 'scheduleToStartTimeout'));
  set('startToCloseMs', msTimeout(options.startToCloseTimeout, 'startToCloseTimeout'));
  set('heartbeatMs', msTimeout(options.heartbeatTimeout, 'heartbeatTimeout'));
  set('retry', options.retry === undefined ? undefined : compileRetryPolicy(options.retry));
  set('fallback', options.fallback);
  set('priority', priorityOf(options.priority));
  set('summary', options.summary);
  return wire;
}

function requireTimeout(what: string, options: ActivityOptions | undefined): void {
  requireObject(`${what}: options`, options, "{ startToCloseTimeout: '1 minute' }");
  const { startToCloseTimeout, scheduleToCloseTimeout } = options!;
  if (
    msTimeout(startToCloseTimeout, 'startToCloseTimeout') ??
    msTimeout(scheduleToCloseTimeout, 'scheduleToCloseTimeout')
  )
    return;
  throw wrongArgument(
    `${what}: Required either scheduleToCloseTimeout or startToCloseTimeout; it`,
    "takes options such as { startToCloseTimeout: '1 minute' }",
    options,
  );
}

function requireCall(what: string, activityType: unknown, args: unknown): void {
  requireNameText(`${what}: the activity type`, activityType);
  if (!Array.isArray(args)) throw wrongArgument(`${what}: args`, 'is a list; put one argument in [ ] too', args);
}

/** Schedules an activity by name; the result is its own. */
export function scheduleActivity<R>(activityType: string, args: unknown[], options: ActivityOptions): Promise<R> {
  const activator = getActivator('scheduleActivity');
  requireCall('scheduleActivity', activityType, args);
  requireTimeout('scheduleActivity', options);
  const compiled = compileOptions(options);
  const seq = ++activator.seqs.activity;
  const schedule = compose(
    activator.interceptors,
    'outbound',
    'scheduleActivity',
    (input: { activityType: string; args: unknown[]; options: ActivityOptions; headers: Headers; seq: number }) =>
      promiseInScope<R>(
        (waiting) => {
          activator.push({
            kind: 'schedule-activity',
            seq,
            activityId: input.options.activityId ?? String(seq),
            type: input.activityType,
            ...(input.options.taskQueue === undefined ? {} : { queue: input.options.taskQueue }),
            input: activator.toWireArgs(input.args),
            ...headersToWire(input.headers),
            options: input.options === options ? compiled : compileOptions(input.options),
          });
          activator.activities.set(seq, waiting);
        },
        () => {
          if (activator.activities.has(seq)) activator.push({ kind: 'cancel-activity', seq });
        },
      ),
  );
  return schedule({ activityType, args, options, headers: {}, seq }) as Promise<R>;
}

/** Schedules a local activity by name: run by the worker inside the workflow task. */
export function scheduleLocalActivity<R>(
  activityType: string,
  args: unknown[],
  options: LocalActivityOptions,
): Promise<R> {
  const activator = getActivator('scheduleLocalActivity');
  requireCall('scheduleLocalActivity', activityType, args);
  requireTimeout('scheduleLocalActivity', options);
  const compiled = compileOptions(options);
  const seq = ++activator.seqs.localActivity;
  const schedule = compose(
    activator.interceptors,
    'outbound',
    'scheduleLocalActivity',
    (input: {
      activityType: string;
      args: unknown[];
      options: LocalActivityOptions;
      headers: Headers;
      seq: number;
      attempt: number;
    }) =>
      promiseInScope<R>(
        (waiting) => {
          const command = {
            kind: 'schedule-local-activity' as const,
            seq,
            activityId: String(seq),
            type: input.activityType,
            input: activator.toWireArgs(input.args),
            ...headersToWire(input.headers),
            options: {
              ...(input.options === options ? compiled : compileOptions(input.options)),
              localRetryThresholdMs:
                msTimeout(input.options.localRetryThreshold, 'localRetryThreshold') ?? LOCAL_RETRY_THRESHOLD_MS,
            },
          };
          activator.push(command);
          activator.localActivities.set(seq, { ...waiting, command });
        },
        () => {
          if (activator.localActivities.has(seq)) activator.push({ kind: 'cancel-local-activity', seq });
        },
      ),
  );
  return schedule({ activityType, args, options, headers: {}, seq, attempt: 1 }) as Promise<R>;
}

/** Activities as functions, with one more that takes options for a single call. */
export type ActivityProxy<A> = ActivityInterfaceFor<A> & {
  // oxlint-disable-next-line typescript/no-explicit-any -- the activity's own arguments
  [K in keyof A]: { executeWithOptions(options: ActivityOptions, args: any[]): Promise<any> };
};

/**
 * Makes the activities of a worker callable as functions: any property is an activity type.
 * @throws TypeError unless startToCloseTimeout or scheduleToCloseTimeout is given
 */
export function proxyActivities<A = UntypedActivities>(options: ActivityOptions): ActivityProxy<A> {
  requireTimeout('proxyActivities', options);
  compileOptions(options);
  return makeProxy((type, args, overrides) =>
    scheduleActivity(
      type,
      args,
      overrides ? { ...options, ...overrides, retry: { ...options.retry, ...overrides.retry } } : options,
    ),
  );
}

/** The same for local activities. */
export function proxyLocalActivities<A = UntypedActivities>(options: LocalActivityOptions): ActivityProxy<A> {
  requireTimeout('proxyLocalActivities', options);
  compileOptions(options);
  return makeProxy((type, args, overrides) =>
    scheduleLocalActivity(type, args, overrides ? { ...options, ...overrides } : options),
  );
}

function makeProxy<A>(
  call: (type: string, args: unknown[], overrides?: ActivityOptions) => Promise<unknown>,
): ActivityProxy<A> {
  return new Proxy({} as ActivityProxy<A>, {
    get(_, type) {
      if (typeof type !== 'string')
        throw new TypeError(`Only strings are supported for Activity types, got: ${String(type)}; call acts.name(…)`);
      return Object.assign((...args: unknown[]) => call(type, args), {
        executeWithOptions: (overrides: ActivityOptions, args: unknown[]) => call(type, args, overrides),
      });
    },
  });
}
