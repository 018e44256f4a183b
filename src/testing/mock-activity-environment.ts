import { EventEmitter } from 'node:events';
import { asyncLocalStorage, Context, type Info } from '../activity/index.ts';
import { CancelledFailure, requireFunction, requireObject } from '../common/index.ts';
import { silentLog } from '../core/index.ts';

/** What an activity is told of itself where a test says nothing else. */
export const defaultActivityInfo: Info = {
  taskToken: new Uint8Array(0),
  base64TaskToken: '',
  activityId: 'test',
  activityType: 'unknown',
  namespace: 'default',
  activityNamespace: 'default',
  workflowNamespace: 'default',
  workflowType: 'test',
  workflowExecution: { workflowId: 'test', runId: 'dead-beef' },
  inWorkflow: true,
  taskQueue: 'test',
  attempt: 1,
  isLocal: false,
  scheduledTimestampMs: 1,
  currentAttemptScheduledTimestampMs: 1,
  startToCloseTimeoutMs: 1000,
  scheduleToCloseTimeoutMs: 1000,
  heartbeatTimeoutMs: undefined,
  heartbeatDetails: undefined,
  headers: {},
};

/** Runs activities in a context of a test's own making. Emits `heartbeat` with the details of each. */
export class MockActivityEnvironment extends EventEmitter {
  readonly context: Context;
  readonly cancel: (reason?: string) => void;

  constructor(info: Partial<Info> = {}) {
    super();
    requireObject('MockActivityEnvironment', info, '{ attempt: 2 }');
    const controller = new AbortController();
    let reject: (error: CancelledFailure) => void = () => undefined;
    const cancelled = new Promise<never>((_, no) => (reject = no));
    this.cancel = (reason = 'CANCELLED') => {
      const failure = new CancelledFailure(reason);
      reject(failure);
      controller.abort(failure);
    };
    this.context = new Context({
      info: { ...defaultActivityInfo, ...info },
      cancelled,
      cancellationSignal: controller.signal,
      heartbeat: (details) => this.emit('heartbeat', details),
      log: silentLog,
    });
  }

  /** Runs a function as an activity. */
  async run<P extends unknown[], R>(activity: (...args: P) => Promise<R>, ...args: P): Promise<R> {
    requireFunction('MockActivityEnvironment.run', activity);
    return asyncLocalStorage.run(this.context, () => activity(...args));
  }
}
