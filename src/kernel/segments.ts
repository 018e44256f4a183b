import type { Round, Segment } from '../common/index.ts';
import { LIMITS, messageOf, PleachError, type RunId } from '../core/index.ts';
import type { BlobRow, Store } from '../store/index.ts';
import { type BlobPath, loadApart, markApart, putBack, takeApart } from './blobs.ts';
import type { BodyRow } from './kept-rows.ts';
import { applySegment } from './machine/fold.ts';
import { emptyState, type RunState } from './machine/state.ts';

/**
 * The formats of a segment's body that this release reads. 1: JSON of `{ rounds, flags }`. 2: the same of a segment from
 * which large texts were taken out: `blobs` says which and where, `bytes` what the body would have with them in it. A
 * segment is written in 1 where nothing in it is large.
 */
export const SEGMENT_FORMATS = [1, 2] as const;

/** What a body holds. */
interface Body {
  rounds: Round[];
  flags?: number[];
  bytes?: number;
  blobs?: BlobPath[];
}

/** A segment's body, with what lies apart from it. */
export interface EncodedBody {
  format: number;
  body: Uint8Array;
  /** What it counts for in the length of the history, blobs and all. */
  bytes: number;
  blobs: readonly BlobRow[];
}

/** A segment as its row alone has it: large texts are `Apart`. */
export interface ReadSegment {
  segment: Segment;
  /** As `EncodedBody.bytes`. */
  bytes: number;
  /** Whether something is `Apart` in it. */
  hasApart: boolean;
}

const NONE: readonly BlobRow[] = [];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Encodes what a segment's row does not say in columns.
 * @param blobBytesMin what a text must have more of to be taken out. A body that has no more itself has no such text:
 *   most are not looked through at all
 */
export function encodeBody(
  of: { run: RunId; seq: number },
  rounds: readonly Round[],
  flags: readonly number[] | undefined,
  blobBytesMin: number = LIMITS.blobBytesMin,
): EncodedBody {
  const whole = encoder.encode(JSON.stringify(flags?.length ? { rounds, flags } : { rounds }));
  const bytes = whole.length;
  if (bytes <= blobBytesMin) return { format: 1, body: whole, bytes, blobs: NONE };
  const { rest, blobs, paths } = takeApart(of, rounds, blobBytesMin);
  if (blobs.length === 0) return { format: 1, body: whole, bytes, blobs: NONE };
  const body = { rounds: rest, ...(flags?.length ? { flags } : {}), bytes, blobs: paths };
  return { format: 2, body: encoder.encode(JSON.stringify(body)), bytes, blobs };
}

/**
 * Reads a row back, without its blobs.
 * @throws HISTORY_UNREADABLE for a format of a later release, or a body that is not what its format says
 */
export function readSegment(row: BodyRow): ReadSegment {
  if (!(SEGMENT_FORMATS as readonly number[]).includes(row.format)) {
    throw new PleachError(
      'HISTORY_UNREADABLE',
      `segment ${row.seq} of run ${row.run} has format ${row.format}; this release reads ${SEGMENT_FORMATS.join(', ')}. Update pleach`,
      { run: row.run, seq: row.seq, format: row.format },
    );
  }
  try {
    const { rounds, flags, bytes, blobs } = JSON.parse(decoder.decode(row.body)) as Body;
    if (blobs) markApart(rounds, blobs);
    const segment: Segment = {
      seq: row.seq,
      time: row.time,
      firstEventId: row.firstEventId,
      eventCount: row.eventCount,
      rounds,
    };
    if (flags) segment.flags = flags;
    segment.bytes = bytes ?? row.body.length;
    return { segment, bytes: segment.bytes, hasApart: blobs !== undefined };
  } catch (error) {
    throw new PleachError(
      'HISTORY_UNREADABLE',
      `segment ${row.seq} of run ${row.run} cannot be read (${messageOf(error)})`,
      { run: row.run, seq: row.seq },
      { cause: error },
    );
  }
}

/**
 * Reads a row back, whole.
 * @param blobs where its large texts are among
 * @throws HISTORY_UNREADABLE, as `readSegment`, and where a blob is missing
 */
export function decodeSegment(row: BodyRow, blobs: readonly BlobRow[] = NONE): Segment {
  const { segment, hasApart } = readSegment(row);
  if (hasApart) putBack(row.run, segment.rounds, blobs);
  return segment;
}

/** Lets others have their turn in the middle of a long history. */
export type Turn = () => Promise<void>;

const AT_ONCE: Turn = () => Promise.resolve();

/**
 * Loads the rows of a run's history.
 * @param rows those that are there already, from the first on; the others join them
 * @param turn called after each page, since a store may read at once
 */
export async function loadRows(
  store: Store,
  run: RunId,
  rows: BodyRow[] = [],
  turn: Turn = AT_ONCE,
): Promise<BodyRow[]> {
  for (;;) {
    const page = await store.loadSegments(run, rows.length + 1, LIMITS.historyPageSegments);
    rows.push(...page);
    if (page.length < LIMITS.historyPageSegments) return rows;
    await turn();
  }
}

/** Reads rows of a run, large texts and all. */
export async function readRows(
  store: Store,
  run: RunId,
  rows: readonly BodyRow[],
  turn: Turn = AT_ONCE,
): Promise<Segment[]> {
  const read: ReadSegment[] = [];
  for (const row of rows) {
    read.push(readSegment(row));
    if (read.length % LIMITS.historyPageSegments === 0) await turn();
  }
  return completed(store, run, read);
}

/** Loads a page of a run's history, large texts and all. @returns where the next begins, if there may be one */
export async function loadPage(
  store: Store,
  run: RunId,
  fromSeq: number,
): Promise<{ segments: Segment[]; next: number | undefined }> {
  const rows = await store.loadSegments(run, fromSeq, LIMITS.historyPageSegments);
  const page: ReadSegment[] = [];
  let pageBytes = 0;
  for (const row of rows) {
    const read = readSegment(row);
    pageBytes += read.bytes;
    if (page.length > 0 && pageBytes > LIMITS.historyPageBytes) break;
    page.push(read);
  }
  const isLast = page.length === rows.length && rows.length < LIMITS.historyPageSegments;
  return { segments: await completed(store, run, page), next: isLast ? undefined : fromSeq + page.length };
}

async function completed(store: Store, run: RunId, read: readonly ReadSegment[]): Promise<Segment[]> {
  const partial = read.filter(({ hasApart }) => hasApart).map(({ segment }) => segment);
  if (partial.length > 0) await loadApart(store, run, partial);
  return read.map(({ segment }) => segment);
}

/**
 * Folds all rows of a run, open or closed. Of the large texts only those are loaded that its state still holds.
 * @throws HISTORY_UNREADABLE, as `readSegment`, and where a blob is missing
 */
export async function foldRows(
  store: Store,
  run: RunId,
  rows: readonly BodyRow[],
  turn: Turn = AT_ONCE,
): Promise<RunState> {
  const state = emptyState();
  let isPartial = false;
  let folded = 0;
  for (const row of rows) {
    const { segment, bytes, hasApart } = readSegment(row);
    isPartial ||= hasApart;
    applySegment(state, segment, bytes);
    if (++folded % LIMITS.historyPageSegments === 0) await turn();
  }
  if (isPartial) await loadApart(store, run, state);
  return state;
}
