import type { RunId } from '../core/index.ts';
import type { SegmentRow } from '../store/index.ts';

/** A row, as far as a reader of its segment wants it. */
export type BodyRow = Omit<SegmentRow, 'partition' | 'pos'>;

/**
 * Rows of histories that were read to fold a run and will be wanted again in a moment, to replay it: a run that comes
 * into memory has usually something to do. What is written meanwhile joins them. Each is given out once; past the limit
 * those that were read first go.
 */
export class KeptRows {
  readonly #rows = new Map<RunId, { rows: BodyRow[]; bytes: number }>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @param rows all of a run, as far as it had come */
  keep(run: RunId, rows: BodyRow[]): void {
    this.take(run);
    const bytes = rows.reduce((sum, row) => sum + row.body.length, 0);
    if (bytes > this.#bytesMax) return;
    this.#rows.set(run, { rows, bytes });
    this.#bytes += bytes;
    this.#trim();
  }

  /** Adds the row that has just become durable to those of its run, where they are kept. */
  add(row: BodyRow): void {
    const kept = this.#rows.get(row.run);
    if (!kept) return;
    kept.rows.push(row);
    kept.bytes += row.body.length;
    this.#bytes += row.body.length;
    this.#trim();
  }

  #trim(): void {
    for (const oldest of this.#rows.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      this.take(oldest);
    }
  }

  /** The rows that are kept of a run, from its first on, and no longer after this; none where there are none. */
  take(run: RunId): BodyRow[] {
    const kept = this.#rows.get(run);
    if (!kept) return [];
    this.#rows.delete(run);
    this.#bytes -= kept.bytes;
    return kept.rows;
  }
}
