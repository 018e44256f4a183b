import type { Context } from '../activity/index.ts';
import { type Headers, type MetricTags, type Next, requireObject } from '../common/index.ts';

export type { Headers, Next };

/** What an attempt is called with. */
export interface ActivityExecuteInput {
  readonly args: unknown[];
  readonly headers: Headers;
}

/** Fields of a line of an attempt's log. */
export type GetLogAttributesInput = Record<string, unknown>;
/** Tags of a measurement of an attempt. */
export type GetMetricTagsInput = MetricTags;

/** Stands in front of an attempt. */
export interface ActivityInboundCallsInterceptor {
  execute?: (input: ActivityExecuteInput, next: Next<ActivityInboundCallsInterceptor, 'execute'>) => Promise<unknown>;
}

/** Stands in front of what an attempt calls. */
export interface ActivityOutboundCallsInterceptor {
  getLogAttributes?: (
    input: GetLogAttributesInput,
    next: Next<ActivityOutboundCallsInterceptor, 'getLogAttributes'>,
  ) => Record<string, unknown>;
  getMetricTags?: (
    input: GetMetricTagsInput,
    next: Next<ActivityOutboundCallsInterceptor, 'getMetricTags'>,
  ) => MetricTags;
}

/** The interceptors of one attempt. */
export interface ActivityInterceptors {
  inbound?: ActivityInboundCallsInterceptor;
  outbound?: ActivityOutboundCallsInterceptor;
}

/** Makes the interceptors of an attempt. */
export type ActivityInterceptorsFactory = (context: Context) => ActivityInterceptors;
/** Makes an interceptor of what comes in; the older form. */
export type ActivityInboundCallsInterceptorFactory = (context: Context) => ActivityInboundCallsInterceptor;

/**
 * Gives the interceptors back as they are, in lists of their own: what the field once appended by this, every worker has.
 * @throws TypeError for what are no interceptors
 */
export function appendDefaultInterceptors(interceptors: WorkerInterceptors): WorkerInterceptors {
  requireObject('appendDefaultInterceptors', interceptors, '{ activity: [], workflowModules: [] }');
  const { activity, activityInbound, workflowModules, client } = interceptors;
  return {
    activity: [...(activity ?? [])],
    activityInbound: [...(activityInbound ?? [])],
    workflowModules: [...(workflowModules ?? [])],
    ...(client ? { client } : {}),
  };
}

/** The interceptors of a worker. */
export interface WorkerInterceptors {
  activity?: ActivityInterceptorsFactory[];
  activityInbound?: ActivityInboundCallsInterceptorFactory[];
  /** Modules that export `interceptors`, a factory; bundled with the workflows. */
  workflowModules?: string[];
  /** For the client that activities are given. */
  client?: object;
}
