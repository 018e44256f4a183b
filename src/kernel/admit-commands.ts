import type { Command, Job, WireFailure } from '../common/index.ts';
import { messageOf } from '../core/index.ts';
import type { AdmissionDecision } from './admission.ts';
import type { LiveRun } from './live-run.ts';
import type { KernelNode } from './node.ts';

/** What of a run's commands is asked for. */
const ASKED = new Set<Command['kind']>(['schedule-activity', 'start-child']);

/**
 * Asks for admission of a run's commands. What is decided at once is noted among `facts`, in the commands' own segment,
 * so that it is durable before the effect it admits; what is promised is parked.
 * @returns the commands that must not take effect now: denied, or awaiting their decision
 */
export function decideAdmissions(
  node: KernelNode,
  run: LiveRun,
  commands: readonly Command[],
  facts: Job[],
): ReadonlySet<Command> {
  const held = new Set<Command>();
  const { admission } = node;
  if (!admission) return held;
  for (const command of commands) {
    if (!ASKED.has(command.kind)) continue;
    const asked = command as Extract<Command, { kind: 'schedule-activity' | 'start-child' }>;
    const decision = admission.decide({
      act: asked.kind,
      namespace: run.namespace,
      workflowId: run.workflowId,
      workflowType: run.row.type,
      command,
    });
    if (decision instanceof Promise) {
      held.add(command);
      facts.push({ kind: 'admission-awaited', command: asked.kind, seq: asked.seq });
      decision.then(
        (answer) => settle(node, run, asked, answer),
        (error: unknown) =>
          settle(node, run, asked, { admitted: false, reason: `the provider failed: ${messageOf(error)}` }),
      );
      continue;
    }
    facts.push(decisionFact(asked, decision));
    if (decision.admitted) continue;
    held.add(command);
    run.arrived.push({ job: denial(asked, decision), atMs: node.clock.monotonicMs() });
  }
  return held;
}

type Asked = Extract<Command, { kind: 'schedule-activity' | 'start-child' }>;

function decisionFact(command: Asked, decision: AdmissionDecision): Job {
  return {
    kind: 'admission-decided',
    command: command.kind,
    seq: command.seq,
    admitted: decision.admitted,
    ...(decision.rule ? { rule: decision.rule } : {}),
    ...(decision.reason ? { reason: decision.reason } : {}),
  };
}

/** A decision came later: it is durable first, and then takes effect. */
function settle(node: KernelNode, run: LiveRun, command: Asked, decision: AdmissionDecision): void {
  if (run.dropped || run.state.closing) return;
  const fact = decisionFact(command, decision);
  if (!decision.admitted) {
    run.arrived.push({ job: fact, atMs: node.clock.monotonicMs() });
    node.activations.arriveJob(run, denial(command, decision));
    return;
  }
  node.activations.note(run, [fact], () => {
    if (run.dropped) return;
    if (command.kind === 'schedule-activity') node.attempts.release(run, command.seq);
    else node.inbox.send(run, node.inbox.startChild(run, command));
  });
}

function denial(command: Asked, decision: AdmissionDecision): Job {
  const cause: WireFailure = {
    kind: 'application',
    type: 'AdmissionDenied',
    nonRetryable: true,
    message: `admission was denied${decision.rule ? ` by ${decision.rule}` : ''}${decision.reason ? `: ${decision.reason}` : ''}`,
  };
  if (command.kind === 'schedule-activity') {
    return {
      kind: 'activity-resolved',
      seq: command.seq,
      outcome: {
        status: 'failed',
        failure: {
          kind: 'activity',
          message: 'Activity task failed',
          activityType: command.type,
          activityId: command.activityId,
          retryState: 'NON_RETRYABLE_FAILURE',
          cause,
        },
      },
    };
  }
  return { kind: 'child-start-failed', seq: command.seq, failure: cause };
}
