import type { Command, Job, KernelFact } from '../../common/index.ts';

/** An activity as later events refer to it. */
export interface KnownActivity {
  seq: number;
  activityId: string;
  type: string;
  scheduledEventId: number;
  cancelRequestedEventId?: number;
  startedEventId?: number;
  /** The attempt that was last noted as started, and has no event of its own before the activity's end. */
  started?: Extract<KernelFact, { kind: 'activity-started' }>;
}

/** A child as later events refer to it. */
export interface KnownChild {
  seq: number;
  namespace: string;
  workflowId: string;
  type: string;
  runId: string;
  initiatedEventId: number;
  startedEventId?: number;
}

/** What an event that tells of a call to another run belongs to. */
export interface KnownCall {
  kind: 'signal' | 'cancel' | 'cancel-child';
  seq: number;
}

/**
 * What must be known of the events in front of one in order to write or read it: which event began what. Writing and
 * reading keep it the same way, so that both refer to the same things.
 */
export class HistoryContext {
  namespace = 'default';
  queue = '';
  workflowId = '';
  runId = '';
  /** The id of the event that is written next. */
  nextEventId = 1;
  /** The activation whose commands are being told. */
  taskCompletedEventId = 0;
  readonly activities = new Map<number, KnownActivity>();
  readonly activitySeqs = new Map<number, number>();
  /** Types and ids of local activities: their markers tell them. */
  readonly locals = new Map<number, { type: string; activityId: string }>();
  readonly timerEvents = new Map<number, number>();
  readonly children = new Map<number, KnownChild>();
  readonly childSeqs = new Map<number, number>();
  readonly callEvents = new Map<string, number>();
  readonly calls = new Map<number, KnownCall>();
  readonly acceptedEvents = new Map<string, number>();
  readonly updateRequests = new Map<string, Extract<Job, { kind: 'update-requested' }>>();
  /**
   * Set for a history of another engine, where local activities are numbered together with the others: their numbers
   * here by their numbers there.
   */
  localSeqs: ReadonlyMap<number, number> | undefined;
  /** How many of each kind there were: what numbers them where nothing else does. */
  readonly counts = { activity: 0, child: 0, signal: 0, cancel: 0 };

  /** Takes note of a job or a command, and of the last of its events; 0 where it has none. */
  note(item: Job | Command, eventId: number): void {
    switch (item.kind) {
      case 'start':
        this.namespace = item.namespace;
        this.queue = item.queue;
        this.workflowId = item.workflowId;
        this.runId = item.runId;
        return;
      case 'schedule-activity':
        this.counts.activity++;
        this.activitySeqs.set(eventId, item.seq);
        this.activities.set(item.seq, {
          seq: item.seq,
          activityId: item.activityId,
          type: item.type,
          scheduledEventId: eventId,
        });
        return;
      case 'cancel-activity': {
        const activity = this.activities.get(item.seq);
        if (activity) activity.cancelRequestedEventId = eventId;
        return;
      }
      case 'activity-started': {
        const activity = this.activities.get(item.seq);
        if (activity) activity.started = item;
        return;
      }
      case 'schedule-local-activity':
        this.locals.set(item.seq, { type: item.type, activityId: item.activityId });
        return;
      case 'start-timer':
        this.timerEvents.set(item.seq, eventId);
        return;
      case 'start-child':
        this.counts.child++;
        this.childSeqs.set(eventId, item.seq);
        this.children.set(item.seq, {
          seq: item.seq,
          namespace: item.namespace ?? this.namespace,
          workflowId: item.workflowId,
          type: item.type,
          runId: '',
          initiatedEventId: eventId,
        });
        return;
      case 'child-started': {
        const child = this.children.get(item.seq);
        if (child) Object.assign(child, { runId: item.runId, startedEventId: eventId });
        return;
      }
      case 'signal-external':
        this.counts.signal++;
        this.#call('signal', item.seq, eventId);
        return;
      case 'cancel-external':
        this.counts.cancel++;
        this.#call('cancel', item.seq, eventId);
        return;
      case 'cancel-child':
        this.#call('cancel-child', item.seq, eventId);
        return;
      case 'update-requested':
        this.updateRequests.set(item.updateId, item);
        return;
      case 'update-accepted':
        this.acceptedEvents.set(item.updateId, eventId);
        return;
      default:
        return;
    }
  }

  #call(kind: KnownCall['kind'], seq: number, eventId: number): void {
    this.callEvents.set(`${kind} ${seq}`, eventId);
    this.calls.set(eventId, { kind, seq });
  }
}
