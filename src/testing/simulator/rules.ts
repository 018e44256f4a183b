import type { Admission, AdmissionDecision, AdmissionRequest } from '../../kernel/index.ts';
import type { Scheduler, SimProcess } from './scheduler.ts';

/** Share of decisions that are promised, and come later. */
const PROMISED = 0.4;
const PROMISE_MS_MAX = 120;

/**
 * The rules of a simulated world. They deny one step in ten by its name, and one child in seven and one signal in five by
 * their place, so that an answer is the same whoever asks again, and take their time over some. A promise dies with the
 * process that asked.
 */
export function simRules(scheduler: Scheduler, owner: SimProcess): Admission {
  return {
    decide(request) {
      const decision: AdmissionDecision = { admitted: !isDenied(request), rule: 'simulated' };
      if (!scheduler.chance(PROMISED)) return decision;
      scheduler.note(`${owner.name} is promised a decision about ${request.act} of ${request.workflowId}`);
      return scheduler.delay(scheduler.between(0, PROMISE_MS_MAX), owner).then(() => decision);
    },
  };
}

function isDenied({ command }: AdmissionRequest): boolean {
  if (command?.kind === 'schedule-activity') {
    const [name] = command.input;
    return typeof name === 'string' && /-\d*7"$/.test(name);
  }
  if (command?.kind === 'signal-external') return command.seq % 5 === 2;
  return command?.kind === 'start-child' && command.seq % 7 === 3;
}
