import type { WireOutcome } from '../../common/index.ts';
import type { AttemptTask, FromKernel, Requests, RequestName, ToKernel } from '../../contract/index.ts';
import { PleachError, silentLog } from '../../core/index.ts';
import { KernelNode, type PlantedBug, type Peer } from '../../kernel/index.ts';
import { ModelData, ModelStore, type Store } from '../../store/index.ts';
import { ActivationRunner, type WorkflowBundle, WorkflowContext } from '../../worker/index.ts';
import { Checker } from './checker.ts';
import { faultyStore, type StoreFaults } from './faulty-store.ts';
import { Scheduler, SimProcess } from './scheduler.ts';
import type { Op, SimState } from './workflows.ts';

/** What a world is made with. */
export interface WorldOptions {
  seed: number;
  bundle: WorkflowBundle;
  plantedBug?: PlantedBug;
  /** The store below the faults; a model in memory unless given. */
  makeStore?: (clock: SimProcess) => Store;
  workflows?: number;
}

/** What a world came to. */
export interface WorldReport {
  seed: number;
  broken: { invariant: string; message: string }[];
  activations: number;
  faults: Record<string, number>;
  steps: number;
  replayed: number;
  trace: string[];
}

const TTL_MS = 2_000;
const NAMESPACE = 'default';
const QUEUE = 'sim';
/** Virtual time in which a world under faults must come to its end, after it was healed. */
const LIVENESS_MS = 600_000;

interface Live {
  process: SimProcess;
  node: KernelNode;
  peer: Peer;
}

/**
 * A cluster, its workers and its clients in one process and under one seed. First things go wrong and safety is
 * watched; then the world is healed, and everything that was begun must come to its end.
 */
export class World {
  readonly scheduler: Scheduler;
  readonly checker = new Checker();
  readonly data = new ModelData();
  readonly #options: WorldOptions;
  readonly #outside: SimProcess;
  #live: Live | undefined;
  #processes = 0;
  #isHealed = false;
  #rates: StoreFaults;
  #requests = 0;
  readonly #waiting = new Set<string>();
  /** Processes that are on their way to be the engine. */
  readonly #opening = new Set<SimProcess>();
  #lastNode: string | undefined;
  readonly #responses = new Map<number, (message: Extract<FromKernel, { kind: 'response' }>) => void>();

  constructor(options: WorldOptions) {
    this.#options = options;
    this.scheduler = new Scheduler(options.seed);
    this.#outside = new SimProcess('outside', this.scheduler);
    const rate = (most: number): number => this.scheduler.random.fraction() * most;
    this.#rates = {
      crashBefore: rate(0.01),
      crashAfter: rate(0.01),
      unknownBefore: rate(0.03),
      unknownAfter: rate(0.03),
      full: rate(0.03),
    };
  }

  /** Lives the world to its end and tells what it came to. */
  async run(): Promise<WorldReport> {
    const { scheduler, checker } = this;
    this.#startProcess();
    const stories = Array.from({ length: this.#options.workflows ?? 6 }, (_, n) => this.#story(n));
    this.#trouble();
    scheduler.after(20_000, undefined, () => this.#heal());
    let done = false;
    void Promise.all(stories).then(() => (done = true));
    await scheduler.run(() => done, LIVENESS_MS);
    if (!done)
      checker.fail('I10', `no answer ten minutes after the world was healed: ${[...this.#waiting].join('; ')}`);
    // Children that outlive their parents' results, answers under way: let them land.
    this.#heal();
    await scheduler.run(() => false, 30_000);
    this.#live?.node.abandon();
    const replayed = this.#options.makeStore
      ? 0
      : checker.checkStore(this.data, new WorkflowContext(this.#options.bundle, { log: silentLog }));
    return {
      seed: this.#options.seed,
      broken: checker.broken.map(({ invariant, message }) => ({ invariant, message })),
      activations: checker.activations,
      faults: Object.fromEntries([...checker.faults].sort(([a], [b]) => (a < b ? -1 : 1))),
      steps: scheduler.steps,
      replayed,
      trace: scheduler.trace,
    };
  }

  // ---- processes ----

  #startProcess(): void {
    const process = new SimProcess(`node-${++this.#processes}`, this.scheduler);
    this.#opening.add(process);
    this.scheduler.note(`${process.name} starts`);
    void this.#open(process);
  }

  async #open(process: SimProcess): Promise<void> {
    const { scheduler, checker } = this;
    const inner = this.#options.makeStore?.(this.#outside) ?? new ModelStore(this.data, this.#outside, 4);
    const store = faultyStore(
      inner,
      process,
      scheduler,
      () => (this.#isHealed ? NO_FAULTS : this.#rates),
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
          // A refused connection tells that the last engine is dead; sometimes only its lease's end does.
          ...(this.#lastNode !== undefined && scheduler.chance(0.5) ? { deadNode: this.#lastNode } : {}),
          ...(this.#options.plantedBug ? { plantedBug: this.#options.plantedBug } : {}),
          ended: () => {
            if (process.isDead) return;
            scheduler.note(`${process.name} ends`);
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
    scheduler.note(`${process.name} is the engine, epoch ${node.journal.lease.epoch}`);
    const peer: Peer = node.connect({
      local: true,
      send: (message) => {
        if (!process.isDead) this.#deliver(process, peer, runner, message);
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
      runLocalActivity: async (call) => {
        await scheduler.delay(scheduler.between(1, 40), process);
        return { status: 'completed', value: call.command.input[0]! };
      },
      cancelLocalActivity: () => undefined,
      localResolved: (runId, seq, attempt, outcome) =>
        say({ kind: 'local-resolved', workerId: process.name, runId, seq, attempt, outcome }),
      turn: () => Promise.resolve(),
    });
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
        activitySlots: 3,
        workflowSlots: 10,
        runningTokens: [],
      },
    });
    this.#live = { process, node, peer };
  }

  /** What a node says to the worker in its process, and to clients. */
  #deliver(process: SimProcess, peer: Peer, runner: ActivationRunner, message: FromKernel): void {
    const { scheduler, checker } = this;
    const back = (answer: ToKernel, delayMs: number): void => {
      scheduler.after(delayMs, process, () => peer.receive(answer));
    };
    switch (message.kind) {
      case 'activate': {
        const { activation } = message;
        scheduler.after(scheduler.between(0, 2), process, () => {
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
        runner.evict(message.runId);
        return;
      case 'attempt':
        this.#attempt(process, message.task, back);
        return;
      case 'response': {
        const respond = this.#responses.get(message.id);
        if (!respond) return;
        if (!this.#isHealed && scheduler.chance(0.05)) {
          checker.fault('response-lost');
          return;
        }
        scheduler.after(scheduler.between(0, 3), undefined, () => respond(message));
        return;
      }
      default:
        return;
    }
  }

  #attempt(process: SimProcess, task: AttemptTask, back: (answer: ToKernel, delayMs: number) => void): void {
    const { scheduler, checker } = this;
    const seq = Number(task.token.split('/')[1]);
    checker.started(task.runId, seq, task.token, task.attempt, task.options.retry?.maximumAttempts);
    scheduler.note(`${process.name} runs ${task.workflowId} ${task.activityId} attempt ${task.attempt}`);
    const fails = scheduler.chance(0.15);
    const outcome: WireOutcome = fails
      ? { status: 'failed', failure: { kind: 'application', type: 'Simulated', message: 'simulated' } }
      : { status: 'completed', value: task.input[0]! };
    const delayMs = scheduler.between(1, 60);
    const done: ToKernel = { kind: 'attempt-done', workerId: process.name, token: task.token, outcome };
    back(done, delayMs);
    if (!this.#isHealed && scheduler.chance(0.1)) {
      checker.fault('completion-doubled');
      back(done, delayMs + scheduler.between(0, 80));
    }
  }

  #crash(process: SimProcess): void {
    if (process.isDead) return;
    process.isDead = true;
    if (this.#live?.process === process) this.#live.node.abandon();
    this.#gone(process);
  }

  #gone(process: SimProcess): void {
    this.#opening.delete(process);
    if (this.#live?.process === process) this.#live = undefined;
    this.scheduler.after(this.scheduler.between(10, 500), undefined, () => {
      if (!this.#live && this.#opening.size === 0) this.#startProcess();
    });
  }

  // ---- trouble ----

  /** Now and then a process is killed, or paused beyond its lease while another takes over, or its clock jumps. */
  #trouble(): void {
    const { scheduler, checker } = this;
    if (this.#isHealed) return;
    scheduler.after(scheduler.between(200, 2_000), undefined, () => {
      const live = this.#live;
      if (live && !this.#isHealed) {
        const kind = scheduler.pick(['kill', 'pause', 'clock', 'nothing'] as const);
        if (kind !== 'nothing') {
          checker.fault(kind);
          scheduler.note(`${kind} of ${live.process.name}`);
        }
        if (kind === 'kill') this.#crash(live.process);
        if (kind === 'clock') live.process.skewMs += scheduler.between(-3_600_000, 3_600_000);
        if (kind === 'pause') {
          live.process.pausedUntil = scheduler.now + scheduler.between(TTL_MS, 3 * TTL_MS);
          // Nobody can tell a paused process from a dead one: another is started beside it.
          this.#live = undefined;
          this.#startProcess();
        }
      }
      this.#trouble();
    });
  }

  #heal(): void {
    if (this.#isHealed) return;
    this.#isHealed = true;
    this.scheduler.note('healed');
  }

  // ---- clients ----

  /** Asks until it is answered, always with the same ids: what a client does that must not lose or double anything. */
  async #ask<N extends RequestName>(
    method: N,
    params: Requests[N]['params'],
  ): Promise<Requests[N]['answer'] | { refused: string }> {
    const { scheduler, checker } = this;
    const asking = `${method} ${JSON.stringify(params)}`;
    this.#waiting.add(asking);
    for (;;) {
      const live = this.#live;
      if (live) {
        const answer = await this.#once(live, method, params);
        if (answer && 'answer' in answer) {
          this.#waiting.delete(asking);
          if ('requestId' in params && method !== 'update' && method !== 'cancel' && method !== 'signal-with-start')
            checker.acknowledged(params.requestId);
          return answer.answer as Requests[N]['answer'];
        }
        if (answer && 'error' in answer && FINAL.has(answer.error.code)) {
          this.#waiting.delete(asking);
          return { refused: answer.error.code };
        }
        if (answer) checker.fault(`answered-${'error' in answer ? answer.error.code : ''}`);
      }
      await scheduler.delay(scheduler.between(50, 300), undefined);
    }
  }

  #once<N extends RequestName>(
    live: Live,
    method: N,
    params: Requests[N]['params'],
  ): Promise<Extract<FromKernel, { kind: 'response' }> | undefined> {
    const { scheduler, checker } = this;
    const id = ++this.#requests;
    return new Promise((resolve) => {
      const timer = scheduler.after(method === 'result' ? 4_000 : 1_500, undefined, () => {
        this.#responses.delete(id);
        resolve(undefined);
      });
      this.#responses.set(id, (message) => {
        timer.clear();
        this.#responses.delete(id);
        resolve(message);
      });
      const message = { kind: 'request', id, method, params } as Extract<ToKernel, { kind: 'request' }>;
      if (!this.#isHealed && scheduler.chance(0.05)) {
        checker.fault('request-lost');
        return;
      }
      scheduler.after(scheduler.between(0, 3), live.process, () => live.peer.receive(message));
      if (!this.#isHealed && method !== 'result' && scheduler.chance(0.1)) {
        checker.fault('request-doubled');
        scheduler.after(scheduler.between(0, 40), live.process, () => live.peer.receive({ ...message, id: -id }));
      }
    });
  }

  /** One workflow: started, signalled, updated, perhaps cancelled, and asked for its result. */
  async #story(n: number): Promise<void> {
    const { scheduler, checker } = this;
    await scheduler.delay(scheduler.between(0, 3_000), undefined);
    const workflowId = `wf-${n}`;
    const identity = 'client';
    const signals = scheduler.between(0, 4);
    const updates = scheduler.between(0, 2);
    const program = this.#program(n, signals, updates);
    const state: SimState = { program, signals: [], updates: [], log: [] };
    const target = { namespace: NAMESPACE, workflowId };
    await this.#ask('start', {
      namespace: NAMESPACE,
      start: { workflowId, type: 'simulated', queue: QUEUE, input: [JSON.stringify(state)] },
      requestId: `start-${n}`,
      identity,
    });
    const sent: string[] = [];
    for (let i = 0; i < signals; i++) {
      const text = `s${i}`;
      const answer = await this.#ask('signal', {
        target,
        name: 'poke',
        input: [JSON.stringify(text)],
        requestId: `signal-${n}-${i}`,
        identity,
      });
      if (!('refused' in answer)) sent.push(text);
      await scheduler.delay(scheduler.between(0, 400), undefined);
    }
    const revised: string[] = [];
    for (let i = 0; i < updates; i++) {
      const text = scheduler.chance(0.2) ? `bad${i}` : `u${i}`;
      for (const word of text.startsWith('bad') ? [text, `u${i}`] : [text]) {
        const answer = await this.#ask('update', {
          target,
          updateId: `update-${n}-${word}`,
          name: 'revise',
          input: [JSON.stringify(word)],
          waitFor: 'COMPLETED',
          requestId: `update-${n}-${word}`,
          identity,
        });
        if (!('refused' in answer) && answer.outcome?.status === 'completed') revised.push(word);
      }
    }
    const isCancelled = scheduler.chance(0.2);
    if (isCancelled) await this.#ask('cancel', { target, requestId: `cancel-${n}`, identity });
    let result = await this.#ask('result', { target });
    while (!('refused' in result) && result.nextRunId !== undefined) {
      result = await this.#ask('result', { target: { ...target, runId: result.nextRunId } });
    }
    if ('refused' in result || result.status !== 'COMPLETED') {
      checker.fail(
        'I10',
        `${workflowId} ended as ${'refused' in result ? result.refused : `${result.status} ${JSON.stringify(result.failure)}`}`,
      );
      return;
    }
    const end = JSON.parse(result.value as string) as SimState;
    const own = end.signals.filter((text) => /^s\d+$/.test(text));
    if (own.join() !== sent.join())
      checker.fail('I2', `${workflowId} was sent [${sent.join()}] and has [${own.join()}]`);
    const missing = revised.filter((word) => !end.updates.includes(word));
    if (missing.length > 0 || new Set(end.updates).size !== end.updates.length) {
      checker.fail('I14', `${workflowId} was updated [${revised.join()}] and has [${end.updates.join()}]`);
    }
    const told = end.signals.filter((text) => text.startsWith('t'));
    if (new Set(told).size !== told.length) checker.fail('I11', `${workflowId} was told twice: [${told.join()}]`);
  }

  #program(n: number, signals: number, updates: number): Op[] {
    const ops: Op[] = [];
    const length = this.scheduler.between(4, 9);
    for (let i = 0; i < length; i++) ops.push(this.#op(n, 0));
    // A run waits for what it is sent, so that what is lost is missed.
    if (signals > 0) ops.splice(this.scheduler.between(0, ops.length), 0, { op: 'signals', count: signals });
    if (updates > 0) ops.push({ op: 'updates', count: updates });
    if (this.scheduler.chance(0.3)) ops.splice(this.scheduler.between(0, ops.length), 0, { op: 'again' });
    ops.push({ op: 'step', name: 'last', maximumAttempts: 20 });
    // The last waits are for all that is sent: nothing may come to a run that has closed.
    ops.push({ op: 'signals', count: signals }, { op: 'updates', count: updates });
    return ops;
  }

  #op(n: number, depth: number): Op {
    const { scheduler } = this;
    const kind = scheduler.between(0, depth > 1 ? 3 : 8);
    const name = `step-${scheduler.between(0, 99)}`;
    switch (kind) {
      case 0:
      case 1:
        return { op: 'step', name, maximumAttempts: scheduler.pick([1, 3, 20]) };
      case 2:
        return { op: 'timer', ms: scheduler.pick([1, 30, 400, 5_000]) };
      case 3:
        return { op: 'local', name };
      case 4:
        return {
          op: 'parallel',
          branches: Array.from({ length: scheduler.between(2, 4) }, () => [
            this.#op(n, depth + 1),
            this.#op(n, depth + 1),
          ]),
        };
      case 5:
        return { op: 'child', program: [this.#op(n, 2), this.#op(n, 2)] };
      case 6:
        return {
          op: 'tell',
          workflowId: `wf-${scheduler.between(0, (this.#options.workflows ?? 6) - 1)}`,
          text: `t-${n}-${++this.#requests}`,
        };
      case 7:
        return { op: 'race', name, ms: scheduler.between(1, 60) };
      default:
        return { op: 'step', name, maximumAttempts: 1 };
    }
  }
}

const NO_FAULTS: StoreFaults = { crashBefore: 0, crashAfter: 0, unknownBefore: 0, unknownAfter: 0, full: 0 };
const FINAL = new Set([
  'WORKFLOW_CLOSED',
  'WORKFLOW_NOT_FOUND',
  'INVALID_ARGUMENT',
  'UPDATE_NOT_FOUND',
  'WORKFLOW_ALREADY_STARTED',
]);
