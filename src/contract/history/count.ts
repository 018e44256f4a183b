import type { Command, Job, Round, Segment } from '../../common/index.ts';

/**
 * How many of the field's events a history stands for. Event ids, `historyLength` and reset points are made of these
 * numbers, so a number that was released never changes: a later release may only count what is new.
 */

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

/** Whether a round only goes on with the activation in front of it: local activities that ended inside it. */
export function isContinuation(rounds: readonly Round[], index: number): boolean {
  const round = rounds[index]!;
  return index > 0 && round.commands !== undefined && round.jobs[0]?.kind === 'local-activity-resolved';
}

/** How many events segments stand for, from the first of a run on. */
export function countEvents(segments: readonly Segment[]): number {
  const started = new Set<number>();
  let count = 0;
  for (const { rounds } of segments) {
    for (const [index, round] of rounds.entries()) {
      for (const job of round.jobs) {
        count += countJob(job, (seq) => started.has(seq));
        if (job.kind === 'activity-started') started.add(job.seq);
      }
      if (!round.commands) continue;
      if (!isContinuation(rounds, index)) count += EVENTS_OF_ACTIVATION;
      for (const command of round.commands) count += countCommand(command);
    }
  }
  return count;
}
