/** Bytes that a workflow thread and its watcher share. */
export const WATCHED_BYTES = 5 * 4;

/**
 * What a workflow thread says of the code on its stack, in memory that outlives it: [0] a number that grows with each
 * time code is entered, 0 when none is; [1]–[4] the run whose code it is. To write it costs a fraction of a microsecond.
 */
export class Watched {
  readonly #words: Int32Array;
  #entered = 0;
  /** The run whose id the words hold. */
  #written: string | undefined;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
  }

  /** Code of a run is about to be on the stack. */
  enter(runId: string): void {
    if (runId !== this.#written) {
      const hex = runId.replaceAll('-', '');
      for (let word = 0; word < 4; word++)
        this.#words[word + 1] = Number.parseInt(hex.slice(word * 8, word * 8 + 8), 16);
      this.#written = runId;
    }
    this.#entered = (this.#entered + 1) & 0x7fffffff || 1;
    Atomics.store(this.#words, 0, this.#entered);
  }

  /** It is no longer. */
  leave(): void {
    Atomics.store(this.#words, 0, 0);
  }

  /** The number of the code that is on the stack, 0 for none. */
  get number(): number {
    return Atomics.load(this.#words, 0);
  }

  /** The run whose code it is. */
  get runId(): string | undefined {
    if (this.number === 0) return undefined;
    const hex = Array.from(this.#words.subarray(1, 5), (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }
}
