/** Something that comes due; kept by whoever may want to withdraw it. */
export interface Deadline {
  readonly at: number;
  readonly fire: () => void;
  /** Its place in the heap; -1 when it is in none. */
  place: number;
}

/**
 * A heap of deadlines from which any can be withdrawn in O(log n). Two that are due at the same instant fire in the
 * order in which they were set, so that a simulated world has one story.
 */
export class Deadlines {
  readonly #heap: (Deadline & { order: number })[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** The instant of the earliest. */
  get nextAt(): number | undefined {
    return this.#heap[0]?.at;
  }

  set(at: number, fire: () => void): Deadline {
    const deadline = { at, fire, place: this.#heap.length, order: this.#order++ };
    this.#heap.push(deadline);
    this.#up(deadline.place);
    return deadline;
  }

  /** Withdraws a deadline; one that has fired or was withdrawn is left alone. */
  clear(deadline: Deadline | undefined): void {
    if (!deadline || deadline.place < 0) return;
    const place = deadline.place;
    deadline.place = -1;
    const last = this.#heap.pop()!;
    if (last === deadline) return;
    this.#heap[place] = last;
    last.place = place;
    this.#up(place);
    this.#down(place);
  }

  /** Takes the earliest out if it is due. */
  takeDue(now: number): Deadline | undefined {
    const first = this.#heap[0];
    if (!first || first.at > now) return undefined;
    this.clear(first);
    return first;
  }

  #before(a: number, b: number): boolean {
    const x = this.#heap[a]!;
    const y = this.#heap[b]!;
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  }

  #swap(a: number, b: number): void {
    const x = this.#heap[a]!;
    const y = this.#heap[b]!;
    this.#heap[a] = y;
    this.#heap[b] = x;
    y.place = a;
    x.place = b;
  }

  #up(start: number): void {
    for (let at = start; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #down(start: number): void {
    for (let at = start; ;) {
      const left = 2 * at + 1;
      if (left >= this.#heap.length) return;
      const right = left + 1;
      const least = right < this.#heap.length && this.#before(right, left) ? right : left;
      if (!this.#before(least, at)) return;
      this.#swap(at, least);
      at = least;
    }
  }
}
