import type { WireFailure, WireRetryState } from './failure.ts';
import type { WirePayload, WirePayloadMap } from './payload.ts';

/**
 * The language that kernel and worker talk about a run: jobs go in, commands come out. A history is nothing but these,
 * in order. Both are plain JSON, so a thread, a socket and a database carry the same words.
 *
 * Everything that a run starts has a sequence number of its own kind (`seq`: the n-th activity, timer, child, external
 * call of this run, from 1), which is what a later job answers to.
 */

/** How an attempt is repeated. Durations in milliseconds; what is absent has the field's default. */
export interface WireRetryPolicy {
  initialIntervalMs?: number;
  backoffCoefficient?: number;
  maximumIntervalMs?: number;
  maximumAttempts?: number;
  nonRetryableErrorTypes?: string[];
  /** The wait before attempt 2, 3, …; when it is used up there is no further attempt. Wins over the three above. */
  delaysMs?: number[];
  /** Share of each wait that is drawn at random, 0 to 1: a wait w becomes w × (1 − jitter … 1 + jitter). */
  jitter?: number;
  /** Says for a kind or a type of failure whether it is retried; the first rule that matches wins. */
  rules?: WireRetryRule[];
}

/** Matches a failure by its kind, or an application failure by its type. */
export interface WireRetryRule {
  kind?: 'application' | 'timeout' | 'transient' | 'worker-lost';
  type?: string;
  retry: boolean;
}

/** Options of an activity as a command carries them. */
export interface WireActivityOptions {
  scheduleToCloseMs?: number;
  scheduleToStartMs?: number;
  startToCloseMs?: number;
  heartbeatMs?: number;
  retry?: WireRetryPolicy;
  cancellation: 'TRY_CANCEL' | 'WAIT_CANCELLATION_COMPLETED' | 'ABANDON';
  /** The activity type that is run with the same input when this one has failed for good. */
  fallback?: string;
  priority?: number;
  summary?: string;
}

/** What happens to a child when its parent closes. */
export type WireParentClosePolicy = 'TERMINATE' | 'ABANDON' | 'REQUEST_CANCEL';
/** Whether a workflow id may be used again after its run has closed. */
export type WireIdReusePolicy = 'ALLOW_DUPLICATE' | 'ALLOW_DUPLICATE_FAILED_ONLY' | 'REJECT_DUPLICATE';
/** What a start does when a run of that workflow id is open. */
export type WireIdConflictPolicy = 'FAIL' | 'USE_EXISTING' | 'TERMINATE_EXISTING';

/** What starts a run, whoever starts it. Durations in milliseconds. */
export interface WireStart {
  workflowId: string;
  type: string;
  queue: string;
  input: WirePayload[];
  headers?: WirePayloadMap;
  memo?: WirePayloadMap;
  searchAttributes?: WirePayloadMap;
  retry?: WireRetryPolicy;
  executionTimeoutMs?: number;
  runTimeoutMs?: number;
  taskTimeoutMs?: number;
  startDelayMs?: number;
  cronSchedule?: string;
  idReuse?: WireIdReusePolicy;
  idConflict?: WireIdConflictPolicy;
  priority?: number;
  staticSummary?: string;
  staticDetails?: string;
}

/** Another run, named from inside a run. */
export interface WireRunRef {
  workflowId: string;
  runId?: string;
}

/** How an activity, a child or a local activity ended. */
export type WireOutcome =
  | { status: 'completed'; value?: WirePayload }
  | { status: 'failed'; failure: WireFailure }
  | { status: 'cancelled'; failure: WireFailure };

/** The first job of every run. */
export interface StartJob extends WireStart {
  kind: 'start';
  namespace: string;
  runId: string;
  /** The first run of this chain of retries and continue-as-new. */
  firstRunId: string;
  /** 1, or more where a retry of the workflow made this run. */
  attempt: number;
  randomSeed: string;
  /** When the first run of the chain started, by store time. */
  startedAt: number;
  parent?: { namespace: string; workflowId: string; runId: string; seq: number; closePolicy: WireParentClosePolicy };
  root?: { workflowId: string; runId: string };
  continuedFrom?: string;
  lastResult?: WirePayload;
  lastFailure?: WireFailure;
  /** Who asked, as their identity says. */
  identity?: string;
  requestId?: string;
  /** The last request ids of the run that this one goes on for: repeated, they still take no effect. */
  inheritedRequestIds?: string[];
}

/** What a workflow function is told. The order within one activation is the order of the list. */
export type WorkflowJob =
  | StartJob
  | { kind: 'timer-fired'; seq: number }
  | { kind: 'activity-resolved'; seq: number; outcome: WireOutcome }
  | { kind: 'local-activity-resolved'; seq: number; attempt: number; outcome: WireOutcome }
  | { kind: 'child-started'; seq: number; runId: string }
  | { kind: 'child-start-failed'; seq: number; failure: WireFailure | { kind: 'already-started'; workflowId: string } }
  | { kind: 'child-resolved'; seq: number; outcome: WireOutcome }
  | { kind: 'signal-external-resolved'; seq: number; failure?: WireFailure }
  | { kind: 'cancel-external-resolved'; seq: number; failure?: WireFailure }
  | {
      kind: 'signalled';
      name: string;
      input: WirePayload[];
      headers?: WirePayloadMap;
      identity?: string;
      requestId?: string;
    }
  | {
      kind: 'update-requested';
      updateId: string;
      name: string;
      input: WirePayload[];
      headers?: WirePayloadMap;
      identity?: string;
    }
  | { kind: 'cancel-requested'; reason?: string; identity?: string; requestId?: string }
  | { kind: 'seed-changed'; randomSeed: string };

/** What the kernel notes in a history and a workflow function never sees. */
export type KernelFact =
  | { kind: 'activity-started'; seq: number; attempt: number; worker: string; token: string; at: number }
  | { kind: 'activity-cancel-delivered'; seq: number }
  | {
      kind: 'activity-edited';
      seq: number;
      options?: Partial<WireActivityOptions>;
      input?: WirePayload[];
      by: WireActor;
      requestId?: string;
    }
  | { kind: 'task-failed'; failure: WireFailure; cause: TaskFailureCause; worker?: string }
  | { kind: 'paused'; by: WireActor; requestId?: string }
  | { kind: 'resumed'; by: WireActor; requestId?: string }
  | { kind: 'activity-paused'; seq: number; by: WireActor; requestId?: string }
  | { kind: 'activity-resumed'; seq: number; by: WireActor; requestId?: string }
  | { kind: 'admission-awaited'; command: string; seq: number }
  | { kind: 'admission-decided'; command: string; seq: number; admitted: boolean; reason?: string; rule?: string }
  | { kind: 'terminated'; reason?: string; details?: WirePayload[]; identity?: string; requestId?: string }
  | { kind: 'timed-out'; retryState: WireRetryState };

/** Who did something by hand, and why. */
export interface WireActor {
  identity: string;
  reason?: string;
}

/** Anything that a segment records as having come in. */
export type Job = WorkflowJob | KernelFact;

/** Why a workflow task failed; the run is blocked until it no longer does. */
export type TaskFailureCause =
  | 'ERROR_THROWN'
  | 'NONDETERMINISM'
  | 'SPIN'
  | 'SANDBOX_LOST'
  | 'TYPE_NOT_REGISTERED'
  | 'COMMAND_REFUSED'
  | 'CONVERTER_FAILED';

/** What a workflow function asks for. */
export type Command =
  | {
      kind: 'schedule-activity';
      seq: number;
      activityId: string;
      type: string;
      /** Absent: the run's own queue. */
      queue?: string;
      input: WirePayload[];
      headers?: WirePayloadMap;
      options: WireActivityOptions;
    }
  | { kind: 'cancel-activity'; seq: number }
  | { kind: 'start-timer'; seq: number; delayMs: number; summary?: string }
  | { kind: 'cancel-timer'; seq: number }
  | {
      /** Run by the worker inside the activation; its result is the job `local-activity-resolved` of the next round. */
      kind: 'schedule-local-activity';
      seq: number;
      activityId: string;
      type: string;
      input: WirePayload[];
      headers?: WirePayloadMap;
      options: WireActivityOptions & { localRetryThresholdMs?: number };
      attempt?: number;
      /** When the first attempt was scheduled, run clock, where this continues a backed-off one. */
      originalScheduledAt?: number;
    }
  | { kind: 'cancel-local-activity'; seq: number }
  | ({
      kind: 'start-child';
      seq: number;
      namespace?: string;
      closePolicy: WireParentClosePolicy;
      cancellation: 'ABANDON' | 'TRY_CANCEL' | 'WAIT_CANCELLATION_COMPLETED' | 'WAIT_CANCELLATION_REQUESTED';
    } & WireStart)
  | { kind: 'cancel-child'; seq: number; reason?: string }
  | {
      kind: 'signal-external';
      seq: number;
      target: WireRunRef;
      /** Only a run that this run started may take it. */
      childOnly?: boolean;
      name: string;
      input: WirePayload[];
      headers?: WirePayloadMap;
    }
  | { kind: 'cancel-external'; seq: number; target: WireRunRef; reason?: string }
  | { kind: 'patch'; patchId: string; deprecated: boolean }
  | { kind: 'upsert-search-attributes'; attributes: WirePayloadMap }
  | { kind: 'upsert-memo'; memo: WirePayloadMap }
  | { kind: 'set-details'; details: string }
  | { kind: 'update-accepted'; updateId: string }
  | { kind: 'update-rejected'; updateId: string; failure: WireFailure }
  | { kind: 'update-completed'; updateId: string; outcome: WireOutcome }
  | { kind: 'complete'; value?: WirePayload }
  | { kind: 'fail'; failure: WireFailure }
  | { kind: 'cancel'; details?: WirePayload[] }
  | ({ kind: 'continue-as-new'; backoffMs?: number } & Omit<WireStart, 'workflowId' | 'idReuse' | 'idConflict'>);

/** The commands after which a run accepts nothing more. */
export const CLOSING_COMMANDS = ['complete', 'fail', 'cancel', 'continue-as-new'] as const;

/**
 * One step of a history: what came in, and, where the workflow function was activated, what it answered.
 * A round without `commands` holds jobs that are durable but not yet delivered: a later round with commands answers
 * them, in front of its own. Kernel facts are never delivered.
 */
export interface Round {
  jobs: Job[];
  commands?: Command[];
  /**
   * With `commands`: how many of the jobs that were durable before this segment these commands answer, oldest first.
   * Absent: all of them. Less than all where jobs became durable while the activation was under way.
   */
  delivered?: number;
  /**
   * With `commands`: what the code was told of when and where it is, if jobs became durable while the activation was under
   * way, so that the segments in front of this one say otherwise. Absent: it is what they say.
   */
  told?: Told;
}

/** What an activation is told before its first line runs. */
export interface Told {
  /** The run's clock, milliseconds. */
  time: number;
  /** Events in front of it. */
  historyLength: number;
  /** Bytes of them, as they are stored. */
  historyBytes: number;
}

/** One commit of a run: what is written in a segment's body, with what its row says beside it. */
export interface Segment {
  /** 1, 2, 3, … without a gap. */
  seq: number;
  /** The run's clock during this segment, milliseconds; never before that of the segment in front. */
  time: number;
  /** The id of the first event in it, and how many there are. */
  firstEventId: number;
  eventCount: number;
  rounds: Round[];
  /** Behaviour flags that the worker used in it, ascending; absent: none. */
  flags?: number[];
  /** Never in the body: how many bytes it counts for in the length of the history. Absent: as many as its JSON has. */
  bytes?: number;
  /**
   * Never stored: the local activities that ended in a history which was read from events alone. Its rounds do not have
   * the commands that asked for them.
   */
  endedLocals?: { seq: number; type: string }[];
}

/** A question to a run; leaves no trace in its history. */
export interface WireQuery {
  id: string;
  name: string;
  input: WirePayload[];
  headers?: WirePayloadMap;
}

/** The answer to one. */
export type WireQueryResult = { id: string } & (
  | { value?: WirePayload }
  | { failure: WireFailure; notRegistered?: boolean }
);

/** A piece of work for the workflow side of a worker. */
export interface Activation {
  runId: string;
  workflowId: string;
  namespace: string;
  type: string;
  /** Good for one completion. */
  token: number;
  /**
   * How many activations of this run are in its history: what the worker's instance must have lived through, no less
   * and no more; 0 for a new run. An instance counts one for each activation that it answered or replayed.
   */
  baseSeq: number;
  /**
   * Segments to replay first, from 1, where the kernel knows that the worker has no instance at `baseSeq`. Jobs at its
   * end that no commands answer are not to be delivered from it: `jobs` repeats them.
   */
  history?: Segment[];
  /** The run's clock. */
  time: number;
  /** Events and bytes of history before this activation. */
  historyLength: number;
  historyBytes: number;
  /** Milliseconds until the task times out. */
  timeoutMs: number;
  jobs: WorkflowJob[];
  queries?: WireQuery[];
  /** Set where nothing will be recorded: a query on a closed or uncached run. */
  readOnly?: boolean;
  /**
   * The run's code may end its process: its last activation was lost with a process, or its last task spun or lost its
   * sandbox. A worker runs it apart from the others.
   */
  suspect?: boolean;
}

/** What an activation came to. */
export type ActivationResult =
  | {
      status: 'done';
      /** The first round answers the jobs; each further one a batch of local activities. */
      rounds: { jobs: WorkflowJob[]; commands: Command[] }[];
      flags?: number[];
      queries?: WireQueryResult[];
    }
  | { status: 'failed'; cause: TaskFailureCause; failure: WireFailure; queries?: WireQueryResult[] }
  /** The worker has no instance at `baseSeq`; the kernel sends the history. */
  | { status: 'miss' };
