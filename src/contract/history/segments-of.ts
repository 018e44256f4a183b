import { type Command, type Job, type Round, type Segment, shown } from '../../common/index.ts';
import { messageOf, PleachError } from '../../core/index.ts';
import { attributesKey, type History, type LayoutEntry, type LayoutSegment } from './events-of.ts';
import { HistoryContext } from './history-context.ts';
import { patched } from './merge-patch.ts';
import { type Json, part, timeFrom } from './proto-json.ts';
import { localActivityIn, readEvent, type ReadableEvent, requestOf } from './read-event.ts';

/**
 * Reads an exported history back: exactly, where pleach made it; from its events alone, where another engine did.
 * @param history the parsed JSON: `{ events: […] }`
 * @throws PleachError HISTORY_UNREADABLE that says what is wrong with it
 */
export function segmentsOf(history: unknown): Segment[] {
  const unreadable = (why: string, cause?: unknown): PleachError =>
    new PleachError('HISTORY_UNREADABLE', `the history cannot be read: ${why}`, {}, { cause });
  const { events, pleach } = (history ?? {}) as Partial<History>;
  if (!Array.isArray(events) || events.length === 0) {
    throw unreadable(
      `it is not of the form { "events": [ … ] } with at least one event, as fetchHistory gives it; this is ${shown(history)}`,
    );
  }
  try {
    const readable = events.map((event) => toReadable(event));
    if (readable[0]!.type !== 'WorkflowExecutionStarted')
      throw unreadable(
        `its first event is ${readable[0]!.type || 'of no type'}, not WorkflowExecutionStarted: ${shown(events[0])}`,
      );
    if (!pleach) return inferred(readable);
    if (pleach.format !== 1) throw unreadable(`its format is ${String(pleach.format)}; this release reads 1`);
    return exact(readable, pleach.segments);
  } catch (error) {
    throw error instanceof PleachError ? error : unreadable(messageOf(error), error);
  }
}

function toReadable(event: Json): ReadableEvent {
  if (typeof event !== 'object' || event === null)
    throw new TypeError(`an event is an object; this is ${shown(event)}`);
  const key = Object.keys(event).find((name) => name.endsWith('EventAttributes') && event[name]);
  const named = typeof event['eventType'] === 'string' ? typeFrom(event['eventType']) : '';
  const type = key === undefined ? named : `${key[0]!.toUpperCase()}${key.slice(1, -'EventAttributes'.length)}`;
  return {
    eventId: Number(event['eventId']),
    time: timeFrom(event['eventTime']),
    type,
    attributes: part(event, key ?? attributesKey(type || 'x')),
    userMetadata: part(event, 'userMetadata'),
  };
}

/** EVENT_TYPE_TIMER_FIRED, or TimerFired as it is. */
function typeFrom(written: string): string {
  if (!written.startsWith('EVENT_TYPE_')) return written;
  const words = written.slice('EVENT_TYPE_'.length).toLowerCase().split('_');
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

/** By the layout that pleach wrote beside the events. */
function exact(events: readonly ReadableEvent[], layout: readonly LayoutSegment[]): Segment[] {
  const byId = new Map(events.map((event) => [event.eventId, event]));
  const context = new HistoryContext();
  const item = (entry: LayoutEntry): Job | Command => {
    if (typeof entry === 'object' && 'as' in entry) {
      context.note(entry.as, 0);
      return entry.as;
    }
    const { event: id, but } = typeof entry === 'number' ? { event: entry, but: undefined } : entry;
    const event = byId.get(id);
    if (!event) throw new Error(`event ${id} is missing`);
    const told = readEvent(event, context) as { job?: Json; command?: Json } | undefined;
    const read = told?.job ?? told?.command ?? {};
    const whole = (but ? patched(read, but) : read) as unknown as Job | Command;
    context.note(whole, id);
    return whole;
  };
  return layout.map(({ seq, time, firstEventId, eventCount, flags, bytes, rounds }) => ({
    seq,
    time,
    firstEventId,
    eventCount,
    ...(flags ? { flags } : {}),
    ...(bytes === undefined ? {} : { bytes }),
    rounds: rounds.map((round) => ({
      jobs: round.jobs.map((entry) => item(entry) as Job),
      ...(round.commands ? { commands: round.commands.map((entry) => item(entry) as Command) } : {}),
      ...(round.delivered === undefined ? {} : { delivered: round.delivered }),
      ...(round.told === undefined ? {} : { told: round.told }),
    })),
  }));
}

/**
 * From events alone. A workflow task that was completed makes a segment: what came in before it was started, and what
 * follows it of the workflow's own. What came in while it was under way belongs to the next.
 *
 * A local activity leaves a marker when it ends and nothing when it is asked for, so no segment has the command that asked:
 * `endedLocals` says what a replay must have been asked for instead. Whether several ended together or one after another
 * is not told either and makes no difference, since their results are delivered one by one.
 */
function inferred(events: readonly ReadableEvent[]): Segment[] {
  const context = new HistoryContext();
  const localSeqs = events.flatMap((event) => localActivityIn(event)?.seq ?? []).sort((a, b) => a - b);
  context.localSeqs = new Map(localSeqs.map((seq, index) => [seq, index + 1]));
  const segments: Segment[] = [];
  const endedLocals: { seq: number; type: string }[] = [];
  let pending: Job[] = [];
  let ready = 0;
  let startedAt = 0;
  let lastEventId = 0;
  const open = (rounds: Round[]): void => {
    segments.push({
      seq: segments.length + 1,
      time: startedAt,
      firstEventId: lastEventId + 1,
      eventCount: 0,
      rounds,
      endedLocals,
    });
  };
  const reach = (eventId: number): void => {
    const segment = segments.at(-1);
    if (!segment) return;
    segment.eventCount = eventId - segment.firstEventId + 1;
    lastEventId = eventId;
  };
  for (const event of events) {
    const { eventId, type } = event;
    if (type === 'WorkflowTaskScheduled') {
      // Results after which the workflow did nothing may have come when its task was over: they are the next one's.
      const rounds = segments.at(-1)?.rounds ?? [];
      if (rounds.length > 1 && rounds.at(-1)!.commands!.length === 0) pending.unshift(...rounds.pop()!.jobs);
      continue;
    }
    if (type === 'WorkflowTaskStarted') {
      ready = pending.length;
      startedAt = Math.max(startedAt, event.time);
      continue;
    }
    if (type === 'WorkflowTaskCompleted') {
      open([{ jobs: pending.slice(0, ready), commands: [] }]);
      pending = pending.slice(ready);
      ready = 0;
      context.taskCompletedEventId = eventId;
      reach(eventId);
      continue;
    }
    const told = readEvent(event, context);
    if (!told) continue;
    const rounds = segments.at(-1)?.rounds;
    if ('command' in told) {
      if (!rounds) throw new Error(`event ${eventId}, ${type}, comes before any completed workflow task`);
      if (told.command.kind === 'update-accepted') {
        const request = requestOf(event);
        rounds[0]!.jobs.push(request);
        context.note(request, 0);
      }
      rounds.at(-1)!.commands!.push(told.command);
      context.note(told.command, eventId);
      reach(eventId);
      continue;
    }
    const { job } = told;
    context.note(job, eventId);
    if (job.kind !== 'local-activity-resolved') {
      pending.push(job);
      startedAt = Math.max(startedAt, event.time);
      continue;
    }
    if (!rounds) throw new Error(`event ${eventId}, ${type}, comes before any completed workflow task`);
    const last = rounds.at(-1)!;
    const goesOn = rounds.length > 1 && last.commands!.length === 0;
    if (goesOn) last.jobs.push(job);
    else rounds.push({ jobs: [job], commands: [] });
    endedLocals.push({ seq: job.seq, type: localActivityIn(event)?.type ?? '' });
    reach(eventId);
  }
  if (pending.length > 0) {
    open([{ jobs: pending }]);
    reach(events.at(-1)!.eventId);
  }
  return segments;
}
