import type { Command, Job, WireFailure } from '../common/index.ts';
import { LIMITS, messageOf } from '../core/index.ts';
import type { AdmissionDecision } from './admission.ts';
import type { LiveRun } from './live-run.ts';
import { admissible } from './machine/fold.ts';
import type { RunState } from './machine/state.ts';
import type { KernelNode } from './node.ts';

/** What of a run's commands is asked for. */
const ASKED = new Set<Command['kind']>(['schedule-activity', 'start-child', 'signal-external']);

const NONE: ReadonlySet<Command> = new Set();

/**
 * Asks for admission of a run's commands. What is decided at once is noted among `facts`, in the commands' own segment,
 * so that it is durable before the effect it admits; what is promised is parked, and a signal behind one that is parked.
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
    if (decision instanceof Promise && node.plantedBug === 'act-before-decision') continue;
    if (decision instanceof Promise || (decision.admitted && isBehindParked(run, asked, facts))) {
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
  if (!hasParked(run.state)) return;
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

/** Whether a run has commands that await their decision: whoever decides answers the run in memory. */
export function hasParked({ activities, children, signals }: RunState): boolean {
  for (const open of [activities, children, signals])
    for (const { phase } of open.values()) if (phase === 'awaiting-admission') return true;
  return false;
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
  const decided = Promise.resolve(decision).catch((error: unknown) => ({
    admitted: false,
    reason: `the provider failed: ${messageOf(error)}`,
  }));
  if (command.kind !== 'signal-external') {
    void decided.then((answer) => settle(node, run, command, answer));
    return;
  }
  const { workflowId } = command.target;
  const before = run.parkedSignals.get(workflowId);
  const settled = Promise.all([decided, before]).then(([answer]) => settle(node, run, command, answer));
  run.parkedSignals.set(workflowId, settled);
  void settled.then(() => {
    if (run.parkedSignals.get(workflowId) === settled) run.parkedSignals.delete(workflowId);
  });
}

/** Whether a signal to the same workflow that was sent before is parked still: one must not overtake the other. */
function isBehindParked({ state }: LiveRun, command: Asked, facts: readonly Job[]): boolean {
  if (command.kind !== 'signal-external') return false;
  const { workflowId } = command.target;
  for (const { seq, phase, target } of state.signals.values())
    if (phase === 'awaiting-admission' && seq < command.seq && target.workflowId === workflowId) return true;
  // Those of the same activation are parked by facts that are not applied yet.
  return facts.some(
    (fact) =>
      fact.kind === 'admission-awaited' &&
      fact.command === 'signal-external' &&
      state.signals.get(fact.seq)?.target.workflowId === workflowId,
  );
}

type Asked = Extract<Command, { kind: 'schedule-activity' | 'start-child' | 'signal-external' }>;

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
  // The message goes with the decision: a crash between the two would leave a child that never starts, or a signal that
  // never comes.
  node.activations.arrive(run, {
    job: fact,
    atMs: node.clock.monotonicMs(),
    answer:
      command.kind === 'start-child' ? node.inbox.startChild(run, command) : node.inbox.signalExternal(run, command),
  });
}

/** Whether a command still waits for its decision: it may have been cancelled meanwhile. */
function isParked({ state }: LiveRun, { kind, seq }: Asked): boolean {
  return admissible(state, kind)?.get(seq)?.phase === 'awaiting-admission';
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
  if (command.kind === 'start-child') return { kind: 'child-start-failed', seq: command.seq, failure: cause };
  return { kind: 'signal-external-resolved', seq: command.seq, failure: cause };
}
