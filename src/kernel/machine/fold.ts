import type { Command, Job, Round, Segment, WirePayload, WorkflowJob } from '../../common/index.ts';
import { countCommand, countJob, EVENTS_OF_ACTIVATION, isContinuation } from '../../contract/index.ts';
import { LIMITS } from '../../core/index.ts';
import { Apart } from '../blobs.ts';
import type { ActivityState, ChildState, ExternalState, RunState } from './state.ts';
import { ACTIVITY, CHILD, EXTERNAL, nextState, RefusedTransition, RUN, TIMER, UPDATE } from './tables.ts';

/**
 * Applies one segment to the state of its run, in place.
 * @param bytes the length of the segment's stored body
 * @throws RefusedTransition where a job or a command cannot meet the state; the state is then half changed and must be
 *   thrown away, which is why a caller that doubts asks `checkCommands` first
 */
export function applySegment(state: RunState, segment: Segment, bytes: number): void {
  state.seq = segment.seq;
  state.time = segment.time;
  state.bytes += bytes;
  segment.rounds.forEach((round, index) => applyRound(state, round, isContinuation(segment.rounds, index)));
}

/** Applies one round. */
export function applyRound(state: RunState, round: Round, continuation: boolean): void {
  for (const job of round.jobs) applyJob(state, job);
  if (!round.commands) {
    for (const job of round.jobs) if (isDelivered(job)) state.undelivered.push(job);
    return;
  }
  // A round that only goes on answers no jobs but its own: what became durable meanwhile still waits.
  if (!continuation) state.undelivered.splice(0, round.delivered ?? state.undelivered.length);
  state.taskFailure = undefined;
  if (!continuation) {
    state.eventCount += EVENTS_OF_ACTIVATION;
    state.activations++;
    if (state.activations === 1) forgetInput(state);
  }
  for (const command of round.commands) applyCommand(state, command);
}

/**
 * A large input of a run that has begun is needed again only by the workflow's next attempt or cron run: replay reads it
 * from the history. Memory keeps none that nobody will ask for.
 */
function forgetInput(state: RunState): void {
  const { start } = state;
  if (start && !start.retry && start.cronSchedule === undefined && start.input.some(isLarge))
    state.start = { ...start, input: [] };
}

function isLarge(payload: WirePayload): boolean {
  if (typeof payload === 'string') return payload.length > LIMITS.blobBytesMin;
  if (payload instanceof Apart) return true;
  const data: unknown = payload.text ?? payload.base64;
  return data instanceof Apart || (typeof data === 'string' && data.length > LIMITS.blobBytesMin);
}

const FACTS: ReadonlySet<Job['kind']> = new Set<Job['kind']>([
  'activity-started',
  'activity-cancel-delivered',
  'activity-edited',
  'task-failed',
  'paused',
  'resumed',
  'activity-paused',
  'activity-resumed',
  'admission-awaited',
  'admission-decided',
  'terminated',
  'timed-out',
]);

/** Whether a job is for the workflow function, rather than a note of the kernel's. */
export function isDelivered(job: Job): job is WorkflowJob {
  return !FACTS.has(job.kind);
}

function requireOpen(
  state: RunState,
  event: 'job' | 'command' | 'close' | 'terminate' | 'time-out' | 'pause' | 'resume',
): void {
  nextState(RUN, state.closing ? 'closed' : 'open', event, `run ${state.start?.runId ?? 'unstarted'}`);
}

function remember(state: RunState, requestId: string | undefined): void {
  if (requestId === undefined) return;
  state.requestIds.add(requestId);
  if (state.requestIds.size > LIMITS.requestIdsMax) {
    for (const oldest of state.requestIds) {
      state.requestIds.delete(oldest);
      break;
    }
  }
}

/** Applies a job, whether or not it is delivered later. */
function applyJob(state: RunState, job: Job): void {
  state.eventCount += countJob(job, (seq) => state.activities.get(seq)?.everStarted ?? false);
  switch (job.kind) {
    case 'start':
      state.start = job;
      state.memo = { ...job.memo };
      state.searchAttributes = { ...job.searchAttributes };
      state.firstActivationAt = state.time + (job.startDelayMs ?? 0);
      for (const requestId of job.inheritedRequestIds ?? []) state.requestIds.add(requestId);
      remember(state, job.requestId);
      return;
    case 'timer-fired': {
      const timer = requireEntry(state.timers, job.seq, 'timer', 'fire');
      nextState(TIMER, timer.phase, 'fire', `timer ${job.seq}`);
      state.timers.delete(job.seq);
      return;
    }
    case 'activity-resolved': {
      const activity = requireEntry(state.activities, job.seq, 'activity', 'resolve');
      nextState(ACTIVITY, activity.phase, 'resolve', `activity ${job.seq}`);
      state.activities.delete(job.seq);
      return;
    }
    case 'child-started': {
      const child = requireEntry(state.children, job.seq, 'child', 'start');
      child.phase = nextState(CHILD, child.phase, 'start', `child ${job.seq}`) ?? child.phase;
      child.runId = job.runId;
      return;
    }
    case 'child-start-failed': {
      const child = requireEntry(state.children, job.seq, 'child', 'fail-start');
      nextState(CHILD, child.phase, 'fail-start', `child ${job.seq}`);
      state.children.delete(job.seq);
      return;
    }
    case 'child-resolved': {
      const child = requireEntry(state.children, job.seq, 'child', 'resolve');
      nextState(CHILD, child.phase, 'resolve', `child ${job.seq}`);
      state.children.delete(job.seq);
      return;
    }
    case 'signal-external-resolved':
      resolveExternal(state.signals, job.seq, 'external signal');
      return;
    case 'cancel-external-resolved':
      resolveExternal(state.cancels, job.seq, 'external cancel');
      return;
    case 'signalled':
      requireOpen(state, 'job');
      remember(state, job.requestId);
      return;
    case 'update-requested':
      requireOpen(state, 'job');
      state.updates.set(job.updateId, { updateId: job.updateId, name: job.name, phase: 'admitted' });
      state.updatesOpen++;
      remember(state, `update:${job.updateId}`);
      return;
    case 'cancel-requested':
      requireOpen(state, 'job');
      state.cancelRequested = true;
      remember(state, job.requestId);
      return;
    case 'local-activity-resolved':
      state.localPending.delete(job.seq);
      return;
    case 'seed-changed':
    case 'activity-cancel-delivered':
      return;
    case 'activity-started': {
      const activity = requireEntry(state.activities, job.seq, 'activity', 'start');
      activity.phase = nextState(ACTIVITY, activity.phase, 'start', `activity ${job.seq}`) ?? activity.phase;
      activity.attempt = job.attempt;
      activity.token = job.token;
      activity.worker = job.worker;
      activity.startedAt = job.at;
      activity.lastHeartbeatAt = 0;
      activity.everStarted = true;
      return;
    }
    case 'activity-edited': {
      remember(state, job.requestId);
      const activity = state.activities.get(job.seq);
      if (!activity || !nextState(ACTIVITY, activity.phase, 'edit', `activity ${job.seq}`)) return;
      activity.options = { ...activity.options, ...job.options };
      if (job.input) activity.input = job.input;
      const fields = new Set([...(activity.edited?.fields ?? []), ...Object.keys(job.options ?? {})]);
      if (job.input) fields.add('input');
      activity.edited = { ...job.by, at: state.time, fields: [...fields] };
      return;
    }
    case 'activity-paused': {
      remember(state, job.requestId);
      const activity = state.activities.get(job.seq);
      const next = activity && nextState(ACTIVITY, activity.phase, 'pause', `activity ${job.seq}`);
      if (!next) return;
      activity.phase = next;
      activity.paused = { ...job.by, at: state.time };
      return;
    }
    case 'activity-resumed': {
      remember(state, job.requestId);
      const activity = state.activities.get(job.seq);
      const next = activity && nextState(ACTIVITY, activity.phase, 'resume', `activity ${job.seq}`);
      if (!next) return;
      activity.paused = undefined;
      activity.phase = next;
      activity.readyAt = state.time;
      // The attempt that ran as the pause came runs still.
      if (activity.token !== undefined)
        activity.phase = nextState(ACTIVITY, next, 'start', `activity ${job.seq}`) ?? next;
      return;
    }
    case 'admission-awaited': {
      const entry = admissible(state, job.command)?.get(job.seq);
      if (entry) entry.phase = 'awaiting-admission';
      return;
    }
    case 'admission-decided':
      applyAdmission(state, job);
      return;
    case 'task-failed':
      state.taskFailure = { cause: job.cause, failure: job.failure, since: state.time };
      return;
    case 'paused':
      requireOpen(state, 'pause');
      remember(state, job.requestId);
      state.paused = { ...job.by, at: state.time };
      return;
    case 'resumed':
      requireOpen(state, 'resume');
      remember(state, job.requestId);
      state.paused = undefined;
      return;
    case 'terminated':
      requireOpen(state, 'terminate');
      close(state, {
        status: 'TERMINATED',
        failure: { kind: 'terminated', message: job.reason ?? 'Workflow execution terminated' },
        at: state.time,
      });
      return;
    case 'timed-out':
      requireOpen(state, 'time-out');
      close(state, {
        status: 'TIMED_OUT',
        failure: { kind: 'timeout', message: 'Workflow execution timed out', timeoutType: 'START_TO_CLOSE' },
        at: state.time,
      });
      return;
  }
}

function applyAdmission(state: RunState, job: Extract<Job, { kind: 'admission-decided' }>): void {
  if (job.command === 'schedule-activity') {
    const activity = state.activities.get(job.seq);
    if (!activity) return;
    const event = job.admitted ? 'admit' : 'deny';
    const next = nextState(ACTIVITY, activity.phase, event, `activity ${job.seq}`);
    // A denial is followed in the same segment by the job that resolves the activity.
    if (next && next !== 'closed') activity.phase = next;
  } else if (job.command === 'start-child') {
    const child = state.children.get(job.seq);
    if (child && job.admitted) child.phase = nextState(CHILD, child.phase, 'admit', `child ${job.seq}`) ?? child.phase;
  } else if (job.command === 'signal-external') {
    const signal = state.signals.get(job.seq);
    if (signal && job.admitted)
      signal.phase = nextState(EXTERNAL, signal.phase, 'admit', `external signal ${job.seq}`) ?? signal.phase;
  }
}

/** What commands of a kind leave open, where they are asked about; undefined for any other kind. */
export function admissible(
  state: RunState,
  command: string,
): Map<number, ActivityState> | Map<number, ChildState> | Map<number, ExternalState> | undefined {
  switch (command) {
    case 'schedule-activity':
      return state.activities;
    case 'start-child':
      return state.children;
    case 'signal-external':
      return state.signals;
    default:
      return undefined;
  }
}

function resolveExternal(entries: Map<number, ExternalState>, seq: number, noun: string): void {
  const { phase } = requireEntry(entries, seq, noun, 'resolve');
  nextState(EXTERNAL, phase, 'resolve', `${noun} ${seq}`);
  entries.delete(seq);
}

/** Applies a command. */
function applyCommand(state: RunState, command: Command): void {
  state.eventCount += countCommand(command);
  requireOpen(state, 'command');
  switch (command.kind) {
    case 'schedule-activity':
      refuseDuplicate(state.activities, command.seq, 'activity');
      state.activities.set(command.seq, newActivity(state, command));
      return;
    case 'cancel-activity': {
      const activity = state.activities.get(command.seq);
      if (activity && nextState(ACTIVITY, activity.phase, 'cancel', `activity ${command.seq}`))
        activity.cancelRequested = true;
      return;
    }
    case 'start-timer':
      refuseDuplicate(state.timers, command.seq, 'timer');
      state.timers.set(command.seq, {
        seq: command.seq,
        phase: 'running',
        firesAt: state.time + command.delayMs,
        ...(command.summary === undefined ? {} : { summary: command.summary }),
      });
      return;
    case 'cancel-timer': {
      const timer = state.timers.get(command.seq);
      if (timer && nextState(TIMER, timer.phase, 'cancel', `timer ${command.seq}`)) state.timers.delete(command.seq);
      return;
    }
    case 'start-child':
      refuseDuplicate(state.children, command.seq, 'child');
      state.children.set(command.seq, {
        seq: command.seq,
        workflowId: command.workflowId,
        namespace: command.namespace ?? state.start!.namespace,
        type: command.type,
        runId: undefined,
        phase: 'starting',
        closePolicy: command.closePolicy,
        cancellation: command.cancellation,
      });
      return;
    case 'cancel-child': {
      const child = state.children.get(command.seq);
      if (child) nextState(CHILD, child.phase, 'cancel', `child ${command.seq}`);
      return;
    }
    case 'signal-external':
      refuseDuplicate(state.signals, command.seq, 'external signal');
      state.signals.set(command.seq, { seq: command.seq, kind: 'signal', phase: 'sent', target: command.target });
      return;
    case 'cancel-external':
      refuseDuplicate(state.cancels, command.seq, 'external cancel');
      state.cancels.set(command.seq, { seq: command.seq, kind: 'cancel', phase: 'sent', target: command.target });
      return;
    case 'upsert-search-attributes':
      // A new object each time: by that it is seen that the rows of the run's attributes must be written anew.
      state.searchAttributes = { ...state.searchAttributes, ...command.attributes };
      return;
    case 'upsert-memo':
      Object.assign(state.memo, command.memo);
      return;
    case 'set-details':
      state.currentDetails = command.details;
      return;
    case 'update-accepted':
      moveUpdate(state, command.updateId, 'accept');
      return;
    case 'update-rejected': {
      const update = moveUpdate(state, command.updateId, 'reject');
      update.outcome = { status: 'failed', failure: command.failure };
      state.updatesOpen--;
      return;
    }
    case 'update-completed': {
      const update = moveUpdate(state, command.updateId, 'complete');
      update.outcome = command.outcome;
      state.updatesOpen--;
      return;
    }
    case 'complete':
      close(state, {
        status: 'COMPLETED',
        ...(command.value === undefined ? {} : { value: command.value }),
        at: state.time,
      });
      return;
    case 'fail':
      close(state, { status: 'FAILED', failure: command.failure, at: state.time });
      return;
    case 'cancel':
      close(state, {
        status: 'CANCELLED',
        failure: {
          kind: 'cancelled',
          message: 'Workflow execution cancelled',
          ...(command.details ? { details: command.details } : {}),
        },
        at: state.time,
      });
      return;
    case 'continue-as-new':
      state.continuation = command;
      close(state, { status: 'CONTINUED_AS_NEW', at: state.time });
      return;
    case 'schedule-local-activity':
      state.localPending.add(command.seq);
      return;
    case 'patch':
    case 'cancel-local-activity':
      return;
  }
}

function newActivity(state: RunState, command: Extract<Command, { kind: 'schedule-activity' }>): ActivityState {
  // Every activity passes here and through `Attempts`: what may be absent is set afterwards, since a spread in the
  // middle of a literal costs more than all its other fields.
  const activity: ActivityState = {
    seq: command.seq,
    activityId: command.activityId,
    type: command.type,
    queue: command.queue ?? state.start!.queue,
    input: command.input,
    options: command.options,
    phase: 'scheduled',
    scheduledAt: state.time,
    attempt: 1,
    fallbackFrom: 0,
    readyAt: state.time,
    startedAt: 0,
    token: undefined,
    worker: undefined,
    everStarted: false,
    cancelRequested: false,
    nextAttemptAt: 0,
    lastFailure: undefined,
    lastHeartbeatAt: 0,
    heartbeatDetails: undefined,
    paused: undefined,
    edited: undefined,
  };
  if (command.headers) activity.headers = command.headers;
  return activity;
}

function close(state: RunState, closing: NonNullable<RunState['closing']>): void {
  state.closing = closing;
  state.status = closing.status;
}

function moveUpdate(state: RunState, updateId: string, event: 'accept' | 'reject' | 'complete') {
  const update = state.updates.get(updateId);
  if (!update) throw new RefusedTransition(`update "${updateId}"`, 'unknown', event);
  update.phase = nextState(UPDATE, update.phase, event, `update "${updateId}"`) ?? update.phase;
  return update;
}

function requireEntry<T>(entries: Map<number, T>, seq: number, noun: string, event: string): T {
  const entry = entries.get(seq);
  if (!entry) throw new RefusedTransition(`${noun} ${seq}`, 'not open', event);
  return entry;
}

function refuseDuplicate(entries: Map<number, unknown>, seq: number, noun: string): void {
  if (entries.has(seq)) throw new RefusedTransition(`${noun} ${seq}`, 'open', 'be started again');
}
