import type { Command, Job } from '../../common/index.ts';

/** An activation is three events in the field's history: the workflow task scheduled, started, completed. */
export const EVENTS_OF_ACTIVATION = 3;

/**
 * How many events of the field's history a job stands for.
 * @param wasStarted whether an attempt of the activity was noted as started, which makes its end two events
 */
export function countJob(job: Job, wasStarted: (seq: number) => boolean): number {
  switch (job.kind) {
    case 'activity-resolved':
      return wasStarted(job.seq) ? 2 : 1;
    case 'task-failed':
      return 3;
    case 'update-requested':
    case 'seed-changed':
    case 'activity-started':
    case 'activity-cancel-delivered':
    case 'admission-awaited':
    case 'admission-decided':
      return 0;
    default:
      return 1;
  }
}

/** How many events a command stands for. */
export function countCommand(command: Command): number {
  switch (command.kind) {
    case 'schedule-local-activity':
    case 'cancel-local-activity':
    case 'set-details':
    case 'update-rejected':
      return 0;
    default:
      return 1;
  }
}
