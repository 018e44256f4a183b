import type { Activation, ActivationResult, Command, Segment, WireOutcome, WorkflowJob } from '../../common/index.ts';
import type { Clock, Log } from '../../core/index.ts';
import type { WorkflowBundle } from './bundle.ts';
import { type Replayed, type RoundResult, suggests, WorkflowContext } from './context.ts';

/** A local activity that a workflow asks for. */
export interface LocalActivityCall {
  runId: string;
  workflowId: string;
  namespace: string;
  workflowType: string;
  command: Extract<Command, { kind: 'schedule-local-activity' }>;
}

/** What a runner is given. */
export interface RunnerOptions {
  bundle: WorkflowBundle;
  log: Log;
  clock: Clock;
  maxCachedRuns: number;
  failureErrorTypes?: readonly string[];
  /** A sandbox that is there already, without runs in it; else one is made. */
  context?: WorkflowContext;
  /** Runs a local activity to its end, retries included. */
  runLocalActivity(call: LocalActivityCall): Promise<WireOutcome>;
  cancelLocalActivity(runId: string, seq: number): void;
  /** A local activity ended after its workflow task had been answered. */
  localResolved(runId: string, seq: number, attempt: number, outcome: WireOutcome): void;
  /** Told whose code is about to be on the stack, and, with undefined, that it no longer is. */
  watch?: (runId: string | undefined) => void;
  /** A turn of the loop, in which the host reports rejections that nobody handles. */
  turn(): Promise<void>;
}

/** Share of a workflow task's time after which what is finished is answered without the rest. */
const LOCAL_SHARE = 0.8;

/** How long a replay goes on before other runs have their turn, in milliseconds. */
const REPLAY_SLICE_MS = 10;

interface Local {
  outcome: WireOutcome | undefined;
  done: Promise<void>;
}

/** Turns activations into results, in whichever thread it lives. Runs that were quiet longest leave memory first. */
export class ActivationRunner {
  readonly #options: RunnerOptions;
  readonly #context: WorkflowContext;
  /** Runs by how recently they were activated, oldest first. */
  readonly #recent = new Set<string>();
  readonly #locals = new Map<string, Map<number, Local>>();
  /**
   * The activation that each run is at: its local activities end inside it. One that another has superseded while it
   * waited for a local activity finds itself gone, and leaves the instance, which is the other's now, alone.
   */
  readonly #answering = new Map<string, Activation>();

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#context =
      options.context ??
      new WorkflowContext(options.bundle, {
        log: options.log,
        ...(options.failureErrorTypes ? { failureErrorTypes: options.failureErrorTypes } : {}),
      });
  }

  get cachedRuns(): number {
    return this.#context.size;
  }

  evict(runId: string): void {
    this.#context.evict(runId);
    this.#recent.delete(runId);
    this.#answering.delete(runId);
    this.#dropLocals(runId);
  }

  #dropLocals(runId: string): void {
    for (const seq of this.#locals.get(runId)?.keys() ?? []) this.#options.cancelLocalActivity(runId, seq);
    this.#locals.delete(runId);
  }

  async run(activation: Activation): Promise<ActivationResult> {
    const { runId } = activation;
    const isCurrent = (): boolean => this.#answering.get(runId) === activation;
    // An instance that is built anew begins its local activities anew.
    if (activation.history || activation.baseSeq === 0) this.#dropLocals(runId);
    this.#answering.set(runId, activation);
    try {
      const result = await this.#run(activation);
      if (!isCurrent()) return { status: 'miss' };
      const isOver = result.status === 'failed' || activation.readOnly || this.#context.isClosed(runId);
      if (isOver) this.evict(runId);
      else if (result.status === 'done') this.#remember(runId);
      return result;
    } finally {
      if (isCurrent()) this.#answering.delete(runId);
    }
  }

  async #run(activation: Activation): Promise<ActivationResult> {
    const { runId } = activation;
    let missed = false;
    const replayed = activation.history && (await this.#replayed(runId, activation.history));
    if (replayed === 'evicted') return { status: 'miss' };
    const first = this.#watched(runId, () => this.#first(activation, replayed, () => (missed = true)));
    if (missed) return { status: 'miss' };
    await this.#options.turn();
    const isCurrent = (): boolean => this.#answering.get(runId) === activation;
    if (!isCurrent()) return { status: 'miss' };
    // Reading what was thrown, and answering a query, is the author's code again.
    const rejected =
      this.#context.hasRejection(runId) && this.#watched(runId, () => this.#context.takeRejection(runId));
    if (rejected) return { status: 'failed', ...rejected };
    if (first && 'cause' in first) return { status: 'failed', ...first };
    // Given up meanwhile: the kernel has superseded this activation, or will send the history.
    if (this.#context.standOf(runId) === undefined) return { status: 'miss' };
    const rounds: { jobs: WorkflowJob[]; commands: Command[] }[] = [
      // Its jobs are the activation's, which the kernel knows.
      { jobs: [], commands: first?.commands ?? [] },
    ];
    if (first && first.pendingLocal.length > 0 && !first.closed && !activation.readOnly) {
      const failed = await this.#locally(activation, first, rounds);
      if (!isCurrent()) return { status: 'miss' };
      if (this.#context.standOf(runId) === undefined) return { status: 'miss' };
      if (failed) return { status: 'failed', ...failed };
    }
    const queries = (activation.queries ?? []).map((query) =>
      this.#watched(runId, () => this.#context.query(runId, query)),
    );
    this.#context.advance(runId);
    if (activation.jobs.length === 0 && rounds.every((round) => round.commands.length === 0) && rounds.length === 1) {
      // Only questions were asked: the instance has lived through nothing.
      this.#context.retreat(runId);
    }
    return { status: 'done', rounds, ...(queries.length > 0 ? { queries } : {}) };
  }

  /** Rebuilds an instance, in slices between which other runs of this thread have their turn. */
  async #replayed(runId: string, history: readonly Segment[]): Promise<Replayed | 'evicted'> {
    const { clock } = this.#options;
    const steps = this.#context.replaying(runId, history);
    for (;;) {
      const until = clock.monotonicMs() + REPLAY_SLICE_MS;
      const step = this.#watched(runId, () => {
        let next = steps.next();
        while (!next.done && clock.monotonicMs() < until) next = steps.next();
        return next;
      });
      if (step.done) return step.value;
      const isMade = this.#context.standOf(runId) !== undefined;
      await this.#options.turn();
      if (isMade && this.#context.standOf(runId) === undefined) return 'evicted';
    }
  }

  /** Says whose code is on the stack while it is. */
  #watched<T>(runId: string, work: () => T): T {
    const { watch } = this.#options;
    watch?.(runId);
    try {
      return work();
    } finally {
      watch?.(undefined);
    }
  }

  /** The first round: from a new instance, one that is rebuilt, or the one that is there. */
  #first(
    activation: Activation,
    replayed: Replayed | undefined,
    miss: () => void,
  ): RoundResult | ReturnType<WorkflowContext['takeRejection']> {
    const { runId, jobs } = activation;
    const fields = {
      time: activation.time,
      historyLength: activation.historyLength,
      historyBytes: activation.historyBytes,
      isReplaying: false,
      suggestContinue: suggests(activation.historyLength, activation.historyBytes),
    };
    if (replayed) {
      if ('failure' in replayed) return replayed.failure;
      if (activation.baseSeq === 0) return this.#begin(activation, fields);
      if (activation.readOnly || (jobs.length === 0 && replayed.pendingLocal.length === 0))
        return { commands: [], pendingLocal: [], closed: false };
    } else if (activation.baseSeq === 0) {
      return this.#begin(activation, fields);
    } else if (this.#context.standOf(runId) !== activation.baseSeq) {
      miss();
      return undefined;
    }
    if (jobs.length === 0 && !activation.history) return { commands: [], pendingLocal: [], closed: false };
    return this.#context.round(runId, jobs, fields);
  }

  #begin(activation: Activation, fields: Parameters<WorkflowContext['create']>[1]) {
    const start = activation.jobs.find((job) => job.kind === 'start');
    if (!start) return undefined;
    this.#context.evict(activation.runId);
    return this.#context.create(start, fields) ?? this.#context.round(activation.runId, activation.jobs, fields);
  }

  /** Runs local activities until none is pending, or the task's time is nearly over. */
  async #locally(
    activation: Activation,
    first: RoundResult,
    rounds: { jobs: WorkflowJob[]; commands: Command[] }[],
  ): Promise<ReturnType<WorkflowContext['takeRejection']>> {
    const { runId, workflowId, namespace, type } = activation;
    const { clock } = this.#options;
    const until = clock.monotonicMs() + activation.timeoutMs * LOCAL_SHARE;
    const locals = this.#locals.get(runId) ?? new Map<number, Local>();
    this.#locals.set(runId, locals);
    for (let round = first; round.pendingLocal.length > 0 && !round.closed;) {
      for (const command of round.pendingLocal) {
        if (!locals.has(command.seq))
          locals.set(command.seq, this.#begun({ runId, workflowId, namespace, workflowType: type, command }));
      }
      for (const command of rounds.at(-1)!.commands)
        if (command.kind === 'cancel-local-activity') this.#options.cancelLocalActivity(runId, command.seq);
      const leftMs = until - clock.monotonicMs();
      const inTime = leftMs > 0 && (await this.#anyDone(locals, leftMs));
      const isGivenUp = this.#answering.get(runId) !== activation || this.#context.standOf(runId) === undefined;
      if (!inTime || isGivenUp) return undefined;
      const jobs: WorkflowJob[] = [];
      for (const [seq, local] of locals) {
        if (!local.outcome) continue;
        jobs.push({ kind: 'local-activity-resolved', seq, attempt: 1, outcome: local.outcome });
        locals.delete(seq);
      }
      const next = this.#watched(runId, () => this.#context.round(runId, jobs, undefined));
      if ('cause' in next) return next;
      rounds.push({ jobs, commands: next.commands });
      round = next;
    }
    if (locals.size === 0) this.#locals.delete(runId);
    return undefined;
  }

  #begun(call: LocalActivityCall): Local {
    const local: Local = { outcome: undefined, done: Promise.resolve() };
    const { runId } = call;
    const { seq } = call.command;
    local.done = this.#options.runLocalActivity(call).then((outcome) => {
      local.outcome = outcome;
      // Its task is over: the result reaches the run as a job of its own.
      if (this.#answering.has(runId) || this.#locals.get(runId)?.get(seq) !== local) return;
      this.#locals.get(runId)?.delete(seq);
      this.#options.localResolved(runId, seq, 1, outcome);
    });
    return local;
  }

  async #anyDone(locals: Map<number, Local>, leftMs: number): Promise<boolean> {
    const isDone = (): boolean => [...locals.values()].some((local) => local.outcome);
    if (isDone()) return true;
    let wait: { clear(): void } | undefined;
    const timeout = new Promise<void>((resolve) => {
      wait = this.#options.clock.after(leftMs, resolve);
    });
    await Promise.race([timeout, ...[...locals.values()].map((local) => local.done)]);
    wait?.clear();
    return isDone();
  }

  #remember(runId: string): void {
    this.#recent.delete(runId);
    if (this.#context.standOf(runId) === undefined) return;
    this.#recent.add(runId);
    if (this.#recent.size <= this.#options.maxCachedRuns) return;
    for (const oldest of this.#recent) {
      if (this.#answering.has(oldest) || this.#locals.has(oldest)) continue;
      this.evict(oldest);
      return;
    }
  }
}
