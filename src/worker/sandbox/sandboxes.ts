import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Activation, ActivationResult, WireOutcome } from '../../common/index.ts';
import { type Clock, LIMITS, type Log, type Wait } from '../../core/index.ts';
import type { WorkflowBundle } from './bundle.ts';
import { ActivationRunner, type LocalActivityCall } from './runner.ts';

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
  | { kind: 'local-done'; call: number; outcome: WireOutcome };

/** From it. */
export type FromSandbox =
  | { kind: 'ready' }
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
  /** [0]: the number of the activation whose code is on the stack, 0 for none. */
  watched: SharedArrayBuffer;
}

/** An activation on its way, and who waits for it. */
export interface Waiting {
  activation: Activation;
  settle(result: ActivationResult): void;
}

/** The result of an activation whose sandbox is gone. */
export function lost(cause: 'SPIN' | 'SANDBOX_LOST', message: string): ActivationResult {
  const type = cause === 'SPIN' ? 'WorkflowSpin' : 'SandboxLost';
  return { status: 'failed', cause, failure: { kind: 'application', type, message } };
}

/** Passes on what a sandbox says beside its results, and brings it the outcomes of its local activities. */
export function relay(
  options: Pick<SandboxOptions, 'log' | 'runLocalActivity' | 'cancelLocalActivity' | 'localResolved'>,
  message: Exclude<FromSandbox, { kind: 'result' | 'ready' }>,
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
  readonly #onCulprit: (runId: string) => void;
  #thread: Worker | undefined;
  #watched = new Int32Array(new SharedArrayBuffer(4));
  #queue: ToSandbox[] = [];
  #next = 1;
  #seen = { n: 0, sinceMs: 0 };
  #endedFor: 'SPIN' | undefined;
  #isReady = false;
  #lastError = '';
  #closed = false;
  readonly #watcher: Wait;

  constructor(options: SandboxOptions, onCulprit: (runId: string) => void) {
    this.#options = options;
    this.#onCulprit = onCulprit;
    this.#begin();
    const everyMs = Math.max(50, Math.min(1000, this.#spinMs / 5));
    this.#watcher = options.clock.every(everyMs, () => this.#watch(options.clock.monotonicMs()));
  }

  get #spinMs(): number {
    return this.#options.spinMs ?? LIMITS.sandboxSpinMs;
  }

  #begin(): void {
    const name = import.meta.url.endsWith('.ts') ? './sandbox-thread.ts' : './sandbox-thread.js';
    const watched = new SharedArrayBuffer(4);
    this.#watched = new Int32Array(watched);
    const { bundle, maxCachedRuns, failureErrorTypes = [], heapMb = 1024 } = this.#options;
    const thread = new Worker(fileURLToPath(new URL(name, import.meta.url)), {
      name: 'pleach workflows',
      workerData: { bundle, maxCachedRuns, failureErrorTypes, watched } satisfies SandboxThreadData,
      resourceLimits: { maxOldGenerationSizeMb: heapMb },
      env: {},
    });
    this.#thread = thread;
    this.#isReady = false;
    thread.on('message', (batch: FromSandbox[]) => {
      for (const message of batch) this.#receive(message);
    });
    thread.on('error', (error: Error) => {
      this.#lastError = error.message;
      this.#options.log.warn('a sandbox thread failed', { message: error.message });
    });
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
    const culprit = Atomics.load(this.#watched, 0);
    const why = this.#endedFor ?? 'SANDBOX_LOST';
    this.#endedFor = undefined;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#thread = undefined;
    if (!this.#isReady && !this.#closed) {
      // A thread that cannot begin would end again at once: the next activation tries another.
      const message = `the sandbox cannot be started: ${this.#lastError}. Look at the bundle and at workflowHeapMb (${this.#heapMb} MB)`;
      for (const [, one] of waiting) one.settle(lost('SANDBOX_LOST', message));
      return;
    }
    if (!this.#closed) this.#begin();
    for (const [n, one] of waiting) {
      const { type, runId } = one.activation;
      if (n !== culprit) {
        one.settle({ status: 'miss' });
        continue;
      }
      this.#onCulprit(runId);
      one.settle(
        lost(
          why,
          why === 'SPIN'
            ? `workflow code of "${type}" ran for ${this.#spinMs} ms without giving way; a loop without an await?`
            : `the sandbox ended while it ran "${type}": its heap of ${this.#heapMb} MB is full, or it was ended from outside`,
        ),
      );
    }
  }

  get #heapMb(): number {
    return this.#options.heapMb ?? 1024;
  }

  /** Looks whether the same code has been on the stack for too long. */
  #watch(nowMs: number): void {
    const n = Atomics.load(this.#watched, 0);
    if (n === 0 || n !== this.#seen.n) {
      this.#seen = { n, sinceMs: nowMs };
      return;
    }
    if (nowMs - this.#seen.sinceMs < this.#spinMs) return;
    this.#seen = { n: 0, sinceMs: nowMs };
    this.#endedFor = 'SPIN';
    void this.#thread?.terminate();
  }

  activate(activation: Activation): Promise<ActivationResult> {
    if (!this.#thread && !this.#closed) this.#begin();
    return new Promise((settle) => {
      const n = this.#next++ & 0x7fffffff || this.#next++;
      this.#waiting.set(n, { activation, settle });
      this.post({ kind: 'activate', n, activation });
    });
  }

  /** Sends a turn's worth of messages together. */
  post(message: ToSandbox): void {
    this.#queue.push(message);
    if (this.#queue.length > 1) return;
    queueMicrotask(() => {
      const batch = this.#queue;
      this.#queue = [];
      this.#thread?.postMessage(batch);
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
