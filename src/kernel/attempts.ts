import {
  decideRetry,
  type Job,
  type WireFailure,
  type WireOutcome,
  type WirePayload,
  type WireRetryState,
} from '../common/index.ts';
import type { AttemptCancelReason, AttemptTask } from '../contract/index.ts';
import { isUuid, LIMITS, type NodeId, type PleachError, type RunId, type Wait } from '../core/index.ts';
import type { AttemptRow, RunRow } from '../store/index.ts';
import { type Arrival, findUndurable, type LiveRun } from './live-run.ts';
import type { ActivityState } from './machine/state.ts';
import type { KernelNode } from './node.ts';
import type { Rate } from './rate.ts';
import { hasSlot, learnAttempt, learnMissedSlot, type Queue, type WorkerHandle } from './workers.ts';

/** What an attempt row holds: what the segments do not say. */
interface AttemptBody {
  attempt: number;
  nextAttemptAt: number;
  fallbackFrom?: number;
  type?: string;
  lastFailure?: WireFailure;
  heartbeatDetails?: WirePayload[];
  lastHeartbeatAt?: number;
}

/** How long an attempt that is noted as started waits for the slot that was expected, in milliseconds. */
const EXPECTED_MS = 50;

/** How long an attempt waits for word that the lease still holds, in milliseconds. */
const HOLD_LOOK_MS = 20;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The attempts of activities: who runs them, until when, and what happens after.
 *
 * Attempt 1 on a free slot of this process is noted as started in the segment that schedules it. Every other attempt
 * has its start committed before its first instruction, so `maximumAttempts: 1` means at most once. One token is
 * current per activity; whatever comes with another is refused.
 */
export class Attempts {
  readonly #node: KernelNode;
  #order = 0;
  /** Who holds which attempt. */
  readonly #holders = new Map<string, WorkerHandle>();
  readonly #rateWaits = new Set<Rate>();

  constructor(node: KernelNode) {
    this.#node = node;
  }

  // ---- scheduling ----

  /** Starts a newly scheduled activity in the same segment where a slot of this process is free; else lines it up. */
  schedule(run: LiveRun, activity: ActivityState, facts: Job[], effects: (() => void)[]): void {
    this.arm(run, activity);
    const queue = this.#node.queue(run.namespace, activity.queue);
    const nowMs = this.#node.clock.monotonicMs();
    const mayStart = queue.waitingCount === 0 && !run.state.paused;
    const worker = mayStart ? queue.activityWorker(nowMs, true) : undefined;
    if (!worker) {
      const full = mayStart ? queue.expectedWorker() : undefined;
      if (full) this.#startExpecting(run, activity, full, facts, effects);
      else effects.push(() => this.#lineUp(run, activity));
      return;
    }
    this.#startOn(run, activity, worker, facts, effects);
  }

  /** Notes an attempt as started on a free slot, and hands it out when that is durable. */
  #startOn(run: LiveRun, activity: ActivityState, worker: WorkerHandle, facts: Job[], effects: (() => void)[]): void {
    const token = this.#newToken(run, activity, worker);
    this.#hold(token, worker);
    facts.push(this.#startFact(activity, token, worker));
    const giveBack = (): void => this.#freeAfter(token);
    run.reservations.add(giveBack);
    effects.push(() => {
      run.reservations.delete(giveBack);
      this.#dispatch(run, activity.seq, token, worker);
    });
  }

  /**
   * Notes an attempt as started although every slot is taken, since one will be free when the segment is durable, or a
   * moment later. Where none is by then, it stands in line like any other, and its start is noted again: one row more,
   * as if nothing had been expected.
   */
  #startExpecting(
    run: LiveRun,
    activity: ActivityState,
    worker: WorkerHandle,
    facts: Job[],
    effects: (() => void)[],
  ): void {
    const { clock } = this.#node;
    const token = this.#newToken(run, activity, worker);
    facts.push(this.#startFact(activity, token, worker));
    const isWanted = (): boolean => !run.dropped && activity.token === token && isRunning(activity);
    let wait: Wait | undefined;
    const leaveLine = (): void => {
      worker.expected--;
      run.reservations.delete(leaveLine);
      worker.expecting.delete(begin);
      wait?.clear();
    };
    const begin = (): void => {
      leaveLine();
      if (!isWanted()) return;
      this.#hold(token, worker);
      this.#dispatch(run, activity.seq, token, worker);
    };
    worker.expected++;
    run.reservations.add(leaveLine);
    effects.push(() => {
      worker.expecting.add(begin);
      wait = clock.after(EXPECTED_MS, () => {
        leaveLine();
        learnMissedSlot(worker);
        if (!isWanted()) return;
        this.#standInLine(run, activity);
      });
      this.#serveExpecting(worker);
    });
  }

  /** An attempt that is noted as started begins later after all: its start will be noted again. */
  #standInLine(run: LiveRun, activity: ActivityState): void {
    if (activity.phase === 'started') activity.phase = 'scheduled';
    activity.token = undefined;
    activity.worker = undefined;
    if (activity.cancelRequested) {
      this.#cancelNow(run, activity);
      return;
    }
    this.arm(run, activity);
    this.#lineUp(run, activity);
  }

  /** Lets attempts begin that are noted as started, as far as slots are free. */
  #serveExpecting(worker: WorkerHandle): void {
    for (const begin of worker.expecting) {
      if (!hasSlot(worker, this.#node.clock.monotonicMs())) return;
      begin();
    }
  }

  #newToken(run: LiveRun, activity: ActivityState, worker: WorkerHandle): string {
    const stage = activity.fallbackFrom > 0 ? 'f' : 'a';
    const where = worker.channel.local ? 'l' : 'r';
    return `${run.id}/${activity.seq}/${stage}${activity.attempt}/${where}${shortId(this.#node.id)}.${++this.#order}`;
  }

  /** Takes a slot of the worker's. */
  #hold(token: string, worker: WorkerHandle): void {
    const nowMs = this.#node.clock.monotonicMs();
    worker.tokens.set(token, nowMs);
    if (worker.isRelay) worker.granted--;
    worker.rate?.spend(nowMs);
    const { namespace, queue } = worker.registration;
    this.#node.queue(namespace, queue).rate?.spend(nowMs);
    this.#holders.set(token, worker);
  }

  #startFact(activity: ActivityState, token: string, worker: WorkerHandle): Job {
    return {
      kind: 'activity-started',
      seq: activity.seq,
      attempt: activity.attempt,
      worker: worker.registration.identity,
      token,
      at: this.#node.now(),
    };
  }

  /** Puts an activity in its queue's line and gives the queue a turn. */
  #lineUp(run: LiveRun, activity: ActivityState): void {
    if (run.dropped || activity.phase !== 'scheduled') return;
    const queue = this.#node.queue(run.namespace, activity.queue);
    queue.wait({
      runId: run.id,
      seq: activity.seq,
      type: activity.type,
      priority: activity.options.priority ?? 3,
      order: ++this.#order,
    });
    this.serve(queue);
  }

  /** Pairs what waits with whoever is free. */
  serve(queue: Queue): void {
    for (;;) {
      if (queue.waitingCount === 0) return;
      const nowMs = this.#node.clock.monotonicMs();
      const free = queue.activityWorker(nowMs, false);
      const worker = free ?? queue.expectedWorker();
      if (!worker) {
        this.#waitForRates(queue, nowMs);
        this.#node.matcher.changed(queue);
        return;
      }
      const task = queue.take()!;
      const run = this.#node.runs.get(task.runId as RunId);
      const activity = run?.state.activities.get(task.seq);
      if (!run || !activity || activity.phase !== 'scheduled' || run.state.paused || run.state.closing) continue;
      if (this.#holdsCurrent(activity)) continue;
      // The next owner of its partition lines it up.
      if (this.#node.cluster.isLeaving(run.partition)) continue;
      // In line twice, as after a pause or a recovery: its start may be noted already, and not applied yet.
      const isItsStart = ({ job }: Arrival): boolean =>
        job.kind === 'activity-started' && job.seq === task.seq && job.attempt === activity.attempt;
      // What an operator has asked for comes first: its effect lines the activity up again where it may begin.
      if (findUndurable(run, (arrival) => isItsStart(arrival) || isActOn(arrival.job, task.seq))) continue;
      // The start is on the disk before the first instruction.
      const facts: Job[] = [];
      const effects: (() => void)[] = [];
      if (free) this.#startOn(run, activity, free, facts, effects);
      else this.#startExpecting(run, activity, worker, facts, effects);
      this.#node.activations.note(run, facts, () => effects.forEach((effect) => effect()));
    }
  }

  /** Whether an attempt of a run's activities is under way. */
  isAnyUnderWay(run: LiveRun): boolean {
    return run.state.activities.values().some(isRunning);
  }

  #holdsCurrent(activity: ActivityState): boolean {
    return activity.phase === 'started' && activity.token !== undefined && this.#holders.has(activity.token);
  }

  /** @param nowMs when it was found that none is free: a moment later a limit may allow one, and nobody would come for it */
  #waitForRates(queue: Queue, nowMs: number): void {
    const rates = [queue.rate, ...queue.workers.map(({ rate }) => rate)];
    for (const rate of rates) {
      const delayMs = rate && !this.#rateWaits.has(rate) ? rate.delayMs(nowMs) : 0;
      if (!rate || delayMs === 0) continue;
      this.#rateWaits.add(rate);
      this.#node.clock.after(delayMs, () => {
        this.#rateWaits.delete(rate);
        this.serve(queue);
      });
    }
  }

  /** Hands an attempt out; its start is durable. */
  #dispatch(run: LiveRun, seq: number, token: string, worker: WorkerHandle): void {
    const activity = run.state.activities.get(seq);
    if (run.dropped || !activity || activity.token !== token || run.state.closing) {
      this.#free(token);
      return;
    }
    if (activity.phase === 'paused') {
      // Paused between the note of its start and here. It begins when it is unpaused.
      this.#free(token);
      this.#standInLine(run, activity);
      return;
    }
    if (stopByEdit(activity)) {
      // Edited between the note of its start and here, so that there is no such attempt any more.
      this.#free(token);
      activity.token = undefined;
      this.#endsByEdit(run, activity);
      return;
    }
    if (!this.#node.journal.holds()) {
      // This process may have slept while another took over and ran the attempt for lost: ask the store before acting.
      this.#node.journal.renew();
      if (!this.#node.ended) this.#node.clock.after(HOLD_LOOK_MS, () => this.#dispatch(run, seq, token, worker));
      return;
    }
    if (worker.gone) {
      this.lost(token);
      return;
    }
    this.arm(run, activity);
    const deadline = run.activityDeadlines.get(seq);
    const task: AttemptTask = {
      token,
      namespace: run.namespace,
      workflowId: run.workflowId,
      runId: run.id,
      workflowType: run.state.start!.type,
      activityId: activity.activityId,
      type: activity.type,
      queue: activity.queue,
      attempt: activity.attempt,
      input: activity.input,
      options: activity.options,
      scheduledAt: activity.scheduledAt,
      currentScheduledAt: activity.readyAt,
      startedAt: activity.startedAt,
    };
    if (activity.headers) task.headers = activity.headers;
    if (activity.heartbeatDetails) task.heartbeatDetails = activity.heartbeatDetails;
    if (deadline) task.timeoutMs = Math.max(0, deadline.at - this.#node.now());
    worker.tokens.set(token, this.#node.clock.monotonicMs());
    worker.channel.send({ kind: 'attempt', workerId: worker.registration.workerId, task });
    if (this.#node.plantedBug === 'repeat-finished-steps') {
      this.#node.clock.after(500, () => {
        if (run.state.activities.has(seq)) return;
        worker.channel.send({ kind: 'attempt', workerId: worker.registration.workerId, task });
      });
    }
    if (activity.cancelRequested) this.#sendCancel(activity, 'CANCELLED');
  }

  #free(token: string): void {
    const worker = this.#holders.get(token);
    if (!worker) return;
    this.#holders.delete(token);
    worker.tokens.delete(token);
    if (worker.gone) return;
    const queue = this.#node.queue(worker.registration.namespace, worker.registration.queue);
    this.serve(queue);
    this.#node.matcher.changed(queue);
  }

  // ---- reports ----

  /** An attempt has ended. A stale token changes nothing. */
  async done(token: string, outcome: WireOutcome): Promise<'taken' | 'stale'> {
    if (!this.#node.runs.has(token.slice(0, 36) as RunId)) await this.#loadRunOf(token);
    const found = this.#find(token);
    const worker = this.#holders.get(token);
    const handedOutMs = worker?.tokens.get(token);
    if (worker && handedOutMs !== undefined) learnAttempt(worker, this.#node.clock.monotonicMs() - handedOutMs);
    this.#freeAfter(token);
    if (!found) return 'stale';
    this.#ended(found.run, found.activity, outcome);
    return 'taken';
  }

  /** Frees the slot a turn later than the completion is taken in, so that the run's next step may have it. */
  #freeAfter(token: string): void {
    const worker = this.#holders.get(token);
    if (!worker) return;
    this.#holders.delete(token);
    worker.tokens.delete(token);
    this.#serveExpecting(worker);
    const queue = this.#node.queue(worker.registration.namespace, worker.registration.queue);
    if (queue.waitingCount > 0) this.#node.clock.soon(() => this.serve(queue));
    else this.#node.matcher.changed(queue);
  }

  /** A run that recovery has not reached yet is loaded for whoever asks for it. */
  async #loadRunOf(token: string): Promise<RunRow | undefined> {
    const runId = token.slice(0, 36);
    if (!isUuid(runId)) return undefined;
    const [row] = await this.#node.store.findRuns([{ runId }]);
    if (row && this.#node.cluster.serves(row.partition)) await this.#node.load(row);
    return row;
  }

  /** A run is another node's now: what workers of this one run of it is announced there. */
  handOver(run: LiveRun): void {
    for (const { token } of run.state.activities.values()) {
      const holder = token === undefined ? undefined : this.#holders.get(token);
      if (!holder) continue;
      this.#holders.delete(token!);
      holder.tokens.delete(token!);
      // A relayed worker's own node announces it.
      if (!holder.isRelay) this.#node.relays.adopt(token!, holder, run.partition);
    }
  }

  /** The worker is rid of it: someone else will complete it by its token. */
  asynchronous(token: string): void {
    this.#free(token);
  }

  /** The run and activity whose current token this is. */
  #find(token: string): { run: LiveRun; activity: ActivityState } | undefined {
    const [runId, seqText] = token.split('/');
    const run = this.#node.runs.get(runId as RunId);
    const activity = run?.state.activities.get(Number(seqText));
    if (!run || !activity || activity.phase === 'closed') return undefined;
    if (activity.token !== token && this.#node.plantedBug !== 'take-stale-results') return undefined;
    return { run, activity };
  }

  /** What an attempt's end means: a result, another attempt, or the end. */
  #ended(run: LiveRun, activity: ActivityState, outcome: WireOutcome): void {
    if (outcome.status === 'completed') {
      this.resolve(run, activity, outcome);
      return;
    }
    const { failure } = outcome;
    const isPause = failure.kind === 'application' && failure.type === 'ActivityPause';
    if (activity.cancelRequested && (outcome.status === 'cancelled' || isPause)) {
      this.resolve(run, activity, {
        status: 'cancelled',
        failure: this.#wrap(activity, failure, 'CANCEL_REQUESTED'),
      });
      return;
    }
    this.#attemptFailed(run, activity, failure);
  }

  #attemptFailed(run: LiveRun, activity: ActivityState, failure: WireFailure): void {
    const node = this.#node;
    const decision = decideRetry(activity.options.retry ?? {}, activity.attempt, failure, node.random.fraction());
    let stop: WireRetryState;
    if ('retryAfterMs' in decision && !activity.cancelRequested) {
      // The first loss of a worker says nothing against the activity: it is made good at once. One that is lost again
      // may be what ends its workers, and waits as its policy says.
      const isFirstLoss = isLoss(failure) && !(activity.lastFailure && isLoss(activity.lastFailure));
      const nextAt = node.now() + (isFirstLoss ? 0 : decision.retryAfterMs);
      const expires =
        activity.options.scheduleToCloseMs === undefined
          ? Infinity
          : activity.scheduledAt + activity.options.scheduleToCloseMs;
      if (nextAt < expires) {
        this.#retryAt(run, activity, nextAt, failure, activity.attempt + 1);
        return;
      }
      stop = 'TIMEOUT';
    } else stop = 'stop' in decision ? decision.stop : 'CANCEL_REQUESTED';
    const { fallback } = activity.options;
    if (
      fallback !== undefined &&
      activity.fallbackFrom === 0 &&
      stop !== 'CANCEL_REQUESTED' &&
      failure.kind !== 'cancelled'
    ) {
      activity.fallbackFrom = activity.attempt;
      activity.type = fallback;
      this.#retryAt(run, activity, node.now(), failure, 1);
      return;
    }
    this.resolve(run, activity, { status: 'failed', failure: this.#wrap(activity, failure, stop) });
  }

  #retryAt(run: LiveRun, activity: ActivityState, nextAt: number, failure: WireFailure, attempt: number): void {
    activity.phase = activity.phase === 'paused' ? 'paused' : 'backing-off';
    activity.attempt = attempt;
    activity.lastFailure = failure;
    activity.nextAttemptAt = nextAt;
    activity.readyAt = nextAt;
    activity.token = undefined;
    activity.worker = undefined;
    this.#writeRow(run, activity, () => this.#backOff(run, activity));
  }

  #backOff(run: LiveRun, activity: ActivityState): void {
    if (run.dropped || !run.state.activities.has(activity.seq)) return;
    this.arm(run, activity);
  }

  #writeRow(run: LiveRun, activity: ActivityState, durable: () => void): void {
    const body: AttemptBody = {
      attempt: activity.attempt,
      nextAttemptAt: activity.nextAttemptAt,
      ...(activity.fallbackFrom > 0 ? { fallbackFrom: activity.fallbackFrom, type: activity.type } : {}),
      ...(activity.lastFailure ? { lastFailure: activity.lastFailure } : {}),
      ...(activity.heartbeatDetails ? { heartbeatDetails: activity.heartbeatDetails } : {}),
      ...(activity.lastHeartbeatAt ? { lastHeartbeatAt: activity.lastHeartbeatAt } : {}),
    };
    run.state.hasAttemptRows = true;
    if (!this.#node.cluster.owns(run.partition)) return;
    this.#node.journal.append({
      partition: run.partition,
      segments: [],
      attempts: [{ run: run.id, seq: activity.seq, body: encoder.encode(JSON.stringify(body)) }],
      durable,
      refused: (error: PleachError) => {
        this.#node.log.error('an attempt row was refused; it is tried again', { message: error.message });
        this.#node.clock.after(LIMITS.taskRetryFirstMs, () => {
          if (!run.dropped && run.state.activities.get(activity.seq) === activity)
            this.#writeRow(run, activity, durable);
        });
      },
    });
  }

  /** Gives an activity its one result. */
  resolve(run: LiveRun, activity: ActivityState, outcome: WireOutcome): void {
    // A result that is on its way decides; a denial's comes behind its decision, which still must meet the phase it was for.
    if (findUndurable(run, ({ job }) => job.kind === 'activity-resolved' && job.seq === activity.seq)) return;
    // Nothing further may resolve it, though the job that says so is not durable yet.
    activity.phase = 'started';
    activity.token = undefined;
    const deadline = run.activityDeadlines.get(activity.seq);
    this.#node.deadlines.clear(deadline);
    run.activityDeadlines.delete(activity.seq);
    this.#node.activations.arriveJob(run, { kind: 'activity-resolved', seq: activity.seq, outcome });
  }

  #wrap(activity: ActivityState, cause: WireFailure, retryState: WireRetryState): WireFailure {
    return {
      kind: 'activity',
      message: 'Activity task failed',
      activityType: activity.type,
      activityId: activity.activityId,
      retryState,
      ...(activity.worker ? { identity: activity.worker } : {}),
      cause,
    };
  }

  // ---- cancelling ----

  /** The run no longer wants an activity. */
  requestCancel(run: LiveRun, seq: number, effects: (() => void)[]): void {
    const activity = run.state.activities.get(seq);
    if (!activity) return;
    const { cancellation } = activity.options;
    effects.push(() => {
      if (run.dropped || !run.state.activities.has(seq)) return;
      const running = isRunning(activity);
      if (running && cancellation !== 'ABANDON') this.#sendCancel(activity, 'CANCELLED');
      if (!running || cancellation !== 'WAIT_CANCELLATION_COMPLETED') this.#cancelNow(run, activity);
    });
  }

  #cancelNow(run: LiveRun, activity: ActivityState): void {
    const failure = this.#wrap(activity, { kind: 'cancelled', message: 'Activity cancelled' }, 'CANCEL_REQUESTED');
    this.resolve(run, activity, { status: 'cancelled', failure });
  }

  #sendCancel(activity: ActivityState, reason: AttemptCancelReason): void {
    const worker = activity.token === undefined ? undefined : this.#holders.get(activity.token);
    if (!worker || worker.gone) return;
    worker.channel.send({
      kind: 'attempt-cancel',
      workerId: worker.registration.workerId,
      token: activity.token!,
      reason,
    });
  }

  /** Tells whoever runs it that nobody waits any more, and frees its slot. */
  abandon(activity: ActivityState, reason: AttemptCancelReason): void {
    if (activity.token === undefined) return;
    this.#sendCancel(activity, reason);
  }

  // ---- time ----

  /** Sets the one deadline of an activity: the nearest of its time-outs, or its next attempt. */
  arm(run: LiveRun, activity: ActivityState): void {
    const node = this.#node;
    node.deadlines.clear(run.activityDeadlines.get(activity.seq));
    const { options } = activity;
    let at = Infinity;
    let due: () => void = () => undefined;
    const consider = (when: number, act: () => void): void => {
      if (when < at) {
        at = when;
        due = act;
      }
    };
    if (options.scheduleToCloseMs !== undefined) {
      consider(activity.scheduledAt + options.scheduleToCloseMs, () =>
        this.#timedOut(run, activity, 'SCHEDULE_TO_CLOSE'),
      );
    }
    if (activity.phase === 'backing-off') consider(activity.nextAttemptAt, () => this.#ready(run, activity));
    else if (activity.phase === 'scheduled' && options.scheduleToStartMs !== undefined) {
      consider(activity.readyAt + options.scheduleToStartMs, () => this.#timedOut(run, activity, 'SCHEDULE_TO_START'));
    } else if (isRunning(activity)) {
      if (options.startToCloseMs !== undefined) {
        consider(activity.startedAt + options.startToCloseMs, () => this.#timedOut(run, activity, 'START_TO_CLOSE'));
      }
      if (options.heartbeatMs) {
        consider(Math.max(activity.startedAt, activity.lastHeartbeatAt) + options.heartbeatMs, () =>
          this.#timedOut(run, activity, 'HEARTBEAT'),
        );
      }
    }
    if (at === Infinity) {
      run.activityDeadlines.delete(activity.seq);
      return;
    }
    run.activityDeadlines.set(
      activity.seq,
      node.deadlines.set(at, () => {
        if (!run.dropped && run.state.activities.get(activity.seq) === activity) due();
      }),
    );
    node.arm();
  }

  #ready(run: LiveRun, activity: ActivityState): void {
    if (activity.phase !== 'backing-off') return;
    activity.phase = 'scheduled';
    this.arm(run, activity);
    this.#lineUp(run, activity);
  }

  #timedOut(
    run: LiveRun,
    activity: ActivityState,
    timeoutType: 'SCHEDULE_TO_CLOSE' | 'SCHEDULE_TO_START' | 'START_TO_CLOSE' | 'HEARTBEAT',
  ): void {
    const words = timeoutType.toLowerCase().replaceAll('_', '-');
    const failure: WireFailure = {
      kind: 'timeout',
      message: `activity ${words} time-out`,
      timeoutType,
      ...(activity.heartbeatDetails ? { lastHeartbeatDetails: activity.heartbeatDetails } : {}),
    };
    const { token } = activity;
    if (token !== undefined) {
      this.#sendCancel(activity, 'TIMED_OUT');
      activity.token = undefined;
    }
    if (timeoutType === 'SCHEDULE_TO_CLOSE' && activity.lastFailure) {
      this.resolve(run, activity, {
        status: 'failed',
        failure: this.#wrap(activity, { ...failure, cause: activity.lastFailure }, 'TIMEOUT'),
      });
      return;
    }
    this.#attemptFailed(run, activity, failure);
  }

  /** A sign of life; answered with a cancel where the attempt should stop. */
  async heartbeat(
    worker: WorkerHandle | undefined,
    token: string,
    details: WirePayload[] | undefined,
  ): Promise<'taken' | 'stale'> {
    if (!this.#node.runs.has(token.slice(0, 36) as RunId)) await this.#loadRunOf(token);
    const found = this.#find(token);
    if (!found) {
      worker?.channel.send({
        kind: 'attempt-cancel',
        workerId: worker.registration.workerId,
        token,
        reason: 'NOT_FOUND',
      });
      return 'stale';
    }
    const { run, activity } = found;
    activity.lastHeartbeatAt = this.#node.now();
    if (details) activity.heartbeatDetails = details;
    this.arm(run, activity);
    this.#writeRow(run, activity, () => undefined);
    if (activity.phase === 'paused') this.#sendCancel(activity, 'PAUSED');
    return 'taken';
  }

  // ---- loss ----

  /** The process that ran an attempt is gone. */
  lost(token: string): void {
    const [runId, seqText] = token.split('/');
    const worker = this.#holders.get(token);
    this.#holders.delete(token);
    worker?.tokens.delete(token);
    const run = this.#node.runs.get(runId as RunId);
    const activity = run?.state.activities.get(Number(seqText));
    if (!run || !activity || activity.token !== token) return;
    this.#lostAttempt(run, activity);
  }

  #lostAttempt(run: LiveRun, activity: ActivityState): void {
    const failure: WireFailure = {
      kind: 'timeout',
      timeoutType: 'START_TO_CLOSE',
      workerLost: true,
      message: `the worker ${activity.worker ?? ''} that ran attempt ${activity.attempt} is gone`,
      ...(activity.heartbeatDetails ? { lastHeartbeatDetails: activity.heartbeatDetails } : {}),
    };
    activity.token = undefined;
    if (this.#node.plantedBug === 'ignore-maximum-attempts') {
      this.#retryAt(run, activity, this.#node.now(), failure, activity.attempt + 1);
      return;
    }
    this.#attemptFailed(run, activity, failure);
  }

  /** A worker's attempts are taken for lost unless it comes back and announces them in time. */
  workerGone(worker: WorkerHandle): void {
    if (worker.tokens.size === 0) return;
    const tokens = [...worker.tokens.keys()];
    const giveUp = (): void => {
      for (const token of tokens) if (this.#holders.get(token) === worker) this.lost(token);
    };
    if (worker.channel.local) giveUp();
    else this.#node.clock.after(LIMITS.attemptUnannouncedMs, giveUp);
  }

  /** A worker says which attempts it still runs: they are its own again. */
  async announced(worker: WorkerHandle, tokens: readonly string[]): Promise<void> {
    for (const token of tokens) {
      const known = this.#node.runs.has(token.slice(0, 36) as RunId);
      const row = known ? undefined : await this.#loadRunOf(token);
      // It left while its runs were loaded: what it holds is for the next announcement, or lost in time.
      if (worker.gone) return;
      if (row?.status === 'RUNNING' && !this.#node.cluster.owns(row.partition)) {
        if (!worker.isRelay) this.#node.relays.adopt(token, worker, row.partition);
        continue;
      }
      const [runId, seqText] = token.split('/');
      const run = this.#node.runs.get(runId as RunId);
      const activity = run?.state.activities.get(Number(seqText));
      if (!run || activity?.token !== token) {
        worker.channel.send({
          kind: 'attempt-cancel',
          workerId: worker.registration.workerId,
          token,
          reason: 'NOT_FOUND',
        });
        continue;
      }
      this.#holders.get(token)?.tokens.delete(token);
      this.#holders.set(token, worker);
      worker.tokens.set(token, this.#node.clock.monotonicMs());
    }
  }

  /** Brings the activities of a recovered run to where its attempt rows say they are, and goes on with each. */
  recover(run: LiveRun, rows: readonly AttemptRow[]): void {
    if (rows.length > 0) run.state.hasAttemptRows = true;
    for (const row of rows) {
      const activity = run.state.activities.get(row.seq);
      if (!activity) continue;
      const body = JSON.parse(decoder.decode(row.body)) as AttemptBody;
      activity.lastFailure = body.lastFailure;
      activity.heartbeatDetails = body.heartbeatDetails;
      activity.lastHeartbeatAt = body.lastHeartbeatAt ?? 0;
      const fellBack = (body.fallbackFrom ?? 0) > activity.fallbackFrom;
      if (body.fallbackFrom) {
        activity.fallbackFrom = body.fallbackFrom;
        activity.type = body.type ?? activity.type;
      }
      // A row ahead of the last noted start: that attempt has failed, and the next is due.
      const startedStage = activity.token?.split('/')[2]?.startsWith('f') ?? false;
      const ahead = body.fallbackFrom && !startedStage ? fellBack : body.attempt > activity.attempt;
      if (ahead || (!isRunning(activity) && body.attempt >= activity.attempt)) {
        activity.attempt = body.attempt;
        activity.nextAttemptAt = body.nextAttemptAt;
        activity.readyAt = Math.max(activity.readyAt, body.nextAttemptAt);
        activity.token = undefined;
        if (activity.phase !== 'paused') activity.phase = 'backing-off';
      }
    }
    const answered = new Set<number>();
    for (const job of run.state.undelivered) if (job.kind === 'activity-resolved') answered.add(job.seq);
    for (const { job } of run.arrived) if (job.kind === 'activity-resolved') answered.add(job.seq);
    for (const activity of run.state.activities.values()) if (!answered.has(activity.seq)) this.#resume(run, activity);
  }

  #resume(run: LiveRun, activity: ActivityState): void {
    const node = this.#node;
    if (activity.phase === 'awaiting-admission') return;
    if (!isRunning(activity) && stopByEdit(activity)) {
      node.clock.soon(() => !run.dropped && this.#endsByEdit(run, activity));
      return;
    }
    this.arm(run, activity);
    if (activity.phase === 'scheduled') {
      node.clock.soon(() => this.#lineUp(run, activity));
      return;
    }
    const { token } = activity;
    if (token === undefined || !isRunning(activity) || this.#holders.has(token)) return;
    const where = token.split('/')[3] ?? '';
    // In the process of a node that lives on, and that has given the run's partition away, it is a remote one.
    const local = where.startsWith('l') && !this.#node.cluster.isOther((id) => where.startsWith(`l${shortId(id)}.`));
    // An attempt in the process of a node that is gone died with it; a remote worker may still announce its own.
    const giveUp = (): void => {
      if (run.dropped || this.#holders.has(token) || run.state.activities.get(activity.seq)?.token !== token) return;
      this.#lostAttempt(run, activity);
    };
    if (local) node.clock.soon(giveUp);
    else node.clock.after(LIMITS.attemptUnannouncedMs, giveUp);
  }

  // ---- operators ----

  /** An operator or an admission lets an activity go on. */
  release(run: LiveRun, seq: number): void {
    const activity = run.state.activities.get(seq);
    if (!activity || run.dropped || activity.phase === 'awaiting-admission') return;
    this.arm(run, activity);
    this.#lineUp(run, activity);
  }

  /** An activity was paused, and that is durable: its next attempt no longer comes by itself. */
  paused(run: LiveRun, seq: number): void {
    const activity = run.state.activities.get(seq);
    if (activity && !run.dropped) this.arm(run, activity);
  }

  /** Options of an activity were edited, and that is durable. */
  edited(run: LiveRun, seq: number): void {
    const node = this.#node;
    const activity = run.state.activities.get(seq);
    if (!activity || run.dropped || (!isRunning(activity) && this.#endsByEdit(run, activity))) return;
    if (activity.phase === 'backing-off' && activity.lastFailure) {
      const { options, attempt, lastFailure } = activity;
      const decision = decideRetry(options.retry ?? {}, attempt - 1, lastFailure, node.random.fraction());
      const nextAt = 'retryAfterMs' in decision ? node.now() + decision.retryAfterMs : Infinity;
      // An edit may bring the next attempt nearer; it does not put it off.
      if (attempt > 1 && nextAt < activity.nextAttemptAt) {
        activity.nextAttemptAt = nextAt;
        activity.readyAt = nextAt;
        this.#writeRow(run, activity, () => undefined);
      }
    }
    this.release(run, seq);
  }

  /** Ends an activity that waits for an attempt which its edited policy no longer grants. */
  #endsByEdit(run: LiveRun, activity: ActivityState): boolean {
    const stop = stopByEdit(activity);
    if (!stop) return false;
    this.resolve(run, activity, { status: 'failed', failure: this.#wrap(activity, activity.lastFailure!, stop) });
    return true;
  }
}

/** What of a node's id stands in tokens. */
function shortId(node: NodeId): string {
  return node.slice(-12);
}

/** Why an edited policy does not grant the current attempt of an activity; undefined where it does. */
function stopByEdit(activity: ActivityState): WireRetryState | undefined {
  const { edited, attempt, lastFailure, options } = activity;
  if (!edited || attempt <= 1 || !lastFailure) return undefined;
  const decision = decideRetry(options.retry ?? {}, attempt - 1, lastFailure, 0);
  return 'stop' in decision ? decision.stop : undefined;
}

/** Whether an attempt is under way; a pause lets it go on. */
function isRunning({ phase, token }: ActivityState): boolean {
  return token !== undefined && (phase === 'started' || phase === 'paused');
}

/** Whether an operator's act decides about the attempts of an activity. */
function isActOn(job: Job, seq: number): boolean {
  if (job.kind === 'paused') return true;
  return (job.kind === 'activity-paused' || job.kind === 'activity-edited') && job.seq === seq;
}

function isLoss(failure: WireFailure): boolean {
  return failure.kind === 'timeout' && failure.workerLost === true;
}
