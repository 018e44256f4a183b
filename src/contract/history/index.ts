// A run's history in the field's own terms: events with their ids, made from segments by a pure function that never
// renumbers, and read back.
export { countCommand, countEvents, countJob, EVENTS_OF_ACTIVATION, isContinuation } from './count.ts';
export { eventsOf, type History, type HistoryEvent, type LayoutEntry, type LayoutSegment } from './events-of.ts';
export { segmentsOf } from './segments-of.ts';
