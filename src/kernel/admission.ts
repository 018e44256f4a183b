import type { Command } from '../common/index.ts';

/** What an operator may do to a run or an activity that is open, and that leaves it open. */
export type OperatorAct = 'pause' | 'resume' | 'pause-activity' | 'unpause-activity' | 'update-activity-options';

/** What asks for admission: a command of a run, or a request of a client. */
export interface AdmissionRequest {
  namespace: string;
  workflowId: string;
  workflowType: string;
  /** What a client or an operator asks for; else the kind of a run's command. */
  act:
    | 'start'
    | 'signal'
    | 'update'
    | 'cancel'
    | 'terminate'
    | OperatorAct
    | 'schedule-activity'
    | 'start-child'
    | 'signal-external';
  identity?: string;
  command?: Command;
}

/** What was decided, and by which rule. */
export interface AdmissionDecision {
  admitted: boolean;
  rule?: string;
  reason?: string;
}

/**
 * Asked before something happens. A decision that is given at once is recorded in the same segment as the command; one
 * that is promised parks the command, and its answer is a job. Unbound, it costs one comparison.
 * Signals to one workflow keep their order, whichever is decided first. What is parked when its run ends does not happen.
 */
export interface Admission {
  decide(request: AdmissionRequest): AdmissionDecision | Promise<AdmissionDecision>;
}
