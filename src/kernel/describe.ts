import type { PendingActivity, RunDescription, RunStatus } from '../contract/index.ts';
import type { RunRow } from '../store/index.ts';
import type { LiveRun } from './live-run.ts';
import { type ActivityState, type RunState, stageOf } from './machine/state.ts';
import type { KernelNode } from './node.ts';

/** Says everything that is known of a run without its code. */
export function describeRun(node: KernelNode, row: RunRow, state: RunState, live: LiveRun | undefined): RunDescription {
  const start = state.start;
  const open = state.status === 'RUNNING';
  const queues = new Set<string>();
  if (open && start && !node.queue(row.namespace, row.queue).takesWorkflows) queues.add(row.queue);
  for (const activity of state.activities.values()) {
    if (activity.phase === 'scheduled' && !node.queue(row.namespace, activity.queue).takesActivities)
      queues.add(activity.queue);
  }
  const description: RunDescription = {
    namespace: row.namespace,
    workflowId: row.workflowId,
    runId: row.run,
    firstRunId: row.firstRun,
    type: row.type,
    queue: row.queue,
    status: (state.start ? state.status : row.status) as RunStatus,
    startedAt: row.startedAt,
    ...(state.closing ? { closedAt: state.closing.at } : {}),
    historyLength: state.eventCount,
    historyBytes: state.bytes,
    memo: state.memo,
    searchAttributes: state.searchAttributes,
    ...(start?.parent ? { parent: { workflowId: start.parent.workflowId, runId: start.parent.runId } } : {}),
    ...(start?.root ? { root: start.root } : {}),
    ...(start?.staticSummary === undefined ? {} : { staticSummary: start.staticSummary }),
    ...(start?.staticDetails === undefined ? {} : { staticDetails: start.staticDetails }),
    ...(state.currentDetails === undefined ? {} : { currentDetails: state.currentDetails }),
    ...(state.paused ? { paused: state.paused } : {}),
    ...(open && state.taskFailure
      ? {
          blocked: {
            ...state.taskFailure,
            attempts: Math.max(1, live?.taskAttempts ?? 1),
            ...(live?.retryTaskAt ? { nextTryAt: live.retryTaskAt } : {}),
          },
        }
      : {}),
    cancelRequested: state.cancelRequested,
    activities: open ? [...state.activities.values()].map(pendingActivity) : [],
    timers: open
      ? [...state.timers.values()].map(({ seq, firesAt, summary }) => ({
          seq,
          firesAt,
          ...(summary ? { summary } : {}),
        }))
      : [],
    children: open
      ? [...state.children.values()].map((child) => ({
          workflowId: child.workflowId,
          type: child.type,
          state: child.phase === 'started' ? ('STARTED' as const) : ('STARTING' as const),
          ...(child.runId === undefined ? {} : { runId: child.runId }),
        }))
      : [],
    externals: open
      ? [...state.signals.values(), ...state.cancels.values()].map(({ kind, phase, target }) => ({
          kind,
          workflowId: target.workflowId,
          ...(phase === 'awaiting-admission' ? { awaitsAdmission: true } : {}),
        }))
      : [],
    updates: [...state.updates.values()]
      .filter(({ phase }) => phase === 'admitted' || phase === 'accepted')
      .map(({ updateId, name, phase }) => ({ updateId, name, stage: stageOf(phase) })),
    waitingFor: [],
    queuesWithoutWorker: [...queues],
  };
  if (open) description.waitingFor = waitingFor(node, description, state);
  return description;
}

function pendingActivity(activity: ActivityState): PendingActivity {
  return {
    activityId: activity.activityId,
    type: activity.type,
    queue: activity.queue,
    state: stateOf(activity),
    attempt: activity.attempt,
    scheduledAt: activity.scheduledAt,
    ...(activity.phase === 'started' || (activity.phase === 'paused' && activity.token !== undefined)
      ? { startedAt: activity.startedAt }
      : {}),
    ...(activity.phase === 'backing-off' ? { nextAttemptAt: activity.nextAttemptAt } : {}),
    ...(activity.lastHeartbeatAt ? { lastHeartbeatAt: activity.lastHeartbeatAt } : {}),
    ...(activity.heartbeatDetails ? { heartbeatDetails: activity.heartbeatDetails } : {}),
    ...(activity.lastFailure ? { lastFailure: activity.lastFailure } : {}),
    ...(activity.worker === undefined ? {} : { worker: activity.worker }),
    ...(activity.options.retry?.maximumAttempts ? { maximumAttempts: activity.options.retry.maximumAttempts } : {}),
    options: activity.options,
    ...(activity.paused ? { paused: activity.paused } : {}),
    ...(activity.edited ? { edited: activity.edited } : {}),
  };
}

function stateOf(activity: ActivityState): PendingActivity['state'] {
  if (activity.cancelRequested) return 'CANCEL_REQUESTED';
  switch (activity.phase) {
    case 'awaiting-admission':
      return 'AWAITING_ADMISSION';
    case 'started':
      return 'STARTED';
    case 'backing-off':
      return 'BACKING_OFF';
    case 'paused':
      return activity.token === undefined ? 'PAUSED' : 'PAUSE_REQUESTED';
    default:
      return 'SCHEDULED';
  }
}

/** One plain sentence for each thing that must happen before the run can go on. */
function waitingFor(node: KernelNode, description: RunDescription, state: RunState): string[] {
  const said: string[] = [];
  const at = (instant: number): string => new Date(instant).toISOString();
  if (description.paused)
    said.push(`a person: ${description.paused.identity} paused it at ${at(description.paused.at)}`);
  if (description.blocked) {
    said.push(
      `its code: the workflow task fails (${description.blocked.cause}: ${description.blocked.failure.message})`,
    );
  }
  for (const queue of description.queuesWithoutWorker)
    said.push(`a worker on task queue "${queue}": none is connected`);
  if (state.activations === 0 && state.firstActivationAt > node.now())
    said.push(`its start delay, until ${at(state.firstActivationAt)}`);
  for (const activity of description.activities) {
    const until = activity.nextAttemptAt === undefined ? '' : `, next attempt at ${at(activity.nextAttemptAt)}`;
    const by = activity.paused ? ` since ${activity.paused.identity} paused it at ${at(activity.paused.at)}` : '';
    said.push(
      `activity ${activity.type} (${activity.activityId}): ${activity.state.toLowerCase().replaceAll('_', ' ')}${by}, attempt ${activity.attempt}${until}`,
    );
  }
  if (state.localPending.size > 0) said.push(`${state.localPending.size} local activities at its worker`);
  for (const timer of description.timers)
    said.push(`a timer, until ${at(timer.firesAt)}${timer.summary ? ` (${timer.summary})` : ''}`);
  for (const child of description.children) said.push(`child workflow "${child.workflowId}" (${child.type})`);
  for (const { kind, workflowId, awaitsAdmission } of description.externals)
    said.push(`${awaitsAdmission ? 'the admission of' : 'the answer to'} a ${kind} of workflow "${workflowId}"`);
  if (said.length === 0) {
    said.push(
      state.undelivered.length > 0 ? 'its worker, which has jobs to answer' : 'a signal, an update or a cancel request',
    );
  }
  return said;
}
