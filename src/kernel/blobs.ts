import { assert, PleachError, type RunId } from '../core/index.ts';
import type { BlobRow, Store } from '../store/index.ts';

/**
 * Large payloads lie apart from the segment that they belong to, as blobs of its run: what folds, lists or pages a
 * history need not read them. A payload is text wherever it stands among jobs and commands, so any text above the limit
 * is taken out, an error's message too, and the segment keeps the place where it stood.
 */

/** Stands in a segment that was read, and in what is folded from it, for a text that lies apart and is not loaded. */
export class Apart {
  /** The blob's number in its run. */
  readonly n: number;

  constructor(n: number) {
    this.n = n;
  }
}

/** A blob's number and the way from the rounds to where it stood. */
export type BlobPath = [n: number, ...path: (string | number)[]];

/** A place that waits for its text. */
interface Place {
  holder: Record<string | number, unknown>;
  key: string | number;
  apart: Apart;
}

/** More of them than any segment can have: so many texts of the least size do not fit into one JSON text. */
const BLOBS_PER_SEGMENT_MAX = 65_536;

/** What the fold keeps in sets and as keys is never apart; a request's own limit bounds it. */
const KEPT: ReadonlySet<string> = new Set(['requestId', 'inheritedRequestIds', 'updateId']);

const encoder = new TextEncoder();
/** A byte order mark at the front is part of the text. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Takes the large texts out of a value, which stays as it is.
 * @param of the segment that the value is in; it gives the blobs their numbers, so that they lie in the order of segments
 * @param bytesMin what a text must have more of, as UTF-8
 * @returns the value without them, each replaced by the empty text, and where each stood
 */
export function takeApart<T>(
  of: { run: RunId; seq: number },
  value: T,
  bytesMin: number,
): { rest: T; blobs: BlobRow[]; paths: BlobPath[] } {
  const blobs: BlobRow[] = [];
  const paths: BlobPath[] = [];
  const path: (string | number)[] = [];
  const without = (one: unknown): unknown => {
    if (typeof one === 'string') {
      // A character has at most three bytes. A lone surrogate has none: such a text would not come back as it was.
      if (one.length * 3 <= bytesMin || !one.isWellFormed()) return one;
      const body = encoder.encode(one);
      if (body.length <= bytesMin) return one;
      assert(blobs.length < BLOBS_PER_SEGMENT_MAX, 'a segment has more blobs than it can hold');
      const n = of.seq * BLOBS_PER_SEGMENT_MAX + blobs.length;
      blobs.push({ run: of.run, n, body });
      paths.push([n, ...path]);
      return '';
    }
    if (typeof one !== 'object' || one === null) return one;
    let copy: Record<string | number, unknown> | undefined;
    for (const [key, inner] of Object.entries(one)) {
      if (KEPT.has(key)) continue;
      path.push(Array.isArray(one) ? Number(key) : key);
      const left = without(inner);
      path.pop();
      if (left === inner) continue;
      copy ??= (Array.isArray(one) ? [...(one as unknown[])] : { ...one }) as Record<string | number, unknown>;
      copy[key] = left;
    }
    return copy ?? one;
  };
  return { rest: without(value) as T, blobs, paths };
}

/** Marks in a value that was read the places of what lies apart. */
export function markApart(value: unknown, paths: readonly BlobPath[]): void {
  for (const [n, ...path] of paths) {
    const key = path.pop()!;
    let holder = value as Record<string | number, unknown>;
    for (const step of path) holder = holder[step] as Record<string | number, unknown>;
    if (typeof holder[key] !== 'string') throw new Error(`there is no text at ${[...path, key].join('.')}`);
    holder[key] = new Apart(n);
  }
}

/**
 * Puts the texts into a value, in place, that still stand apart in it.
 * @param load the blobs of these numbers, in their order
 * @throws HISTORY_UNREADABLE where one is missing
 */
export async function fillApart(
  run: RunId,
  value: object,
  load: (numbers: number[]) => Promise<(Uint8Array | undefined)[]>,
): Promise<void> {
  const places: Place[] = [];
  findApart(value, places);
  if (places.length === 0) return;
  const numbers = [...new Set(places.map(({ apart }) => apart.n))];
  const bodies = await load(numbers);
  const texts = new Map(numbers.map((n, index) => [n, textOf(run, n, bodies[index])]));
  for (const { holder, key, apart } of places) holder[key] = texts.get(apart.n);
}

/** `fillApart` from a store. */
export function loadApart(store: Store, run: RunId, value: object): Promise<void> {
  return fillApart(run, value, (numbers) => store.loadBlobs(run, numbers));
}

/** `fillApart` from blobs that are at hand. */
export function putBack(run: RunId, value: object, blobs: readonly BlobRow[]): void {
  const places: Place[] = [];
  findApart(value, places);
  for (const { holder, key, apart } of places)
    holder[key] = textOf(run, apart.n, blobs.find((blob) => blob.run === run && blob.n === apart.n)?.body);
}

function textOf(run: RunId, n: number, body: Uint8Array | undefined): string {
  if (body) return decoder.decode(body);
  throw new PleachError(
    'HISTORY_UNREADABLE',
    `blob ${n} of run ${run} is named by its history and is not there. Restore the database from a backup, or terminate the run`,
    { run, blob: n },
  );
}

function findApart(value: object, places: Place[]): void {
  if (value instanceof Map) {
    for (const inner of value.values() as Iterable<unknown>)
      if (typeof inner === 'object' && inner !== null) findApart(inner, places);
    return;
  }
  for (const [key, inner] of Object.entries(value)) {
    if (inner instanceof Apart) places.push({ holder: value as Place['holder'], key, apart: inner });
    else if (typeof inner === 'object' && inner !== null) findApart(inner as object, places);
  }
}
