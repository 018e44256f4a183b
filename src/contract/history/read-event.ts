import type { Command, Job, StartJob, WireFailure, WireOutcome, WirePayload, WireStart } from '../../common/index.ts';
import type { HistoryContext, KnownActivity, KnownChild } from './history-context.ts';
import {
  durationFrom,
  enumFrom,
  failureFrom,
  type Json,
  mapFrom,
  number,
  part,
  payloadsFrom,
  present,
  retryPolicyFrom,
  retryStateFrom,
  text,
  valueFrom,
} from './proto-json.ts';
import { ACTIVITY_FAILED, CHILD_CANCELLED, CHILD_FAILED, RUN_TIMED_OUT } from './write-event.ts';

/** An event as it is read: its kind as `TimerFired`, and its attributes. */
export interface ReadableEvent {
  eventId: number;
  time: number;
  type: string;
  attributes: Json;
  userMetadata: Json;
}

/** What an event tells of a workflow: something that came in, something it asked for, or neither. */
export type Told = { job: Job } | { command: Command } | undefined;

const told = (kind: 'job' | 'command', fields: Json): Told => ({ [kind]: present(fields) }) as Told;
const nameIn = (json: Json, key: string): string => text(part(json, key), 'name') ?? '';
const completed = (list: WirePayload[] | undefined): WireOutcome =>
  list ? { status: 'completed', value: list[0]! } : { status: 'completed' };
const textValue = (json: Json, key: string): string | undefined => {
  const value = json[key] ? valueFrom(json[key]) : undefined;
  return typeof value === 'string' ? value : undefined;
};

function startFrom(attributes: Json, userMetadata: Json): Omit<WireStart, 'workflowId'> {
  return present({
    type: nameIn(attributes, 'workflowType'),
    queue: nameIn(attributes, 'taskQueue'),
    input: payloadsFrom(attributes['input']) ?? [],
    executionTimeoutMs: durationFrom(attributes['workflowExecutionTimeout']),
    runTimeoutMs: durationFrom(attributes['workflowRunTimeout']),
    taskTimeoutMs: durationFrom(attributes['workflowTaskTimeout']),
    retry: retryPolicyFrom(attributes['retryPolicy']),
    cronSchedule: text(attributes, 'cronSchedule'),
    headers: mapFrom(attributes['header'], 'fields'),
    memo: mapFrom(attributes['memo'], 'fields'),
    searchAttributes: mapFrom(attributes['searchAttributes'], 'indexedFields'),
    priority: number(part(attributes, 'priority'), 'priorityKey'),
    staticSummary: textValue(userMetadata, 'summary'),
    staticDetails: textValue(userMetadata, 'details'),
  }) as Omit<WireStart, 'workflowId'>;
}

function startedFrom(event: ReadableEvent): StartJob {
  const { attributes, time } = event;
  const runId = text(attributes, 'originalExecutionRunId') ?? '';
  const parent = attributes['parentWorkflowExecution'] ? part(attributes, 'parentWorkflowExecution') : undefined;
  const root = attributes['rootWorkflowExecution'] ? part(attributes, 'rootWorkflowExecution') : undefined;
  return present({
    kind: 'start',
    ...startFrom(attributes, event.userMetadata),
    workflowId: text(attributes, 'workflowId') ?? '',
    namespace: 'default',
    runId,
    firstRunId: text(attributes, 'firstExecutionRunId') ?? runId,
    attempt: number(attributes, 'attempt') ?? 1,
    randomSeed: runId,
    startedAt: time,
    identity: text(attributes, 'identity'),
    startDelayMs: durationFrom(attributes['firstWorkflowTaskBackoff']),
    continuedFrom: text(attributes, 'continuedExecutionRunId'),
    lastFailure: attributes['continuedFailure'] ? failureFrom(attributes['continuedFailure']) : undefined,
    lastResult: payloadsFrom(attributes['lastCompletionResult'])?.[0],
    parent: parent && {
      namespace: text(attributes, 'parentWorkflowNamespace') ?? 'default',
      workflowId: text(parent, 'workflowId') ?? '',
      runId: text(parent, 'runId') ?? '',
      seq: 0,
      closePolicy: 'TERMINATE',
    },
    root: root && { workflowId: text(root, 'workflowId') ?? '', runId: text(root, 'runId') ?? '' },
  }) as unknown as StartJob;
}

function activityEnd(event: ReadableEvent, activity: KnownActivity): Told {
  const { attributes, type } = event;
  const wrap = (cause: WireFailure, retryState: WireFailureState): WireFailure =>
    present({
      kind: 'activity',
      message: ACTIVITY_FAILED,
      activityType: activity.type,
      activityId: activity.activityId,
      retryState,
      identity: text(attributes, 'identity'),
      cause,
    }) as unknown as WireFailure;
  const job = (outcome: WireOutcome): Told => told('job', { kind: 'activity-resolved', seq: activity.seq, outcome });
  if (type === 'ActivityTaskCompleted') return job(completed(payloadsFrom(attributes['result'])));
  if (type === 'ActivityTaskCanceled') {
    const details = payloadsFrom(attributes['details']);
    const cause: WireFailure = { kind: 'cancelled', message: 'Activity cancelled', ...(details ? { details } : {}) };
    return job({ status: 'cancelled', failure: wrap(cause, 'CANCEL_REQUESTED') });
  }
  return job({
    status: 'failed',
    failure: wrap(failureFrom(attributes['failure']), retryStateFrom(attributes['retryState'])),
  });
}

type WireFailureState = Extract<WireFailure, { kind: 'activity' }>['retryState'];

function childEnd(event: ReadableEvent, child: KnownChild): Told {
  const { attributes, type } = event;
  const job = (outcome: WireOutcome): Told => told('job', { kind: 'child-resolved', seq: child.seq, outcome });
  const wrap = (message: string, cause: WireFailure, retryState: WireFailureState): WireFailure => ({
    kind: 'child',
    message,
    namespace: child.namespace,
    workflowId: child.workflowId,
    runId: text(part(attributes, 'workflowExecution'), 'runId') ?? child.runId,
    workflowType: child.type,
    retryState,
    cause,
  });
  const retryState = retryStateFrom(attributes['retryState']);
  switch (type) {
    case 'ChildWorkflowExecutionCompleted':
      return job(completed(payloadsFrom(attributes['result'])));
    case 'ChildWorkflowExecutionCanceled': {
      const details = payloadsFrom(attributes['details']);
      const cause: WireFailure = { kind: 'cancelled', message: CHILD_CANCELLED, ...(details ? { details } : {}) };
      return job({ status: 'cancelled', failure: wrap(CHILD_CANCELLED, cause, 'CANCEL_REQUESTED') });
    }
    case 'ChildWorkflowExecutionTerminated': {
      const cause: WireFailure = { kind: 'terminated', message: 'Workflow execution terminated' };
      return job({ status: 'failed', failure: wrap(CHILD_FAILED, cause, 'NON_RETRYABLE_FAILURE') });
    }
    case 'ChildWorkflowExecutionTimedOut': {
      const cause: WireFailure = { kind: 'timeout', message: RUN_TIMED_OUT, timeoutType: 'START_TO_CLOSE' };
      return job({ status: 'failed', failure: wrap(CHILD_FAILED, cause, retryState) });
    }
    default:
      return job({ status: 'failed', failure: wrap(CHILD_FAILED, failureFrom(attributes['failure']), retryState) });
  }
}

/** What the marker of a local activity tells; undefined for another event. */
export function localActivityIn(
  event: ReadableEvent,
): { seq: number; attempt: number; id: string; type: string } | undefined {
  if (event.type !== 'MarkerRecorded' || event.attributes['markerName'] !== 'core_local_activity') return undefined;
  const data = firstValue(event, 'data');
  const seq = number(data, 'seq') ?? 0;
  return {
    seq,
    attempt: number(data, 'attempt') ?? 1,
    id: text(data, 'activity_id') ?? String(seq),
    type: text(data, 'activity_type') ?? '',
  };
}

/** The first payload of one of a marker's details, as an object. */
function firstValue(event: ReadableEvent, key: string): Json {
  const payloads = part(part(event.attributes, 'details'), key)['payloads'] as unknown[] | undefined;
  const value = payloads?.length ? valueFrom(payloads[0]) : undefined;
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

function marker(event: ReadableEvent, context: HistoryContext): Told {
  const { attributes } = event;
  if (attributes['markerName'] === 'core_patch') {
    const patch = firstValue(event, 'patch-data');
    return told('command', {
      kind: 'patch',
      patchId: text(patch, 'id') ?? '',
      deprecated: patch['deprecated'] === true,
    });
  }
  const local = localActivityIn(event);
  if (!local) return undefined;
  const failure = attributes['failure'] ? failureFrom(attributes['failure']) : undefined;
  const isCancelled = failure?.kind === 'cancelled';
  const outcome: WireOutcome = failure
    ? {
        status: isCancelled ? 'cancelled' : 'failed',
        failure: {
          kind: 'activity',
          message: ACTIVITY_FAILED,
          activityType: local.type,
          activityId: local.id,
          retryState: isCancelled ? 'CANCEL_REQUESTED' : 'NON_RETRYABLE_FAILURE',
          cause: failure,
        },
      }
    : completed(payloadsFrom(part(part(attributes, 'details'), 'result')));
  const seq = context.localSeqs?.get(local.seq) ?? local.seq;
  return told('job', { kind: 'local-activity-resolved', seq, attempt: local.attempt, outcome });
}

/** Reads an event; undefined where it tells the workflow nothing. */
export function readEvent(event: ReadableEvent, context: HistoryContext): Told {
  const { attributes, type, userMetadata } = event;
  const eventIn = (key: string): number => Number(attributes[key] ?? 0);
  switch (type) {
    // ---- what came in ----
    case 'WorkflowExecutionStarted':
      return { job: startedFrom(event) };
    case 'TimerFired':
      return told('job', { kind: 'timer-fired', seq: Number(attributes['timerId']) });
    case 'WorkflowExecutionSignaled':
      return told('job', {
        kind: 'signalled',
        name: text(attributes, 'signalName') ?? '',
        input: payloadsFrom(attributes['input']) ?? [],
        headers: mapFrom(attributes['header'], 'fields'),
        identity: text(attributes, 'identity'),
        requestId: text(attributes, 'requestId'),
      });
    case 'WorkflowExecutionCancelRequested':
      return told('job', {
        kind: 'cancel-requested',
        reason: text(attributes, 'cause'),
        identity: text(attributes, 'identity'),
      });
    case 'ActivityTaskCompleted':
    case 'ActivityTaskFailed':
    case 'ActivityTaskTimedOut':
    case 'ActivityTaskCanceled': {
      const seq = context.activitySeqs.get(eventIn('scheduledEventId'));
      const activity = seq === undefined ? undefined : context.activities.get(seq);
      return activity && activityEnd(event, activity);
    }
    case 'MarkerRecorded':
      return marker(event, context);
    case 'StartChildWorkflowExecutionFailed': {
      const seq = context.childSeqs.get(eventIn('initiatedEventId'));
      const failure = { kind: 'already-started', workflowId: text(attributes, 'workflowId') ?? '' };
      return seq === undefined ? undefined : told('job', { kind: 'child-start-failed', seq, failure });
    }
    case 'ChildWorkflowExecutionStarted': {
      const seq = context.childSeqs.get(eventIn('initiatedEventId'));
      const runId = text(part(attributes, 'workflowExecution'), 'runId') ?? '';
      return seq === undefined ? undefined : told('job', { kind: 'child-started', seq, runId });
    }
    case 'ChildWorkflowExecutionCompleted':
    case 'ChildWorkflowExecutionFailed':
    case 'ChildWorkflowExecutionCanceled':
    case 'ChildWorkflowExecutionTimedOut':
    case 'ChildWorkflowExecutionTerminated': {
      const child = context.children.get(context.childSeqs.get(eventIn('initiatedEventId')) ?? 0);
      return child && childEnd(event, child);
    }
    case 'ExternalWorkflowExecutionSignaled':
    case 'SignalExternalWorkflowExecutionFailed':
    case 'ExternalWorkflowExecutionCancelRequested':
    case 'RequestCancelExternalWorkflowExecutionFailed': {
      const call = context.calls.get(eventIn('initiatedEventId'));
      // A child that is cancelled answers by its end, not by this.
      if (!call || call.kind === 'cancel-child') return undefined;
      return told('job', {
        kind: `${call.kind}-external-resolved`,
        seq: call.seq,
        failure: type.endsWith('Failed')
          ? {
              kind: 'application',
              type: 'ExternalWorkflowExecutionNotFound',
              message: `Unable to ${call.kind} external workflow because it was not found`,
            }
          : undefined,
      });
    }
    case 'WorkflowTaskFailed': {
      const isDivergence = enumFrom('WORKFLOW_TASK_FAILED_CAUSE', attributes['cause']) === 'NON_DETERMINISTIC_ERROR';
      return told('job', {
        kind: 'task-failed',
        cause: isDivergence ? 'NONDETERMINISM' : 'ERROR_THROWN',
        failure: failureFrom(attributes['failure']),
        worker: text(attributes, 'identity'),
      });
    }
    case 'WorkflowExecutionPaused':
    case 'WorkflowExecutionUnpaused': {
      const by = present({ identity: text(attributes, 'identity') ?? '', reason: text(attributes, 'reason') });
      const requestId = text(attributes, 'requestId');
      return told('job', { kind: type === 'WorkflowExecutionPaused' ? 'paused' : 'resumed', by, requestId });
    }
    case 'WorkflowExecutionTerminated':
      return told('job', {
        kind: 'terminated',
        reason: text(attributes, 'reason'),
        details: payloadsFrom(attributes['details']),
        identity: text(attributes, 'identity'),
      });
    case 'WorkflowExecutionTimedOut':
      return told('job', { kind: 'timed-out', retryState: retryStateFrom(attributes['retryState']) });

    // ---- what was asked for ----
    case 'ActivityTaskScheduled': {
      const queue = nameIn(attributes, 'taskQueue');
      return told('command', {
        kind: 'schedule-activity',
        ...numbersOfActivity(text(attributes, 'activityId') ?? '', context),
        type: nameIn(attributes, 'activityType'),
        queue: queue === context.queue ? undefined : queue,
        input: payloadsFrom(attributes['input']) ?? [],
        headers: mapFrom(attributes['header'], 'fields'),
        options: present({
          scheduleToCloseMs: durationFrom(attributes['scheduleToCloseTimeout']),
          scheduleToStartMs: durationFrom(attributes['scheduleToStartTimeout']),
          startToCloseMs: durationFrom(attributes['startToCloseTimeout']),
          heartbeatMs: durationFrom(attributes['heartbeatTimeout']),
          retry: retryPolicyFrom(attributes['retryPolicy']),
          cancellation: 'WAIT_CANCELLATION_COMPLETED',
          priority: number(part(attributes, 'priority'), 'priorityKey'),
          summary: textValue(userMetadata, 'summary'),
        }),
      });
    }
    case 'ActivityTaskCancelRequested': {
      const seq = context.activitySeqs.get(eventIn('scheduledEventId'));
      return seq === undefined ? undefined : told('command', { kind: 'cancel-activity', seq });
    }
    case 'TimerStarted':
      return told('command', {
        kind: 'start-timer',
        seq: Number(attributes['timerId']),
        delayMs: durationFrom(attributes['startToFireTimeout']) ?? 0,
        summary: textValue(userMetadata, 'summary'),
      });
    case 'TimerCanceled':
      return told('command', { kind: 'cancel-timer', seq: Number(attributes['timerId']) });
    case 'StartChildWorkflowExecutionInitiated': {
      const namespace = text(attributes, 'namespace');
      return told('command', {
        kind: 'start-child',
        seq: context.counts.child + 1,
        ...startFrom(attributes, userMetadata),
        workflowId: text(attributes, 'workflowId') ?? '',
        namespace: namespace === context.namespace ? undefined : namespace,
        closePolicy: enumFrom('PARENT_CLOSE_POLICY', attributes['parentClosePolicy']) ?? 'TERMINATE',
        cancellation: 'WAIT_CANCELLATION_COMPLETED',
        idReuse: enumFrom('WORKFLOW_ID_REUSE_POLICY', attributes['workflowIdReusePolicy']),
      });
    }
    case 'RequestCancelExternalWorkflowExecutionInitiated': {
      const target = part(attributes, 'workflowExecution');
      const reason = text(attributes, 'reason');
      const workflowId = text(target, 'workflowId') ?? '';
      if (attributes['childWorkflowOnly'] === true) {
        const child = [...context.children.values()].findLast((one) => one.workflowId === workflowId);
        return child && told('command', { kind: 'cancel-child', seq: child.seq, reason });
      }
      return told('command', {
        kind: 'cancel-external',
        seq: context.counts.cancel + 1,
        target: present({ workflowId, runId: text(target, 'runId') }),
        reason,
      });
    }
    case 'SignalExternalWorkflowExecutionInitiated': {
      const target = part(attributes, 'workflowExecution');
      return told('command', {
        kind: 'signal-external',
        seq: context.counts.signal + 1,
        target: present({ workflowId: text(target, 'workflowId') ?? '', runId: text(target, 'runId') }),
        childOnly: attributes['childWorkflowOnly'] === true ? true : undefined,
        name: text(attributes, 'signalName') ?? '',
        input: payloadsFrom(attributes['input']) ?? [],
        headers: mapFrom(attributes['header'], 'fields'),
      });
    }
    case 'UpsertWorkflowSearchAttributes': {
      const map = mapFrom(attributes['searchAttributes'], 'indexedFields') ?? {};
      // What a server notes beside each patch is none of the workflow's own.
      const names = Object.keys(map);
      if (names.length === 1 && names[0] === 'TemporalChangeVersion') return undefined;
      return told('command', { kind: 'upsert-search-attributes', attributes: map });
    }
    case 'WorkflowPropertiesModified':
      return told('command', { kind: 'upsert-memo', memo: mapFrom(attributes['upsertedMemo'], 'fields') ?? {} });
    case 'WorkflowExecutionUpdateAccepted':
      return told('command', { kind: 'update-accepted', updateId: updateIdOf(attributes) });
    case 'WorkflowExecutionUpdateCompleted': {
      const outcome = part(attributes, 'outcome');
      return told('command', {
        kind: 'update-completed',
        updateId: text(part(attributes, 'meta'), 'updateId') ?? '',
        outcome: outcome['failure']
          ? { status: 'failed', failure: failureFrom(outcome['failure']) }
          : completed(payloadsFrom(outcome['success'])),
      });
    }
    case 'WorkflowExecutionCompleted':
      return told('command', { kind: 'complete', value: payloadsFrom(attributes['result'])?.[0] });
    case 'WorkflowExecutionFailed':
      return told('command', { kind: 'fail', failure: failureFrom(attributes['failure']) });
    case 'WorkflowExecutionCanceled':
      return told('command', { kind: 'cancel', details: payloadsFrom(attributes['details']) });
    case 'WorkflowExecutionContinuedAsNew':
      return told('command', {
        kind: 'continue-as-new',
        ...startFrom(attributes, userMetadata),
        backoffMs: durationFrom(attributes['backoffStartInterval']),
      });
    default:
      return undefined;
  }
}

/** The request of an accepted update, which came in before. */
export function requestOf(event: ReadableEvent): Extract<Job, { kind: 'update-requested' }> {
  const request = part(event.attributes, 'acceptedRequest');
  const input = part(request, 'input');
  return present({
    kind: 'update-requested',
    updateId: updateIdOf(event.attributes),
    name: text(input, 'name') ?? '',
    input: payloadsFrom(input['args']) ?? [],
    headers: mapFrom(input['header'], 'fields'),
    identity: text(part(request, 'meta'), 'identity'),
  }) as unknown as Extract<Job, { kind: 'update-requested' }>;
}

const updateIdOf = (attributes: Json): string =>
  text(part(part(attributes, 'acceptedRequest'), 'meta'), 'updateId') ?? text(attributes, 'protocolInstanceId') ?? '';

/** An activity's id is its number where the author did not name it; elsewhere local ones are counted among them. */
function numbersOfActivity(
  activityId: string,
  { counts, localSeqs }: HistoryContext,
): { seq: number; activityId: string } {
  const next = counts.activity + 1;
  if (!/^[1-9]\d*$/.test(activityId)) return { seq: next, activityId };
  const given = Number(activityId);
  if (!localSeqs) return { seq: given, activityId };
  const seq = given - [...localSeqs.keys()].filter((local) => local < given).length;
  return seq < next ? { seq: next, activityId } : { seq, activityId: String(seq) };
}
