import type { Command, Job, Segment, Told } from '../../common/index.ts';
import { isContinuation } from './count.ts';
import { HistoryContext } from './history-context.ts';
import { patchBetween, patched, sameJson } from './merge-patch.ts';
import type { Json } from './proto-json.ts';
import { readEvent } from './read-event.ts';
import { type EventBody, taskCompleted, writeCommand, writeJob } from './write-event.ts';

/** One event, in the field's JSON: attributes lie under a key of their own type. */
export type HistoryEvent = { eventId: string; eventTime: string; eventType: string } & Json;

/**
 * How an item of a segment is told: by an event; by one and a merge patch, where the event says less; or in full, where
 * the field's histories have no event for it.
 */
export type LayoutEntry = number | { event: number; but: Json } | { as: Job | Command };

/** A segment, told by events. */
export interface LayoutSegment {
  seq: number;
  time: number;
  firstEventId: number;
  eventCount: number;
  flags?: number[];
  bytes?: number;
  rounds: { jobs: LayoutEntry[]; commands?: LayoutEntry[]; delivered?: number; told?: Told }[];
}

/** A history as it is exported: events that any tool of the field reads, and beside them what makes it exact for ours. */
export interface History {
  events: HistoryEvent[];
  pleach?: { format: 1; segments: LayoutSegment[] };
}

/** `TimerFired` as the field's JSON has it: EVENT_TYPE_TIMER_FIRED. */
export const eventTypeTo = (type: string): string =>
  `EVENT_TYPE_${type.replaceAll(/([a-z])([A-Z])/g, '$1_$2').toUpperCase()}`;

/** The key under which an event has its attributes: timerFiredEventAttributes. */
export const attributesKey = (type: string): string => `${type[0]!.toLowerCase()}${type.slice(1)}EventAttributes`;

/**
 * Writes a run's segments as events. Pure: the same segments give the same events, with the same ids, in every release.
 * @param segments of one run, from its first on
 */
export function eventsOf(segments: readonly Segment[]): History & { pleach: { format: 1; segments: LayoutSegment[] } } {
  const writer = new HistoryWriter();
  const layout = segments.map((segment) => writer.segment(segment));
  return { events: writer.events, pleach: { format: 1, segments: layout } };
}

class HistoryWriter {
  readonly events: HistoryEvent[] = [];
  readonly #context = new HistoryContext();
  #time = 0;

  segment(segment: Segment): LayoutSegment {
    const { seq, time, firstEventId, eventCount, flags, bytes } = segment;
    this.#time = time;
    const rounds = segment.rounds.map((round, index) => {
      const jobs = round.jobs.map((job) => this.#entry(job, () => writeJob(job, this.#context)));
      if (!round.commands) return { jobs };
      if (!isContinuation(segment.rounds, index))
        this.#context.taskCompletedEventId = this.#push(taskCompleted(this.#context, flags));
      const commands = round.commands.map((command) =>
        this.#entry(command, () => {
          const event = writeCommand(command, this.#context);
          return event ? [event] : [];
        }),
      );
      const { delivered, told } = round;
      return {
        jobs,
        commands,
        ...(delivered === undefined ? {} : { delivered }),
        ...(told === undefined ? {} : { told }),
      };
    });
    return {
      seq,
      time,
      firstEventId,
      eventCount,
      ...(flags ? { flags } : {}),
      ...(bytes === undefined ? {} : { bytes }),
      rounds,
    };
  }

  #entry(item: Job | Command, write: () => EventBody[]): LayoutEntry {
    const bodies = write();
    const own = bodies.at(-1);
    if (!own) {
      this.#context.note(item, 0);
      return { as: item };
    }
    const event = this.#push(bodies);
    const { type, attributes, userMetadata = {} } = own;
    const readable = { eventId: event, time: this.#time, type, attributes, userMetadata };
    const told = readEvent(readable, this.#context) as { job?: Json; command?: Json } | undefined;
    this.#context.note(item, event);
    const read = told?.job ?? told?.command ?? {};
    const but = patchBetween(read, item as unknown as Json);
    if (!but) return event;
    return sameJson(patched(read, but), item) ? { event, but } : { as: item };
  }

  /** Numbers events; the id of the last. */
  #push(bodies: readonly EventBody[]): number {
    const eventTime = new Date(this.#time).toISOString();
    for (const { type, attributes, userMetadata } of bodies) {
      this.events.push({
        eventId: String(this.#context.nextEventId++),
        eventTime,
        eventType: eventTypeTo(type),
        [attributesKey(type)]: attributes,
        ...(userMetadata ? { userMetadata } : {}),
      });
    }
    return this.#context.nextEventId - 1;
  }
}
