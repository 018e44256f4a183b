import type { Job, WorkflowJob } from '../common/index.ts';
import { PleachError } from '../core/index.ts';
import type { Arrival, LiveRun } from './live-run.ts';

/**
 * Leaves out of a run's arrivals what nobody waits for any more: a timer that fired while the activation that cancels it
 * was under way, an answer that came twice. An operator's act on an activity that is not there (any more: a segment that
 * the store refuses takes with it what it had scheduled) is refused, before it is taken for done.
 */
export function dropStale(run: LiveRun, discard: (arrival: Arrival) => void): void {
  const seen = new Set<string>();
  const isStale = ({ job }: Arrival): boolean => {
    if (isActOnActivity(job)) return !run.state.activities.has(job.seq);
    if (!isAnswer(job)) return false;
    const key = `${job.kind}/${job.seq}`;
    const isRepeated = seen.has(key);
    seen.add(key);
    return isRepeated || !isAwaited(run.state, job);
  };
  if (!run.arrived.some(({ job }) => isAnswer(job) || isActOnActivity(job))) return;
  const kept: Arrival[] = [];
  for (const arrival of run.arrived.splice(0)) {
    if (!isStale(arrival)) {
      kept.push(arrival);
      continue;
    }
    discard(arrival);
    if (isActOnActivity(arrival.job)) arrival.refused?.(gone(run, arrival.job.seq));
  }
  run.arrived.push(...kept);
}

type ActJob = Extract<Job, { kind: 'activity-paused' | 'activity-resumed' | 'activity-edited' }>;

function isActOnActivity(job: Job): job is ActJob {
  return job.kind === 'activity-paused' || job.kind === 'activity-resumed' || job.kind === 'activity-edited';
}

function gone({ workflowId }: LiveRun, seq: number): PleachError {
  return new PleachError(
    'ACTIVITY_NOT_FOUND',
    `workflow "${workflowId}" has no open activity number ${seq} (any more); describe lists those it has`,
    { workflowId, seq },
  );
}

type AnswerJob = Extract<
  WorkflowJob,
  {
    kind:
      | 'timer-fired'
      | 'activity-resolved'
      | 'child-started'
      | 'child-start-failed'
      | 'child-resolved'
      | 'signal-external-resolved'
      | 'cancel-external-resolved';
  }
>;

/** Whether a job answers something that the run has open. */
function isAnswer(job: Job): job is AnswerJob {
  switch (job.kind) {
    case 'timer-fired':
    case 'activity-resolved':
    case 'child-started':
    case 'child-start-failed':
    case 'child-resolved':
    case 'signal-external-resolved':
    case 'cancel-external-resolved':
      return true;
    default:
      return false;
  }
}

/** Whether the run still has open what a job answers. */
function isAwaited(state: LiveRun['state'], job: AnswerJob): boolean {
  switch (job.kind) {
    case 'timer-fired':
      return state.timers.has(job.seq);
    case 'activity-resolved':
      return state.activities.has(job.seq);
    case 'child-started':
      return state.children.get(job.seq)?.phase === 'starting';
    case 'child-start-failed':
    case 'child-resolved':
      return state.children.has(job.seq);
    case 'signal-external-resolved':
      return state.signals.has(job.seq);
    case 'cancel-external-resolved':
      return state.cancels.has(job.seq);
  }
}
