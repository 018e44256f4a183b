import type {
  Command,
  StartJob,
  WireActivityOptions,
  WireActor,
  WireFailure,
  WireOutcome,
  WireParentClosePolicy,
  WirePayload,
  WirePayloadMap,
  WireRunRef,
  WorkflowJob,
} from '../../common/index.ts';
import type { RunStatus, UpdateStage } from '../../contract/index.ts';
import type { ActivityPhase, ChildPhase, ExternalPhase, TimerPhase, UpdatePhase } from './tables.ts';

/** An activity that is open. `attempt` and what follows it is refined by its attempt row, where it has one. */
export interface ActivityState {
  seq: number;
  activityId: string;
  type: string;
  queue: string;
  input: WirePayload[];
  headers?: WirePayloadMap;
  options: WireActivityOptions;
  phase: ActivityPhase;
  scheduledAt: number;
  /** The attempt that is running, or the one that comes next. */
  attempt: number;
  /** Attempts of the activity type that `options.fallback` replaced; 0 while the first type is at work. */
  fallbackFrom: number;
  /** When the current attempt became ready. */
  readyAt: number;
  startedAt: number;
  token: string | undefined;
  worker: string | undefined;
  /** An attempt was noted as started at least once. */
  everStarted: boolean;
  cancelRequested: boolean;
  nextAttemptAt: number;
  lastFailure: WireFailure | undefined;
  lastHeartbeatAt: number;
  heartbeatDetails: WirePayload[] | undefined;
  /** While it is paused. */
  paused: (WireActor & { at: number }) | undefined;
  /** The last edit of its options or input, and all fields that edits have set. */
  edited: (WireActor & { at: number; fields: string[] }) | undefined;
}

/** A timer that runs. */
export interface TimerState {
  seq: number;
  phase: TimerPhase;
  firesAt: number;
  summary?: string;
}

/** A child that is open. */
export interface ChildState {
  seq: number;
  workflowId: string;
  namespace: string;
  type: string;
  runId: string | undefined;
  phase: ChildPhase;
  closePolicy: WireParentClosePolicy;
  cancellation: 'ABANDON' | 'TRY_CANCEL' | 'WAIT_CANCELLATION_COMPLETED' | 'WAIT_CANCELLATION_REQUESTED';
}

/** A signal or cancel request to another run that has not been answered. */
export interface ExternalState {
  seq: number;
  kind: 'signal' | 'cancel';
  phase: ExternalPhase;
  target: WireRunRef;
}

/** An update that the run knows. */
export interface UpdateState {
  updateId: string;
  name: string;
  phase: UpdatePhase;
  outcome?: WireOutcome;
}

/** How a run ended. */
export interface Closing {
  status: Exclude<RunStatus, 'RUNNING'>;
  value?: WirePayload;
  failure?: WireFailure;
  at: number;
}

/**
 * What the kernel knows of a run: a fold over its segments, with no workflow code. Two folds of the same segments give
 * the same state, on any node and in any release that reads the format.
 */
export interface RunState {
  /** Undefined before the first segment. */
  start: StartJob | undefined;
  status: RunStatus;
  /** The seq of the last segment applied. */
  seq: number;
  time: number;
  eventCount: number;
  bytes: number;
  /** Activations in the history: where an instance of the workflow function must stand. */
  activations: number;
  activities: Map<number, ActivityState>;
  /** Local activities that have no result yet: their worker runs them, or they are begun again. */
  localPending: Set<number>;
  timers: Map<number, TimerState>;
  children: Map<number, ChildState>;
  signals: Map<number, ExternalState>;
  cancels: Map<number, ExternalState>;
  updates: Map<string, UpdateState>;
  updatesOpen: number;
  /** Durable jobs that no activation has answered. */
  undelivered: WorkflowJob[];
  /** Request ids that took effect, oldest first, and what a start that was repeated is told. */
  requestIds: Set<string>;
  memo: WirePayloadMap;
  searchAttributes: WirePayloadMap;
  currentDetails: string | undefined;
  cancelRequested: boolean;
  paused: (WireActor & { at: number }) | undefined;
  /** The last noted failure of a workflow task; cleared by the next activation that succeeds. */
  taskFailure: { cause: string; failure: WireFailure; since: number } | undefined;
  closing: Closing | undefined;
  /** The command that closed it by continuing, for the successor. */
  continuation: Extract<Command, { kind: 'continue-as-new' }> | undefined;
  /** When the first activation may be: start delay and retry backoff. */
  firstActivationAt: number;
  /** Whether the run has rows beside its segments that go with its end. */
  hasAttemptRows: boolean;
}

/** The state of a run with no segments. */
export function emptyState(): RunState {
  return {
    start: undefined,
    status: 'RUNNING',
    seq: 0,
    time: 0,
    eventCount: 0,
    bytes: 0,
    activations: 0,
    activities: new Map(),
    localPending: new Set(),
    timers: new Map(),
    children: new Map(),
    signals: new Map(),
    cancels: new Map(),
    updates: new Map(),
    updatesOpen: 0,
    undelivered: [],
    requestIds: new Set(),
    memo: {},
    searchAttributes: {},
    currentDetails: undefined,
    cancelRequested: false,
    paused: undefined,
    taskFailure: undefined,
    closing: undefined,
    continuation: undefined,
    firstActivationAt: 0,
    hasAttemptRows: false,
  };
}

/** The stage of an update as its callers count them. */
export function stageOf(phase: UpdatePhase): UpdateStage {
  return phase === 'admitted' ? 'ADMITTED' : phase === 'accepted' ? 'ACCEPTED' : 'COMPLETED';
}
