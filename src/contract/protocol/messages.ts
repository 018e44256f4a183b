import type {
  Activation,
  ActivationResult,
  WireActivityOptions,
  WireOutcome,
  WirePayload,
  WirePayloadMap,
} from '../../common/index.ts';
import type { RemoteError, RequestName, Requests } from './requests.ts';

/**
 * What is said between a kernel and its peers (clients and workers). One ordered channel carries both directions;
 * a thread, a socket and, later, HTTP carry the same messages. All of them are plain JSON.
 */

/** A worker as it presents itself; said again after every reconnection. */
export interface WorkerRegistration {
  /** Unique per worker and process start. */
  workerId: string;
  identity: string;
  namespace: string;
  queue: string;
  /** A digest of the workflow code; absent where the worker runs activities only. */
  bundleId?: string;
  /** Registered names; an absent list means that this worker takes none of that sort. */
  workflowTypes?: string[];
  /** Whether a default workflow or a default activity takes names that are not registered. */
  anyWorkflowType?: boolean;
  activityTypes?: string[];
  anyActivityType?: boolean;
  /** How many of each it runs at once. */
  activitySlots: number;
  workflowSlots: number;
  maxActivitiesPerSecond?: number;
  /** The same for the whole queue; the worker that registers last decides. */
  maxTaskQueueActivitiesPerSecond?: number;
  /** Tokens of attempts that are still running there. */
  runningTokens: string[];
  /** Another node passes on what is said to it; it has the slots that are granted, and no others. */
  isRelay?: true;
}

/** How a queue stands with one node, as it tells the queue's matcher. */
export interface QueueState {
  namespace: string;
  queue: string;
  /** Where the node is reached. */
  address: string;
  /** Slots for activities that are free and that it has no use for. */
  freeSlots: number;
  /** Whether it has workers for workflows. */
  workflows: boolean;
  /** Attempts that wait and that no worker of its takes. */
  waitingTasks: number;
  /** Whether workflow tasks wait, and no worker is there that takes any. */
  waitingWorkflows: boolean;
}

/** One attempt of an activity, handed to a worker. */
export interface AttemptTask {
  token: string;
  namespace: string;
  workflowId: string;
  runId: string;
  workflowType: string;
  activityId: string;
  type: string;
  queue: string;
  attempt: number;
  input: WirePayload[];
  headers?: WirePayloadMap;
  options: WireActivityOptions;
  heartbeatDetails?: WirePayload[];
  scheduledAt: number;
  /** When this attempt became ready to be started, and when it was. */
  currentScheduledAt: number;
  startedAt: number;
  /** Time that is left until the nearest deadline of the attempt, in milliseconds. */
  timeoutMs?: number;
}

/** Why an attempt should stop. */
export type AttemptCancelReason =
  | 'CANCELLED'
  | 'TIMED_OUT'
  | 'WORKFLOW_CLOSED'
  | 'PAUSED'
  | 'WORKER_SHUTDOWN'
  | 'NOT_FOUND'
  | 'RESET';

/** From a peer to the kernel. */
export type ToKernel =
  | {
      [N in RequestName]: { kind: 'request'; id: number; method: N; params: Requests[N]['params']; isForwarded?: true };
    }[RequestName]
  /** The caller no longer waits; an effect that was accepted stays. */
  | { kind: 'abandon'; id: number }
  | { kind: 'register'; worker: WorkerRegistration }
  /** Give this worker nothing new; what runs goes on. */
  | { kind: 'drain'; workerId: string }
  | { kind: 'unregister'; workerId: string }
  | { kind: 'activated'; workerId: string; runId: string; token: number; result: ActivationResult }
  | { kind: 'attempt-done'; workerId: string; token: string; outcome: WireOutcome }
  /** A local activity that outlasted its workflow task has ended. */
  | { kind: 'local-resolved'; workerId: string; runId: string; seq: number; attempt: number; outcome: WireOutcome }
  /** The activity will be completed from elsewhere: the slot is free, the attempt goes on. */
  | { kind: 'attempt-async'; workerId: string; token: string }
  | { kind: 'heartbeat'; workerId: string; token: string; details?: WirePayload[] }
  /** From node to node: to the matcher of a queue. */
  | { kind: 'queue-state'; node: string; state: QueueState }
  /** From node to node: so many attempts may be handed to a relayed worker. */
  | { kind: 'grant'; workerId: string; slots: number }
  | { kind: 'ping' };

/** From the kernel to a peer. */
export type FromKernel =
  | { kind: 'response'; id: number; answer: unknown }
  | { kind: 'response'; id: number; error: RemoteError }
  | { kind: 'registered'; workerId: string }
  | { kind: 'activate'; workerId: string; activation: Activation }
  | { kind: 'evict'; workerId: string; runId: string }
  | { kind: 'attempt'; workerId: string; task: AttemptTask }
  | { kind: 'attempt-cancel'; workerId: string; token: string; reason: AttemptCancelReason }
  /** From node to node: the matcher asks for workers of a queue, and for so many of their slots, on behalf of another. */
  | { kind: 'serve'; namespace: string; queue: string; to: { node: string; address: string }; slots: number }
  /** From node to node: granted slots that were not needed. */
  | { kind: 'grant-back'; workerId: string; slots: number }
  | { kind: 'pong' };

/**
 * A peer's end of the channel to a kernel. Messages of one turn may be carried together; order is kept.
 * When the link is lost, `closed` is called once and nothing more arrives; the peer opens a new one.
 */
export interface KernelLink {
  send(message: ToKernel): void;
  /** Sets the one receiver; messages that came before it wait. */
  receive(handler: { message(message: FromKernel): void; closed(cause?: unknown): void }): void;
  close(): Promise<void>;
}
