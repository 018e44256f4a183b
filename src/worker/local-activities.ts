import { decideRetry, type WireFailure, type WireOutcome, type WireRetryState } from '../common/index.ts';
import type { Clock, Wait } from '../core/index.ts';
import type { AttemptEnd, Executor } from './executor.ts';
import type { LocalActivityCall } from './sandbox/index.ts';

type Command = LocalActivityCall['command'];

/** The key under which a local activity runs. */
export function localKey(runId: string, seq: number): string {
  return `local:${runId}/${seq}`;
}

/** Runs local activities: their attempts and the waits between them happen here, inside the workflow task. */
export class LocalActivities {
  readonly #executor: Executor;
  readonly #clock: Clock;
  readonly #queue: string;
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(executor: Executor, clock: Clock, queue: string, slots: number) {
    this.#executor = executor;
    this.#clock = clock;
    this.#queue = queue;
    this.#free = slots;
  }

  /** Runs one to its end. Never rejects. */
  async run(call: LocalActivityCall): Promise<WireOutcome> {
    const { command, runId } = call;
    const { retry = {}, scheduleToCloseMs = Infinity } = command.options;
    const key = localKey(runId, command.seq);
    const scheduledAt = command.originalScheduledAt ?? this.#clock.now();
    const endsAt = this.#clock.monotonicMs() + scheduleToCloseMs;
    for (let attempt = command.attempt ?? 1; ; attempt++) {
      const outcome = await this.#attempt(key, call, attempt, scheduledAt, endsAt);
      if (outcome.status === 'completed') return outcome;
      if (outcome.status === 'cancelled')
        return { status: 'cancelled', failure: wrap(command, outcome.failure, 'CANCEL_REQUESTED') };
      const decision = decideRetry(retry, attempt, outcome.failure, 0.5);
      if ('stop' in decision) return { status: 'failed', failure: wrap(command, outcome.failure, decision.stop) };
      if (this.#clock.monotonicMs() + decision.retryAfterMs >= endsAt)
        return { status: 'failed', failure: wrap(command, outcome.failure, 'TIMEOUT') };
      if (await this.#isCancelledWithin(key, decision.retryAfterMs)) {
        const failure: WireFailure = { kind: 'cancelled', message: 'Activity cancelled' };
        return { status: 'cancelled', failure: wrap(command, failure, 'CANCEL_REQUESTED') };
      }
    }
  }

  async #attempt(
    key: string,
    call: LocalActivityCall,
    attempt: number,
    scheduledAt: number,
    endsAt: number,
  ): Promise<WireOutcome> {
    const { command } = call;
    const { options } = command;
    await this.#takeSlot();
    const leftMs = endsAt - this.#clock.monotonicMs();
    const { startToCloseMs = Infinity } = options;
    const timeoutMs = Math.min(startToCloseMs, leftMs);
    let wait: Wait | undefined;
    const timedOut = new Promise<WireOutcome>((resolve) => {
      if (timeoutMs === Infinity) return;
      const timeoutType = leftMs < startToCloseMs ? 'SCHEDULE_TO_CLOSE' : 'START_TO_CLOSE';
      const words = timeoutType === 'START_TO_CLOSE' ? 'start-to-close' : 'schedule-to-close';
      wait = this.#clock.after(Math.max(0, timeoutMs), () => {
        this.#executor.cancel(key, 'TIMED_OUT');
        resolve({ status: 'failed', failure: { kind: 'timeout', timeoutType, message: `activity ${words} time-out` } });
      });
    });
    const ran = this.#executor
      .execute({
        key,
        type: command.type,
        input: command.input,
        headers: command.headers,
        heartbeatMs: undefined,
        heartbeatDetails: undefined,
        retry: options.retry,
        info: {
          taskToken: new Uint8Array(0),
          base64TaskToken: '',
          activityId: command.activityId,
          activityType: command.type,
          namespace: call.namespace,
          workflowType: call.workflowType,
          workflowExecution: { workflowId: call.workflowId, runId: call.runId },
          taskQueue: this.#queue,
          attempt,
          isLocal: true,
          scheduledTimestampMs: scheduledAt,
          currentAttemptScheduledTimestampMs: this.#clock.now(),
          startToCloseTimeoutMs: options.startToCloseMs,
          scheduleToCloseTimeoutMs: options.scheduleToCloseMs,
          heartbeatTimeoutMs: undefined,
        },
      })
      .then(endHere);
    // The slot is free when the function has returned, not when nobody waits for it any more.
    void ran.finally(() => this.#giveSlot());
    const outcome = await Promise.race([ran, timedOut]);
    wait?.clear();
    return outcome;
  }

  /** Waits between attempts; true as soon as the activity is cancelled meanwhile. */
  async #isCancelledWithin(key: string, waitMs: number): Promise<boolean> {
    let release: () => void = () => undefined;
    let wait: Wait | undefined;
    const isCancelled = await new Promise<boolean>((resolve) => {
      release = this.#executor.hold(key, () => resolve(true));
      wait = this.#clock.after(waitMs, () => resolve(false));
    });
    wait?.clear();
    release();
    return isCancelled;
  }

  async #takeSlot(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #giveSlot(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free++;
  }
}

/** A local activity ends where it runs, or not at all. */
function endHere(end: AttemptEnd): WireOutcome {
  if (end.status !== 'async') return end;
  const message = 'a local activity cannot be completed from elsewhere';
  return {
    status: 'failed',
    failure: { kind: 'application', nonRetryable: true, type: 'CompleteAsyncError', message },
  };
}

function wrap(command: Command, cause: WireFailure, retryState: WireRetryState): WireFailure {
  return {
    kind: 'activity',
    message: 'Activity task failed',
    activityType: command.type,
    activityId: command.activityId,
    retryState,
    cause,
  };
}
