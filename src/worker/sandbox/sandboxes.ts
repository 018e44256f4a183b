import { type MessagePort, Worker } from 'node:worker_threads';
import type { Activation, ActivationResult, WireOutcome } from '../../common/index.ts';
import { type ActivationRouter, laneOf } from '../../contract/index.ts';
import { type Clock, LIMITS, type Log, sourceFile, type Wait } from '../../core/index.ts';
import type { WorkflowBundle } from './bundle.ts';
import { ActivationRunner, type LocalActivityCall } from './runner.ts';
import { Watched, WATCHED_BYTES } from './watched.ts';

/** What a sandbox is made with. */
export interface SandboxOptions {
  bundle: WorkflowBundle;
  log: Log;
  clock: Clock;
  maxCachedRuns: number;
  /** 1 or more threads; for an inline sandbox it means nothing. */
  threads: number;
  failureErrorTypes?: readonly string[];
  runLocalActivity(call: LocalActivityCall): Promise<WireOutcome>;
  cancelLocalActivity(runId: string, seq: number): void;
  localResolved(runId: string, seq: number, attempt: number, outcome: WireOutcome): void;
  /** How long one activation may run without a sign of life, in milliseconds. Default 5,000. */
  spinMs?: number;
  /** The heap of a sandbox thread, in MB. Default 1,024. */
  heapMb?: number;
  /** Inline only: no macrotask passes between an activation and its result (a simulated world has none). */
  isSimulated?: boolean;
}

/** Activates runs. */
export interface WorkflowSandbox {
  activate(activation: Activation): Promise<ActivationResult>;
  evict(runId: string): void;
  /** Joins its threads to the kernel's, where it has threads and the kernel is near; undefined parts them. */
  route?(workerId: string, router: ActivationRouter | undefined): void;
  /** Waits until nothing that came by such a way is in hand. */
  quiet?(): Promise<void>;
  close(): Promise<void>;
}

/** A sandbox in the caller's own thread: for `memory:`, tests and replay. Code that spins is not stopped here. */
export class InlineSandbox implements WorkflowSandbox {
  readonly #runner: ActivationRunner;

  constructor(options: SandboxOptions) {
    let turning: Promise<void> | undefined;
    const turn = (): Promise<void> => {
      turning ??= new Promise((resolve) => {
        setImmediate(() => {
          turning = undefined;
          resolve();
        });
      });
      return turning;
    };
    this.#runner = new ActivationRunner({ ...options, turn: options.isSimulated ? () => Promise.resolve() : turn });
  }

  activate(activation: Activation): Promise<ActivationResult> {
    return this.#runner.run(activation);
  }

  evict(runId: string): void {
    this.#runner.evict(runId);
  }

  async close(): Promise<void> {
    // Nothing of the host is held.
  }
}

/** To a sandbox thread. */
export type ToSandbox =
  | { kind: 'activate'; n: number; activation: Activation }
  | { kind: 'evict'; runId: string }
  | { kind: 'quiet?' }
  | { kind: 'local-done'; call: number; outcome: WireOutcome };

/** To a sandbox thread, by itself: the port to the kernel's thread. */
export interface RouteToSandbox {
  workerId: string;
  port: MessagePort;
}

/** From it. */
export type FromSandbox =
  | { kind: 'ready' }
  | { kind: 'quiet' }
  | { kind: 'result'; n: number; result: ActivationResult }
  | { kind: 'local'; call: number; activity: LocalActivityCall }
  | { kind: 'local-cancel'; runId: string; seq: number }
  | { kind: 'local-resolved'; runId: string; seq: number; attempt: number; outcome: WireOutcome }
  | {
      kind: 'log';
      level: 'debug' | 'info' | 'warn' | 'error';
      message: string;
      fields: Record<string, unknown> | undefined;
    };

/** What a sandbox thread starts with. */
export interface SandboxThreadData {
  bundle: WorkflowBundle;
  maxCachedRuns: number;
  failureErrorTypes: readonly string[];
  /** What `Watched` speaks of. */
  watched: SharedArrayBuffer;
}

/** Why a sandbox thread ended under a run's code. */
type EndedFor = 'SPIN' | 'SANDBOX_LOST';

interface Waiting {
  activation: Activation;
  settle(result: ActivationResult | 'culprit'): void;
}

/** One watched thread, begun again when it had to be ended. */
class SandboxThread {
  readonly #options: SandboxOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onCulprit: (runId: string, why: EndedFor) => void;
  /** Told of each new thread. */
  readonly #onBegun: () => void;
  readonly #quiet: (() => void)[] = [];
  #thread: Worker | undefined;
  #watched = new Watched(new SharedArrayBuffer(WATCHED_BYTES));
  #queue: ToSandbox[] = [];
  #next = 1;
  #seen = { n: 0, sinceMs: 0 };
  #endedFor: EndedFor | undefined;
  #closed = false;

  constructor(
    options: SandboxOptions,
    onCulprit: (runId: string, why: EndedFor) => void,
    onBegun: () => void = () => undefined,
  ) {
    this.#options = options;
    this.#onCulprit = onCulprit;
    this.#onBegun = onBegun;
    this.#begin();
  }

  #begin(): void {
    const watched = new SharedArrayBuffer(WATCHED_BYTES);
    this.#watched = new Watched(watched);
    const { bundle, maxCachedRuns, failureErrorTypes = [], heapMb = 1024 } = this.#options;
    const thread = new Worker(sourceFile('worker/sandbox/sandbox-thread'), {
      name: 'pleach workflows',
      workerData: { bundle, maxCachedRuns, failureErrorTypes, watched } satisfies SandboxThreadData,
      resourceLimits: { maxOldGenerationSizeMb: heapMb },
      env: {},
    });
    this.#thread = thread;
    thread.on('message', (text: string) => {
      for (const message of JSON.parse(text) as FromSandbox[]) this.#receive(message);
    });
    thread.on('error', (error: Error) => this.#options.log.warn('a sandbox thread failed', { message: error.message }));
    thread.on('exit', () => this.#ended(thread));
  }

  #receive(message: FromSandbox): void {
    switch (message.kind) {
      case 'result': {
        const waiting = this.#waiting.get(message.n);
        this.#waiting.delete(message.n);
        waiting?.settle(message.result);
        return;
      }
      case 'local':
        void this.#options
          .runLocalActivity(message.activity)
          .then((outcome) => this.post({ kind: 'local-done', call: message.call, outcome }));
        return;
      case 'local-cancel':
        this.#options.cancelLocalActivity(message.runId, message.seq);
        return;
      case 'local-resolved':
        this.#options.localResolved(message.runId, message.seq, message.attempt, message.outcome);
        return;
      case 'log':
        this.#options.log[message.level](message.message, message.fields);
        return;
      case 'quiet':
        for (const resolve of this.#quiet.splice(0)) resolve();
        return;
      case 'ready':
        return;
    }
  }

  /** The thread is gone: the run whose code was on the stack fails its task, the others are asked for again. */
  #ended(thread: Worker): void {
    if (this.#thread !== thread) return;
    const culprit = this.#watched.runId;
    const why = this.#endedFor ?? 'SANDBOX_LOST';
    this.#endedFor = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#thread = undefined;
    if (culprit !== undefined) this.#onCulprit(culprit, why);
    for (const resolve of this.#quiet.splice(0)) resolve();
    if (!this.#closed) {
      this.#begin();
      this.#onBegun();
    }
    // The culprit's is told by whoever asks for it again.
    for (const one of waiting) one.settle(one.activation.runId === culprit ? 'culprit' : { status: 'miss' });
  }

  /** Looks whether the same code has been on the stack for too long. */
  watch(nowMs: number): void {
    const n = this.#watched.number;
    if (n === 0 || n !== this.#seen.n) {
      this.#seen = { n, sinceMs: nowMs };
      return;
    }
    if (nowMs - this.#seen.sinceMs < (this.#options.spinMs ?? LIMITS.sandboxSpinMs)) return;
    this.#seen = { n: 0, sinceMs: nowMs };
    this.#endedFor = 'SPIN';
    void this.#thread?.terminate();
  }

  /** @returns the result, or that the activation has ended its thread */
  activate(activation: Activation): Promise<ActivationResult | 'culprit'> {
    return new Promise((settle) => {
      const n = this.#next++ & 0x7fffffff || this.#next++;
      this.#waiting.set(n, { activation, settle });
      this.post({ kind: 'activate', n, activation });
    });
  }

  /** Sends a turn's worth of messages together, as JSON text: to clone the objects would cost three times as much. */
  post(message: ToSandbox): void {
    this.#queue.push(message);
    if (this.#queue.length > 1) return;
    queueMicrotask(() => {
      const batch = this.#queue;
      this.#queue = [];
      this.#thread?.postMessage(JSON.stringify(batch));
    });
  }

  /** Hands the thread a port on which it talks to the kernel's. */
  route(message: RouteToSandbox): void {
    this.#thread?.postMessage(message, [message.port]);
  }

  /** Waits until the thread has nothing in hand. */
  quiet(): Promise<void> {
    return new Promise((resolve) => {
      this.#quiet.push(resolve);
      this.post({ kind: 'quiet?' });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }
}

/** A sandbox in threads of its own, watched from here. A run stays with its thread. */
export class ThreadedSandbox implements WorkflowSandbox {
  readonly #options: SandboxOptions;
  readonly #threads: SandboxThread[];
  /** Runs that have ended a thread: activated apart from the others. */
  readonly #quarantined = new Set<string>();
  /** Those whose activation of then has not been told so yet. */
  readonly #untold = new Map<string, EndedFor>();
  #quarantine: SandboxThread | undefined;
  #routed: { workerId: string; router: ActivationRouter } | undefined;
  readonly #watcher: Wait;

  constructor(options: SandboxOptions) {
    this.#options = options;
    const count = Math.max(1, options.threads);
    this.#threads = Array.from({ length: count }, (_, lane) => this.#thread(() => this.#routeLane(lane)));
    const everyMs = Math.max(50, Math.min(1000, (options.spinMs ?? LIMITS.sandboxSpinMs) / 5));
    this.#watcher = options.clock.every(everyMs, () => {
      const nowMs = options.clock.monotonicMs();
      for (const thread of this.#threads) thread.watch(nowMs);
      this.#quarantine?.watch(nowMs);
    });
  }

  #thread(onBegun?: () => void): SandboxThread {
    return new SandboxThread(
      this.#options,
      (runId, why) => {
        this.#quarantined.add(runId);
        this.#untold.set(runId, why);
        this.#routed?.router.divert(runId);
      },
      onBegun,
    );
  }

  #threadOf(runId: string): SandboxThread {
    if (this.#quarantined.has(runId)) return (this.#quarantine ??= this.#thread());
    return this.#threads[laneOf(runId, this.#threads.length)]!;
  }

  route(workerId: string, router: ActivationRouter | undefined): void {
    this.#routed = router && { workerId, router };
    for (const runId of this.#quarantined) router?.divert(runId);
    this.#threads.forEach((_, lane) => this.#routeLane(lane));
  }

  #routeLane(lane: number): void {
    if (!this.#routed) return;
    const { workerId, router } = this.#routed;
    this.#threads[lane]?.route({ workerId, port: router.open(lane, this.#threads.length) });
  }

  async activate(activation: Activation): Promise<ActivationResult> {
    // Its thread ended while the kernel talked to it directly; this is the same activation, sent here for an answer.
    if (this.#untold.has(activation.runId)) return this.#culprit(activation);
    const result = await this.#threadOf(activation.runId).activate(activation);
    return result === 'culprit' ? this.#culprit(activation) : result;
  }

  #culprit({ runId, type }: Activation): ActivationResult {
    const why = this.#untold.get(runId) ?? 'SANDBOX_LOST';
    this.#untold.delete(runId);
    const { spinMs = LIMITS.sandboxSpinMs, heapMb = 1024 } = this.#options;
    return {
      status: 'failed',
      cause: why,
      failure: {
        kind: 'application',
        type: why === 'SPIN' ? 'WorkflowSpin' : 'SandboxLost',
        message:
          why === 'SPIN'
            ? `workflow code of "${type}" ran for ${spinMs} ms without giving way; a loop without an await?`
            : `the sandbox ended while it ran "${type}": its heap of ${heapMb} MB is full, or it was ended from outside`,
      },
    };
  }

  evict(runId: string): void {
    this.#threadOf(runId).post({ kind: 'evict', runId });
  }

  async quiet(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.quiet()));
  }

  async close(): Promise<void> {
    this.#watcher.clear();
    await Promise.all(
      [...this.#threads, ...(this.#quarantine ? [this.#quarantine] : [])].map((thread) => thread.close()),
    );
  }
}
