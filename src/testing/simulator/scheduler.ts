import type { Clock, Random, Wait } from '../../core/index.ts';
import { Prng } from '../../workflow/index.ts';

interface Planned {
  at: number;
  order: number;
  owner: SimProcess | undefined;
  fire: () => void;
  cleared: boolean;
}

/**
 * The one owner of time and chance in a simulated world. Everything that waits waits here; nothing else moves. Two runs
 * with one seed take the same steps in the same order.
 */
export class Scheduler {
  /** Virtual milliseconds since 1970. */
  now = 1_800_000_000_000;
  readonly random: Prng;
  steps = 0;
  /** What happened, a line each; equal for equal seeds. */
  readonly trace: string[] = [];
  readonly #heap: Planned[] = [];
  #order = 0;

  constructor(seed: number) {
    this.random = new Prng(`seed-${seed}`);
  }

  /** Whether something with this probability happens now. */
  chance(probability: number): boolean {
    return this.random.fraction() < probability;
  }

  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + Math.floor(this.random.fraction() * (high - low + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.between(0, list.length - 1)]!;
  }

  note(line: string): void {
    this.trace.push(`${this.now - 1_800_000_000_000} ${line}`);
  }

  /** Plans something; what belongs to a process does not happen while it is paused, and never once it is dead. */
  after(delayMs: number, owner: SimProcess | undefined, fire: () => void): Wait {
    const planned: Planned = { at: this.now + Math.max(0, delayMs), order: this.#order++, owner, fire, cleared: false };
    this.#push(planned);
    return {
      clear: () => {
        planned.cleared = true;
      },
    };
  }

  /** Waits in the name of a process; never returns in one that has died. */
  delay(delayMs: number, owner: SimProcess | undefined): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, owner, resolve));
  }

  /** Takes steps until `isDone`, or until nothing is planned, or virtual time is over. */
  async run(isDone: () => boolean, untilMs: number): Promise<void> {
    const end = this.now + untilMs;
    while (!isDone()) {
      const planned = this.#pop();
      if (!planned) return;
      if (planned.at > end) {
        // It is for whoever lives on.
        this.#push(planned);
        return;
      }
      if (planned.cleared || planned.owner?.isDead) continue;
      if (planned.owner && planned.owner.pausedUntil > planned.at) {
        planned.at = planned.owner.pausedUntil;
        this.#push(planned);
        continue;
      }
      this.now = Math.max(this.now, planned.at);
      this.steps++;
      planned.fire();
      // All that this step has promised comes about before the next one.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  #before(a: Planned, b: Planned): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #push(planned: Planned): void {
    const heap = this.#heap;
    heap.push(planned);
    for (let at = heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#before(heap[at]!, heap[parent]!)) return;
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  #pop(): Planned | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || first === last) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      if (left >= heap.length) return first;
      const least = left + 1 < heap.length && this.#before(heap[left + 1]!, heap[left]!) ? left + 1 : left;
      if (!this.#before(heap[least]!, heap[at]!)) return first;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

/** A process of the simulated world: it can die, be paused, and have a wrong clock. */
export class SimProcess implements Clock, Random {
  readonly name: string;
  readonly #scheduler: Scheduler;
  isDead = false;
  pausedUntil = 0;
  /** Its wall clock minus the world's, milliseconds; its monotonic clock is always right. */
  skewMs = 0;

  constructor(name: string, scheduler: Scheduler) {
    this.name = name;
    this.#scheduler = scheduler;
  }

  now(): number {
    // Whole milliseconds, as a host's wall clock; only the monotonic clock is finer.
    return Math.floor(this.#scheduler.now) + this.skewMs;
  }

  monotonicMs(): number {
    return this.#scheduler.now;
  }

  after(delayMs: number, fire: () => void): Wait {
    return this.#scheduler.after(delayMs, this, fire);
  }

  every(periodMs: number, fire: () => void): Wait {
    let wait: Wait = { clear: () => undefined };
    const rearm = (): void => {
      wait = this.after(periodMs, () => {
        fire();
        rearm();
      });
    };
    rearm();
    return { clear: () => wait.clear() };
  }

  soon(fire: () => void): void {
    this.#scheduler.after(0, this, fire);
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    this.#scheduler.random.fill(bytes);
    return bytes;
  }

  fraction(): number {
    return this.#scheduler.random.fraction();
  }
}
