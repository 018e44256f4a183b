import type { Command, Job, WireFailure } from '../common/index.ts';
import { LIMITS, messageOf } from '../core/index.ts';
import type { AdmissionDecision } from './admission.ts';
import type { LiveRun } from './live-run.ts';
import type { KernelNode } from './node.ts';

/** What of a run's commands is asked for. */
const ASKED = new Set<Command['kind']>(['schedule-activity', 'start-child']);

const NONE: ReadonlySet<Command> = new Set();

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
  const { admission } = node;
  if (!admission) return NONE;
  const held = new Set<Command>();
  for (const command of commands) {
    if (!ASKED.has(command.kind)) continue;
    const asked = command as Asked;
    const decision = ask(node, run, asked);
    if (decision instanceof Promise) {
      if (node.plantedBug === 'act-before-decision') continue;
      held.add(command);
      facts.push({ kind: 'admission-awaited', command: asked.kind, seq: asked.seq });
      decideLater(node, run, asked, decision);
    } else if (decision.admitted) {
      facts.push(decisionFact(asked, decision));
    } else {
      held.add(command);
      // All of it in the commands' own segment: a denied activity must not be found scheduled after a crash.
      facts.push(
        { kind: 'admission-awaited', command: asked.kind, seq: asked.seq },
        decisionFact(asked, decision),
        denial(asked, decision),
      );
    }
  }
  return held;
}

/**
 * Asks again about what a recovered run left parked: the decision that was promised died with the process that asked.
 * The commands are read from the history, since the folded state keeps less of them than a rule may want to see.
 */
export function resumeAdmissions(node: KernelNode, run: LiveRun): void {
  const parked = [...run.state.activities.values(), ...run.state.children.values()];
  if (!parked.some(({ phase }) => phase === 'awaiting-admission')) return;
  node.loadHistory(run.id).then(
    (history) => {
      if (run.dropped) return;
      for (const command of history.flatMap(({ rounds }) => rounds.flatMap((round) => round.commands ?? []))) {
        if (!ASKED.has(command.kind) || !isParked(run, command as Asked)) continue;
        const asked = command as Asked;
        // Without the rules that parked it, nothing stands in its way.
        decideLater(node, run, asked, node.admission ? ask(node, run, asked) : { admitted: true });
      }
    },
    (error: unknown) => {
      node.log.error('parked commands cannot be read; they are tried again', { message: messageOf(error) });
      node.clock.after(LIMITS.taskRetryFirstMs, () => {
        if (!run.dropped) resumeAdmissions(node, run);
      });
    },
  );
}

function ask(node: KernelNode, run: LiveRun, command: Asked): AdmissionDecision | Promise<AdmissionDecision> {
  return node.admission!.decide({
    act: command.kind,
    namespace: run.namespace,
    workflowId: run.workflowId,
    workflowType: run.row.type,
    command,
  });
}

/** Has a decision take effect when it comes; a provider that fails denies. */
function decideLater(
  node: KernelNode,
  run: LiveRun,
  command: Asked,
  decision: AdmissionDecision | Promise<AdmissionDecision>,
): void {
  Promise.resolve(decision).then(
    (answer) => settle(node, run, command, answer),
    (error: unknown) =>
      settle(node, run, command, { admitted: false, reason: `the provider failed: ${messageOf(error)}` }),
  );
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
  if (run.dropped || run.state.closing || !isParked(run, command)) return;
  const fact = decisionFact(command, decision);
  if (!decision.admitted) {
    run.arrived.push({ job: fact, atMs: node.clock.monotonicMs() });
    node.activations.arriveJob(run, denial(command, decision));
    return;
  }
  if (command.kind === 'schedule-activity') {
    node.activations.note(run, [fact], () => {
      if (!run.dropped) node.attempts.release(run, command.seq);
    });
    return;
  }
  // The message that starts a child goes with the decision: a crash between the two would leave a child that never starts.
  node.activations.arrive(run, {
    job: fact,
    atMs: node.clock.monotonicMs(),
    answer: node.inbox.startChild(run, command),
  });
}

/** Whether a command still waits for its decision: it may have been cancelled meanwhile. */
function isParked({ state }: LiveRun, { kind, seq }: Asked): boolean {
  const parked = kind === 'schedule-activity' ? state.activities.get(seq) : state.children.get(seq);
  return parked?.phase === 'awaiting-admission';
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
