import type { Round, Segment } from '../common/index.ts';
import { messageOf, PleachError } from '../core/index.ts';
import type { SegmentRow } from '../store/index.ts';

/** The formats of a segment's body that this release reads; it writes the last. 1: JSON of `{ rounds, flags }`. */
export const SEGMENT_FORMATS = [1] as const;
const WRITTEN_FORMAT = 1;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Encodes what a segment's row does not say in columns. */
export function encodeBody(
  rounds: readonly Round[],
  flags: readonly number[] | undefined,
): { format: number; body: Uint8Array } {
  return {
    format: WRITTEN_FORMAT,
    body: encoder.encode(JSON.stringify(flags?.length ? { rounds, flags } : { rounds })),
  };
}

/**
 * Reads a row back.
 * @throws HISTORY_UNREADABLE for a format of a later release, or a body that is not what its format says
 */
export function decodeSegment(row: SegmentRow): Segment {
  if (row.format !== 1) {
    throw new PleachError(
      'HISTORY_UNREADABLE',
      `segment ${row.seq} of run ${row.run} has format ${row.format}; this release reads ${SEGMENT_FORMATS.join(', ')}. Update pleach`,
      { run: row.run, seq: row.seq, format: row.format },
    );
  }
  try {
    const { rounds, flags } = JSON.parse(decoder.decode(row.body)) as { rounds: Round[]; flags?: number[] };
    return {
      seq: row.seq,
      time: row.time,
      firstEventId: row.firstEventId,
      eventCount: row.eventCount,
      rounds,
      ...(flags ? { flags } : {}),
    };
  } catch (error) {
    throw new PleachError(
      'HISTORY_UNREADABLE',
      `segment ${row.seq} of run ${row.run} cannot be read (${messageOf(error)})`,
      { run: row.run, seq: row.seq },
      { cause: error },
    );
  }
}
