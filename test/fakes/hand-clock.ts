import type { Clock, Wait } from '../../src/core/index.ts';

interface Planned {
  at: number;
  everyMs: number | undefined;
  fire: () => void;
}

/** A clock that a test moves by hand. What becomes due fires in its order, with the clock standing at its moment. */
export class HandClock implements Clock {
  #now = 1_700_000_000_000;
  readonly #planned = new Set<Planned>();

  now(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#now;
  }

  after(delayMs: number, fire: () => void): Wait {
    return this.#plan({ at: this.#now + Math.max(0, delayMs), everyMs: undefined, fire });
  }

  every(periodMs: number, fire: () => void): Wait {
    return this.#plan({ at: this.#now + periodMs, everyMs: periodMs, fire });
  }

  soon(fire: () => void): void {
    setImmediate(fire);
  }

  /** Waits that have not ended. */
  get waiting(): number {
    return this.#planned.size;
  }

  /** Moves it forward, and lets what follows from each wait's end come about before the next. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await quiet();
    for (;;) {
      const next = [...this.#planned].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      if (next.everyMs === undefined) this.#planned.delete(next);
      else next.at += next.everyMs;
      next.fire();
      await quiet();
    }
    this.#now = until;
    await quiet();
  }

  #plan(planned: Planned): Wait {
    this.#planned.add(planned);
    return { clear: () => this.#planned.delete(planned) };
  }
}

/** Lets everything come about that needs no clock. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
