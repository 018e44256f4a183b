import type { Activation, ActivationResult } from '../../common/index.ts';
import { type ActivationRouter, laneOf } from '../../contract/index.ts';
import { LIMITS } from '../../core/index.ts';
import { Quarantine } from './quarantine.ts';
import { culpritResult, type EndedFor, type SandboxOptions, SandboxThread, type WorkflowSandbox } from './sandboxes.ts';

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
  /** Those whose activation of then has not been told so yet. */
  readonly #untold = new Map<string, EndedFor>();
  #routed: { workerId: string; router: ActivationRouter } | undefined;

  constructor(options: SandboxOptions) {
    this.#options = options;
    this.#quarantine = new Quarantine(options);
    const count = options.threads;
    this.#threads = Array.from(
      { length: count },
      (_, lane) =>
        new SandboxThread(
          options,
          (runId, why) => this.#blame(runId, why),
          () => this.#routeLane(lane),
        ),
    );
  }

  #blame(runId: string, why: EndedFor): void {
    this.#culprits.add(runId);
    this.#untold.set(runId, why);
    this.#routed?.router.divert(runId);
    if (this.#culprits.size <= LIMITS.culpritsMax) return;
    for (const oldest of this.#culprits) {
      this.#culprits.delete(oldest);
      this.#untold.delete(oldest);
      return;
    }
  }

  #threadOf(runId: string): SandboxThread {
    return this.#threads[laneOf(runId, this.#threads.length)]!;
  }

  route(workerId: string, router: ActivationRouter | undefined): void {
    this.#routed = router && { workerId, router };
    for (const runId of this.#culprits) router?.divert(runId);
    this.#threads.forEach((_, lane) => this.#routeLane(lane));
  }

  #routeLane(lane: number): void {
    if (!this.#routed) return;
    const { workerId, router } = this.#routed;
    this.#threads[lane]?.route({ workerId, port: router.open(lane, this.#threads.length) });
  }

  async activate(activation: Activation): Promise<ActivationResult> {
    const { runId } = activation;
    // Its thread ended while the kernel talked to it directly; this is the same activation, sent here for an answer.
    if (this.#untold.has(runId)) return this.#culprit(activation);
    if (activation.suspect || this.#culprits.has(runId)) return this.#quarantine.activate(activation);
    const result = await this.#threadOf(runId).activate(activation);
    return result === 'culprit' ? this.#culprit(activation) : result;
  }

  #culprit({ runId, type }: Activation): ActivationResult {
    const why = this.#untold.get(runId) ?? 'SANDBOX_LOST';
    this.#untold.delete(runId);
    return culpritResult(this.#options, type, why);
  }

  evict(runId: string): void {
    this.#quarantine.evict(runId);
    this.#threadOf(runId).post({ kind: 'evict', runId });
  }

  async quiet(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.quiet()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#threads.map((thread) => thread.close()), this.#quarantine.close()]);
  }
}
