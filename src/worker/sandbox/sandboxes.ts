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

interface Waiting {
  activation: Activation;
  settle(result: ActivationResult): void;
}

/** One watched thread, begun again when it had to be ended. */
class SandboxThread {
  readonly #options: SandboxOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onCulprit: (runId: string) => void;
  #thread: Worker | undefined;
  #watched = new Int32Array(new SharedArrayBuffer(4));
  #queue: ToSandbox[] = [];
  #next = 1;
  #seen = { n: 0, sinceMs: 0 };
  #endedFor: 'SPIN' | undefined;
  #closed = false;

  constructor(options: SandboxOptions, onCulprit: (runId: string) => void) {
    this.#options = options;
    this.#onCulprit = onCulprit;
    this.#begin();
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
    thread.on('message', (batch: FromSandbox[]) => {
      for (const message of batch) this.#receive(message);
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
      case 'ready':
        return;
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
    if (!this.#closed) this.#begin();
    for (const [n, one] of waiting) {
      const { activation } = one;
      if (n !== culprit) {
        one.settle({ status: 'miss' });
        continue;
      }
      this.#onCulprit(activation.runId);
      const spinMs = this.#options.spinMs ?? LIMITS.sandboxSpinMs;
      one.settle({
        status: 'failed',
        cause: why,
        failure: {
          kind: 'application',
          type: why === 'SPIN' ? 'WorkflowSpin' : 'SandboxLost',
          message:
            why === 'SPIN'
              ? `workflow code of "${activation.type}" ran for ${spinMs} ms without giving way; a loop without an await?`
              : `the sandbox ended while it ran "${activation.type}": its heap of ${this.#options.heapMb ?? 1024} MB is full, or it was ended from outside`,
        },
      });
    }
  }

  /** Looks whether the same code has been on the stack for too long. */
  watch(nowMs: number): void {
    const n = Atomics.load(this.#watched, 0);
    if (n === 0 || n !== this.#seen.n) {
      this.#seen = { n, sinceMs: nowMs };
      return;
    }
    if (nowMs - this.#seen.sinceMs < (this.#options.spinMs ?? LIMITS.sandboxSpinMs)) return;
    this.#seen = { n: 0, sinceMs: nowMs };
    this.#endedFor = 'SPIN';
    void this.#thread?.terminate();
  }

  activate(activation: Activation): Promise<ActivationResult> {
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
  #quarantine: SandboxThread | undefined;
  readonly #watcher: Wait;

  constructor(options: SandboxOptions) {
    this.#options = options;
    this.#threads = Array.from({ length: Math.max(1, options.threads) }, () => this.#thread());
    const everyMs = Math.max(50, Math.min(1000, (options.spinMs ?? LIMITS.sandboxSpinMs) / 5));
    this.#watcher = options.clock.every(everyMs, () => {
      const nowMs = options.clock.monotonicMs();
      for (const thread of this.#threads) thread.watch(nowMs);
      this.#quarantine?.watch(nowMs);
    });
  }

  #thread(): SandboxThread {
    return new SandboxThread(this.#options, (runId) => this.#quarantined.add(runId));
  }

  #threadOf(runId: string): SandboxThread {
    if (this.#quarantined.has(runId)) return (this.#quarantine ??= this.#thread());
    if (this.#threads.length === 1) return this.#threads[0]!;
    let hash = 0;
    for (let i = 0; i < runId.length; i++) hash = (Math.imul(hash, 31) + runId.charCodeAt(i)) | 0;
    return this.#threads[(hash >>> 0) % this.#threads.length]!;
  }

  activate(activation: Activation): Promise<ActivationResult> {
    return this.#threadOf(activation.runId).activate(activation);
  }

  evict(runId: string): void {
    this.#threadOf(runId).post({ kind: 'evict', runId });
  }

  async close(): Promise<void> {
    this.#watcher.clear();
    await Promise.all(
      [...this.#threads, ...(this.#quarantine ? [this.#quarantine] : [])].map((thread) => thread.close()),
    );
  }
}
