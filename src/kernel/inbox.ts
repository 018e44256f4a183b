import type {
  Command,
  StartJob,
  WireFailure,
  WireOutcome,
  WireParentClosePolicy,
  WirePayload,
  WirePayloadMap,
  WireRunRef,
  WorkflowJob,
} from '../common/index.ts';
import { LIMITS, messageOf, type Partition, PleachError, type RunId } from '../core/index.ts';
import type { InboxKey, InboxRow } from '../store/index.ts';
import type { OutMessage } from './journal.ts';
import type { Arrival, LiveRun } from './live-run.ts';
import type { ChildState } from './machine/state.ts';
import type { KernelNode } from './node.ts';
import { startRun } from './start-run.ts';

/** Whoever must be told what became of a message: a run, and the call of it that waits. */
interface ReplyTo {
  runId: string;
  namespace: string;
  workflowId: string;
  seq: number;
}

/** What one run says to another. */
type Message =
  | { kind: 'start-child'; start: StartJob; reply: ReplyTo }
  | {
      kind: 'signal';
      namespace: string;
      target: WireRunRef;
      childOf?: string;
      name: string;
      input: WirePayload[];
      headers?: WirePayloadMap;
      requestId: string;
      reply: ReplyTo;
    }
  | { kind: 'cancel'; namespace: string; target: WireRunRef; reason?: string; requestId: string; reply?: ReplyTo }
  | {
      kind: 'parent-closed';
      namespace: string;
      target: WireRunRef;
      policy: WireParentClosePolicy;
      parentRunId: string;
      requestId: string;
    }
  /** An answer, or the end of a child: a job for a run that is known. */
  | { kind: 'job'; namespace: string; workflowId: string; runId: string; job: WorkflowJob };

/** More messages than wait anywhere: those of one read that must see them all. */
const EVERY_ROW = 1_000_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * What passes between runs. A message is a row written by its sender's commit and deleted by the commit that applies
 * it; its key makes it exactly once. Where sender and receiver live on this node it is delivered from memory, at once,
 * and the row only serves recovery.
 */
export class Inbox {
  readonly #node: KernelNode;
  /** Keys of messages that are being applied. */
  readonly #taken = new Set<string>();
  /** Partitions to look at, and the look that is under way. */
  readonly #wanted = new Set<Partition>();
  #looking: Promise<void> | undefined;
  /** The next look is to see everything; whether one has. */
  #goesThrough = false;
  #isThrough = false;
  /** What the store answered a look that failed. */
  #failure: Error | undefined;
  /** Keys of messages that were applied since the look began. */
  readonly #settled = new Set<string>();
  /** What is being applied to each receiver, last in line. */
  readonly #lines = new Map<string, Promise<void>>();

  constructor(node: KernelNode) {
    this.#node = node;
  }

  /**
   * Applies what lies in the store for these partitions: what was on its way when the last owner ended, and what other
   * nodes have sent. Looks come one after another; what is asked for meanwhile is looked at together.
   */
  look(partitions: readonly Partition[]): Promise<void> {
    for (const partition of partitions) this.#wanted.add(partition);
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }

  /**
   * Lines up all that lies in the store for this node's partitions. Done before a partition that was just taken sends
   * anything: what its last owner has sent comes first.
   * @param isFirst whether to throw what the store answers, as a node that opens does; else it is asked again
   */
  async lookThrough(isFirst = false): Promise<void> {
    const node = this.#node;
    this.#isThrough = node.cluster.partitions.length === 0;
    while (!this.#isThrough && !node.ended) {
      this.#goesThrough = true;
      this.#failure = undefined;
      await this.look(node.cluster.partitions);
      const failure = this.#failure as Error | undefined;
      if (failure && isFirst) throw failure;
      if (!this.#isThrough) await new Promise<void>((resolve) => node.clock.after(LIMITS.inboxFullMs, resolve));
    }
  }

  async #look(): Promise<void> {
    const node = this.#node;
    while (this.#wanted.size > 0 && !node.ended) {
      const of = [...this.#wanted].filter((partition) => node.cluster.owns(partition)).sort((a, b) => a - b);
      this.#wanted.clear();
      if (of.length === 0) return;
      this.#settled.clear();
      const goesThrough = this.#goesThrough;
      const limit = goesThrough ? EVERY_ROW : LIMITS.inboxPageRows;
      this.#goesThrough = false;
      let rows: InboxRow[];
      try {
        rows = await node.store.loadInbox(limit, of);
      } catch (error) {
        this.#failure = error instanceof Error ? error : new Error(String(error));
        node.log.warn('messages cannot be read; they are looked for again', { message: messageOf(error) });
        node.clock.after(LIMITS.taskRetryFirstMs, () => void this.look(of));
        return;
      }
      let isNew = false;
      for (const row of rows) {
        const text = keyText(row);
        // Read before it was deleted, and applied meanwhile.
        if (this.#settled.has(text) || this.#taken.has(text)) continue;
        isNew = true;
        this.#deliver(row, row.body);
      }
      if (goesThrough) this.#isThrough = true;
      if (rows.length < limit) continue;
      // A full page: what lies behind it is reached when this is applied.
      if (!isNew) await new Promise<void>((resolve) => node.clock.after(LIMITS.inboxFullMs, resolve));
      for (const partition of of) this.#wanted.add(partition);
    }
  }

  /** Messages became durable with their sender's commit. */
  sent(messages: readonly { key: InboxKey; body: Uint8Array }[]): void {
    const { cluster, plantedBug, random, store } = this.#node;
    const elsewhere: Partition[] = [];
    for (const { key, body } of messages) {
      if (plantedBug === 'lose-message' && random.fraction() < 0.2) continue;
      if (cluster.owns(key.to)) this.#deliver(key, body);
      else elsewhere.push(key.to);
    }
    if (elsewhere.length > 0) store.hint(elsewhere);
  }

  /** A message is its partition's next owner's to apply. */
  leave(key: InboxKey): void {
    this.#taken.delete(keyText(key));
  }

  /** A message is applied, and that is durable. */
  #applied(key: InboxKey): void {
    const text = keyText(key);
    this.#taken.delete(text);
    if (this.#looking) this.#settled.add(text);
  }

  #deliver(key: InboxKey, body: Uint8Array): void {
    const text = keyText(key);
    if (this.#taken.has(text)) return;
    this.#taken.add(text);
    this.#lineUp(key, JSON.parse(decoder.decode(body)) as Message);
  }

  #lineUp(key: InboxKey, message: Message): void {
    if (!this.#node.cluster.owns(key.to)) {
      this.leave(key);
      return;
    }
    // One after another for each receiver: looking two up at once could turn their order round.
    const receiver = receiverOf(message);
    const before = this.#lines.get(receiver) ?? Promise.resolve();
    const mine = before.then(() => this.#apply(key, message));
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#lines.set(receiver, settled);
    void settled.then(() => {
      if (this.#lines.get(receiver) === settled) this.#lines.delete(receiver);
    });
    mine.catch((error: unknown) => {
      if (this.#node.ended) return;
      if (error instanceof PleachError && error.code === 'PARTITION_MOVED') {
        this.leave(key);
        return;
      }
      this.#node.log.warn('a message could not be applied; it is tried again', { message: messageOf(error) });
      this.#later(key, message);
    });
  }

  /** Applies a message after a while: it stays taken until then. */
  #later(key: InboxKey, message: Message): void {
    this.#node.clock.after(LIMITS.taskRetryFirstMs, () => {
      if (!this.#node.ended) this.#lineUp(key, message);
    });
  }

  async #apply(key: InboxKey, message: Message): Promise<void> {
    switch (message.kind) {
      case 'start-child':
        await this.#startChild(key, message);
        return;
      case 'job': {
        const run = await this.#runOf(message.namespace, { workflowId: message.workflowId, runId: message.runId });
        if (run) this.#arrive(run, key, message, message.job);
        else this.#done(key);
        return;
      }
      case 'signal': {
        const run = await this.#runOf(message.namespace, message.target);
        const isChild = message.childOf === undefined || run?.state.start?.parent?.runId === message.childOf;
        if (!run || run.state.closing || !isChild) {
          this.#done(key, this.#answer(key, message.reply, 'signal-external-resolved', notFound(message.target)));
          return;
        }
        const { name, input, headers, requestId } = message;
        if (run.state.requestIds.has(requestId)) {
          this.#done(key, this.#answer(key, message.reply, 'signal-external-resolved'));
          return;
        }
        this.#arrive(
          run,
          key,
          message,
          {
            kind: 'signalled',
            name,
            input,
            ...(headers ? { headers } : {}),
            requestId,
            identity: message.reply.workflowId,
          },
          this.#answer(key, message.reply, 'signal-external-resolved'),
          this.#answer(key, message.reply, 'signal-external-resolved', notFound(message.target)),
        );
        if (this.#node.plantedBug === 'apply-messages-twice')
          this.#node.activations.arriveJob(run, { kind: 'signalled', name, input, requestId });
        return;
      }
      case 'cancel': {
        const run = await this.#runOf(message.namespace, message.target);
        if (!run || run.state.closing) {
          this.#done(
            key,
            message.reply && this.#answer(key, message.reply, 'cancel-external-resolved', notFound(message.target)),
          );
          return;
        }
        const answer = (failure?: WireFailure) =>
          message.reply && this.#answer(key, message.reply, 'cancel-external-resolved', failure);
        if (run.state.cancelRequested) {
          this.#done(key, answer());
          return;
        }
        this.#arrive(
          run,
          key,
          message,
          {
            kind: 'cancel-requested',
            ...(message.reason ? { reason: message.reason } : {}),
            requestId: message.requestId,
          },
          answer(),
          answer(notFound(message.target)),
        );
        return;
      }
      case 'parent-closed': {
        const run = await this.#runOf(message.namespace, message.target);
        if (!run || run.state.closing || run.state.start?.parent?.runId !== message.parentRunId) {
          this.#done(key);
          return;
        }
        if (message.policy === 'TERMINATE') {
          this.#node.activations.closeByFact(
            run,
            { kind: 'terminated', reason: 'the parent has closed', requestId: message.requestId },
            () => this.#done(key),
          );
        } else if (run.state.cancelRequested) this.#done(key);
        else
          this.#arrive(run, key, message, {
            kind: 'cancel-requested',
            reason: 'the parent has closed',
            requestId: message.requestId,
          });
        return;
      }
    }
  }

  async #startChild(key: InboxKey, message: Extract<Message, { kind: 'start-child' }>): Promise<void> {
    const node = this.#node;
    const { start, reply } = message;
    const started = await startRun(node, start, {
      inbox: key,
      answer: (runId) => this.#answerJob(key, reply, { kind: 'child-started', seq: reply.seq, runId }),
      acknowledged: () => this.#applied(key),
      refused: () => this.#later(key, message),
    });
    if (started.status === 'started') return;
    if (started.status === 'repeated') {
      // The same message again after a crash: the child is there, its parent may not know yet.
      this.#done(key, this.#answerJob(key, reply, { kind: 'child-started', seq: reply.seq, runId: started.runId }));
      return;
    }
    this.#done(
      key,
      this.#answerJob(key, reply, {
        kind: 'child-start-failed',
        seq: reply.seq,
        failure: { kind: 'already-started', workflowId: start.workflowId },
      }),
    );
  }

  #arrive(
    run: LiveRun,
    key: InboxKey,
    message: Message,
    job: WorkflowJob,
    answer?: OutMessage,
    refusal?: OutMessage,
  ): void {
    const arrival: Arrival = {
      job,
      inbox: key,
      ...(answer ? { answer } : {}),
      ...(refusal ? { refusal } : {}),
      atMs: this.#node.clock.monotonicMs(),
      acknowledged: () => this.#applied(key),
      redeliver: () => this.#later(key, message),
    };
    if (!this.#expects(run, job)) {
      this.#done(key);
      return;
    }
    this.#node.activations.arrive(run, arrival);
  }

  /** Whether a run still waits for what a job answers; a repeated answer finds nothing open. */
  #expects(run: LiveRun, job: WorkflowJob): boolean {
    const { state } = run;
    const waiting = (kind: WorkflowJob['kind'], seq: number): boolean =>
      !run.arrived.some(({ job: other }) => other.kind === kind && 'seq' in other && other.seq === seq) &&
      !(run.activating?.arrivals ?? []).some(
        ({ job: other }) => other.kind === kind && 'seq' in other && other.seq === seq,
      );
    switch (job.kind) {
      case 'child-started':
        return state.children.get(job.seq)?.phase === 'starting' && waiting(job.kind, job.seq);
      case 'child-start-failed':
      case 'child-resolved':
        return state.children.has(job.seq) && waiting(job.kind, job.seq);
      case 'signal-external-resolved':
        return state.signals.has(job.seq) && waiting(job.kind, job.seq);
      case 'cancel-external-resolved':
        return state.cancels.has(job.seq) && waiting(job.kind, job.seq);
      default:
        return true;
    }
  }

  /** Deletes a message that nobody takes, with the answer to it. */
  #done(key: InboxKey, answer?: OutMessage): void {
    if (!this.#node.cluster.owns(key.to)) {
      this.leave(key);
      return;
    }
    this.#node.journal.append({
      partition: key.to,
      segments: [],
      inboxDone: [key],
      ...(answer ? { messages: [answer] } : {}),
      durable: (messages) => {
        this.#applied(key);
        this.sent(messages);
      },
      refused: () => this.#node.clock.after(LIMITS.taskRetryFirstMs, () => this.#done(key, answer)),
    });
  }

  /** A closed run leaves a message unread. */
  discard(arrival: Arrival): void {
    if (arrival.inbox) this.#done(arrival.inbox, arrival.refusal);
  }

  async #runOf(namespace: string, target: WireRunRef): Promise<LiveRun | undefined> {
    const node = this.#node;
    const live = target.runId
      ? node.runs.get(target.runId as RunId)
      : node.openRuns.get(`${namespace}\0${target.workflowId}`);
    if (live) return live;
    for (;;) {
      const [row] = await node.store.findRuns([
        target.runId ? { runId: target.runId } : { namespace, workflowId: target.workflowId },
      ]);
      if (!row) return undefined;
      const run = await node.load(row);
      // Closed between look-up and load: it may go on in another run.
      if (run || row.status !== 'RUNNING') return run;
    }
  }

  // ---- what commands send ----

  #out(namespace: string, workflowId: string, message: Message, answers?: InboxKey): OutMessage {
    return {
      to: this.#node.partitionOf(namespace, workflowId),
      toRun: workflowId,
      body: encoder.encode(JSON.stringify(message)),
      ...(answers ? { answers } : {}),
    };
  }

  #replyTo(run: LiveRun, seq: number): ReplyTo {
    return { runId: run.id, namespace: run.namespace, workflowId: run.workflowId, seq };
  }

  #answerJob(key: InboxKey, reply: ReplyTo, job: WorkflowJob): OutMessage {
    const { namespace, workflowId, runId } = reply;
    return this.#out(namespace, workflowId, { kind: 'job', namespace, workflowId, runId, job }, key);
  }

  #answer(
    key: InboxKey,
    reply: ReplyTo,
    kind: 'signal-external-resolved' | 'cancel-external-resolved',
    failure?: WireFailure,
  ): OutMessage {
    return this.#answerJob(key, reply, { kind, seq: reply.seq, ...(failure ? { failure } : {}) });
  }

  startChild(run: LiveRun, command: Extract<Command, { kind: 'start-child' }>): OutMessage {
    const { kind: _kind, seq, namespace = run.namespace, closePolicy, cancellation: _cancellation, ...start } = command;
    const own = run.state.start!;
    const at = this.#node.now();
    // The child's run id follows from its parent's call, so that a repeated message finds the same child.
    const runId = this.#node.newRunId();
    const job: StartJob = {
      kind: 'start',
      ...start,
      namespace,
      runId,
      firstRunId: runId,
      attempt: 1,
      randomSeed: runId,
      startedAt: at,
      parent: { namespace: run.namespace, workflowId: run.workflowId, runId: run.id, seq, closePolicy },
      root: own.root ?? { workflowId: run.workflowId, runId: run.id },
      requestId: `${run.id}/child/${seq}`,
      identity: run.workflowId,
    };
    return this.#out(namespace, command.workflowId, {
      kind: 'start-child',
      start: job,
      reply: this.#replyTo(run, seq),
    });
  }

  /** What a cancelled child means depends on how its parent wants to wait for it. */
  cancelChild(
    run: LiveRun,
    command: Extract<Command, { kind: 'cancel-child' }>,
    effects: (() => void)[],
  ): OutMessage | undefined {
    const child = run.state.children.get(command.seq);
    if (!child) return undefined;
    const resolved = (): void => {
      if (run.dropped || !run.state.children.has(command.seq)) return;
      const failure: WireFailure = {
        kind: 'child',
        message: 'Child workflow execution cancelled',
        namespace: child.namespace,
        workflowId: child.workflowId,
        runId: child.runId ?? '',
        workflowType: child.type,
        retryState: 'NON_RETRYABLE_FAILURE',
        cause: { kind: 'cancelled', message: 'Child workflow execution cancelled' },
      };
      if (run.arrived.some(({ job }) => job.kind === 'child-resolved' && job.seq === command.seq)) return;
      this.#node.activations.arriveJob(run, {
        kind: 'child-resolved',
        seq: command.seq,
        outcome: { status: 'cancelled', failure },
      });
    };
    if (child.cancellation !== 'WAIT_CANCELLATION_COMPLETED') effects.push(resolved);
    if (child.cancellation === 'ABANDON') return undefined;
    return this.#out(child.namespace, child.workflowId, {
      kind: 'cancel',
      namespace: child.namespace,
      target:
        child.runId === undefined
          ? { workflowId: child.workflowId }
          : { workflowId: child.workflowId, runId: child.runId },
      ...(command.reason ? { reason: command.reason } : {}),
      requestId: `${run.id}/cancel-child/${command.seq}`,
    });
  }

  signalExternal(run: LiveRun, command: Extract<Command, { kind: 'signal-external' }>): OutMessage {
    return this.#out(run.namespace, command.target.workflowId, {
      kind: 'signal',
      namespace: run.namespace,
      target: command.target,
      ...(command.childOnly ? { childOf: run.id } : {}),
      name: command.name,
      input: command.input,
      ...(command.headers ? { headers: command.headers } : {}),
      requestId: `${run.id}/signal/${command.seq}`,
      reply: this.#replyTo(run, command.seq),
    });
  }

  cancelExternal(run: LiveRun, command: Extract<Command, { kind: 'cancel-external' }>): OutMessage {
    return this.#out(run.namespace, command.target.workflowId, {
      kind: 'cancel',
      namespace: run.namespace,
      target: command.target,
      ...(command.reason ? { reason: command.reason } : {}),
      requestId: `${run.id}/cancel/${command.seq}`,
      reply: this.#replyTo(run, command.seq),
    });
  }

  // ---- what closing sends ----

  /** Tells a parent how its child ended. */
  childResolved(start: StartJob, outcome: WireOutcome): OutMessage {
    const parent = start.parent!;
    const wrapped: WireOutcome =
      outcome.status === 'completed'
        ? outcome
        : {
            status: outcome.status,
            failure: {
              kind: 'child',
              message: 'Child workflow execution failed',
              namespace: start.namespace,
              workflowId: start.workflowId,
              runId: start.firstRunId,
              workflowType: start.type,
              retryState: start.retry ? 'MAXIMUM_ATTEMPTS_REACHED' : 'RETRY_POLICY_NOT_SET',
              cause: outcome.failure,
            },
          };
    return this.#out(parent.namespace, parent.workflowId, {
      kind: 'job',
      namespace: parent.namespace,
      workflowId: parent.workflowId,
      runId: parent.runId,
      job: { kind: 'child-resolved', seq: parent.seq, outcome: wrapped },
    });
  }

  /** Tells a child that its parent has closed, as its policy says. */
  parentClosed(run: LiveRun, child: ChildState): OutMessage | undefined {
    if (child.closePolicy === 'ABANDON') return undefined;
    return this.#out(child.namespace, child.workflowId, {
      kind: 'parent-closed',
      namespace: child.namespace,
      // A child may have gone on in another run: the open run of its id is meant, if it is still this parent's.
      target: { workflowId: child.workflowId },
      policy: child.closePolicy,
      parentRunId: run.id,
      requestId: `${run.id}/closed/${child.seq}`,
    });
  }
}

/** The workflow that a message is for. */
function receiverOf(message: Message): string {
  switch (message.kind) {
    case 'start-child':
      return `${message.start.namespace}\0${message.start.workflowId}`;
    case 'job':
      return `${message.namespace}\0${message.workflowId}`;
    default:
      return `${message.namespace}\0${message.target.workflowId}`;
  }
}

function keyText(key: InboxKey): string {
  return `${key.to}/${key.from}/${key.fromPos}/${key.index}`;
}

function notFound(target: WireRunRef): WireFailure {
  return {
    kind: 'application',
    type: 'ExternalWorkflowExecutionNotFound',
    nonRetryable: true,
    message: `workflow "${target.workflowId}" is not open${target.runId ? ` (run ${target.runId})` : ''}`,
  };
}
