import { codeWire, shown, toWire, type WireOutcome } from '../common/index.ts';
import type { ActivityRef } from '../contract/index.ts';
import { PleachError } from '../core/index.ts';
import { BaseClient } from './base-client.ts';
import {
  ActivityCancelledError,
  ActivityCompletionError,
  ActivityNotFoundError,
  ActivityPausedError,
  serviceError,
} from './errors.ts';

/** An activity named by its run. */
export interface FullActivityId {
  workflowId: string;
  runId?: string;
  activityId: string;
}

/** Completes activities from elsewhere: by the token of an attempt, or by name. */
export class AsyncCompletionClient extends BaseClient {
  /** @throws ActivityNotFoundError where the attempt is no longer current */
  async complete(at: Uint8Array | FullActivityId, result: unknown): Promise<void> {
    await this.#settle(at, { status: 'completed', value: toWire(this.converter.payloadConverter, result) });
  }

  /** @throws ActivityNotFoundError */
  async fail(at: Uint8Array | FullActivityId, error: unknown): Promise<void> {
    await this.#settle(at, {
      status: 'failed',
      failure: this.converter.failureConverter.errorToFailure(error, this.converter.payloadConverter),
    });
  }

  /** @throws ActivityNotFoundError */
  async reportCancellation(at: Uint8Array | FullActivityId, details?: unknown): Promise<void> {
    await this.#settle(at, {
      status: 'cancelled',
      failure: {
        kind: 'cancelled',
        message: 'Activity cancelled',
        ...(details === undefined ? {} : { details: [toWire(this.converter.payloadConverter, details)] }),
      },
    });
  }

  /** @throws ActivityCancelledError or ActivityPausedError where it should stop · ActivityNotFoundError */
  async heartbeat(at: Uint8Array | FullActivityId, details?: unknown): Promise<void> {
    const { payloadConverter, payloadCodecs } = this.converter;
    const given = details === undefined ? {} : { details: [toWire(payloadConverter, details)] };
    const params = {
      activity: this.#ref(at),
      identity: this.identity,
      ...(await codeWire(given, payloadCodecs, 'encode')),
    };
    const answer = await this.#ask(() => this.request('heartbeat-activity', params));
    if (answer.cancelRequested) throw new ActivityCancelledError('the activity was asked to cancel');
    if (answer.paused) throw new ActivityPausedError('the activity is paused');
  }

  async #settle(at: Uint8Array | FullActivityId, outcome: WireOutcome): Promise<void> {
    const params = {
      activity: this.#ref(at),
      outcome: await codeWire(outcome, this.converter.payloadCodecs, 'encode'),
      identity: this.identity,
    };
    await this.#ask(() => this.request('complete-activity', params));
  }

  #ref(at: Uint8Array | FullActivityId): ActivityRef {
    if (at instanceof Uint8Array) return { token: new TextDecoder().decode(at) };
    if (typeof at?.activityId !== 'string' || typeof at.workflowId !== 'string') {
      throw new PleachError(
        'INVALID_ARGUMENT',
        `an activity is named by its task token, or by { workflowId, activityId, runId? }; this is ${shown(at)}`,
      );
    }
    const { workflowId, runId, activityId } = at;
    return {
      target: { namespace: this.namespace, workflowId, ...(runId === undefined ? {} : { runId }) },
      activityId,
    };
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const gone = ['TOKEN_STALE', 'ACTIVITY_NOT_FOUND', 'WORKFLOW_NOT_FOUND', 'WORKFLOW_CLOSED'];
      if (error instanceof PleachError && gone.includes(error.code))
        throw new ActivityNotFoundError(error.message, { cause: error });
      if (error instanceof PleachError && error.code === 'INVALID_ARGUMENT') throw error;
      const cause = error instanceof PleachError ? serviceError(error).cause : error;
      throw new ActivityCompletionError('the activity could not be reached', { cause });
    }
  }
}

/** The part of a client that is for activities: their completion from elsewhere. */
export class ActivityClient extends AsyncCompletionClient {}
