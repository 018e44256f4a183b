import type { Partition } from '../../core/index.ts';

/** Partitions whose ends share a row: 2 KB, half a page. */
const CHUNK = 256;

/** The end of each partition's log, as rows of eight bytes a partition. */
export class Heads {
  readonly #chunks = new Map<number, BigInt64Array>();
  readonly #moved = new Set<number>();

  /** @param rows as they are stored, in any order */
  constructor(rows: readonly { chunk: number; body: Uint8Array }[]) {
    for (const { chunk, body } of rows) {
      const values = new BigInt64Array(CHUNK);
      new Uint8Array(values.buffer).set(body);
      this.#chunks.set(chunk, values);
    }
  }

  /** The position of a partition's last segment; 0 where it has none. */
  of(partition: Partition): number {
    return Number(this.#chunks.get(Math.floor(partition / CHUNK))?.[partition % CHUNK] ?? 0n);
  }

  /** Notes where a partition ends now. */
  move(partition: Partition, pos: number): void {
    const chunk = Math.floor(partition / CHUNK);
    let values = this.#chunks.get(chunk);
    if (!values) this.#chunks.set(chunk, (values = new BigInt64Array(CHUNK)));
    values[partition % CHUNK] = BigInt(pos);
    this.#moved.add(chunk);
  }

  /** The rows that have changed since the last call. */
  takeMoved(): [chunk: number, body: Uint8Array][] {
    const rows = [...this.#moved].map((chunk): [number, Uint8Array] => [
      chunk,
      new Uint8Array(this.#chunks.get(chunk)!.buffer),
    ]);
    this.#moved.clear();
    return rows;
  }

  /** The ends of the partitions that have segments. */
  all(): Map<Partition, number> {
    const heads = new Map<Partition, number>();
    for (const [chunk, values] of this.#chunks)
      values.forEach((pos, index) => {
        if (pos > 0n) heads.set((chunk * CHUNK + index) as Partition, Number(pos));
      });
    return heads;
  }
}
