/** A promise that is settled from outside. */
export class Trigger<T> implements PromiseLike<T> {
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason?: unknown) => void;
  readonly #promise: Promise<T>;
  // oxlint-disable-next-line no-thenable, unicorn/no-thenable -- a trigger is awaited: that is what it is for
  readonly then: Promise<T>['then'];
  readonly catch: Promise<T>['catch'];
  readonly finally: Promise<T>['finally'];

  constructor() {
    let settle: { resolve: (value: T | PromiseLike<T>) => void; reject: (reason?: unknown) => void } | undefined;
    this.#promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
    this.resolve = settle!.resolve;
    this.reject = settle!.reject;
    // oxlint-disable-next-line no-thenable, unicorn/no-thenable -- the same
    this.then = this.#promise.then.bind(this.#promise) as Promise<T>['then'];
    this.catch = this.#promise.catch.bind(this.#promise) as Promise<T>['catch'];
    this.finally = this.#promise.finally.bind(this.#promise);
    this.#promise.catch(() => undefined);
  }
}
