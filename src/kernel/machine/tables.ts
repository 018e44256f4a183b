import { assert } from '../../core/index.ts';

/**
 * The life of everything that a run can have open, as tables of states × events in which the compiler demands every
 * cell. `fold.ts` moves state by these tables only, and a test walks each cell.
 *
 * A cell is the next state; `ignore` where the event may truly come late and changes nothing; `refuse` where it can come
 * only from a broken history or a broken worker, which is reported, never applied.
 */
export type Cell<State extends string> = State | 'ignore' | 'refuse';

/** One table. */
export type Table<State extends string, Event extends string> = Record<State, Record<Event, Cell<State>>>;

/** Where an activity stands. */
export type ActivityPhase = 'awaiting-admission' | 'scheduled' | 'started' | 'backing-off' | 'paused' | 'closed';
/** What may come to an activity. */
export type ActivityEvent =
  | 'admit'
  | 'deny'
  | 'start'
  | 'resolve'
  | 'retry'
  | 'ready'
  | 'cancel'
  | 'pause'
  | 'resume'
  | 'edit';

/** An activity: its next phase by phase and event. */
export const ACTIVITY: Table<ActivityPhase, ActivityEvent> = {
  'awaiting-admission': {
    admit: 'scheduled',
    deny: 'closed',
    start: 'refuse',
    resolve: 'closed',
    retry: 'refuse',
    ready: 'ignore',
    cancel: 'awaiting-admission',
    pause: 'ignore',
    resume: 'ignore',
    edit: 'awaiting-admission',
  },
  scheduled: {
    admit: 'ignore',
    deny: 'refuse',
    start: 'started',
    resolve: 'closed',
    retry: 'refuse',
    ready: 'ignore',
    cancel: 'scheduled',
    pause: 'paused',
    resume: 'ignore',
    edit: 'scheduled',
  },
  started: {
    admit: 'ignore',
    deny: 'refuse',
    // An attempt that was lost or timed out leaves no segment; the start of the next one is the first trace of it.
    start: 'started',
    resolve: 'closed',
    retry: 'backing-off',
    ready: 'ignore',
    cancel: 'started',
    pause: 'paused',
    resume: 'ignore',
    edit: 'started',
  },
  'backing-off': {
    admit: 'ignore',
    deny: 'refuse',
    start: 'started',
    resolve: 'closed',
    retry: 'refuse',
    ready: 'scheduled',
    cancel: 'backing-off',
    pause: 'paused',
    resume: 'ignore',
    edit: 'backing-off',
  },
  paused: {
    admit: 'ignore',
    deny: 'refuse',
    // An attempt that was already handed out when the pause came.
    start: 'paused',
    resolve: 'closed',
    retry: 'paused',
    ready: 'ignore',
    cancel: 'paused',
    pause: 'ignore',
    resume: 'scheduled',
    edit: 'paused',
  },
  closed: {
    admit: 'ignore',
    deny: 'ignore',
    start: 'refuse',
    resolve: 'refuse',
    retry: 'ignore',
    ready: 'ignore',
    cancel: 'ignore',
    pause: 'ignore',
    resume: 'ignore',
    edit: 'ignore',
  },
};

/** Where a timer stands. */
export type TimerPhase = 'running' | 'closed';
/** What may come to a timer. */
export type TimerEvent = 'fire' | 'cancel';

/** A timer: its next phase by phase and event. */
export const TIMER: Table<TimerPhase, TimerEvent> = {
  running: { fire: 'closed', cancel: 'closed' },
  // A timer that fired in the same activation in which it is cancelled was durable first: the cancel is late.
  closed: { fire: 'refuse', cancel: 'ignore' },
};

/** Where a child stands. */
export type ChildPhase = 'awaiting-admission' | 'starting' | 'started' | 'closed';
/** What may come to a child. */
export type ChildEvent = 'admit' | 'start' | 'fail-start' | 'resolve' | 'cancel';

/** A child: its next phase by phase and event. */
export const CHILD: Table<ChildPhase, ChildEvent> = {
  'awaiting-admission': {
    admit: 'starting',
    start: 'refuse',
    'fail-start': 'closed',
    resolve: 'refuse',
    cancel: 'awaiting-admission',
  },
  starting: { admit: 'ignore', start: 'started', 'fail-start': 'closed', resolve: 'closed', cancel: 'starting' },
  started: { admit: 'ignore', start: 'refuse', 'fail-start': 'refuse', resolve: 'closed', cancel: 'started' },
  closed: { admit: 'ignore', start: 'refuse', 'fail-start': 'refuse', resolve: 'refuse', cancel: 'ignore' },
};

/** Where a signal or a cancel request to another run stands. */
export type ExternalPhase = 'sent' | 'closed';
/** What may come to a signal or a cancel request to another run. */
export type ExternalEvent = 'resolve';

/** A signal or a cancel request to another run: its next phase by phase and event. */
export const EXTERNAL: Table<ExternalPhase, ExternalEvent> = {
  sent: { resolve: 'closed' },
  closed: { resolve: 'refuse' },
};

/** Where an update stands. */
export type UpdatePhase = 'admitted' | 'accepted' | 'completed' | 'rejected';
/** What may come to an update. */
export type UpdateEvent = 'request' | 'accept' | 'reject' | 'complete';

/** An update: its next phase by phase and event. */
export const UPDATE: Table<UpdatePhase, UpdateEvent> = {
  admitted: { request: 'ignore', accept: 'accepted', reject: 'rejected', complete: 'refuse' },
  accepted: { request: 'ignore', accept: 'refuse', reject: 'refuse', complete: 'completed' },
  completed: { request: 'ignore', accept: 'refuse', reject: 'refuse', complete: 'refuse' },
  rejected: { request: 'ignore', accept: 'refuse', reject: 'refuse', complete: 'refuse' },
};

/** Where a run stands. */
export type RunPhase = 'open' | 'closed';
/** What may come to a run. */
export type RunEvent = 'job' | 'command' | 'close' | 'terminate' | 'time-out' | 'pause' | 'resume';

/** A run: its next phase by phase and event. */
export const RUN: Table<RunPhase, RunEvent> = {
  open: {
    job: 'open',
    command: 'open',
    close: 'closed',
    terminate: 'closed',
    'time-out': 'closed',
    pause: 'open',
    resume: 'open',
  },
  closed: {
    job: 'refuse',
    command: 'refuse',
    close: 'refuse',
    terminate: 'refuse',
    'time-out': 'refuse',
    pause: 'refuse',
    resume: 'refuse',
  },
};

/** Every table by name, for the test that walks them and the page that prints them. */
export const TABLES = { ACTIVITY, TIMER, CHILD, EXTERNAL, UPDATE, RUN } as const;

/** A history or a worker said something that the table of its subject refuses. */
export class RefusedTransition extends Error {
  constructor(subject: string, state: string, event: string) {
    super(`${subject} is ${state} and cannot ${event}`);
    this.name = 'RefusedTransition';
  }
}

/**
 * Looks a transition up.
 * @param subject what the message names, such as "activity 3"
 * @returns the next state, or undefined where the event changes nothing
 * @throws RefusedTransition
 */
export function nextState<State extends string, Event extends string>(
  table: Table<State, Event>,
  state: State,
  event: Event,
  subject: string,
): State | undefined {
  const cell = table[state][event];
  assert(cell !== undefined, `no cell for ${state} × ${event}`);
  if (cell === 'refuse') throw new RefusedTransition(subject, state, event);
  return cell === 'ignore' ? undefined : (cell as State);
}
