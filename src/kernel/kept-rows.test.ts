import { expect, test } from 'vitest';
import type { Partition, RunId } from '../core/index.ts';
import type { SegmentRow } from '../store/index.ts';
import { KeptRows } from './kept-rows.ts';

const rowsOf = (run: string, bytes: number, seq = 1): SegmentRow[] => [
  {
    run: run as RunId,
    seq,
    partition: 0 as Partition,
    pos: 1,
    format: 1,
    firstEventId: 1,
    eventCount: 1,
    time: 0,
    body: new Uint8Array(bytes),
  },
];

test('rows are given out once, and past the limit those that were read first go', () => {
  const kept = new KeptRows(100);
  for (const run of ['a', 'b', 'c']) kept.keep(run as RunId, rowsOf(run, 40));
  expect(kept.take('a' as RunId)).toEqual([]);
  expect(kept.take('b' as RunId)).toHaveLength(1);
  expect(kept.take('b' as RunId)).toEqual([]);
  kept.keep('c' as RunId, rowsOf('c', 60));
  kept.keep('d' as RunId, rowsOf('d', 40));
  expect(kept.take('c' as RunId)[0]?.body.length).toBe(60);
  expect(kept.take('d' as RunId)).toHaveLength(1);
});

test('rows beyond the limit by themselves are not kept, and push nothing out', () => {
  const kept = new KeptRows(100);
  kept.keep('a' as RunId, rowsOf('a', 40));
  kept.keep('b' as RunId, rowsOf('b', 101));
  expect(kept.take('b' as RunId)).toEqual([]);
  expect(kept.take('a' as RunId)).toHaveLength(1);
});

test('a row that becomes durable joins those of its run, and counts in the limit', () => {
  const kept = new KeptRows(100);
  const a = rowsOf('a', 40);
  kept.keep('a' as RunId, a);
  const [second] = rowsOf('a', 20, 2);
  kept.add(second!);
  expect(kept.take('a' as RunId).map(({ seq }) => seq)).toEqual([1, 2]);
  // Nothing is kept of a run whose rows were given out: what would be kept would have a hole.
  kept.add(second!);
  expect(kept.take('a' as RunId)).toEqual([]);
  kept.keep('a' as RunId, rowsOf('a', 40));
  kept.keep('b' as RunId, rowsOf('b', 40));
  kept.add(rowsOf('b', 30, 2)[0]!);
  expect(kept.take('a' as RunId)).toEqual([]);
  expect(kept.take('b' as RunId)).toHaveLength(2);
  // What goes past the limit by itself goes too, and leaves nothing behind that counts.
  kept.keep('c' as RunId, rowsOf('c', 90));
  kept.add(rowsOf('c', 20, 2)[0]!);
  expect(kept.take('c' as RunId)).toEqual([]);
  kept.keep('d' as RunId, rowsOf('d', 100));
  expect(kept.take('d' as RunId)).toHaveLength(1);
});
