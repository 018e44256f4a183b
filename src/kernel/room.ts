import { LIMITS, PleachError } from '../core/index.ts';
import type { PlantedBug } from './planted-bugs.ts';

/** What is looked at beside what is held here: the node. */
interface Busy {
  readonly stalled: PleachError | undefined;
  readonly activations: { readonly waitingJobs: number };
  /** `LIMITS.waitingJobsMax` unless said otherwise. */
  readonly waitingJobsMax?: number;
  readonly plantedBug?: PlantedBug | undefined;
}

/**
 * How much of what clients have asked for waits to be durable, and whether there is room for more. New work is refused
 * before it is taken in; completions never are.
 */
export class Room {
  readonly #node: Busy;
  #jobs = 0;
  #bytes = 0;

  constructor(node: Busy) {
    this.#node = node;
  }

  /** Jobs that wait: taken in and not durable, at workers, or for the journal. */
  get waitingJobs(): number {
    return Math.max(this.#jobs, this.#node.activations.waitingJobs);
  }

  /**
   * @param bytes of the payloads that ask to be let in
   * @throws RESOURCE_EXHAUSTED, safe to try again · the store's error while it takes no writes
   */
  require(bytes: number): void {
    if (this.#node.stalled) throw this.#node.stalled;
    const { waitingJobs } = this;
    const { waitingJobsMax = LIMITS.waitingJobsMax, plantedBug } = this.#node;
    const { waitingBytesMax } = LIMITS;
    if (plantedBug === 'take-in-without-room') return;
    // One request alone is let in whatever its size: its own limit is smaller than this one.
    if (waitingJobs < waitingJobsMax && (this.#bytes === 0 || this.#bytes + bytes <= waitingBytesMax)) return;
    throw new PleachError(
      'RESOURCE_EXHAUSTED',
      `${waitingJobs} jobs with ${this.#bytes} bytes wait on this node, of at most ${waitingJobsMax} and ${waitingBytesMax}; this request of ${bytes} bytes was not taken in. Safe to try again`,
      { waitingJobs, waitingJobsMax, waitingBytes: this.#bytes, waitingBytesMax, bytes },
    );
  }

  /** Counts a job as waiting. @returns what takes it out again; to call it twice is harmless */
  hold(bytes: number): () => void {
    let held = true;
    this.#jobs++;
    this.#bytes += bytes;
    return () => {
      if (!held) return;
      held = false;
      this.#jobs--;
      this.#bytes -= bytes;
    };
  }
}
