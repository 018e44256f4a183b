import type {
  Segment,
  WireActivityOptions,
  WireActor,
  WireFailure,
  WireOutcome,
  WirePayload,
  WirePayloadMap,
  WireQueryResult,
  WireStart,
  WireTimeoutType,
} from '../../common/index.ts';
import type { ErrorCode } from '../../core/index.ts';

/** Which run is meant: the open or latest one of a workflow id, or one run of it. */
export interface RunTarget {
  namespace: string;
  workflowId: string;
  runId?: string;
  /** Refuse when the chain of runs does not begin with this one (a handle that started it). */
  firstRunId?: string;
}

/** How a run stands. */
export type RunStatus =
  | 'RUNNING'
  | 'COMPLETED'
  | 'FAILED'
  | 'CANCELLED'
  | 'TERMINATED'
  | 'CONTINUED_AS_NEW'
  | 'TIMED_OUT';

/** Carried by everything that takes effect: kept across retries, it makes the effect happen once. */
export interface Effect {
  requestId: string;
  identity: string;
}

/** How far an update must have come before its caller is answered. */
export type UpdateStage = 'ADMITTED' | 'ACCEPTED' | 'COMPLETED';

/** Where an update stands; `outcome` once it is completed or rejected. */
export interface UpdateAnswer {
  stage: UpdateStage;
  runId: string;
  outcome?: WireOutcome;
}

/** How a run ended. */
export interface RunResult {
  runId: string;
  status: Exclude<RunStatus, 'RUNNING'>;
  value?: WirePayload;
  failure?: WireFailure;
  /** The run that goes on: after continue-as-new, a retry or a cron turn. */
  nextRunId?: string;
}

/** Something that a run waits for, named. */
export interface PendingActivity {
  activityId: string;
  type: string;
  queue: string;
  /** `PAUSE_REQUESTED`: paused, and the attempt that ran before still does. */
  state:
    | 'SCHEDULED'
    | 'STARTED'
    | 'BACKING_OFF'
    | 'PAUSED'
    | 'PAUSE_REQUESTED'
    | 'AWAITING_ADMISSION'
    | 'CANCEL_REQUESTED';
  attempt: number;
  scheduledAt: number;
  startedAt?: number;
  nextAttemptAt?: number;
  lastHeartbeatAt?: number;
  heartbeatDetails?: WirePayload[];
  lastFailure?: WireFailure;
  worker?: string;
  maximumAttempts?: number;
  /** As they hold now, edits included. */
  options: WireActivityOptions;
  /** While it is paused: who did it, why and when. */
  paused?: WireActor & { at: number };
  /** Where its options or its input were edited: the last edit, and all that edits have set. */
  edited?: WireActor & { at: number; fields: string[] };
}

/** What an operator may change of an activity that is open. What is absent stays; `retry` is replaced as a whole. */
export type ActivityEdit = Partial<
  Pick<WireActivityOptions, 'scheduleToCloseMs' | 'scheduleToStartMs' | 'startToCloseMs' | 'heartbeatMs' | 'retry'>
>;

/** An open activity of a run, by its id. */
export interface ActivityTarget {
  target: RunTarget;
  activityId: string;
}

/** The answer of `describe`. */
export interface RunDescription {
  namespace: string;
  workflowId: string;
  runId: string;
  firstRunId: string;
  type: string;
  queue: string;
  status: RunStatus;
  startedAt: number;
  closedAt?: number;
  /** Events and bytes. */
  historyLength: number;
  historyBytes: number;
  memo?: WirePayloadMap;
  searchAttributes?: WirePayloadMap;
  parent?: { workflowId: string; runId: string };
  root?: { workflowId: string; runId: string };
  staticSummary?: string;
  staticDetails?: string;
  currentDetails?: string;
  paused?: WireActor & { at: number };
  /** Set while a task of the run fails: since when, how often, why, and when it is tried again. */
  blocked?: { cause: string; failure: WireFailure; since: number; attempts: number; nextTryAt?: number };
  cancelRequested?: boolean;
  activities: PendingActivity[];
  timers: { seq: number; firesAt: number; summary?: string }[];
  children: { workflowId: string; runId?: string; type: string; state: 'STARTING' | 'STARTED' }[];
  externals: { workflowId: string; kind: 'signal' | 'cancel'; awaitsAdmission?: boolean }[];
  updates: { updateId: string; name: string; stage: UpdateStage }[];
  /** Plain sentences of what it waits for; never empty while the run is open. */
  waitingFor: string[];
  /** Queues with pending work and no worker at the moment. */
  queuesWithoutWorker: string[];
}

/** Every request that a client can make: its parameters and its answer. Errors are `RemoteError`s. */
export interface Requests {
  start: { params: { namespace: string; start: WireStart } & Effect; answer: { runId: string; started: boolean } };
  signal: {
    params: { target: RunTarget; name: string; input: WirePayload[]; headers?: WirePayloadMap } & Effect;
    answer: { runId: string };
  };
  'signal-with-start': {
    params: {
      namespace: string;
      start: WireStart;
      name: string;
      input: WirePayload[];
      headers?: WirePayloadMap;
    } & Effect;
    answer: { runId: string; started: boolean };
  };
  query: {
    params: {
      target: RunTarget;
      name: string;
      input: WirePayload[];
      headers?: WirePayloadMap;
      /** Refuse a run that is closed, or closed in any way but well. */
      rejectWhen?: 'NOT_OPEN' | 'NOT_COMPLETED_CLEANLY';
    };
    answer: WireQueryResult | { rejected: RunStatus };
  };
  update: {
    params: {
      target: RunTarget;
      updateId: string;
      name: string;
      input: WirePayload[];
      headers?: WirePayloadMap;
      waitFor: UpdateStage;
    } & Effect;
    answer: UpdateAnswer;
  };
  'update-with-start': {
    params: {
      namespace: string;
      start: WireStart;
      updateId: string;
      name: string;
      input: WirePayload[];
      headers?: WirePayloadMap;
      waitFor: UpdateStage;
    } & Effect;
    answer: UpdateAnswer & { started: boolean };
  };
  /** Waits until an update known to the run has come so far. */
  'poll-update': { params: { target: RunTarget; updateId: string; waitFor: UpdateStage }; answer: UpdateAnswer };
  /** Waits until the run has closed. */
  result: { params: { target: RunTarget }; answer: RunResult };
  describe: { params: { target: RunTarget }; answer: RunDescription };
  cancel: { params: { target: RunTarget; reason?: string } & Effect; answer: { runId: string } };
  terminate: {
    params: { target: RunTarget; reason?: string; details?: WirePayload[] } & Effect;
    answer: { runId: string };
  };
  /** One page of segments in wire form, ascending from `fromSeq`; `next` where there are more. */
  history: {
    params: { target: RunTarget; fromSeq: number };
    answer: { runId: string; segments: Segment[]; next?: number; closed: boolean };
  };
  pause: { params: { target: RunTarget; reason?: string } & Effect; answer: { runId: string } };
  resume: { params: { target: RunTarget; reason?: string } & Effect; answer: { runId: string } };
  /**
   * No attempt of the activity begins until it is unpaused. One that runs goes on: its result is taken, its failure is
   * not retried yet, and its next heartbeat is told. The schedule-to-close time-out goes on.
   */
  'pause-activity': { params: ActivityTarget & { reason?: string } & Effect; answer: { runId: string } };
  /** Ends a pause; what waited for its next attempt has it at once. */
  'unpause-activity': { params: ActivityTarget & { reason?: string } & Effect; answer: { runId: string } };
  /**
   * Changes what holds for the activity from now on. A running attempt keeps its input; its time-outs change at once. A
   * retry policy under which there would be no further attempt ends an activity that waits for one.
   */
  'update-activity-options': {
    params: ActivityTarget & { options?: ActivityEdit; input?: WirePayload[]; reason?: string } & Effect;
    answer: { runId: string };
  };
  /** Asynchronous completion, by token or by name. */
  'complete-activity': {
    params: { activity: ActivityRef; outcome: WireOutcome; identity: string };
    answer: Record<string, never>;
  };
  /**
   * Lets the caller write to the database that the engine has, when it is its turn, with nobody else: for an attempt, or
   * for itself. The engine waits for its end. Only a process on the same database can make use of it.
   */
  'begin-transaction': {
    params: { activity?: { token: string } };
    answer: { grant: string; node: string; epoch: number };
  };
  'end-transaction': { params: { grant: string }; answer: Record<string, never> };
  'heartbeat-activity': {
    params: { activity: ActivityRef; details?: WirePayload[]; identity: string };
    answer: { cancelRequested: boolean; paused: boolean };
  };
}

/** An activity: by the token of its attempt, or by its name in a run. */
export type ActivityRef = { token: string } | { target: RunTarget; activityId: string };

/** The name of a request. */
export type RequestName = keyof Requests;

/** An error as it crosses a wire: a code of `core`, the text, and the values. */
export interface RemoteError {
  code: ErrorCode;
  message: string;
  details?: Record<string, unknown>;
}

/** A time-out's name beside the words people use for it. */
export const TIMEOUT_WORDS: Record<WireTimeoutType, string> = {
  START_TO_CLOSE: 'start-to-close',
  SCHEDULE_TO_START: 'schedule-to-start',
  SCHEDULE_TO_CLOSE: 'schedule-to-close',
  HEARTBEAT: 'heartbeat',
};
