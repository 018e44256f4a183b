import type { Command, Job, WireFailure, WireOutcome, WireStart, WorkflowJob } from '../../common/index.ts';
import type { HistoryContext } from './history-context.ts';
import {
  bytesTo,
  durationTo,
  enumTo,
  failureTo,
  type Json,
  mapTo,
  payloadsTo,
  present,
  retryPolicyTo,
  valueTo,
} from './proto-json.ts';

/** An event without its id and time. */
export interface EventBody {
  /** As `TimerFired`. */
  type: string;
  attributes: Json;
  userMetadata?: Json;
}

/** What the failures around an activity's or a child's own say where the kernel makes them. */
export const ACTIVITY_FAILED = 'Activity task failed';
export const CHILD_FAILED = 'Child workflow execution failed';
export const CHILD_CANCELLED = 'Child workflow execution cancelled';
export const RUN_TIMED_OUT = 'Workflow execution timed out';

/** What an operator did to an activity, in words. */
const ACTS = {
  'activity-paused': 'paused',
  'activity-resumed': 'unpaused',
  'activity-edited': 'options updated',
} as const;

const body = (type: string, attributes: Json, userMetadata?: Json): EventBody => ({
  type,
  attributes: present(attributes),
  ...(userMetadata && Object.keys(userMetadata).length > 0 ? { userMetadata } : {}),
});
const id = (eventId: number | undefined): string | undefined => (eventId ? String(eventId) : undefined);
const queueTo = (name: string): Json => ({ name, kind: 'TASK_QUEUE_KIND_NORMAL' });
const summaryTo = (summary: string | undefined, details?: string): Json =>
  present({
    summary: summary === undefined ? undefined : valueTo(summary),
    details: details === undefined ? undefined : valueTo(details),
  });
const priorityTo = (key: number | undefined): Json | undefined =>
  key === undefined ? undefined : { priorityKey: key };

/** What every start of a run says, whoever starts it. */
function startTo(start: Omit<WireStart, 'workflowId'>): Json {
  return {
    workflowType: { name: start.type },
    taskQueue: queueTo(start.queue),
    input: payloadsTo(start.input),
    workflowExecutionTimeout: durationTo(start.executionTimeoutMs),
    workflowRunTimeout: durationTo(start.runTimeoutMs),
    workflowTaskTimeout: durationTo(start.taskTimeoutMs),
    retryPolicy: retryPolicyTo(start.retry),
    cronSchedule: start.cronSchedule,
    header: mapTo(start.headers, 'fields'),
    memo: mapTo(start.memo, 'fields'),
    searchAttributes: mapTo(start.searchAttributes, 'indexedFields'),
    priority: priorityTo(start.priority),
  };
}

/** The failure inside the one that the kernel puts around it, with why there was no further attempt. */
function unwrap(
  failure: WireFailure,
  kind: 'activity' | 'child',
): { inner: WireFailure; retryState: string | undefined } {
  if (failure.kind !== kind || !failure.cause) return { inner: failure, retryState: undefined };
  return { inner: failure.cause, retryState: enumTo('RETRY_STATE', failure.retryState) };
}

function activityEnd(context: HistoryContext, seq: number, outcome: WireOutcome): EventBody[] {
  const activity = context.activities.get(seq);
  const events: EventBody[] = [];
  const common = {
    scheduledEventId: id(activity?.scheduledEventId),
    startedEventId: id(activity?.startedEventId),
    identity: activity?.started?.worker,
  };
  if (outcome.status === 'completed') {
    events.push(
      body('ActivityTaskCompleted', {
        ...common,
        result: payloadsTo(outcome.value === undefined ? [] : [outcome.value]),
      }),
    );
    return events;
  }
  const { inner, retryState } = unwrap(outcome.failure, 'activity');
  if (outcome.status === 'cancelled') {
    events.push(
      body('ActivityTaskCanceled', {
        ...common,
        details: payloadsTo(inner.kind === 'cancelled' ? inner.details : undefined),
        latestCancelRequestedEventId: id(activity?.cancelRequestedEventId),
      }),
    );
  } else {
    const type = inner.kind === 'timeout' && retryState !== undefined ? 'ActivityTaskTimedOut' : 'ActivityTaskFailed';
    events.push(body(type, { ...common, failure: failureTo(inner), retryState }));
  }
  return events;
}

function childEnd(context: HistoryContext, seq: number, outcome: WireOutcome): EventBody {
  const child = context.children.get(seq);
  const common = {
    namespace: child?.namespace,
    workflowExecution: present({ workflowId: child?.workflowId, runId: child?.runId }),
    workflowType: { name: child?.type ?? '' },
    initiatedEventId: id(child?.initiatedEventId),
    startedEventId: id(child?.startedEventId),
  };
  if (outcome.status === 'completed') {
    return body('ChildWorkflowExecutionCompleted', {
      ...common,
      result: payloadsTo(outcome.value === undefined ? [] : [outcome.value]),
    });
  }
  const { inner, retryState } = unwrap(outcome.failure, 'child');
  if (outcome.status === 'cancelled') {
    const details = payloadsTo(inner.kind === 'cancelled' ? inner.details : undefined);
    return body('ChildWorkflowExecutionCanceled', { ...common, details });
  }
  if (inner.kind === 'terminated') return body('ChildWorkflowExecutionTerminated', common);
  if (inner.kind === 'timeout' && inner.message === RUN_TIMED_OUT)
    return body('ChildWorkflowExecutionTimedOut', { ...common, retryState });
  return body('ChildWorkflowExecutionFailed', { ...common, failure: failureTo(inner), retryState });
}

function localActivityEnd(
  job: Extract<WorkflowJob, { kind: 'local-activity-resolved' }>,
  context: HistoryContext,
): EventBody {
  const { seq, attempt, outcome } = job;
  const { inner } = outcome.status === 'completed' ? { inner: undefined } : unwrap(outcome.failure, 'activity');
  const known = outcome.status !== 'completed' && outcome.failure.kind === 'activity' ? outcome.failure : undefined;
  return body('MarkerRecorded', {
    markerName: 'core_local_activity',
    details: present({
      data: {
        payloads: [
          valueTo(
            present({
              seq,
              attempt,
              activity_id: known?.activityId ?? context.locals.get(seq)?.activityId ?? String(seq),
              activity_type: known?.activityType ?? context.locals.get(seq)?.type,
            }),
          ),
        ],
      },
      result:
        outcome.status === 'completed' ? payloadsTo(outcome.value === undefined ? [] : [outcome.value]) : undefined,
    }),
    failure: failureTo(inner),
  });
}

const NOT_FOUND = 'EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND';

/** The events of a job, in order; none for what the field's histories do not tell. Its own event is the last. */
export function writeJob(job: Job, context: HistoryContext): EventBody[] {
  switch (job.kind) {
    case 'start':
      return [
        body(
          'WorkflowExecutionStarted',
          {
            ...startTo(job),
            workflowId: job.workflowId,
            originalExecutionRunId: job.runId,
            firstExecutionRunId: job.firstRunId,
            identity: job.identity,
            attempt: job.attempt,
            firstWorkflowTaskBackoff: durationTo(job.startDelayMs),
            continuedExecutionRunId: job.continuedFrom,
            continuedFailure: failureTo(job.lastFailure),
            lastCompletionResult: payloadsTo(job.lastResult === undefined ? [] : [job.lastResult]),
            parentWorkflowNamespace: job.parent?.namespace,
            parentWorkflowExecution: job.parent && { workflowId: job.parent.workflowId, runId: job.parent.runId },
            rootWorkflowExecution: job.root,
          },
          summaryTo(job.staticSummary, job.staticDetails),
        ),
      ];
    case 'timer-fired':
      return [body('TimerFired', { timerId: String(job.seq), startedEventId: id(context.timerEvents.get(job.seq)) })];
    case 'signalled':
      return [
        body('WorkflowExecutionSignaled', {
          signalName: job.name,
          input: payloadsTo(job.input),
          identity: job.identity,
          header: mapTo(job.headers, 'fields'),
          requestId: job.requestId,
        }),
      ];
    case 'cancel-requested':
      return [body('WorkflowExecutionCancelRequested', { cause: job.reason, identity: job.identity })];
    case 'activity-resolved': {
      const activity = context.activities.get(job.seq);
      const { started } = activity ?? {};
      if (activity && started) activity.startedEventId = context.nextEventId;
      if (!started) return activityEnd(context, job.seq, job.outcome);
      return [
        body('ActivityTaskStarted', {
          scheduledEventId: id(activity?.scheduledEventId),
          identity: started.worker,
          requestId: bytesTo(started.token),
          attempt: started.attempt,
        }),
        ...activityEnd(context, job.seq, job.outcome),
      ];
    }
    case 'local-activity-resolved':
      return [localActivityEnd(job, context)];
    case 'child-started': {
      const child = context.children.get(job.seq);
      return [
        body('ChildWorkflowExecutionStarted', {
          namespace: child?.namespace,
          initiatedEventId: id(child?.initiatedEventId),
          workflowExecution: { workflowId: child?.workflowId ?? '', runId: job.runId },
          workflowType: { name: child?.type ?? '' },
        }),
      ];
    }
    case 'child-start-failed': {
      const child = context.children.get(job.seq);
      return [
        body('StartChildWorkflowExecutionFailed', {
          namespace: child?.namespace,
          workflowId: child?.workflowId,
          workflowType: { name: child?.type ?? '' },
          cause: 'START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS',
          initiatedEventId: id(child?.initiatedEventId),
        }),
      ];
    }
    case 'child-resolved':
      return [childEnd(context, job.seq, job.outcome)];
    case 'signal-external-resolved':
    case 'cancel-external-resolved': {
      const isSignal = job.kind === 'signal-external-resolved';
      const initiatedEventId = id(context.callEvents.get(`${isSignal ? 'signal' : 'cancel'} ${job.seq}`));
      const done = isSignal ? 'ExternalWorkflowExecutionSignaled' : 'ExternalWorkflowExecutionCancelRequested';
      if (!job.failure) return [body(done, { initiatedEventId, namespace: context.namespace })];
      const act = isSignal ? 'SIGNAL' : 'CANCEL';
      const failed = isSignal
        ? 'SignalExternalWorkflowExecutionFailed'
        : 'RequestCancelExternalWorkflowExecutionFailed';
      return [
        body(failed, { cause: `${act}_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_${NOT_FOUND}`, initiatedEventId }),
      ];
    }
    case 'task-failed': {
      const cause = job.cause === 'NONDETERMINISM' ? 'NON_DETERMINISTIC_ERROR' : 'WORKFLOW_WORKER_UNHANDLED_FAILURE';
      return [
        ...taskBegun(context),
        body('WorkflowTaskFailed', {
          scheduledEventId: id(context.nextEventId),
          startedEventId: id(context.nextEventId + 1),
          cause: `WORKFLOW_TASK_FAILED_CAUSE_${cause}`,
          failure: failureTo(job.failure),
          identity: job.worker,
        }),
      ];
    }
    case 'paused':
    case 'resumed': {
      const type = job.kind === 'paused' ? 'WorkflowExecutionPaused' : 'WorkflowExecutionUnpaused';
      return [body(type, { identity: job.by.identity, reason: job.by.reason, requestId: job.requestId })];
    }
    case 'activity-edited':
    case 'activity-paused':
    case 'activity-resumed':
      return [
        body(
          'ActivityPropertiesModifiedExternally',
          {
            scheduledEventId: id(context.activities.get(job.seq)?.scheduledEventId),
            newRetryPolicy: job.kind === 'activity-edited' ? retryPolicyTo(job.options?.retry) : undefined,
          },
          // The field's event has no place for what was done, by whom and why.
          summaryTo(`${ACTS[job.kind]} by ${job.by.identity}`, job.by.reason),
        ),
      ];
    case 'terminated':
      return [
        body('WorkflowExecutionTerminated', {
          reason: job.reason,
          details: payloadsTo(job.details),
          identity: job.identity,
        }),
      ];
    case 'timed-out':
      return [body('WorkflowExecutionTimedOut', { retryState: enumTo('RETRY_STATE', job.retryState) })];
    case 'update-requested':
    case 'seed-changed':
    case 'activity-started':
    case 'activity-cancel-delivered':
    case 'admission-awaited':
    case 'admission-decided':
      return [];
  }
}

/** A workflow task that was handed out. */
export function taskBegun(context: HistoryContext): EventBody[] {
  return [
    body('WorkflowTaskScheduled', { taskQueue: queueTo(context.queue), attempt: 1 }),
    body('WorkflowTaskStarted', { scheduledEventId: id(context.nextEventId) }),
  ];
}

/** One that was handed out and answered: three events. */
export function taskCompleted(context: HistoryContext, flags: readonly number[] | undefined): EventBody[] {
  return [
    ...taskBegun(context),
    body('WorkflowTaskCompleted', {
      scheduledEventId: id(context.nextEventId),
      startedEventId: id(context.nextEventId + 1),
      sdkMetadata: flags?.length ? { langUsedFlags: flags } : undefined,
    }),
  ];
}

/** The event of a command; undefined for what the field's histories do not tell. */
export function writeCommand(command: Command, context: HistoryContext): EventBody | undefined {
  const by = { workflowTaskCompletedEventId: id(context.taskCompletedEventId) };
  switch (command.kind) {
    case 'schedule-activity': {
      const { options } = command;
      return body(
        'ActivityTaskScheduled',
        {
          ...by,
          activityId: command.activityId,
          activityType: { name: command.type },
          taskQueue: queueTo(command.queue ?? context.queue),
          header: mapTo(command.headers, 'fields'),
          input: payloadsTo(command.input),
          scheduleToCloseTimeout: durationTo(options.scheduleToCloseMs),
          scheduleToStartTimeout: durationTo(options.scheduleToStartMs),
          startToCloseTimeout: durationTo(options.startToCloseMs),
          heartbeatTimeout: durationTo(options.heartbeatMs),
          retryPolicy: retryPolicyTo(options.retry),
          priority: priorityTo(options.priority),
        },
        summaryTo(options.summary),
      );
    }
    case 'cancel-activity':
      return body('ActivityTaskCancelRequested', {
        ...by,
        scheduledEventId: id(context.activities.get(command.seq)?.scheduledEventId),
      });
    case 'start-timer':
      return body(
        'TimerStarted',
        { ...by, timerId: String(command.seq), startToFireTimeout: durationTo(command.delayMs) },
        summaryTo(command.summary),
      );
    case 'cancel-timer':
      return body('TimerCanceled', {
        ...by,
        timerId: String(command.seq),
        startedEventId: id(context.timerEvents.get(command.seq)),
      });
    case 'start-child':
      return body(
        'StartChildWorkflowExecutionInitiated',
        {
          ...by,
          ...startTo(command),
          namespace: command.namespace ?? context.namespace,
          workflowId: command.workflowId,
          parentClosePolicy: enumTo('PARENT_CLOSE_POLICY', command.closePolicy),
          workflowIdReusePolicy: enumTo('WORKFLOW_ID_REUSE_POLICY', command.idReuse),
        },
        summaryTo(command.staticSummary, command.staticDetails),
      );
    case 'cancel-child':
      return body('RequestCancelExternalWorkflowExecutionInitiated', {
        ...by,
        namespace: context.namespace,
        workflowExecution: { workflowId: context.children.get(command.seq)?.workflowId ?? '' },
        childWorkflowOnly: true,
        reason: command.reason,
      });
    case 'cancel-external':
      return body('RequestCancelExternalWorkflowExecutionInitiated', {
        ...by,
        namespace: context.namespace,
        workflowExecution: command.target,
        reason: command.reason,
      });
    case 'signal-external':
      return body('SignalExternalWorkflowExecutionInitiated', {
        ...by,
        namespace: context.namespace,
        workflowExecution: command.target,
        signalName: command.name,
        input: payloadsTo(command.input),
        header: mapTo(command.headers, 'fields'),
        childWorkflowOnly: command.childOnly,
      });
    case 'patch':
      return body('MarkerRecorded', {
        ...by,
        markerName: 'core_patch',
        details: { 'patch-data': { payloads: [valueTo({ id: command.patchId, deprecated: command.deprecated })] } },
      });
    case 'upsert-search-attributes':
      return body('UpsertWorkflowSearchAttributes', {
        ...by,
        searchAttributes: mapTo(command.attributes, 'indexedFields'),
      });
    case 'upsert-memo':
      return body('WorkflowPropertiesModified', { ...by, upsertedMemo: mapTo(command.memo, 'fields') });
    case 'update-accepted': {
      const request = context.updateRequests.get(command.updateId);
      return body('WorkflowExecutionUpdateAccepted', {
        protocolInstanceId: command.updateId,
        acceptedRequest: present({
          meta: present({ updateId: command.updateId, identity: request?.identity }),
          input:
            request &&
            present({
              name: request.name,
              args: payloadsTo(request.input),
              header: mapTo(request.headers, 'fields'),
            }),
        }),
      });
    }
    case 'update-completed': {
      const { updateId, outcome } = command;
      return body('WorkflowExecutionUpdateCompleted', {
        meta: { updateId },
        acceptedEventId: id(context.acceptedEvents.get(updateId)),
        outcome:
          outcome.status === 'completed'
            ? { success: payloadsTo(outcome.value === undefined ? [] : [outcome.value]) ?? {} }
            : { failure: failureTo(outcome.failure) },
      });
    }
    case 'complete':
      return body('WorkflowExecutionCompleted', {
        ...by,
        result: payloadsTo(command.value === undefined ? [] : [command.value]),
      });
    case 'fail':
      return body('WorkflowExecutionFailed', {
        ...by,
        failure: failureTo(command.failure),
        retryState: 'RETRY_STATE_RETRY_POLICY_NOT_SET',
      });
    case 'cancel':
      return body('WorkflowExecutionCanceled', { ...by, details: payloadsTo(command.details) });
    case 'continue-as-new':
      return body('WorkflowExecutionContinuedAsNew', {
        ...by,
        ...startTo(command),
        backoffStartInterval: durationTo(command.backoffMs),
      });
    case 'schedule-local-activity':
    case 'cancel-local-activity':
    case 'set-details':
    case 'update-rejected':
      return undefined;
  }
}
