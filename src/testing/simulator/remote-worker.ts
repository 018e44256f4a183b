import type { WireOutcome } from '../../common/index.ts';
import type { AttemptTask, FromKernel, ToKernel } from '../../contract/index.ts';
import { silentLog } from '../../core/index.ts';
import type { Peer } from '../../kernel/index.ts';
import { ActivationRunner, type WorkflowBundle, type WorkflowContext } from '../../worker/index.ts';
import { valueOf } from './checker.ts';
import { type ClientWorld, type Live, NAMESPACE, QUEUE } from './client.ts';
import { SimProcess } from './scheduler.ts';

const ACTIVITY_SLOTS = 3;
/** How often a worker asks for a sign of life; a link that gave none since the last time is let go. */
const PING_MS = 5_000;

/** One connection to a node. What is under way on it is lost when it is cut; what arrives comes in order. */
interface SimLink {
  live: Live;
  peer: Peer;
  isCut: boolean;
  isHeard: boolean;
  upUntil: number;
  downUntil: number;
}

/** A worker in a process of its own: it outlives nodes, and its link to one is cut and opened again. */
export class RemoteWorker {
  readonly process: SimProcess;
  readonly context: WorkflowContext;
  readonly #world: ClientWorld;
  readonly #bundleId: string;
  readonly #runner: ActivationRunner;
  readonly #running = new Set<string>();
  /** Ends of attempts that no node has said to be settled. */
  readonly #unsettled = new Map<string, ToKernel>();
  #link: SimLink | undefined;

  constructor(name: string, world: ClientWorld, bundle: WorkflowBundle, context: WorkflowContext) {
    const { scheduler } = world;
    this.process = new SimProcess(name, scheduler);
    this.context = context;
    this.#world = world;
    this.#bundleId = bundle.id;
    this.#runner = new ActivationRunner({
      bundle,
      log: silentLog,
      clock: this.process,
      maxCachedRuns: 3,
      context,
      runLocalActivity: async (call) => {
        await scheduler.delay(scheduler.between(1, 40), this.process);
        return { status: 'completed', value: call.command.input[0]! };
      },
      cancelLocalActivity: () => undefined,
      localResolved: (runId, seq, attempt, outcome) =>
        this.#say({ kind: 'local-resolved', workerId: name, runId, seq, attempt, outcome }),
      turn: () => Promise.resolve(),
    });
    this.#connect();
    this.process.every(PING_MS, () => {
      const link = this.#link;
      if (!link) return;
      if (!link.isHeard) this.cut();
      link.isHeard = false;
      this.#say({ kind: 'ping' });
    });
  }

  /** The process dies, and all that it ran with it. */
  kill(): void {
    this.process.isDead = true;
    this.#drop();
  }

  /** The link is cut, if there is one; the node may find out later than the worker, which opens another. */
  cut(): void {
    if (!this.#link || this.process.isDead) return;
    this.#drop();
    const { scheduler, isHealed } = this.#world;
    const isLong = !isHealed && scheduler.chance(0.1);
    scheduler.after(isLong ? scheduler.between(4_000, 7_000) : scheduler.between(10, 600), this.process, () =>
      this.#connect(),
    );
  }

  /** A node's process has ended. */
  nodeGone(process: SimProcess): void {
    if (this.#link?.live.process === process) this.cut();
  }

  #drop(): void {
    const link = this.#link;
    this.#link = undefined;
    if (!link) return;
    link.isCut = true;
    const { scheduler } = this.#world;
    scheduler.after(scheduler.between(0, 400), link.live.process, () => link.peer.closed());
  }

  #connect(): void {
    const { live, scheduler } = this.#world;
    if (this.#link) return;
    if (!live) {
      scheduler.after(scheduler.between(20, 200), this.process, () => this.#connect());
      return;
    }
    const { name } = this.process;
    const peer: Peer = live.node.connect({ local: false, send: (message) => this.#fromNode(link, message) });
    const link: SimLink = { live, peer, isCut: false, isHeard: true, upUntil: 0, downUntil: 0 };
    this.#link = link;
    scheduler.note(`${name} connects to ${live.process.name} and announces ${this.#running.size}`);
    this.#say({
      kind: 'register',
      worker: {
        workerId: name,
        identity: name,
        namespace: NAMESPACE,
        queue: QUEUE,
        bundleId: this.#bundleId,
        anyWorkflowType: true,
        activityTypes: ['step'],
        activitySlots: ACTIVITY_SLOTS,
        workflowSlots: 10,
        runningTokens: [...this.#running, ...this.#unsettled.keys()],
      },
    });
    for (const message of this.#unsettled.values()) this.#say(message);
  }

  #say(message: ToKernel): void {
    const link = this.#link;
    if (!link) return;
    const { scheduler } = this.#world;
    link.upUntil = Math.max(link.upUntil, scheduler.now + scheduler.between(0, 8));
    scheduler.after(link.upUntil - scheduler.now, link.live.process, () => {
      if (!link.isCut) link.peer.receive(message);
    });
  }

  #fromNode(link: SimLink, message: FromKernel): void {
    const { scheduler, checker } = this.#world;
    const { node, process } = link.live;
    if (process.isDead) return;
    // What the node does is judged when it does it, whether or not it arrives.
    if (message.kind === 'attempt') {
      const { runId, token, attempt, options } = message.task;
      checker.acts(node.id, 'began an attempt');
      checker.started({ runId, token, attempt, maximumAttempts: options.retry?.maximumAttempts });
    }
    if (message.kind === 'attempt-cancel') checker.toldToStop.add(message.token);
    link.downUntil = Math.max(link.downUntil, scheduler.now + scheduler.between(0, 8));
    scheduler.after(link.downUntil - scheduler.now, this.process, () => {
      if (link.isCut) return;
      link.isHeard = true;
      this.#receive(message);
    });
  }

  #receive(message: FromKernel): void {
    const { scheduler, checker } = this.#world;
    const { name } = this.process;
    if (message.kind === 'evict') this.#runner.evict(message.runId);
    // Only what the node does not know stops at once: it has no slot for it. Any other ends as it would have.
    if (message.kind === 'attempt-cancel' && message.reason === 'NOT_FOUND') this.#running.delete(message.token);
    if (message.kind === 'attempt-settled') this.#unsettled.delete(message.token);
    if (message.kind === 'attempt') this.#attempt(message.task);
    if (message.kind !== 'activate') return;
    const { activation } = message;
    void this.#runner.run(activation).then((result) => {
      scheduler.note(`${name} activated ${activation.workflowId} ${activation.baseSeq} ${result.status}`);
      if (result.status === 'failed') checker.fail('I7', `${activation.workflowId}: ${result.failure.message}`);
      if (result.status === 'miss') checker.fault('remote-miss');
      this.#say({ kind: 'activated', workerId: name, runId: activation.runId, token: activation.token, result });
    });
  }

  #attempt(task: AttemptTask): void {
    const { scheduler, checker, isHealed } = this.#world;
    const { name } = this.process;
    const { token, attempt } = task;
    this.#running.add(token);
    if (this.#running.size > ACTIVITY_SLOTS)
      checker.fail('I15', `${name} runs ${this.#running.size} attempts at a time in ${ACTIVITY_SLOTS} slots`);
    scheduler.note(`${name} runs ${task.workflowId} ${task.activityId} attempt ${attempt}`);
    const outcome: WireOutcome = { status: 'completed', value: valueOf(task.input[0], attempt) };
    const isDoubled = !isHealed && scheduler.chance(0.1);
    scheduler.after(scheduler.between(1, 120), this.process, () => {
      if (!this.#running.delete(token)) return;
      const done: ToKernel = { kind: 'attempt-done', workerId: name, token, outcome };
      this.#unsettled.set(token, done);
      this.#say(done);
      if (!isDoubled) return;
      checker.fault('completion-doubled');
      this.#say(done);
    });
  }
}
