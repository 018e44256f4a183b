import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command, Job, Round, Segment, WireFailure, WireOutcome, WirePayload } from '../../common/index.ts';
import { countEvents, eventsOf, segmentsOf } from './index.ts';
import { sameJson } from './merge-patch.ts';

// ---- histories at random ----

const name = fc.constantFrom('alpha', 'beta', 'Gamma', 'ünïcode', '7');
const payload: fc.Arbitrary<WirePayload> = fc.oneof(
  fc.json(),
  fc.constant<WirePayload>({ encoding: 'binary/null' }),
  fc.base64String().map((base64): WirePayload => ({ encoding: 'binary/plain', base64 })),
  fc.constant<WirePayload>({ encoding: 'binary/encrypted', base64: '/w==', metadata: { key: 'a2V5' } }),
);
const payloads = fc.array(payload, { maxLength: 2 });
const { failure } = fc.letrec<{ failure: WireFailure }>((tie) => ({
  failure: fc.oneof(
    { maxDepth: 2, depthSize: 'small' },
    fc.record({ kind: fc.constant('cancelled' as const), message: name }),
    fc.record(
      {
        kind: fc.constant('application' as const),
        message: fc.string(),
        type: fc.string({ minLength: 1 }),
        code: fc.constant('ECONNRESET'),
        nonRetryable: fc.constant(true),
        details: fc.array(payload, { minLength: 1, maxLength: 2 }),
        nextRetryDelayMs: fc.integer({ min: 1, max: 1e9 }),
        stackTrace: fc.string(),
        category: fc.constant('BENIGN' as const),
        cause: tie('failure') as fc.Arbitrary<WireFailure>,
      },
      { requiredKeys: ['kind', 'message'] },
    ),
    fc.record(
      {
        kind: fc.constant('timeout' as const),
        message: name,
        timeoutType: fc.constantFrom('START_TO_CLOSE', 'HEARTBEAT', 'SCHEDULE_TO_START'),
        workerLost: fc.constant(true),
      },
      { requiredKeys: ['kind', 'message', 'timeoutType'] },
    ),
    fc.record({
      kind: fc.constant('activity' as const),
      message: fc.constantFrom('Activity task failed', 'otherwise'),
      activityType: name,
      activityId: name,
      retryState: fc.constantFrom('MAXIMUM_ATTEMPTS_REACHED', 'TIMEOUT'),
      cause: tie('failure') as fc.Arbitrary<WireFailure>,
    }),
  ) as fc.Arbitrary<WireFailure>,
}));
const outcome: fc.Arbitrary<WireOutcome> = fc.oneof(
  fc.record({ status: fc.constant('completed' as const), value: payload }, { requiredKeys: ['status'] }),
  fc.record({ status: fc.constant('failed' as const), failure }),
  fc.record({ status: fc.constant('cancelled' as const), failure }),
);
const map = fc.dictionary(name, payload, { minKeys: 1, maxKeys: 2 });

/** A history that could have happened: what ends was begun, numbers grow, a closing command is the last. */
const history = fc.gen().map((gen): Segment[] => {
  const pick = <const T>(...values: T[]): T => values[gen(fc.nat, values.length - 1)]!;
  const open = {
    activity: [] as number[],
    timer: [] as number[],
    child: [] as number[],
    signal: [] as number[],
    local: [] as number[],
  };
  const seqs = { activity: 0, timer: 0, child: 0, signal: 0, local: 0, update: 0 };
  const begin = (kind: keyof typeof open): number => {
    // Numbers may be passed over: a call in a cancelled scope takes one and asks for nothing.
    const seq = (seqs[kind] += pick(1, 1, 2));
    open[kind].push(seq);
    return seq;
  };
  const end = (kind: keyof typeof open): number | undefined => {
    const at = gen(fc.nat, 5);
    return at < open[kind].length ? open[kind].splice(at, 1)[0] : undefined;
  };
  const pendingUpdates: string[] = [];
  const job = (): Job[] => {
    switch (gen(fc.nat, 11)) {
      case 0:
        return [
          { kind: 'signalled', name: gen(() => name), input: gen(() => payloads), identity: 'me', requestId: 'r' },
        ];
      case 1:
        return [{ kind: 'cancel-requested', reason: 'enough' }];
      case 2: {
        const seq = end('timer');
        return seq === undefined ? [] : [{ kind: 'timer-fired', seq }];
      }
      case 3:
      case 4: {
        const seq = end('activity');
        return seq === undefined ? [] : [{ kind: 'activity-resolved', seq, outcome: gen(() => outcome) }];
      }
      case 5: {
        const seq = open.activity[0];
        return seq === undefined
          ? []
          : [{ kind: 'activity-started', seq, attempt: 1, worker: 'w', token: 'täken', at: 5 }];
      }
      case 6: {
        const seq = end('child');
        return seq === undefined
          ? []
          : [
              { kind: 'child-started', seq, runId: `run-${seq}` },
              { kind: 'child-resolved', seq, outcome: gen(() => outcome) },
            ];
      }
      case 7: {
        const seq = end('signal');
        return seq === undefined
          ? []
          : [{ kind: 'signal-external-resolved', seq, ...(gen(fc.boolean) ? { failure: gen(() => failure) } : {}) }];
      }
      case 8: {
        const updateId = `u${++seqs.update}`;
        pendingUpdates.push(updateId);
        return [{ kind: 'update-requested', updateId, name: gen(() => name), input: gen(() => payloads) }];
      }
      case 9:
        return [{ kind: 'task-failed', cause: pick('SPIN', 'NONDETERMINISM'), failure: gen(() => failure) }];
      case 10:
        return [
          { kind: 'paused', by: { identity: 'me', reason: 'lunch' }, requestId: 'p' },
          { kind: 'activity-paused', seq: 1, by: { identity: 'me', reason: 'lunch' }, requestId: 'a' },
          { kind: 'activity-edited', seq: 1, options: { startToCloseMs: 5 }, by: { identity: 'me' } },
          { kind: 'resumed', by: { identity: 'me' } },
        ];
      default:
        return [{ kind: 'seed-changed', randomSeed: 'other' }];
    }
  };
  const command = (): Command[] => {
    switch (gen(fc.nat, 11)) {
      case 0:
      case 1: {
        const seq = begin('activity');
        return [
          {
            kind: 'schedule-activity',
            seq,
            activityId: pick(String(seq), 'mine'),
            type: gen(() => name),
            ...(gen(fc.boolean) ? { queue: 'elsewhere' } : {}),
            input: gen(() => payloads),
            ...(gen(fc.boolean) ? { headers: gen(() => map) } : {}),
            options: {
              startToCloseMs: gen(fc.integer, { min: 1, max: 1e10 }),
              cancellation: pick('ABANDON', 'WAIT_CANCELLATION_COMPLETED'),
              retry: { initialIntervalMs: 1500, delaysMs: [1], rules: [{ kind: 'transient', retry: true }] },
              ...(gen(fc.boolean) ? { fallback: 'other', summary: 'words' } : {}),
            },
          },
        ];
      }
      case 2:
        return open.activity.length ? [{ kind: 'cancel-activity', seq: open.activity[0]! }] : [];
      case 3:
        return [{ kind: 'start-timer', seq: begin('timer'), delayMs: gen(fc.nat, 1e9) }];
      case 4: {
        const seq = end('timer');
        return seq === undefined ? [] : [{ kind: 'cancel-timer', seq }];
      }
      case 5:
        return [
          {
            kind: 'start-child',
            seq: begin('child'),
            workflowId: gen(() => name),
            type: gen(() => name),
            queue: 'q',
            input: gen(() => payloads),
            closePolicy: pick('TERMINATE', 'ABANDON'),
            cancellation: 'TRY_CANCEL',
            ...(gen(fc.boolean) ? { memo: gen(() => map), idReuse: 'REJECT_DUPLICATE' as const } : {}),
          },
        ];
      case 6:
        return [
          {
            kind: 'signal-external',
            seq: begin('signal'),
            target: { workflowId: gen(() => name) },
            name: gen(() => name),
            input: gen(() => payloads),
            childOnly: gen(fc.boolean),
          },
        ];
      case 7:
        return [
          {
            kind: 'schedule-local-activity',
            seq: begin('local'),
            activityId: 'l',
            type: gen(() => name),
            input: gen(() => payloads),
            options: { cancellation: 'TRY_CANCEL' },
          },
        ];
      case 8:
        return [{ kind: 'patch', patchId: gen(() => name), deprecated: gen(fc.boolean) }];
      case 9:
        return [
          { kind: 'upsert-memo', memo: gen(() => map) },
          { kind: 'upsert-search-attributes', attributes: gen(() => map) },
          { kind: 'set-details', details: 'on its way' },
        ];
      case 10: {
        const updateId = pendingUpdates.shift();
        if (updateId === undefined) return [];
        return gen(fc.boolean)
          ? [
              { kind: 'update-accepted', updateId },
              { kind: 'update-completed', updateId, outcome: gen(() => outcome) },
            ]
          : [{ kind: 'update-rejected', updateId, failure: gen(() => failure) }];
      }
      default:
        return open.child.length ? [{ kind: 'cancel-child', seq: open.child[0]!, reason: 'no more' }] : [];
    }
  };
  const closing = (): Command =>
    gen(fc.nat, 3) === 0
      ? { kind: 'continue-as-new', type: 'next', queue: 'q', input: gen(() => payloads), backoffMs: 10 }
      : gen(fc.boolean)
        ? { kind: 'fail', failure: gen(() => failure) }
        : { kind: 'complete', value: gen(() => payload) };
  const some = <T>(make: () => T[], most: number): T[] => Array.from({ length: gen(fc.nat, most) }, make).flat();

  const segments: Segment[] = [];
  let time = 1_700_000_000_000;
  const add = (rounds: Round[]): void => {
    time += gen(fc.nat, 100_000);
    const firstEventId = countEvents(segments) + 1;
    const segment: Segment = {
      seq: segments.length + 1,
      time,
      firstEventId,
      eventCount: 0,
      rounds,
      ...(gen(fc.boolean) ? { flags: [1, 4] } : {}),
    };
    segments.push(segment);
    segment.eventCount = countEvents(segments) - firstEventId + 1;
  };
  const start: Job = {
    kind: 'start',
    workflowId: gen(() => name),
    type: gen(() => name),
    queue: 'q',
    input: gen(() => payloads),
    namespace: pick('default', 'other'),
    runId: 'run',
    firstRunId: 'first',
    attempt: pick(1, 3),
    randomSeed: pick('run', 'seed'),
    startedAt: 1,
    ...(gen(fc.boolean) ? { memo: gen(() => map), retry: { maximumAttempts: 3, jitter: 0.1 }, priority: 2 } : {}),
    ...(gen(fc.boolean)
      ? { parent: { namespace: 'n', workflowId: 'p', runId: 'pr', seq: 4, closePolicy: 'ABANDON' as const } }
      : {}),
    ...(gen(fc.boolean) ? { lastFailure: gen(() => failure), lastResult: gen(() => payload) } : {}),
  };
  add([{ jobs: [start], commands: some(command, 4) }]);
  const length = gen(fc.nat, 8);
  for (let i = 0; i < length; i++) {
    const jobs = some(job, 3);
    if (gen(fc.nat, 4) === 0) {
      add([{ jobs }]);
      continue;
    }
    const rounds: Round[] = [
      { jobs, commands: some(command, 4), ...(gen(fc.nat, 4) === 0 ? { delivered: gen(fc.nat, 3) } : {}) },
    ];
    for (let seq = end('local'); seq !== undefined; seq = end('local')) {
      rounds.push({
        jobs: [{ kind: 'local-activity-resolved', seq, attempt: 1, outcome: gen(() => outcome) }],
        commands: some(command, 2),
      });
    }
    if (gen(fc.boolean)) rounds.push({ jobs: some(job, 2) });
    add(rounds);
  }
  if (gen(fc.boolean)) add([{ jobs: some(job, 2), commands: [...some(command, 2), closing()] }]);
  return segments;
});

describe('a history in the field’s terms', () => {
  it('has as many events as are counted, numbered without a gap', () => {
    fc.assert(
      fc.property(history, (segments) => {
        const { events } = eventsOf(segments);
        expect(events.length).toBe(countEvents(segments));
        expect(events.map(({ eventId }) => Number(eventId))).toEqual(events.map((_, index) => index + 1));
      }),
    );
  });

  it('is read back exactly, through its JSON', () => {
    fc.assert(
      fc.property(history, (segments) => {
        const written = JSON.parse(JSON.stringify(eventsOf(segments))) as unknown;
        const read = segmentsOf(written);
        expect(sameJson(read, segments), JSON.stringify(read)).toBe(true);
        expect(eventsOf(read)).toEqual(eventsOf(segments));
      }),
    );
  });

  it('numbers nothing anew when it grows', () => {
    fc.assert(
      fc.property(history, (segments) => {
        const { events } = eventsOf(segments);
        const shorter = segments.slice(0, -1);
        expect(eventsOf(shorter).events).toEqual(events.slice(0, countEvents(shorter)));
      }),
    );
  });

  it('gives each segment the events that its row speaks of', () => {
    fc.assert(
      fc.property(history, (segments) => {
        for (const { firstEventId, eventCount, seq } of segments) {
          const upTo = eventsOf(segments.slice(0, seq)).events.length;
          expect(upTo).toBe(firstEventId + eventCount - 1);
        }
      }),
    );
  });

  it('can be read without what pleach writes beside the events, though not always exactly', () => {
    fc.assert(
      fc.property(history, (segments) => {
        const { events } = eventsOf(segments);
        const read = segmentsOf({ events });
        expect(read[0]!.rounds[0]!.jobs[0]).toMatchObject({ kind: 'start', runId: 'run' });
      }),
    );
  });
});

describe('a history that cannot be read', () => {
  it.each([
    ['nothing', undefined, /form \{ "events"/],
    ['no events', { events: [] }, /at least one event/],
    ['no beginning', { events: [{ eventId: '1', eventType: 'EVENT_TYPE_TIMER_FIRED' }] }, /TimerFired, not Workflow/],
    [
      'a later format',
      { events: [{ eventId: '1', workflowExecutionStartedEventAttributes: {} }], pleach: { format: 9, segments: [] } },
      /its format is 9/,
    ],
    [
      'a missing event',
      {
        events: [{ eventId: '1', workflowExecutionStartedEventAttributes: {} }],
        pleach: { format: 1, segments: [{ seq: 1, time: 0, firstEventId: 1, eventCount: 1, rounds: [{ jobs: [7] }] }] },
      },
      /event 7 is missing/,
    ],
  ])('says so: %s', (_, given, message) => {
    expect(() => segmentsOf(given)).toThrow(message);
    expect(() => segmentsOf(given)).toThrow(expect.objectContaining({ code: 'HISTORY_UNREADABLE' }));
  });
});
