import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command, Job, Round, StartJob } from '../common/index.ts';
import { LIMITS, type Partition, type RunId, systemClock } from '../core/index.ts';
import type { BlobRow, SegmentRow } from '../store/index.ts';
import { Apart } from './blobs.ts';
import { ModelData, ModelStore } from '../store/index.ts';
import { decodeSegment, encodeBody, foldRows, loadPage, loadRows, readRows, readSegment } from './segments.ts';

const RUN = '01900000-0000-7000-8000-000000000001' as RunId;
const BIG = 'x'.repeat(LIMITS.blobBytesMin + 1);

const signal = (...input: string[]): Job => ({ kind: 'signalled', name: 's', input });

function rowOf(encoded: { format: number; body: Uint8Array }, seq = 1): SegmentRow {
  const { format, body } = encoded;
  return { run: RUN, seq, partition: 0 as Partition, pos: 1, format, firstEventId: 1, eventCount: 1, time: 5, body };
}

const encode = (jobs: Job[], bytesMin?: number) => encodeBody({ run: RUN, seq: 1 }, [{ jobs }], undefined, bytesMin);

/** Encodes and reads back. */
function thereAndBack(rounds: Round[], bytesMin: number): { rounds: Round[]; blobs: readonly BlobRow[] } {
  const encoded = encodeBody({ run: RUN, seq: 7 }, rounds, [2], bytesMin);
  const { rounds: read, flags } = decodeSegment(rowOf(encoded, 7), encoded.blobs);
  expect(flags).toEqual([2]);
  return { rounds: read, blobs: encoded.blobs };
}

describe('a segment with a large payload', () => {
  it('holds where the payload stood, and the payload lies apart under a number of its segment', () => {
    const encoded = encodeBody({ run: RUN, seq: 3 }, [{ jobs: [signal('"a"', BIG, BIG)] }], undefined);
    expect(encoded.format).toBe(2);
    expect(encoded.body.length).toBeLessThan(200);
    expect(encoded.blobs.map(({ run, n, body }) => [run, n, body.length])).toEqual([
      [RUN, 3 * 65_536, BIG.length],
      [RUN, 3 * 65_536 + 1, BIG.length],
    ]);
    expect(decodeSegment(rowOf(encoded), encoded.blobs).rounds).toEqual([{ jobs: [signal('"a"', BIG, BIG)] }]);
  });

  it('leaves what it was given as it was', () => {
    const job = signal(BIG);
    encode([job]);
    expect(job).toEqual(signal(BIG));
  });

  it('counts for as many bytes as it would have whole', () => {
    const whole = encode([signal(BIG)], Infinity);
    const apart = encode([signal(BIG)]);
    expect(whole.format).toBe(1);
    expect([apart.bytes, readSegment(rowOf(apart)).bytes]).toEqual([whole.body.length, whole.body.length]);
    expect(readSegment(rowOf(whole)).bytes).toBe(whole.body.length);
  });

  it('is read without its payloads where they are not asked for', () => {
    const { segment, hasApart } = readSegment(rowOf(encode([signal('"a"', BIG)])));
    expect(hasApart).toBe(true);
    expect(segment.rounds[0]!.jobs).toEqual([{ kind: 'signalled', name: 's', input: ['"a"', new Apart(65_536)] }]);
  });

  it('cannot be read without a blob that it names', () => {
    const encoded = encode([signal(BIG, BIG)]);
    expect(() => decodeSegment(rowOf(encoded), encoded.blobs.slice(0, 1))).toThrow(
      expect.objectContaining({ code: 'HISTORY_UNREADABLE', details: { run: RUN, blob: 65_537 } }),
    );
  });
});

it('writes a segment without a large payload as every release did, though it is large in all', () => {
  const many = Array.from({ length: 100 }, () => signal('y'.repeat(1000)));
  for (const jobs of [[signal('"a"')], many]) {
    const encoded = encode(jobs);
    expect(encoded).toMatchObject({ format: 1, blobs: [] });
    expect(new TextDecoder().decode(encoded.body)).toBe(JSON.stringify({ rounds: [{ jobs }] }));
  }
});

it('counts a payload by its bytes: one more than the limit lies apart, the limit itself does not', () => {
  const at = (characters: number) => encode([signal('ü'.repeat(characters))]).blobs.length;
  expect([at(LIMITS.blobBytesMin / 2), at(LIMITS.blobBytesMin / 2 + 1)]).toEqual([0, 1]);
});

it('keeps request ids and update ids in the segment, since the fold counts by them', () => {
  const jobs: Job[] = [
    { kind: 'signalled', name: 's', input: [], requestId: BIG },
    { kind: 'update-requested', updateId: BIG, name: 'u', input: [] },
  ];
  expect(encode(jobs)).toMatchObject({ format: 1, blobs: [] });
});

it('takes no text apart that UTF-8 cannot hold, and gives back a byte order mark', () => {
  const jobs = [signal(`\ud800${BIG}`), signal(`\ufeff${BIG}`)];
  const encoded = encode(jobs);
  expect(encoded.blobs).toHaveLength(1);
  expect(decodeSegment(rowOf(encoded), encoded.blobs).rounds).toEqual([{ jobs }]);
});

describe('a run whose payloads are large', () => {
  const start = (more: Partial<StartJob>): Job => ({
    kind: 'start',
    namespace: 'default',
    workflowId: 'w',
    type: 't',
    queue: 'q',
    input: [BIG],
    runId: RUN,
    firstRunId: RUN,
    attempt: 1,
    randomSeed: RUN,
    startedAt: 0,
    ...more,
  });
  const schedule = (seq: number): Command => ({
    kind: 'schedule-activity',
    seq,
    activityId: String(seq),
    type: 'step',
    input: [`${BIG}${seq}`],
    options: { cancellation: 'TRY_CANCEL' },
  });
  const resolved = (seq: number): Job => ({
    kind: 'activity-resolved',
    seq,
    outcome: { status: 'completed', value: BIG },
  });

  /** A store with a history, and the numbers of the blobs that are loaded from it. */
  function stored(rounds: Round[]): { store: ModelStore; loaded: number[] } {
    const data = new ModelData();
    const blobs = new Map<number, Uint8Array>();
    const rows = rounds.map((round, index) => {
      const encoded = encodeBody({ run: RUN, seq: index + 1 }, [round], undefined);
      for (const { n, body } of encoded.blobs) blobs.set(n, body);
      return rowOf(encoded, index + 1);
    });
    data.segments.set(RUN, rows);
    data.blobs.set(RUN, blobs);
    const store = new ModelStore(data, systemClock, 4);
    const loaded: number[] = [];
    const load = store.loadBlobs.bind(store);
    store.loadBlobs = (run, numbers) => {
      loaded.push(...numbers);
      return load(run, numbers);
    };
    return { store, loaded };
  }

  const stateOf = async (store: ModelStore) => foldRows(store, RUN, await loadRows(store, RUN));

  const story = (more: Partial<StartJob> = {}): Round[] => [
    { jobs: [start(more)], commands: [schedule(1), schedule(2)] },
    { jobs: [resolved(1)], commands: [schedule(3)] },
    { jobs: [resolved(2)] },
  ];

  it('has in memory what it still needs, and nothing else is read', async () => {
    const { store, loaded } = stored(story());
    const state = await stateOf(store);
    expect([...state.activities.values()].map(({ input }) => input)).toEqual([[`${BIG}3`]]);
    expect(state.undelivered).toEqual([resolved(2)]);
    expect(state.start!.input).toEqual([]);
    // Not the input, not what activities 1 and 2 were given, not the result that was delivered.
    expect(loaded).toEqual([2 * 65_536 + 1, 3 * 65_536]);
  });

  it.each([{ retry: { maximumAttempts: 2 } }, { cronSchedule: '@daily' }])('keeps its input with %j', async (more) => {
    const { store } = stored(story(more));
    expect((await stateOf(store)).start!.input).toEqual([BIG]);
  });

  it('is read whole for whoever replays it', async () => {
    const { store } = stored(story());
    const segments = await readRows(store, RUN, await loadRows(store, RUN));
    expect(segments.flatMap(({ rounds }) => rounds)).toEqual(story());
  });

  it('is folded to the same length, whatever lies apart', async () => {
    const { store } = stored(story());
    const whole = story().map((round) => encodeBody({ run: RUN, seq: 1 }, [round], undefined, Infinity).bytes);
    expect((await stateOf(store)).bytes).toBe(whole.reduce((sum, bytes) => sum + bytes, 0));
  });

  it('is read by pages, none of which has more bytes than a page may have, but for one segment alone', async () => {
    const huge = 'z'.repeat(LIMITS.historyPageBytes / 2);
    const rounds = [{ jobs: [signal(huge)] }, { jobs: [signal(`${huge}${huge}`)] }, { jobs: [signal('"a"')] }];
    const { store, loaded } = stored(rounds);
    const first = await loadPage(store, RUN, 1);
    expect([first.segments.map(({ seq }) => seq), first.next, loaded]).toEqual([[1], 2, [65_536]]);
    const second = await loadPage(store, RUN, 2);
    expect([second.segments.map(({ seq }) => seq), second.next]).toEqual([[2], 3]);
    expect(await loadPage(store, RUN, 3)).toMatchObject({
      segments: [rounds[2]].map((round) => ({ rounds: [round] })),
      next: undefined,
    });
    expect([...first.segments, ...second.segments].map(({ rounds: read }) => read[0])).toEqual(rounds.slice(0, 2));
  });
});

it('refuses a format of a later release', () => {
  expect(() => readSegment({ ...rowOf(encode([])), format: 3 })).toThrow(
    expect.objectContaining({
      code: 'HISTORY_UNREADABLE',
      message: expect.stringContaining('Update pleach') as string,
    }),
  );
});

it('gives back whatever was in the rounds, with any limit', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 });
  const few = { maxLength: 3 };
  const payload = fc.oneof(
    text,
    fc.record({ encoding: text, text, metadata: fc.dictionary(text, text, { maxKeys: 2 }) }),
  );
  const map = fc.dictionary(text, payload, { maxKeys: 3 });
  const job = fc.record({ kind: fc.constant('signalled'), name: text, input: fc.array(payload, few), headers: map });
  const failure = fc.letrec((tie) => ({
    failure: fc.record({
      message: text,
      kind: fc.constant('application'),
      details: fc.array(payload, few),
      cause: fc.option(tie('failure'), { nil: undefined, depthSize: 'small' }),
    }),
  })).failure;
  const command = fc.record({ kind: fc.constant('fail'), failure });
  const round = fc.record({ jobs: fc.array(job, few), commands: fc.array(command, few) });
  let apart = 0;
  fc.assert(
    fc.property(fc.array(round, few), fc.nat({ max: 60 }), (made, bytesMin) => {
      const rounds = JSON.parse(JSON.stringify(made)) as Round[];
      const back = thereAndBack(rounds, bytesMin);
      apart += back.blobs.length;
      expect(back.rounds).toEqual(rounds);
      for (const { body } of back.blobs) expect(body.length).toBeGreaterThan(bytesMin);
    }),
  );
  expect(apart).toBeGreaterThan(100);
});
