import type { Activation, ActivationResult } from '../../common/index.ts';
import { LIMITS } from '../../core/index.ts';
import { Quarantine } from './quarantine.ts';
import { type SandboxOptions, SandboxThread, type WorkflowSandbox } from './sandboxes.ts';

/**
 * A sandbox in threads of its own, watched from here. A run stays with its thread, unless its code may end the process:
 * then it is activated in quarantine, a process of its own.
 */
export class ThreadedSandbox implements WorkflowSandbox {
  readonly #options: SandboxOptions;
  readonly #threads: SandboxThread[];
  readonly #quarantine: Quarantine;
  /** Runs that have ended a thread here, oldest first. The kernel knows those of other processes. */
  readonly #culprits = new Set<string>();
  /** Runs that may have an instance in quarantine. */
  readonly #apart = new Set<string>();

  constructor(options: SandboxOptions) {
    this.#options = options;
    this.#quarantine = new Quarantine(options);
    this.#threads = Array.from({ length: Math.max(1, options.threads) }, () => this.#thread());
  }

  #thread(): SandboxThread {
    return new SandboxThread(this.#options, (runId) => {
      this.#culprits.add(runId);
      if (this.#culprits.size <= LIMITS.culpritsMax) return;
      for (const oldest of this.#culprits) {
        this.#culprits.delete(oldest);
        return;
      }
    });
  }

  #threadOf(runId: string): SandboxThread {
    if (this.#threads.length === 1) return this.#threads[0]!;
    let hash = 0;
    for (let i = 0; i < runId.length; i++) hash = (Math.imul(hash, 31) + runId.charCodeAt(i)) | 0;
    return this.#threads[(hash >>> 0) % this.#threads.length]!;
  }

  activate(activation: Activation): Promise<ActivationResult> {
    const { runId } = activation;
    if (activation.suspect || this.#culprits.has(runId)) {
      this.#apart.add(runId);
      return this.#quarantine.activate(activation);
    }
    if (this.#apart.delete(runId)) this.#quarantine.evict(runId);
    return this.#threadOf(runId).activate(activation);
  }

  evict(runId: string): void {
    if (this.#apart.delete(runId)) this.#quarantine.evict(runId);
    this.#threadOf(runId).post({ kind: 'evict', runId });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#threads.map((thread) => thread.close()), this.#quarantine.close()]);
  }
}
