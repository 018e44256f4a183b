import { type Clock, systemClock, type Wait } from '../core/index.ts';

interface Planned {
  at: number;
  fire: () => void;
  wait: Wait;
}

/** A clock that runs as the host's does, and can be put forward: what has become due by then fires at once. */
export class SkippingClock implements Clock {
  #skippedMs = 0;
  readonly #planned = new Set<Planned>();

  now(): number {
    return systemClock.now() + this.#skippedMs;
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#skippedMs;
  }

  after(delayMs: number, fire: () => void): Wait {
    const planned: Planned = { at: this.monotonicMs() + delayMs, fire, wait: { clear: () => undefined } };
    this.#arm(planned);
    this.#planned.add(planned);
    return {
      clear: () => {
        planned.wait.clear();
        this.#planned.delete(planned);
      },
    };
  }

  #arm(planned: Planned): void {
    planned.wait = systemClock.after(planned.at - this.monotonicMs(), () => {
      this.#planned.delete(planned);
      planned.fire();
    });
  }

  every(periodMs: number, fire: () => void): Wait {
    return systemClock.every(periodMs, fire);
  }

  soon(fire: () => void): void {
    systemClock.soon(fire);
  }

  /** Puts the clock forward to an instant; never back. */
  skipTo(instant: number): void {
    const byMs = instant - this.now();
    if (byMs <= 0) return;
    this.#skippedMs += byMs;
    for (const planned of this.#planned) {
      planned.wait.clear();
      this.#arm(planned);
    }
  }
}
