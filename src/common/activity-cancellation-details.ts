import { requireObject } from './shown.ts';

/** What the details of a cancellation are made of. */
export interface ActivityCancellationDetailsOptions {
  notFound?: boolean;
  cancelRequested?: boolean;
  paused?: boolean;
  timedOut?: boolean;
  workerShutdown?: boolean;
  reset?: boolean;
}

/** Why an attempt was asked to stop. */
export class ActivityCancellationDetails {
  /** Its run is gone or closed. */
  readonly notFound: boolean;
  readonly cancelRequested: boolean;
  readonly paused: boolean;
  readonly timedOut: boolean;
  readonly workerShutdown: boolean;
  readonly reset: boolean;

  /** @throws TypeError for options that are none */
  constructor(options: ActivityCancellationDetailsOptions = {}) {
    requireObject('ActivityCancellationDetails', options, '{ cancelRequested: true }');
    this.notFound = options.notFound ?? false;
    this.cancelRequested = options.cancelRequested ?? false;
    this.paused = options.paused ?? false;
    this.timedOut = options.timedOut ?? false;
    this.workerShutdown = options.workerShutdown ?? false;
    this.reset = options.reset ?? false;
  }
}
