import { compileRetryPolicy, type Job, type WireActor, type WireRetryPolicy } from '../common/index.ts';
import type { ActivityEdit, Requests } from '../contract/index.ts';
import { messageOf, PleachError } from '../core/index.ts';
import type { OperatorAct } from './admission.ts';
import { deliverOnce, findRepeated, type RequestedJob } from './deliver-once.ts';
import { type Arrival, type LiveRun, undurable, whenDurable } from './live-run.ts';
import type { ActivityState } from './machine/state.ts';
import type { KernelNode } from './node.ts';
import { requireName, requirePayloads } from './request-checks.ts';

type Params<A extends OperatorAct> = Requests[A]['params'];

/**
 * What an operator does to a run or an activity that stays open: each act is a fact in the history, with who and why,
 * and takes effect when it is durable. One that would change nothing leaves no trace, and is answered when what it asks
 * for is durable.
 * @throws ACTIVITY_NOT_FOUND · ACTIVITY_AWAITS_ADMISSION · WORKFLOW_CLOSED
 */
export async function operate<A extends OperatorAct>(
  node: KernelNode,
  run: LiveRun,
  act: A,
  params: Params<A>,
): Promise<void> {
  const repeated = findRepeated(node, run, params.requestId);
  if (repeated) return repeated;
  const { identity, reason, requestId } = params;
  const by: WireActor = { identity, ...(reason ? { reason } : {}) };
  if (act === 'pause' || act === 'resume') return pauseRun(node, run, act === 'pause', by, requestId);
  const { activityId, options, input } = params as Params<'update-activity-options'>;
  const activity = requireActivity(run, activityId);
  if (act !== 'update-activity-options')
    return pauseActivity(node, run, activity, act === 'pause-activity', by, requestId);
  return deliver(
    node,
    run,
    {
      kind: 'activity-edited',
      seq: activity.seq,
      ...(options ? { options } : {}),
      ...(input ? { input } : {}),
      by,
      requestId,
    },
    (live) => node.attempts.edited(live, activity.seq),
  );
}

function pauseRun(node: KernelNode, run: LiveRun, isPause: boolean, by: WireActor, requestId: string): Promise<void> {
  const last = lastUndurable(run, ({ kind }) => kind === 'paused' || kind === 'resumed');
  if (last ? (last.job.kind === 'paused') === isPause : (run.state.paused !== undefined) === isPause)
    return whenDurable(last);
  return deliver(node, run, { kind: isPause ? 'paused' : 'resumed', by, requestId }, (live) => {
    if (!isPause) for (const seq of live.state.activities.keys()) node.attempts.release(live, seq);
  });
}

function pauseActivity(
  node: KernelNode,
  run: LiveRun,
  { seq, phase, activityId, type }: ActivityState,
  isPause: boolean,
  by: WireActor,
  requestId: string,
): Promise<void> {
  if (phase === 'awaiting-admission') {
    throw new PleachError(
      'ACTIVITY_AWAITS_ADMISSION',
      `activity "${activityId}" (${type}) of workflow "${run.workflowId}" awaits admission, so no attempt of it begins; try again when it is decided`,
      { workflowId: run.workflowId, activityId },
    );
  }
  const last = lastUndurable(
    run,
    (job) => (job.kind === 'activity-paused' || job.kind === 'activity-resumed') && job.seq === seq,
  );
  if (last ? (last.job.kind === 'activity-paused') === isPause : (phase === 'paused') === isPause)
    return whenDurable(last);
  return deliver(node, run, { kind: isPause ? 'activity-paused' : 'activity-resumed', seq, by, requestId }, (live) => {
    if (isPause) node.attempts.paused(live, seq);
    else node.attempts.release(live, seq);
  });
}

/** Has a fact take effect on the run as it is in memory then: it may have been read anew meanwhile. */
function deliver(node: KernelNode, run: LiveRun, job: RequestedJob, effect: (live: LiveRun) => void): Promise<void> {
  return deliverOnce(node, run, job, () => {
    const live = node.runs.get(run.id);
    if (live) effect(live);
  });
}

function lastUndurable(run: LiveRun, isIt: (job: Job) => boolean): Arrival | undefined {
  return undurable(run).findLast(({ job }) => isIt(job));
}

function requireActivity(run: LiveRun, activityId: string): ActivityState {
  for (const activity of run.state.activities.values()) if (activity.activityId === activityId) return activity;
  throw new PleachError(
    'ACTIVITY_NOT_FOUND',
    `workflow "${run.workflowId}" has no open activity "${activityId}"; describe lists those it has`,
    { workflowId: run.workflowId, activityId },
  );
}

/**
 * Refuses an act whose arguments cannot be meant.
 * @throws INVALID_ARGUMENT · PAYLOAD_MALFORMED · LIMIT_EXCEEDED
 */
export function requireAct<A extends OperatorAct>(act: A, params: Params<A>): void {
  requireName('request id', params.requestId);
  if (params.reason !== undefined && typeof params.reason !== 'string')
    throw wrong('the reason', params.reason, 'text');
  if (act === 'pause' || act === 'resume') return;
  const { activityId, options, input } = params as Params<'update-activity-options'>;
  requireName('activity id', activityId);
  if (act !== 'update-activity-options') return;
  if (input !== undefined) requirePayloads(input);
  if (options !== undefined) requireEdit(options);
  if (input === undefined && Object.keys(options ?? {}).length === 0)
    throw new PleachError('INVALID_ARGUMENT', 'an edit of an activity changes something: give options or input', {});
}

const DURATIONS: ReadonlySet<string> = new Set<keyof ActivityEdit>([
  'scheduleToCloseMs',
  'scheduleToStartMs',
  'startToCloseMs',
  'heartbeatMs',
]);

function requireEdit(options: ActivityEdit): void {
  if (typeof options !== 'object' || options === null) throw wrong('options', options, 'an object');
  for (const [name, value] of Object.entries(options)) {
    if (name === 'retry') requireRetry(value as WireRetryPolicy);
    else if (!DURATIONS.has(name))
      throw wrong(`options.${name}`, value, `not there; known are retry, ${[...DURATIONS].join(', ')}`);
    else if (!Number.isSafeInteger(value) || (value as number) <= 0)
      throw wrong(`options.${name}`, value, 'a whole number of milliseconds above 0');
  }
}

function requireRetry(retry: WireRetryPolicy): void {
  if (typeof retry !== 'object' || retry === null) throw wrong('options.retry', retry, 'a retry policy');
  const { initialIntervalMs, maximumIntervalMs, delaysMs, ...rest } = retry;
  try {
    compileRetryPolicy({
      ...rest,
      ...(initialIntervalMs === undefined ? {} : { initialInterval: initialIntervalMs }),
      ...(maximumIntervalMs === undefined ? {} : { maximumInterval: maximumIntervalMs }),
      ...(delaysMs === undefined ? {} : { delays: delaysMs }),
    });
  } catch (error) {
    throw new PleachError('INVALID_ARGUMENT', messageOf(error), { field: 'options.retry' }, { cause: error });
  }
}

function wrong(field: string, value: unknown, may: string): PleachError {
  return new PleachError('INVALID_ARGUMENT', `${field} is ${may}; this one is ${JSON.stringify(value)}`, {
    field,
    value,
  });
}
