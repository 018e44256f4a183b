import {
  type Activation,
  type ActivationResult,
  CLOSING_COMMANDS,
  type Command,
  type Job,
  type Round,
  type Segment,
  type Told,
  type WireFailure,
  type WireOutcome,
  type WireQueryResult,
  type WorkflowJob,
} from '../common/index.ts';
import { LIMITS, messageOf, PleachError, type Wait } from '../core/index.ts';
import { decideAdmissions } from './admit-commands.ts';
import { answerQueries, failQueries } from './answer-queries.ts';
import { hasAttributes, runAttributes } from './attribute-values.ts';
import { closedError } from './closed-error.ts';
import { partitionMoved } from './cluster.ts';
import { closeRun } from './close-run.ts';
import type { JournalEntry, OutMessage } from './journal.ts';
import {
  type Activating,
  type Arrival,
  type Carried,
  giveCarried,
  type LiveRun,
  type WaitingQuery,
} from './live-run.ts';
import { applySegment, isDelivered } from './machine/fold.ts';
import { stageOf, type TimerState } from './machine/state.ts';
import type { KernelNode } from './node.ts';
import { encodeBody } from './segments.ts';
import { dropStale } from './stale-jobs.ts';
import type { WorkerHandle } from './workers.ts';

/** Activations that a node may have under one epoch before their tokens could be another's; all stay below 2 ** 53. */
const TOKENS_PER_EPOCH = 2 ** 32;

/** What is done when a segment is on the disk, and not before. */
type Effect = () => void;

/** Facts that whoever goes on with a run that is read anew notes for itself. */
const NOTED_ANEW: ReadonlySet<Job['kind']> = new Set<Job['kind']>([
  'activity-started',
  'admission-awaited',
  'admission-decided',
  'task-failed',
]);

const CLOSING: ReadonlySet<Command['kind']> = new Set(CLOSING_COMMANDS);

/**
 * Moves a run: takes what has arrived, has the run's worker activated with it, and hands the segment to the journal.
 *
 * A run has at most one segment that is not durable. While a worker of this process answers within 5 ms, jobs and the
 * commands that answer them share one commit; where it does not, the jobs are committed and acknowledged without it.
 */
export class Activations {
  readonly #node: KernelNode;
  #token = 0;
  /** Activations under way, oldest first. */
  readonly #under = new Set<LiveRun>();
  #sweeper: Wait | undefined;
  #stopped = false;
  /** Why the last segment could not be applied. */
  #refusal: unknown;
  /** For figures. */
  readonly counts = { activations: 0, segments: 0, misses: 0, failures: 0 };

  constructor(node: KernelNode) {
    this.#node = node;
  }

  /** Of this node and no other: a worker may still answer the last owner of a run. */
  #newToken(): number {
    return this.#node.journal.lease.epoch * TOKENS_PER_EPOCH + ++this.#token;
  }

  /** Jobs that wait: at a worker, or for the journal. */
  get waitingJobs(): number {
    return this.#under.size + this.#node.journal.waiting;
  }

  stop(): void {
    this.#stopped = true;
    this.#sweeper?.clear();
  }

  /** Takes a job in. It counts from here on, and is acknowledged when it is durable. */
  arrive(run: LiveRun, arrival: Arrival): void {
    if (run.dropped) {
      this.#arriveAnew(run, arrival);
      return;
    }
    if (arrival.refused && this.#node.cluster.isLeaving(run.partition)) {
      arrival.refused(partitionMoved(run.partition));
      return;
    }
    run.arrived.push(arrival);
    this.pump(run);
  }

  /** The run has left memory since it was looked up: parked, read anew, or closed, which the arrival is told. */
  #arriveAnew(run: LiveRun, arrival: Arrival): void {
    const node = this.#node;
    if (node.ended) return;
    const tell = (error: PleachError): void => {
      if (node.ended) return;
      // A message to a partition that is another's stays where it lies: its owner reads it.
      if (error.code !== 'PARTITION_MOVED') node.inbox.discard(arrival);
      else if (arrival.inbox) node.inbox.leave(arrival.inbox);
      arrival.refused?.(error);
    };
    node.store
      .findRuns([{ runId: run.id }])
      .then(async ([row]) => {
        const again = row && (await node.load(row));
        if (again) this.arrive(again, arrival);
        else tell(closedError({ workflowId: run.workflowId, id: run.id, state: row ?? run.state }));
      })
      .catch((error: unknown) =>
        tell(error instanceof PleachError ? error : new PleachError('UNEXPECTED', messageOf(error), {})),
      );
  }

  /** A job without anyone who waits for its acknowledgement. */
  arriveJob(run: LiveRun, job: Job): void {
    this.arrive(run, { job, atMs: this.#node.clock.monotonicMs() });
  }

  /** Asks a question of the run's instance, as soon as nothing undurable is in it. */
  ask(run: LiveRun, query: WaitingQuery): void {
    if (run.dropped) {
      const { workflowId } = run;
      query.fail(
        new PleachError('QUERY_FAILED', `workflow "${workflowId}" left memory as it was asked; ask again`, {
          workflowId,
        }),
      );
      return;
    }
    run.queries.push(query);
    this.pump(run);
  }

  /**
   * A run's partition is on its way to another node: what is under way in a worker is void, whoever waits for a job that
   * is not durable asks the next owner, and the other jobs are made durable for it.
   */
  quit(run: LiveRun): void {
    const moved = partitionMoved(run.partition);
    for (const query of run.queries.splice(0)) query.fail(moved);
    if (run.committing) return;
    const { activating } = run;
    if (activating) {
      this.#release(run, activating);
      this.#forgetInstance(run);
      if (!activating.jobsDurable) run.arrived.unshift(...activating.arrivals);
      for (const query of activating.queries) query.fail(moved);
    }
    for (const arrival of run.arrived.splice(0))
      if (arrival.refused) arrival.refused(moved);
      else run.arrived.push(arrival);
    this.pump(run);
  }

  /** Does the next thing that there is to do for a run; safe to call at any time. */
  pump(run: LiveRun): void {
    if (run.dropped || run.committing || run.activating || this.#stopped) return;
    if (!this.#node.cluster.owns(run.partition)) return;
    if (run.state.closing) {
      this.#refuseClosed(run);
      return;
    }
    dropStale(run, (arrival) => this.#node.inbox.discard(arrival));
    if (run.arrived.some(({ job }) => job.kind === 'terminated' || job.kind === 'timed-out')) {
      // A fact that closes comes last in its segment: what is in front of it is durable with it.
      const closing = (job: Job): boolean => job.kind === 'terminated' || job.kind === 'timed-out';
      const arrivals = run.arrived.splice(0);
      const first = arrivals.find(({ job }) => closing(job))!;
      for (const other of arrivals) if (other !== first && closing(other.job)) run.arrived.push(other);
      this.#commitJobs(run, [...arrivals.filter(({ job }) => !closing(job)), first], () => undefined);
      return;
    }
    if (run.state.paused && run.state.activations === 0) this.#failQueriesUnbegun(run);
    const wanted =
      run.queries.length > 0 ||
      run.state.undelivered.length > 0 ||
      // Local activities whose worker went away are begun again by another.
      (run.state.localPending.size > 0 && !run.sticky) ||
      run.arrived.some(({ job }) => isDelivered(job));
    if (wanted) {
      const worker = this.#workerFor(run);
      if (worker) {
        this.#activate(run, worker);
        return;
      }
      this.#askForWorker(run);
      this.#failQueriesWithoutWorker(run);
    }
    if (run.arrived.length > 0) this.#commitJobs(run, run.arrived.splice(0), () => undefined);
  }

  #workerFor(run: LiveRun): WorkerHandle | undefined {
    const now = this.#node.now();
    if (this.#node.cluster.isLeaving(run.partition)) return undefined;
    if (run.state.paused && run.queries.length === 0) return undefined;
    if (run.retryTaskAt > now) return undefined;
    if (run.state.firstActivationAt > now) return undefined;
    const start = run.state.start ?? startOf(run);
    if (!start) return undefined;
    if (!run.state.start && (start.startDelayMs ?? 0) > 0) return undefined;
    if (run.sticky && !run.sticky.worker.gone && !run.sticky.worker.draining) return run.sticky.worker;
    const queue = this.#node.queue(run.namespace, start.queue);
    return queue.workflowWorker(start.type);
  }

  /** Nobody can ask code that has not begun, and a pause lets none begin. */
  #failQueriesUnbegun(run: LiveRun): void {
    for (const query of run.queries.splice(0))
      query.fail(
        new PleachError(
          'QUERY_FAILED',
          `workflow "${run.workflowId}" was paused before its first task; resume it and ask again`,
          { workflowId: run.workflowId },
        ),
      );
  }

  /** Another node may have workers for a run that finds none here. */
  #askForWorker(run: LiveRun): void {
    const name = run.state.start?.queue ?? startOf(run)?.queue;
    if (name === undefined || this.#node.cluster.isAlone) return;
    const queue = this.#node.queue(run.namespace, name);
    if (queue.takesWorkflows) return;
    queue.wantsWorkflows = true;
    this.#node.matcher.changed(queue);
  }

  #failQueriesWithoutWorker(run: LiveRun, hasWaited = false): void {
    if (run.queries.length === 0) return;
    const queue = run.state.start?.queue ?? '';
    if (this.#node.queue(run.namespace, queue).takesWorkflows) return;
    if (!hasWaited && !this.#node.cluster.isAlone) {
      this.#node.clock.after(LIMITS.workerWaitMs, () => this.#failQueriesWithoutWorker(run, true));
      return;
    }
    for (const query of run.queries.splice(0)) {
      query.fail(
        new PleachError('QUERY_FAILED', `no worker for task queue "${queue}" is connected; start one and ask again`, {
          workflowId: run.workflowId,
          queue,
        }),
      );
    }
  }

  // ---- to the worker ----

  #activate(run: LiveRun, worker: WorkerHandle): void {
    const node = this.#node;
    const paused = run.state.paused !== undefined;
    const arrivals = paused ? [] : run.arrived.splice(0);
    const start = run.state.start ?? startOf({ arrived: arrivals });
    const activating: Activating = {
      token: this.#newToken(),
      worker,
      arrivals,
      delivered: paused ? 0 : run.state.undelivered.length,
      queries: run.queries.splice(0),
      sentAtMs: node.clock.monotonicMs(),
      time: Math.max(run.state.time, node.now()),
      told: undefined,
      timeoutMs: start?.taskTimeoutMs ?? LIMITS.workflowTaskTimeoutMs,
      loading: false,
      jobsDurable: arrivals.length === 0,
    };
    run.activating = activating;
    this.#under.add(run);
    worker.activations++;
    this.#sweepLater();
    this.counts.activations++;
    const known =
      run.state.activations === 0 ||
      (run.sticky?.worker === worker && run.sticky.activations === run.state.activations);
    if (known) this.#send(run, activating, undefined);
    else this.#sendWithHistory(run, activating);
  }

  #sendWithHistory(run: LiveRun, activating: Activating): void {
    activating.loading = true;
    this.#node.loadHistory(run.id).then(
      (history) => {
        if (run.activating !== activating || run.dropped) return;
        activating.loading = false;
        activating.sentAtMs = this.#node.clock.monotonicMs();
        this.#send(run, activating, history);
      },
      (error: unknown) => {
        if (run.activating !== activating || run.dropped) return;
        this.#failed(run, activating, 'COMMAND_REFUSED', {
          kind: 'server',
          message: `the history cannot be loaded: ${messageOf(error)}`,
        });
      },
    );
  }

  #send(run: LiveRun, activating: Activating, history: Segment[] | undefined): void {
    const { state } = run;
    const start = state.start ?? startOf(activating)!;
    const jobs: WorkflowJob[] = state.undelivered.slice(0, activating.delivered);
    // Sent again after a miss, its jobs may be durable by now: then they are among the undelivered.
    if (!activating.jobsDurable) for (const { job } of activating.arrivals) if (isDelivered(job)) jobs.push(job);
    activating.told = { time: activating.time, historyLength: state.eventCount, historyBytes: state.bytes };
    const activation: Activation = {
      runId: run.id,
      workflowId: run.workflowId,
      namespace: run.namespace,
      type: start.type,
      token: activating.token,
      baseSeq: state.activations,
      ...activating.told,
      timeoutMs: activating.timeoutMs,
      jobs,
    };
    if (history) activation.history = history;
    if (this.#isSuspect(run, activating)) activation.suspect = true;
    if (activating.queries.length > 0) activation.queries = activating.queries.map(({ query }) => query);
    activating.worker.channel.send({
      kind: 'activate',
      workerId: activating.worker.registration.workerId,
      activation,
    });
  }

  /**
   * Whether the code that is about to run may have ended the process before this one: it is known to have, or it is asked
   * what leaves no trace. An update is such, also where it came before any worker and has become durable meanwhile.
   */
  #isSuspect(run: LiveRun, activating: Activating): boolean {
    if (run.suspect || !this.#node.isWary) return run.suspect;
    if (activating.queries.length > 0) return true;
    const jobs = [
      ...run.state.undelivered.slice(0, activating.delivered),
      ...(activating.jobsDurable ? [] : activating.arrivals.map(({ job }) => job)),
    ];
    return jobs.length > 0 && jobs.every(({ kind }) => kind === 'update-requested');
  }

  /** Whether a worker is at this very activation. */
  isAt(worker: WorkerHandle, runId: string, token: number): boolean {
    const activating = this.#node.runs.get(runId as LiveRun['id'])?.activating;
    return activating?.worker === worker && activating.token === token;
  }

  /** An activation came back. One whose token is not current has been superseded, and its instance with it. */
  activated(worker: WorkerHandle, runId: string, token: number, result: ActivationResult): void {
    const run = this.#node.runs.get(runId as LiveRun['id']);
    const activating = run?.activating;
    if (!run || !activating || activating.token !== token || activating.worker !== worker) {
      if (!worker.gone && !run?.activating) {
        worker.channel.send({ kind: 'evict', workerId: worker.registration.workerId, runId });
      }
      return;
    }
    if (result.status === 'miss') {
      this.counts.misses++;
      // A second answer to what was sent before is no answer to what is sent now.
      activating.token = this.#newToken();
      this.#sendWithHistory(run, activating);
      return;
    }
    if (run.committing) {
      // Its jobs are on their way to the disk: the answer to them waits until they are there.
      run.heldResult = () => this.activated(worker, runId, token, result);
      return;
    }
    if (result.status === 'failed') this.#failed(run, activating, result.cause, result.failure, result.queries);
    else this.#concluded(run, activating, result);
  }

  #release(run: LiveRun, activating: Activating): void {
    run.activating = undefined;
    activating.worker.activations--;
    this.#under.delete(run);
  }

  // ---- from the worker ----

  #concluded(run: LiveRun, activating: Activating, result: Extract<ActivationResult, { status: 'done' }>): void {
    const node = this.#node;
    const { state } = run;
    this.#release(run, activating);
    run.suspect = false;
    const arrivals = activating.jobsDurable ? [] : activating.arrivals;
    const answers = () => answerQueries(activating.queries, result.queries);
    const rounds = result.rounds;
    const closing = rounds.some((round) => round.commands.some((command) => CLOSING.has(command.kind)));
    if (closing && state.undelivered.length > activating.delivered) {
      // Jobs were acknowledged meanwhile; closing over them would lose them. The run is replayed with them.
      this.#forgetInstance(run);
      run.arrived.unshift(...arrivals);
      run.queries.unshift(...activating.queries);
      this.pump(run);
      return;
    }
    const rejected = new Set<string>();
    const first = rounds[0] ?? { jobs: [], commands: [] };
    const jobs = arrivals.map(({ job }) => job);
    if (first.commands.some((command) => command.kind === 'update-rejected')) {
      for (const command of first.commands) {
        // An update that is already durable keeps its trace; one that is not leaves none.
        if (
          command.kind === 'update-rejected' &&
          jobs.some((j) => j.kind === 'update-requested' && j.updateId === command.updateId)
        ) {
          rejected.add(command.updateId);
          this.answerUpdate(run, command.updateId, { status: 'failed', failure: command.failure });
        }
      }
    }
    const kept = jobs.filter((job) => !(job.kind === 'update-requested' && rejected.has(job.updateId)));
    const commands = first.commands.filter((c) => !(c.kind === 'update-rejected' && rejected.has(c.updateId)));
    const nothing = kept.length === 0 && commands.length === 0 && rounds.length <= 1 && activating.delivered === 0;
    if (nothing) {
      if (run.sticky?.worker !== activating.worker)
        run.sticky = { worker: activating.worker, activations: state.activations };
      for (const arrival of arrivals) arrival.acknowledged?.();
      answers();
      this.pump(run);
      return;
    }
    const written: Round[] = [
      {
        jobs: kept,
        commands,
        ...(activating.delivered < state.undelivered.length ? { delivered: activating.delivered } : {}),
        ...(isAsTold(state, activating.told) ? {} : { told: activating.told! }),
      },
      ...rounds.slice(1).map((round) => ({ jobs: [...round.jobs], commands: round.commands })),
    ];
    const everyCommand = written.flatMap((round) => round.commands ?? []);
    this.#healed(run);
    const effects: Effect[] = [];
    const messages: OutMessage[] = [];
    const segment = this.#apply(run, activating.time, written, result.flags, (facts) => {
      requireWithin(run);
      // Decided inside the segment: admissions first, then which activities start at once.
      const undecided = decideAdmissions(node, run, everyCommand, facts);
      this.#prepareCommands(run, everyCommand, undecided, facts, messages, effects);
    });
    if (!segment) {
      this.#refuseCommands(run, arrivals);
      return;
    }
    // A worker lets go of an instance that closes by itself, and has the history again where the segment is not written.
    run.sticky = closing ? undefined : { worker: activating.worker, activations: state.activations };
    if (state.activations === 1) this.armRun(run);
    this.#write(run, segment, {
      arrivals,
      messages,
      durable: () => {
        for (const effect of effects) effect();
        for (const command of everyCommand) this.#tellUpdate(run, command);
        answers();
      },
    });
  }

  /** Prepares what commands cause outside the run; what needs durability first is put among the effects. */
  #prepareCommands(
    run: LiveRun,
    commands: readonly Command[],
    undecided: ReadonlySet<Command>,
    facts: Job[],
    messages: OutMessage[],
    effects: Effect[],
  ): void {
    const { node, state } = { node: this.#node, state: run.state };
    for (const command of commands) {
      if (undecided.has(command)) continue;
      switch (command.kind) {
        case 'schedule-activity': {
          const activity = state.activities.get(command.seq);
          if (activity) node.attempts.schedule(run, activity, facts, effects);
          break;
        }
        case 'cancel-activity':
          node.attempts.requestCancel(run, command.seq, effects);
          break;
        case 'start-timer': {
          const timer = state.timers.get(command.seq);
          if (timer) this.armTimer(run, timer);
          break;
        }
        case 'cancel-timer':
          node.deadlines.clear(run.timers.get(command.seq));
          run.timers.delete(command.seq);
          break;
        case 'start-child':
          messages.push(node.inbox.startChild(run, command));
          break;
        case 'cancel-child': {
          const message = node.inbox.cancelChild(run, command, effects);
          if (message) messages.push(message);
          break;
        }
        case 'signal-external':
          messages.push(node.inbox.signalExternal(run, command));
          break;
        case 'cancel-external':
          messages.push(node.inbox.cancelExternal(run, command));
          break;
        default:
          break;
      }
    }
  }

  /** Makes a segment of rounds, applies it to the run's state, and lets `decide` add facts that are part of it. */
  #apply(
    run: LiveRun,
    time: number,
    rounds: Round[],
    flags: readonly number[] | undefined,
    decide?: (facts: Job[]) => void,
  ): Segment | undefined {
    const { state } = run;
    const segment: Segment = {
      seq: state.seq + 1,
      time: Math.max(time, state.time),
      firstEventId: state.eventCount + 1,
      eventCount: 0,
      rounds,
      ...(flags?.length ? { flags: [...flags] } : {}),
    };
    const before = state.eventCount;
    try {
      applySegment(state, segment, 0);
      if (decide) {
        const facts: Job[] = [];
        decide(facts);
        if (facts.length > 0) {
          // The facts are a round of their own behind the commands that they speak of.
          applySegment(state, { ...segment, rounds: [{ jobs: facts }] }, 0);
          segment.rounds.push({ jobs: facts });
        }
      }
    } catch (error) {
      this.#refusal = error;
      return undefined;
    }
    segment.eventCount = state.eventCount - before;
    return segment;
  }

  /** The worker asked for what cannot be: its task fails, and the half-changed state is read anew. */
  #refuseCommands(run: LiveRun, arrivals: Arrival[]): void {
    const node = this.#node;
    const error = this.#refusal;
    node.log.warn('a command was refused', { workflowId: run.workflowId, message: messageOf(error) });
    const { row, unwritten } = run;
    const failure: WireFailure = { kind: 'server', message: messageOf(error) };
    const carried = this.#setAside(run, arrivals);
    carried.taskAttempts++;
    carried.retryTaskAt = node.now() + LIMITS.taskRetryFirstMs;
    // Of a run that begins, nothing is on the disk: its start is taken in all the same, and it is the run that is blocked.
    if (unwritten) {
      const again = node.admit(row);
      giveCarried(again, carried);
      this.#blocked(again, 'COMMAND_REFUSED', failure);
      return;
    }
    node.carry(run.id, carried);
    const again = (): void => {
      node.load(row).then(
        (found) => found && this.#blocked(found, 'COMMAND_REFUSED', failure),
        (cause: unknown) => {
          node.log.error('a run whose commands were refused cannot be read; it is tried again', {
            run: run.id,
            message: messageOf(cause),
          });
          if (!node.ended) node.clock.after(LIMITS.taskRetryFirstMs, again);
        },
      );
    };
    again();
  }

  /** Takes a run out of memory that will be read anew, with all that must be put back then; each arrival once. */
  #setAside(run: LiveRun, arrivals: readonly Arrival[]): Carried {
    const { activating, resultWaiters, updateWaiters, refusals, taskAttempts, retryTaskAt } = run;
    if (activating) this.#release(run, activating);
    const arrived = [
      ...arrivals,
      ...(activating && !activating.jobsDurable ? activating.arrivals : []),
      ...run.arrived.splice(0),
    ].filter(({ job }) => !NOTED_ANEW.has(job.kind));
    const queries = [...(activating?.queries ?? []), ...run.queries.splice(0)];
    this.#node.drop(run);
    return { arrived, queries, resultWaiters, updateWaiters, refusals, taskAttempts, retryTaskAt };
  }

  /** Hands a segment to the journal; `durable` runs when it is on the disk, before the run moves on. */
  #write(
    run: LiveRun,
    segment: Segment,
    options: { arrivals: Arrival[]; messages?: OutMessage[]; durable?: Effect; refused?: (error: PleachError) => void },
  ): void {
    const node = this.#node;
    const { format, body, bytes, blobs } = encodeBody(
      { run: run.id, seq: segment.seq },
      segment.rounds,
      segment.flags,
      node.blobBytesMin,
    );
    run.state.bytes += bytes;
    run.committing = true;
    run.writing = options.arrivals;
    this.counts.segments++;
    const inboxDone: NonNullable<JournalEntry['inboxDone']> = [];
    const messages: OutMessage[] = [];
    for (const { inbox, answer } of options.arrivals) {
      if (inbox) inboxDone.push(inbox);
      if (answer) messages.push(answer);
    }
    // Jobs stand in front of commands, and so do the messages that go with them: signals keep their order.
    messages.push(...(options.messages ?? []));
    const entry: JournalEntry = {
      partition: run.partition,
      segments: [
        {
          run: run.id,
          seq: segment.seq,
          format,
          firstEventId: segment.firstEventId,
          eventCount: segment.eventCount,
          time: segment.time,
          body,
        },
      ],
      messages,
      ...(blobs.length > 0 ? { blobs: [...blobs] } : {}),
      ...(inboxDone.length > 0 ? { inboxDone } : {}),
      durable: (messages) => {
        if (run.dropped) return;
        run.committing = false;
        run.refusals = 0;
        run.writing = [];
        for (const arrival of options.arrivals) arrival.acknowledged?.();
        node.inbox.sent(messages);
        options.durable?.();
        if (run.state.closing && run.activating) {
          // Closed under an activation: what it carried and was not durable comes too late, and is told so.
          const { activating } = run;
          this.#release(run, activating);
          if (!activating.jobsDurable) run.arrived.unshift(...activating.arrivals);
          run.queries.unshift(...activating.queries);
        }
        afterClose?.();
        const held = run.heldResult;
        run.heldResult = undefined;
        if (held) held();
        this.pump(run);
        node.arm();
      },
      refused: (error) => {
        options.refused?.(error);
        this.#readAnew(run, options.arrivals, error);
      },
    };
    const { searchAttributes } = run.state;
    if (searchAttributes !== run.attributes) {
      run.attributes = searchAttributes;
      if (hasAttributes(searchAttributes)) entry.attributes = [runAttributes(run, searchAttributes)];
    }
    const afterClose = run.state.closing ? closeRun(node, run, entry) : undefined;
    if (node.plantedBug === 'acknowledge-before-commit')
      for (const arrival of options.arrivals) arrival.acknowledged?.();
    node.appendFor(run, entry);
  }

  /**
   * The store refused a segment for itself, so memory is ahead of the disk: the run is read anew. Whoever waits for a job
   * of that segment is told; what nobody would send again is put back, with all that had come since.
   */
  #readAnew(run: LiveRun, refused: Arrival[], error: PleachError): void {
    const node = this.#node;
    for (const arrival of refused) arrival.refused?.(error);
    const { refusals } = run;
    const kept = refused.filter((arrival) => !arrival.refused);
    node.carry(run.id, { ...this.#setAside(run, kept), refusals: refusals + 1 });
    const again = (): void => {
      node.store
        .findRuns([{ runId: run.id }])
        .then(([row]) => row && node.load(row))
        .then(
          (found) => {
            if (!found && !node.ended) this.#giveUp(node.takeCarried(run.id), error);
          },
          (failure: unknown) => {
            if (!node.ended && failure instanceof PleachError && failure.code === 'PARTITION_MOVED') {
              this.#giveUp(node.takeCarried(run.id), failure);
              return;
            }
            node.log.error('a run whose segment was refused cannot be read', {
              run: run.id,
              message: messageOf(failure),
            });
            if (!node.ended) node.clock.after(LIMITS.taskRetryFirstMs, again);
          },
        );
    };
    // At once the first time; a segment that is refused again and again must not keep the store busy.
    if (refusals === 0) again();
    else node.clock.after(Math.min(LIMITS.taskRetryFirstMs * 2 ** (refusals - 1), LIMITS.taskRetryMaxMs), again);
  }

  /** The run is not there: its first segment was refused. What else had come for it is told so, or delivered once more. */
  #giveUp(carried: Carried | undefined, error: PleachError): void {
    if (!carried) return;
    for (const arrival of carried.arrived) {
      arrival.redeliver?.();
      arrival.refused?.(error);
    }
    for (const query of carried.queries) query.fail(error);
    for (const waiter of carried.resultWaiters) waiter.fail(error);
    for (const waiters of carried.updateWaiters.values()) for (const waiter of waiters) waiter.fail(error);
  }

  // ---- jobs without an activation ----

  /** Commits jobs alone: no worker is there, it is slow, the run is paused or its task fails. */
  #commitJobs(run: LiveRun, arrivals: Arrival[], durable: Effect, extra: Job[] = []): void {
    const jobs = [...arrivals.map(({ job }) => job), ...extra];
    const segment = this.#apply(run, this.#node.now(), [{ jobs }], undefined);
    if (!segment) {
      this.#refuseCommands(run, arrivals);
      return;
    }
    for (const { job } of arrivals) if (job.kind === 'start') this.armRun(run);
    this.#write(run, segment, {
      arrivals,
      durable: () => {
        durable();
        for (const { job } of arrivals) if (job.kind === 'update-requested') this.#tellStage(run, job.updateId);
      },
    });
  }

  /** Writes facts of the kernel's own, and runs `effect` when they are on the disk. */
  note(run: LiveRun, facts: Job[], effect: Effect): void {
    for (const [index, job] of facts.entries()) {
      run.arrived.push({
        job,
        atMs: this.#node.clock.monotonicMs(),
        ...(index === facts.length - 1 ? { acknowledged: effect } : {}),
      });
    }
    this.pump(run);
  }

  /** Looks every few milliseconds for activations that take long: their jobs are made durable without them. */
  #sweepLater(): void {
    if (this.#sweeper || this.#stopped) return;
    this.#sweeper = this.#node.clock.after(LIMITS.localActivationMs, () => {
      // Not before what is at the door has been taken in: a commit that has just held this thread up for longer than
      // the limit must not count as the worker's slowness.
      this.#node.clock.soon(() => {
        this.#sweeper = undefined;
        this.#sweep();
        if (this.#under.size > 0) this.#sweepLater();
      });
    });
  }

  #sweep(): void {
    const nowMs = this.#node.clock.monotonicMs();
    for (const run of this.#under) {
      const activating = run.activating!;
      const ageMs = nowMs - activating.sentAtMs;
      if (ageMs < LIMITS.localActivationMs) break;
      if (run.committing || activating.loading) continue;
      if (!isSlow(activating, nowMs)) continue;
      if (ageMs > activating.timeoutMs) {
        this.#failed(run, activating, 'SPIN', {
          kind: 'timeout',
          timeoutType: 'START_TO_CLOSE',
          message: `the workflow task was not answered within ${activating.timeoutMs} ms by worker ${activating.worker.registration.identity}`,
        });
      } else if (!activating.jobsDurable && activating.arrivals.some(({ job }) => job.kind !== 'update-requested')) {
        // Updates alone are not made durable early: nobody is acknowledged by it, and a rejected one leaves no trace.
        this.#commitUnder(run, activating);
      } else if (run.arrived.length > 0) {
        dropStale(run, (arrival) => this.#node.inbox.discard(arrival));
        if (run.arrived.length > 0) this.#commitJobs(run, run.arrived.splice(0), () => undefined);
      }
    }
  }

  #commitUnder(run: LiveRun, activating: Activating): void {
    activating.jobsDurable = true;
    const delivered = activating.arrivals.filter(({ job }) => isDelivered(job)).length;
    this.#commitJobs(run, activating.arrivals, () => undefined);
    activating.delivered += delivered;
  }

  // ---- failing ----

  #failed(
    run: LiveRun,
    activating: Activating,
    cause: Extract<Job, { kind: 'task-failed' }>['cause'],
    failure: WireFailure,
    queries?: WireQueryResult[],
  ): void {
    this.#release(run, activating);
    this.counts.failures++;
    run.suspect = cause === 'SPIN' || cause === 'SANDBOX_LOST';
    this.#forgetInstance(run);
    if (activating.arrivals.length === 0 && activating.delivered === 0 && run.state.localPending.size === 0) {
      // Only questions were asked: they fail, and the run itself stands as it stood.
      failQueries(activating.queries, queries, failure);
      this.pump(run);
      return;
    }
    run.arrived.unshift(...(activating.jobsDurable ? [] : activating.arrivals));
    failQueries(activating.queries, queries, failure);
    run.taskAttempts++;
    this.#blocked(run, cause, failure, activating.worker.registration.identity);
  }

  #blocked(
    run: LiveRun,
    cause: Extract<Job, { kind: 'task-failed' }>['cause'],
    failure: WireFailure,
    worker?: string,
  ): void {
    const node = this.#node;
    const waitMs = Math.min(LIMITS.taskRetryFirstMs * 2 ** (run.taskAttempts - 1), LIMITS.taskRetryMaxMs);
    run.retryTaskAt = node.now() + waitMs;
    node.deadlines.clear(run.retryTask);
    run.retryTask = node.deadlines.set(run.retryTaskAt, () => this.pump(run));
    node.arm();
    // The first failure is an event; the tries after it are not.
    if (!run.state.taskFailure && run.state.start !== undefined) {
      run.arrived.push({
        job: { kind: 'task-failed', cause, failure, ...(worker ? { worker } : {}) },
        atMs: node.clock.monotonicMs(),
      });
    } else if (!run.state.start) {
      run.arrived.push({
        job: { kind: 'task-failed', cause, failure, ...(worker ? { worker } : {}) },
        atMs: node.clock.monotonicMs(),
      });
    }
    this.pump(run);
  }

  #healed(run: LiveRun): void {
    if (run.taskAttempts === 0) return;
    run.taskAttempts = 0;
    run.retryTaskAt = 0;
    this.#node.deadlines.clear(run.retryTask);
    run.retryTask = undefined;
  }

  #forgetInstance(run: LiveRun): void {
    const sticky = run.sticky;
    run.sticky = undefined;
    if (sticky && !sticky.worker.gone) {
      sticky.worker.channel.send({ kind: 'evict', workerId: sticky.worker.registration.workerId, runId: run.id });
    }
  }

  /**
   * A worker went away: what it was at is given to another.
   * @param isLost it said nothing before: its process may have died of what it was at
   */
  workerGone(worker: WorkerHandle, isLost: boolean): void {
    for (const run of this.#node.runs.values()) {
      const wasThere = run.sticky?.worker === worker;
      if (wasThere) run.sticky = undefined;
      const activating = run.activating;
      if (activating?.worker !== worker) {
        // Its local activities went with the worker: another that is there begins them again.
        if (wasThere && run.state.localPending.size > 0) this.pump(run);
        continue;
      }
      this.#release(run, activating);
      run.suspect ||= isLost;
      run.heldResult = undefined;
      if (!activating.jobsDurable) run.arrived.unshift(...activating.arrivals);
      run.queries.unshift(...activating.queries);
      this.pump(run);
    }
  }

  /** A worker has come: runs of its queue that wait for one, or whose task fails, are tried at once. */
  workerCame(worker: WorkerHandle): void {
    const { namespace, queue } = worker.registration;
    for (const run of this.#node.runs.values()) {
      if (run.namespace !== namespace || run.state.start?.queue !== queue) continue;
      if (run.taskAttempts > 0) {
        run.retryTaskAt = 0;
        this.#node.deadlines.clear(run.retryTask);
      }
      this.pump(run);
    }
  }

  // ---- answers ----

  #tellUpdate(run: LiveRun, command: Command): void {
    if (
      command.kind === 'update-accepted' ||
      command.kind === 'update-completed' ||
      command.kind === 'update-rejected'
    ) {
      this.#tellStage(run, command.updateId);
    }
  }

  #tellStage(run: LiveRun, updateId: string): void {
    const update = run.state.updates.get(updateId);
    if (update) this.answerUpdate(run, updateId, update.outcome, stageOf(update.phase));
  }

  /** Answers those who wait for an update, as far as it has come. */
  answerUpdate(
    run: LiveRun,
    updateId: string,
    outcome: WireOutcome | undefined,
    stage: 'ADMITTED' | 'ACCEPTED' | 'COMPLETED' = 'COMPLETED',
  ): void {
    const waiters = run.updateWaiters.get(updateId);
    if (!waiters) return;
    const RANK = { ADMITTED: 0, ACCEPTED: 1, COMPLETED: 2 };
    const rest = waiters.filter((waiter) => {
      if (RANK[stage] < RANK[waiter.stage]) return true;
      waiter.answer({ stage, runId: run.id, ...(outcome ? { outcome } : {}) });
      return false;
    });
    if (rest.length > 0) run.updateWaiters.set(updateId, rest);
    else run.updateWaiters.delete(updateId);
  }

  /** What arrives at a closed run is refused; what continue-as-new hands on went before. */
  #refuseClosed(run: LiveRun): void {
    const error = closedError(run);
    for (const arrival of run.arrived.splice(0)) {
      this.#node.inbox.discard(arrival);
      arrival.refused?.(error);
    }
    for (const query of run.queries.splice(0)) query.fail(error);
  }

  // ---- deadlines of a run ----

  armTimer(run: LiveRun, timer: TimerState): void {
    const node = this.#node;
    node.deadlines.clear(run.timers.get(timer.seq));
    run.timers.set(
      timer.seq,
      node.deadlines.set(timer.firesAt, () => {
        run.timers.delete(timer.seq);
        if (run.dropped || !run.state.timers.has(timer.seq)) return;
        this.arriveJob(run, { kind: 'timer-fired', seq: timer.seq });
      }),
    );
    node.arm();
  }

  /** Start delay and the time-outs of the run as a whole. */
  armRun(run: LiveRun): void {
    const node = this.#node;
    const { state } = run;
    const { start } = state;
    if (!start) return;
    if (state.activations === 0 && state.firstActivationAt > node.now()) {
      node.deadlines.clear(run.startDeadline);
      run.startDeadline = node.deadlines.set(state.firstActivationAt, () => this.pump(run));
    }
    const ends: number[] = [];
    if (start.runTimeoutMs) ends.push(Math.max(state.firstActivationAt, run.row.startedAt) + start.runTimeoutMs);
    if (start.executionTimeoutMs) ends.push(start.startedAt + start.executionTimeoutMs);
    if (ends.length > 0) {
      node.deadlines.clear(run.closeDeadline);
      run.closeDeadline = node.deadlines.set(Math.min(...ends), () => {
        if (!run.dropped && !run.state.closing) this.closeByFact(run, { kind: 'timed-out', retryState: 'TIMEOUT' });
      });
    }
    node.arm();
  }

  /** Closes a run without its workflow function: terminated, timed out. What is under way in a worker is void. */
  closeByFact(run: LiveRun, fact: Extract<Job, { kind: 'terminated' | 'timed-out' }>, acknowledged?: Effect): void {
    if (run.activating && !run.committing) {
      const activating = run.activating;
      this.#release(run, activating);
      this.#forgetInstance(run);
      if (!activating.jobsDurable) run.arrived.unshift(...activating.arrivals);
      run.queries.unshift(...activating.queries);
    }
    const arrival: Arrival = {
      job: fact,
      atMs: this.#node.clock.monotonicMs(),
      ...(acknowledged ? { acknowledged } : {}),
    };
    run.arrived.push(arrival);
    this.pump(run);
  }
}

/** Whether the segments in front of an answer say what its activation was told. */
function isAsTold(state: LiveRun['state'], told: Told | undefined): boolean {
  return (
    told === undefined ||
    (state.time <= told.time && state.eventCount === told.historyLength && state.bytes === told.historyBytes)
  );
}

/** Refuses commands that leave more open at once than a run may have. */
function requireWithin({ workflowId, state }: LiveRun): void {
  const { pendingPerRunMax } = LIMITS;
  for (const kind of ['activities', 'timers', 'children', 'signals', 'cancels'] as const) {
    const { size } = state[kind];
    if (size <= pendingPerRunMax) continue;
    throw new PleachError(
      'LIMIT_EXCEEDED',
      `workflow "${workflowId}" has ${size} open ${kind}, and a run may have ${pendingPerRunMax} at once. Wait for some before more are begun, or share them among children`,
      { kind, size, pendingPerRunMax },
    );
  }
}

/**
 * Whether an activation takes long, the line that it stands in allowed for. Without that allowance a busy worker would
 * have the jobs of each step committed alone: more rows, just when there is most to do. It has an end, since of an
 * activation that makes V8 abort the process its jobs are all the trace there is, and no such code is as quick as that.
 */
function isSlow({ worker, sentAtMs }: Activating, nowMs: number): boolean {
  const allowedMs = LIMITS.localActivationMs + (LIMITS.localActivationInLineMicros * worker.activations) / 1000;
  return nowMs - sentAtMs >= Math.min(allowedMs, LIMITS.localActivationMsMax);
}

function startOf(run: { arrived: readonly Arrival[] } | { arrivals: readonly Arrival[] }) {
  const arrivals = 'arrived' in run ? run.arrived : run.arrivals;
  for (const { job } of arrivals) if (job.kind === 'start') return job;
  return undefined;
}
