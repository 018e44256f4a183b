import type { WirePayload } from './payload.ts';

/** Why a deadline passed: the four time-outs of an activity, and the worker that died with the attempt. */
export type WireTimeoutType = 'START_TO_CLOSE' | 'SCHEDULE_TO_START' | 'SCHEDULE_TO_CLOSE' | 'HEARTBEAT';

/** What every failure carries, whichever kind it is. */
export interface WireFailureBase {
  message: string;
  stackTrace?: string;
  source?: string;
  cause?: WireFailure;
  /** Message and stack, where a converter moved them into a payload (encryption). */
  encodedAttributes?: WirePayload;
}

/** A failure as it travels and is stored; `common/failure` turns it into the error classes and back. */
export type WireFailure = WireFailureBase &
  (
    | {
        kind: 'application';
        type?: string;
        /** The code of a system error (ECONNREFUSED, …), where it had one; retry rules match it as they match the type. */
        code?: string;
        nonRetryable?: boolean;
        details?: WirePayload[];
        nextRetryDelayMs?: number;
        category?: 'BENIGN';
      }
    | { kind: 'timeout'; timeoutType: WireTimeoutType; lastHeartbeatDetails?: WirePayload[]; workerLost?: boolean }
    | { kind: 'cancelled'; details?: WirePayload[] }
    | { kind: 'terminated' }
    | { kind: 'server'; nonRetryable?: boolean }
    | {
        kind: 'activity';
        activityType: string;
        activityId: string;
        retryState: WireRetryState;
        identity?: string;
      }
    | {
        kind: 'child';
        namespace: string;
        workflowId: string;
        runId: string;
        workflowType: string;
        retryState: WireRetryState;
      }
  );

/** Why no further attempt was made. */
export type WireRetryState =
  | 'IN_PROGRESS'
  | 'NON_RETRYABLE_FAILURE'
  | 'TIMEOUT'
  | 'MAXIMUM_ATTEMPTS_REACHED'
  | 'RETRY_POLICY_NOT_SET'
  | 'INTERNAL_SERVER_ERROR'
  | 'CANCEL_REQUESTED';
