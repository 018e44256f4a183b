import type { RunId } from '../core/index.ts';
import type { SegmentRow } from '../store/index.ts';

/**
 * Rows of histories that were read to fold a run and will be wanted again in a moment, to replay it: a run that comes
 * into memory has usually something to do. Each is given out once; past the limit those that were read first go.
 */
export class KeptRows {
  readonly #rows = new Map<RunId, { rows: SegmentRow[]; bytes: number }>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** @param rows all of a run, as far as it had come */
  keep(run: RunId, rows: SegmentRow[]): void {
    this.take(run);
    const bytes = rows.reduce((sum, row) => sum + row.body.length, 0);
    if (bytes > this.#bytesMax) return;
    this.#rows.set(run, { rows, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#rows.keys()) {
      if (this.#bytes <= this.#bytesMax) return;
      this.take(oldest);
    }
  }

  /** The rows that are kept of a run, from its first on, and no longer after this; none where there are none. */
  take(run: RunId): SegmentRow[] {
    const kept = this.#rows.get(run);
    if (!kept) return [];
    this.#rows.delete(run);
    this.#bytes -= kept.bytes;
    return kept.rows;
  }
}
