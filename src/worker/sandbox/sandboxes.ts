import { type MessagePort, Worker } from 'node:worker_threads';
import type { Activation, ActivationResult, WireOutcome } from '../../common/index.ts';
import type { ActivationRouter } from '../../contract/index.ts';
import { type Clock, LIMITS, type Log, sourceFile, type Wait } from '../../core/index.ts';
import type { WorkflowBundle } from './bundle.ts';
import { ActivationRunner, type LocalActivityCall } from './runner.ts';
import { Watched, WATCHED_BYTES } from './watched.ts';

/** The heap of a sandbox thread unless told otherwise, in MB. */
const HEAP_MB = 1024;

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
  /** Threads that have been started ahead; the sandbox takes from them. */
  ahead?: Worker[];
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

/** The first message to a sandbox thread: what it is to run. */
export interface BeginSandbox {
  bundle: WorkflowBundle;
  maxCachedRuns: number;
  failureErrorTypes: readonly string[];
  /** What `Watched` speaks of. */
  watched: SharedArrayBuffer;
}

/**
 * Starts a sandbox thread that waits for what it is to run: it starts while the bundle is still being made.
 * @param heapMb default 1,024
 */
export function startSandboxThread(heapMb: number = HEAP_MB): Worker {
  const thread = new Worker(sourceFile('worker/sandbox/sandbox-thread'), {
    name: 'pleach workflows',
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
    env: {},
  });
  // Whoever takes it looks whether it has ended.
  thread.on('error', () => undefined);
  return thread;
}

/** Why a sandbox thread ended under a run's code. */
export type EndedFor = 'SPIN' | 'SANDBOX_LOST';

/** An activation on its way, and who waits for it. */
interface Waiting {
  activation: Activation;
  settle(result: ActivationResult | 'culprit'): void;
}

/** The result of an activation whose sandbox is gone. */
export function lost(cause: EndedFor, message: string): ActivationResult {
  const type = cause === 'SPIN' ? 'WorkflowSpin' : 'SandboxLost';
  return { status: 'failed', cause, failure: { kind: 'application', type, message } };
}

/** The result of an activation that has ended its thread. */
export function culpritResult(
  { spinMs = LIMITS.sandboxSpinMs, heapMb = HEAP_MB }: Pick<SandboxOptions, 'spinMs' | 'heapMb'>,
  type: string,
  why: EndedFor,
): ActivationResult {
  return lost(
    why,
    why === 'SPIN'
      ? `workflow code of "${type}" ran for ${spinMs} ms without giving way; a loop without an await?`
      : `the sandbox ended while it ran "${type}": its heap of ${heapMb} MB is full, or it was ended from outside`,
  );
}

/** Passes on what a sandbox says beside its results, and brings it the outcomes of its local activities. */
export function relay(
  options: Pick<SandboxOptions, 'log' | 'runLocalActivity' | 'cancelLocalActivity' | 'localResolved'>,
  message: Extract<FromSandbox, { kind: 'local' | 'local-cancel' | 'local-resolved' | 'log' }>,
  post: (message: ToSandbox) => void,
): void {
  switch (message.kind) {
    case 'local':
      void options
        .runLocalActivity(message.activity)
        .then((outcome) => post({ kind: 'local-done', call: message.call, outcome }));
      return;
    case 'local-cancel':
      options.cancelLocalActivity(message.runId, message.seq);
      return;
    case 'local-resolved':
      options.localResolved(message.runId, message.seq, message.attempt, message.outcome);
      return;
    case 'log':
      options.log[message.level](message.message, message.fields);
      return;
  }
}

/** One watched thread, begun again when it had to be ended. */
export class SandboxThread {
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
  #isReady = false;
  #lastError = '';
  #closed = false;
  readonly #watcher: Wait;

  constructor(
    options: SandboxOptions,
    onCulprit: (runId: string, why: EndedFor) => void,
    onBegun: () => void = () => undefined,
  ) {
    this.#options = options;
    this.#onCulprit = onCulprit;
    this.#onBegun = onBegun;
    this.#begin();
    const everyMs = Math.max(50, Math.min(1000, this.#spinMs / 5));
    this.#watcher = options.clock.every(everyMs, () => this.#watch(options.clock.monotonicMs()));
  }

  get #spinMs(): number {
    return this.#options.spinMs ?? LIMITS.sandboxSpinMs;
  }

  #begin(): void {
    const watched = new SharedArrayBuffer(WATCHED_BYTES);
    this.#watched = new Watched(watched);
    const { bundle, maxCachedRuns, failureErrorTypes = [], heapMb, ahead } = this.#options;
    const thread = ahead?.pop() ?? startSandboxThread(heapMb);
    thread.postMessage({ bundle, maxCachedRuns, failureErrorTypes, watched } satisfies BeginSandbox);
    this.#thread = thread;
    this.#isReady = false;
    thread.on('message', (text: string) => {
      for (const message of JSON.parse(text) as FromSandbox[]) this.#receive(message);
    });
    thread.on('error', (error: Error) => {
      this.#lastError = error.message;
      this.#options.log.warn('a sandbox thread failed', { message: error.message });
    });
    thread.on('exit', () => this.#ended(thread));
    if (thread.threadId < 0) queueMicrotask(() => this.#ended(thread));
  }

  #receive(message: FromSandbox): void {
    switch (message.kind) {
      case 'result': {
        const waiting = this.#waiting.get(message.n);
        this.#waiting.delete(message.n);
        waiting?.settle(message.result);
        return;
      }
      case 'quiet':
        for (const resolve of this.#quiet.splice(0)) resolve();
        return;
      case 'ready':
        this.#isReady = true;
        return;
      default:
        relay(this.#options, message, (answer) => this.post(answer));
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
    if (!this.#isReady && !this.#closed) {
      // A thread that cannot begin would end again at once: the next activation tries another.
      const message = `the sandbox cannot be started: ${this.#lastError}. Look at the bundle and at workflowHeapMb (${this.#options.heapMb ?? HEAP_MB} MB)`;
      for (const one of waiting) one.settle(lost('SANDBOX_LOST', message));
      return;
    }
    this.#beginAgain();
    // The culprit's is told by whoever asks for it again.
    for (const one of waiting) one.settle(one.activation.runId === culprit ? 'culprit' : { status: 'miss' });
  }

  #beginAgain(): void {
    if (this.#closed) return;
    this.#begin();
    this.#onBegun();
  }

  /** Looks whether the same code has been on the stack for too long. */
  #watch(nowMs: number): void {
    const n = this.#watched.number;
    if (n === 0 || n !== this.#seen.n) {
      this.#seen = { n, sinceMs: nowMs };
      return;
    }
    if (nowMs - this.#seen.sinceMs < this.#spinMs) return;
    this.#seen = { n: 0, sinceMs: nowMs };
    this.#endedFor = 'SPIN';
    void this.#thread?.terminate();
  }

  /** @returns the result, or that the activation has ended its thread */
  activate(activation: Activation): Promise<ActivationResult | 'culprit'> {
    if (!this.#thread) this.#beginAgain();
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
    if (!this.#thread) return Promise.resolve();
    return new Promise((resolve) => {
      this.#quiet.push(resolve);
      this.post({ kind: 'quiet?' });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher.clear();
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.terminate();
  }
}
