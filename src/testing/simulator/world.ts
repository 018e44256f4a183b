import type { WireOutcome } from '../../common/index.ts';
import type { AttemptTask, FromKernel, ToKernel } from '../../contract/index.ts';
import { type NodeId, type Partition, PleachError, silentLog } from '../../core/index.ts';
import { KernelNode, type PlantedBug, type Peer } from '../../kernel/index.ts';
import { copyModel, ModelData, ModelStore, putModelBack, type Store } from '../../store/index.ts';
import { ActivationRunner, type WorkflowBundle, WorkflowContext } from '../../worker/index.ts';
import { Checker, valueOf } from './checker.ts';
import { type ClientWorld, type Live, NAMESPACE, QUEUE, SimClients } from './client.ts';
import { faultyStore, type StoreFaults } from './faulty-store.ts';
import { SimNodeLinks } from './node-links.ts';
import { RemoteWorker } from './remote-worker.ts';
import { simRules } from './rules.ts';
import { Scheduler, SimProcess } from './scheduler.ts';
import { checkMemory, checkStore } from './store-check.ts';

/** What a world is made with. */
export interface WorldOptions {
  seed: number;
  bundle: WorkflowBundle;
  plantedBug?: PlantedBug;
  /** The store below the faults, asked for by each process; a model in memory unless given. */
  makeStore?: (clock: SimProcess) => Store;
  /** A promise whose breach ends the world at once. */
  stopAt?: string;
  /** How many processes work on the store at a time. Default 1. */
  nodes?: number;
  /** Workflows that live at a time. Default 6. */
  workflows?: number;
}

/**
 * Sandboxes whose process has died, by bundle. A realm takes a hundred workflows to run fast, and a world has ten of
 * them; that one which served other worlds tells the same story is among what I13 promises.
 */
const idle = new WeakMap<WorkflowBundle, WorkflowContext[]>();

function takeSandbox({ bundle, plantedBug }: WorldOptions): WorkflowContext {
  if (plantedBug === 'share-modules') return new WorkflowContext(bundle, { log: silentLog, sharesModules: true });
  return idle.get(bundle)?.pop() ?? new WorkflowContext(bundle, { log: silentLog });
}

function giveSandbox({ bundle, plantedBug }: WorldOptions, context: WorkflowContext): void {
  if (plantedBug === 'share-modules') return;
  context.evictAll();
  const list = idle.get(bundle) ?? [];
  idle.set(bundle, list);
  list.push(context);
}

/** What a world came to. */
export interface WorldReport {
  seed: number;
  broken: { invariant: string; message: string }[];
  activations: number;
  /** Payloads that were written apart from their segment. */
  blobs: number;
  /** Partitions that one node gave to another, and requests that one has passed on to another. */
  given: number;
  forwarded: number;
  /** Attempts and activations that another node's worker was handed. */
  relayed: number;
  faults: Record<string, number>;
  /** Faults that changed what happened after them. */
  tellingFaults: number;
  steps: number;
  replayed: number;
  trace: string[];
}

/** The activations that a world goes on for: new workflows begin until this and the faults are reached. */
export const WORLD_ACTIVATIONS_MIN = 200;
/** The faults that a world goes on for, of those that changed what came after. */
export const WORLD_FAULTS_MIN = 10;

const TTL_MS = 2_000;
const ACTIVITY_SLOTS = 3;
/** Virtual time after which a world is healed though little has gone wrong in it. */
const TROUBLE_MS_MAX = 300_000;
/** Virtual time in which a world must come to its end, from its beginning. */
const LIVENESS_MS = 900_000;
/** Steps after which a world that has not come to its end is said to turn in circles; most take 4,000. */
const STEPS_MAX = 60_000;
/** How often what a node has in memory is held to what was written, in virtual milliseconds. */
const LOOK_MS = 250;
/** In one world of so many, what has more than so many bytes lies apart: programs, logs, and most results. */
const LARGE_WORLDS = 3;
const LARGE_BYTES = 40;
/** One world in so many has workers in processes of their own, and every other of those has no other workers. */
const REMOTE_WORLDS = 7;
const REMOTE_WORKERS = 2;
/** Where nodes share a store, one in so many has no worker in its process. */
const WORKERLESS = 3;
/** How likely a copy of the store is kept at such a look, to be put back at the world's end. */
const COPY_SHARE = 0.1;

/**
 * A cluster, its workers and its clients in one process and under one seed. First things go wrong and safety is
 * watched; then the world is healed, and everything that was begun must come to its end. Last, the store is put back to
 * an older state under the node that runs on it, which must notice.
 */
export class World implements ClientWorld {
  readonly scheduler: Scheduler;
  readonly checker = new Checker();
  readonly data = new ModelData();
  /** The nodes that serve, as their clients reach them. */
  readonly lives: Live[] = [];
  isHealed = false;
  readonly #options: WorldOptions;
  readonly #outside: SimProcess;
  readonly #clients: SimClients;
  #processes = 0;
  #stories = 0;
  #rates: StoreFaults;
  /** Jobs that may wait on a node of this world before it refuses new work. */
  readonly #waitingJobsMax: number;
  /** Processes that are on their way to be the engine. */
  readonly #opening = new Set<SimProcess>();
  /** Nodes without a worker in their process. */
  readonly #workerless = new Set<Live>();
  /** Every node that ever served, those that are paused too. */
  readonly #all: Live[] = [];
  /** Tokens of the attempts that run, by process. */
  readonly #running = new Map<SimProcess, Set<string>>();
  #lastNode: string | undefined;
  /** When the last that a node told its sandbox arrives there. */
  readonly #heardUntil = new Map<SimProcess, number>();
  readonly #nodes = new Map<SimProcess, string>();
  readonly #nodeLinks: SimNodeLinks;
  readonly #sandboxes = new Map<SimProcess, WorkflowContext>();
  /** Why nodes ended, by their id. */
  readonly #ends = new Map<string, string>();
  #older: ModelData | undefined;
  /** The store is being put back: nobody may tell the rest of the story anew. */
  #isOver = false;
  readonly #remotes: RemoteWorker[] = [];
  #remoteNames = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.scheduler = new Scheduler(options.seed);
    this.#outside = new SimProcess('outside', this.scheduler);
    this.checker.note = (text) => this.scheduler.note(text);
    this.#clients = new SimClients(this);
    this.#nodeLinks = new SimNodeLinks(this.scheduler, this.checker);
    const rate = (most: number): number => this.scheduler.random.fraction() * most;
    this.#rates = {
      crashBefore: rate(0.01),
      crashAfter: rate(0.01),
      unknownBefore: rate(0.03),
      unknownAfter: rate(0.03),
      full: rate(0.03),
      refused: rate(0.03),
    };
    this.#waitingJobsMax = this.scheduler.between(3, 8);
    this.checker.isAdmissionBound = this.scheduler.chance(0.4);
    if (this.isShared)
      this.checker.shared = {
        knows: (node) => this.#isOver || this.data.nodes.has(node as NodeId),
        owns: (node, partition) => this.data.owners.get(partition as Partition) === node,
      };
  }

  get isShared(): boolean {
    return this.#nodesWanted > 1;
  }

  get #nodesWanted(): number {
    return this.#options.nodes ?? 1;
  }

  /** A node that serves, any of them where there are several. */
  get live(): Live | undefined {
    return this.isShared && this.lives.length > 0 ? this.scheduler.pick(this.lives) : this.lives[0];
  }

  /** Lives the world to its end and tells what it came to. */
  async run(): Promise<WorldReport> {
    const { scheduler, checker } = this;
    for (let i = 0; i < this.#nodesWanted; i++) this.#startProcess();
    if (this.#hasRemotes) {
      for (let i = 0; i < REMOTE_WORKERS; i++) this.#startRemote();
      this.#remoteTrouble();
    }
    this.#trouble();
    this.#look();
    scheduler.after(TROUBLE_MS_MAX, undefined, () => this.#heal());
    let done = false;
    const lanes = Array.from({ length: this.#options.workflows ?? 6 }, () => this.#lane());
    void Promise.all(lanes).then(() => (done = true));
    const { stopAt } = this.#options;
    const isSeen = (): boolean => stopAt !== undefined && checker.broken.some(({ invariant }) => invariant === stopAt);
    await scheduler.run(() => done || scheduler.steps > STEPS_MAX || isSeen(), LIVENESS_MS);
    if (isSeen()) return this.#report(0);
    if (!done)
      checker.fail(
        'I10',
        `no answer after ${scheduler.steps} steps, long after the world was healed: ${[...this.#clients.waiting].join('; ')}`,
      );
    // Children that outlive their parents' results, answers under way: let them land.
    this.#heal();
    await scheduler.run(() => false, 30_000);
    const context = takeSandbox(this.#options);
    const replayed = await checkStore(this.#store(), checker, context);
    giveSandbox(this.#options, context);
    await this.#putStoreBack();
    return this.#report(replayed);
  }

  #report(replayed: number): WorldReport {
    const { scheduler, checker } = this;
    for (const process of this.#sandboxes.keys()) this.#crash(process);
    for (const worker of this.#remotes.splice(0)) this.#killRemote(worker);
    return {
      seed: this.#options.seed,
      broken: checker.broken.map(({ invariant, message }) => ({ invariant, message })),
      activations: checker.activations,
      blobs: checker.blobs,
      given: checker.given,
      forwarded: this.#nodeLinks.requests,
      relayed: this.#nodeLinks.relayed,
      faults: Object.fromEntries([...checker.faults].sort(([a], [b]) => (a < b ? -1 : 1))),
      tellingFaults: checker.tellingFaults,
      steps: scheduler.steps,
      replayed,
      trace: scheduler.trace,
    };
  }

  get #isEnough(): boolean {
    const { activations, tellingFaults } = this.checker;
    return activations >= WORLD_ACTIVATIONS_MIN && tellingFaults >= WORLD_FAULTS_MIN;
  }

  /** One workflow after another, until enough has happened. */
  async #lane(): Promise<void> {
    do await this.#clients.story(this.#stories++);
    while (!this.#isEnough && !(this.isHealed && this.checker.activations >= WORLD_ACTIVATIONS_MIN));
  }

  /** Now and then: memory is held to what was written, the store is copied, and a world with enough in it is healed. */
  #look(): void {
    this.scheduler.after(LOOK_MS, undefined, () => {
      for (const { node, process } of this.lives)
        if (process.pausedUntil <= this.scheduler.now) checkMemory(node, this.checker);
      if (!this.#older || this.scheduler.chance(COPY_SHARE)) this.#older = copyModel(this.data);
      if (this.#isEnough) this.#heal();
      if (!this.isHealed) this.#look();
    });
  }

  /** Puts the store back to an older state under the node that runs: its next commit must be refused, and it must end. */
  async #putStoreBack(): Promise<void> {
    const { scheduler, checker } = this;
    const older = this.#older;
    if (this.#options.makeStore || !older) return;
    this.#isOver = true;
    const betrayed: KernelNode[] = [];
    for (const { node, process } of this.lives.slice()) {
      const row = older.nodes.get(node.id);
      const { epoch, batch } = node.journal.lease;
      // One that has committed nothing since has lost nothing, and would tell the rest of the story anew.
      if (row?.epoch === epoch && row.batch === batch) this.#crash(process);
      else betrayed.push(node);
    }
    scheduler.note('the store is put back');
    putModelBack(this.data, older);
    for (const { id } of betrayed) checker.putBack(id);
    await scheduler.run(() => betrayed.every(({ ended }) => ended), 2 * TTL_MS);
    for (const { id } of betrayed) {
      const end = this.#ends.get(id);
      // Another may have fenced it before it looked.
      if (end === 'STORE_WENT_BACK' || (end === 'LEASE_LOST' && this.isShared)) continue;
      checker.fail('I17', `the store was put back under node ${id}, which ended as ${end}`);
    }
  }

  // ---- processes ----

  #startProcess(): void {
    const process = new SimProcess(`node-${++this.#processes}`, this.scheduler);
    this.#opening.add(process);
    this.scheduler.note(`${process.name} starts`);
    void this.#open(process);
  }

  #store(): Store {
    const { makeStore, plantedBug } = this.#options;
    return (
      makeStore?.(this.#outside) ??
      new ModelStore(this.data, this.#outside, this.isShared ? 8 : 4, {
        acceptsOlder: plantedBug === 'accept-older-batch',
        isShared: this.isShared,
      })
    );
  }

  async #open(process: SimProcess): Promise<void> {
    const { scheduler, checker } = this;
    const inner = this.#store();
    const store = faultyStore(
      inner,
      process,
      scheduler,
      () => (this.isHealed ? NO_FAULTS : this.#rates),
      checker,
      () => this.#crash(process),
    );
    for (;;) {
      try {
        const node = await KernelNode.open({
          store,
          clock: process,
          random: process,
          log: silentLog,
          leaseTtlMs: TTL_MS,
          cachedRunsMax: 4,
          waitingJobsMax: this.#waitingJobsMax,
          ...(this.#options.seed % LARGE_WORLDS === 0 ? { blobBytesMin: LARGE_BYTES } : {}),
          ...(checker.isAdmissionBound ? { admission: simRules(scheduler, process) } : {}),
          ...(this.isShared
            ? {
                address: process.name,
                dial: (address) =>
                  this.#nodeLinks.dial(
                    process,
                    this.#all.find((live) => live.process.name === address),
                  ),
              }
            : {}),
          // A refused connection tells that the last engine is dead; sometimes only its lease's end does.
          ...(!this.isShared && this.#lastNode !== undefined && scheduler.chance(0.5)
            ? { deadNode: this.#lastNode }
            : {}),
          ...(this.#options.plantedBug ? { plantedBug: this.#options.plantedBug } : {}),
          ended: (error) => {
            if (process.isDead) return;
            scheduler.note(`${process.name} ends ${error?.code ?? ''}`);
            if (error?.code === 'LEASE_LOST') checker.stopped(process.name, this.#running.get(process));
            this.#ends.set(this.#nodes.get(process) ?? '', error?.code ?? 'stopped');
            process.isDead = true;
            this.#gone(process);
          },
        });
        if (process.isDead) return;
        this.#opening.delete(process);
        this.#lastNode = node.id;
        this.#serve(process, node);
        return;
      } catch (error) {
        if (process.isDead) return;
        if (!(error instanceof PleachError)) throw error;
        await scheduler.delay(200, process);
      }
    }
  }

  #serve(process: SimProcess, node: KernelNode): void {
    const { scheduler } = this;
    const context = takeSandbox(this.#options);
    this.#sandboxes.set(process, context);
    this.#nodes.set(process, node.id);
    scheduler.note(`${process.name} is the engine, epoch ${node.journal.lease.epoch}`);
    const peer: Peer = node.connect({
      local: true,
      send: (message) => {
        if (!process.isDead) this.#deliver(process, node, peer, runner, message);
      },
    });
    const say = (message: ToKernel, delayMs = scheduler.between(0, 3)): void => {
      scheduler.after(delayMs, process, () => peer.receive(message));
    };
    const runner = new ActivationRunner({
      bundle: this.#options.bundle,
      log: silentLog,
      clock: process,
      maxCachedRuns: 3,
      context,
      runLocalActivity: async (call) => {
        await scheduler.delay(scheduler.between(1, 40), process);
        return { status: 'completed', value: call.command.input[0]! };
      },
      cancelLocalActivity: () => undefined,
      localResolved: (runId, seq, attempt, outcome) =>
        say({ kind: 'local-resolved', workerId: process.name, runId, seq, attempt, outcome }),
      turn: () => Promise.resolve(),
    });
    const live = { process, node, peer };
    this.lives.push(live);
    this.#all.push(live);
    if (this.#hasRemotes && !this.#hasLocal) return;
    // Until the world is healed some nodes have no worker, and others' work for them.
    if (this.isShared && !this.isHealed && this.#processes % WORKERLESS === 0) this.#workerless.add(live);
    else this.#register(live);
  }

  #register({ process, peer }: Live): void {
    peer.receive({
      kind: 'register',
      worker: {
        workerId: process.name,
        identity: process.name,
        namespace: NAMESPACE,
        queue: QUEUE,
        bundleId: this.#options.bundle.id,
        anyWorkflowType: true,
        activityTypes: ['step'],
        activitySlots: ACTIVITY_SLOTS,
        workflowSlots: 10,
        runningTokens: [],
      },
    });
  }

  /** What a node says to the worker in its process, and to clients. */
  #deliver(process: SimProcess, node: KernelNode, peer: Peer, runner: ActivationRunner, message: FromKernel): void {
    const { scheduler, checker } = this;
    const back = (answer: ToKernel, delayMs: number): void => {
      scheduler.after(delayMs, process, () => peer.receive(answer));
    };
    switch (message.kind) {
      case 'activate': {
        const { activation } = message;
        this.#inOrder(process, () => {
          void runner.run(activation).then((result) => {
            scheduler.note(`${process.name} activated ${activation.workflowId} ${activation.baseSeq} ${result.status}`);
            if (result.status === 'failed') checker.fail('I7', `${activation.workflowId}: ${result.failure.message}`);
            // Slower than the journal's patience now and then: jobs are then committed without it.
            back(
              { kind: 'activated', workerId: process.name, runId: activation.runId, token: activation.token, result },
              scheduler.chance(0.2) ? scheduler.between(5, 60) : scheduler.between(0, 3),
            );
          });
        });
        return;
      }
      case 'evict':
        this.#inOrder(process, () => runner.evict(message.runId));
        return;
      case 'attempt':
        checker.acts(node.id, 'began an attempt');
        this.#attempt(process, message.task, back);
        return;
      case 'attempt-cancel':
        checker.toldToStop.add(message.token);
        return;
      case 'response':
        checker.acts(node.id, 'answered');
        this.#clients.respond(message);
        return;
      default:
        return;
    }
  }

  /** What a node tells its worker's sandbox comes after a while, and in the order in which it was said. */
  #inOrder(process: SimProcess, fire: () => void): void {
    const { scheduler } = this;
    const at = Math.max(this.#heardUntil.get(process) ?? 0, scheduler.now + scheduler.between(0, 2));
    this.#heardUntil.set(process, at);
    scheduler.after(at - scheduler.now, process, fire);
  }

  #attempt(process: SimProcess, task: AttemptTask, back: (answer: ToKernel, delayMs: number) => void): void {
    const { scheduler, checker } = this;
    const { runId, token, attempt } = task;
    checker.started({ runId, token, attempt, maximumAttempts: task.options.retry?.maximumAttempts });
    const running = this.#running.get(process) ?? new Set();
    this.#running.set(process, running.add(token));
    if (running.size > ACTIVITY_SLOTS)
      checker.fail('I15', `${process.name} runs ${running.size} attempts at a time in ${ACTIVITY_SLOTS} slots`);
    scheduler.note(`${process.name} runs ${task.workflowId} ${task.activityId} attempt ${attempt}`);
    const fails = scheduler.chance(0.15);
    if (fails) checker.fault('attempt-failed');
    const outcome: WireOutcome = fails
      ? { status: 'failed', failure: { kind: 'application', type: 'Simulated', message: 'simulated' } }
      : { status: 'completed', value: valueOf(task.input[0], attempt) };
    // Slower than its time-out now and then: its end is then a stale one's.
    const delayMs = scheduler.chance(0.1) ? scheduler.between(100, 400) : scheduler.between(1, 60);
    const done: ToKernel = { kind: 'attempt-done', workerId: process.name, token, outcome };
    scheduler.after(delayMs, process, () => running.delete(token));
    back(done, delayMs);
    if (!this.isHealed && scheduler.chance(0.1)) {
      checker.fault('completion-doubled');
      back(done, delayMs + scheduler.between(0, 80));
    }
  }

  #crash(process: SimProcess): void {
    if (process.isDead) return;
    process.isDead = true;
    const live = this.#all.find((other) => other.process === process);
    if (live && (this.isShared || this.lives.includes(live))) live.node.abandon();
    // Its connection breaks, which others may see, or not before its lease has lapsed.
    if (live && this.isShared && this.scheduler.chance(0.5)) this.data.gone.add(live.node.id);
    this.#gone(process);
  }

  /** Clients no longer come to it. */
  #leave(process: SimProcess): void {
    const at = this.lives.findIndex((live) => live.process === process);
    if (at >= 0) this.lives.splice(at, 1);
  }

  #gone(process: SimProcess): void {
    const context = this.#sandboxes.get(process);
    this.#sandboxes.delete(process);
    if (context) giveSandbox(this.#options, context);
    for (const worker of this.#remotes) worker.nodeGone(process);
    this.#opening.delete(process);
    this.#leave(process);
    if (this.isShared) this.#nodeLinks.gone(process);
    this.scheduler.after(this.scheduler.between(10, 500), undefined, () => {
      if (!this.#isOver && this.lives.length + this.#opening.size < this.#nodesWanted) this.#startProcess();
    });
  }

  // ---- workers in processes of their own ----

  get #hasRemotes(): boolean {
    return !this.isShared && this.#options.seed % REMOTE_WORLDS === 4;
  }

  get #hasLocal(): boolean {
    return Math.floor(this.#options.seed / REMOTE_WORLDS) % 2 === 0;
  }

  #startRemote(): void {
    const name = `worker-${++this.#remoteNames}`;
    this.scheduler.note(`${name} starts`);
    this.#remotes.push(new RemoteWorker(name, this, this.#options.bundle, takeSandbox(this.#options)));
  }

  #killRemote(worker: RemoteWorker): void {
    worker.kill();
    giveSandbox(this.#options, worker.context);
  }

  /** Now and then the link of a worker is cut, or a worker dies and another is started. */
  #remoteTrouble(): void {
    const { scheduler, checker } = this;
    if (this.isHealed) return;
    scheduler.after(scheduler.between(200, 2_000), undefined, () => {
      if (this.isHealed) return;
      const worker = scheduler.pick(this.#remotes);
      const kind = scheduler.pick(['link-cut', 'worker-killed', 'nothing'] as const);
      if (kind !== 'nothing') {
        checker.fault(kind);
        scheduler.note(`${kind}: ${worker.process.name}`);
      }
      if (kind === 'link-cut') worker.cut();
      if (kind === 'worker-killed') {
        this.#remotes.splice(this.#remotes.indexOf(worker), 1);
        this.#killRemote(worker);
        this.#startRemote();
      }
      this.#remoteTrouble();
    });
  }

  // ---- trouble ----

  /** Now and then a process is killed, or paused beyond its lease while another takes over, or its clock jumps. */
  #trouble(): void {
    const { scheduler, checker } = this;
    if (this.isHealed) return;
    scheduler.after(scheduler.between(200, 2_000), undefined, () => {
      const live = this.live;
      if (live && !this.isHealed) {
        const kind = scheduler.pick(
          this.isShared
            ? (['kill', 'pause', 'clock', 'nothing', 'node-link-cut', 'stop'] as const)
            : (['kill', 'pause', 'clock', 'nothing'] as const),
        );
        if (kind !== 'nothing') {
          checker.fault(kind);
          scheduler.note(`${kind} of ${live.process.name}`);
        }
        if (kind === 'node-link-cut') this.#nodeLinks.cutOne();
        if (kind === 'stop') void live.node.stop();
        if (kind === 'kill') this.#crash(live.process);
        if (kind === 'clock') live.process.skewMs += scheduler.between(-3_600_000, 3_600_000);
        if (kind === 'pause') {
          live.process.pausedUntil = scheduler.now + scheduler.between(TTL_MS, 3 * TTL_MS);
          // Nobody can tell a paused process from a dead one: another is started beside it.
          this.#leave(live.process);
          this.#startProcess();
        }
      }
      this.#trouble();
    });
  }

  #heal(): void {
    if (this.isHealed) return;
    this.isHealed = true;
    for (const live of this.#workerless) if (!live.process.isDead) this.#register(live);
    this.#workerless.clear();
    this.scheduler.note('healed');
  }
}

const NO_FAULTS: StoreFaults = {
  crashBefore: 0,
  crashAfter: 0,
  unknownBefore: 0,
  unknownAfter: 0,
  full: 0,
  refused: 0,
};
