import { CancelledFailure, type Duration, msToNumber, requireFunction, requireObject } from '../common/index.ts';

/** Options of a scope. */
export interface CancellationScopeOptions {
  /** Cancels the scope after so long. */
  timeout?: Duration;
  /** Whether cancellation reaches what runs in it. */
  cancellable: boolean;
  /** Default: the scope that is current. */
  parent?: CancellationScope | undefined;
}

interface Storage {
  run<R>(store: unknown, work: () => R): R;
  getStore(): unknown;
}

let storage: Storage = {
  run: (_store, work) => work(),
  getStore: () => undefined,
};
let rootOfCurrent: () => CancellationScope | undefined = () => undefined;
let startScopeTimer: (timeout: Duration, fire: () => void) => () => void = () => () => undefined;

/** The sandbox hands in what carries the current scope through awaits. */
export function setScopeStorage(given: Storage): void {
  storage = given;
}

/** The rest of the room hands in what this file must not import. */
export function connectScopes(root: () => CancellationScope | undefined, timer: typeof startScopeTimer): void {
  rootOfCurrent = root;
  startScopeTimer = timer;
}

/** Runs work with a scope as the current one. */
export function runInScope<R>(scope: CancellationScope, work: () => R): R {
  return storage.run(scope, work);
}

/**
 * A part of a workflow that can be cancelled as one. Scopes form a tree: cancelling one cancels what is below it, but
 * nothing below a non-cancellable scope. Timers, activities and children belong to the scope in which they were begun.
 *
 * ```ts
 * await CancellationScope.withTimeout('10s', () => pay(order));
 * await CancellationScope.nonCancellable(() => cleanUp());
 * ```
 */
export class CancellationScope {
  readonly cancellable: boolean;
  readonly timeout: Duration | undefined;
  readonly parent: CancellationScope | undefined;
  /** Rejected with a `CancelledFailure` when the scope is cancelled, whether or not it is cancellable. */
  readonly cancelRequested: Promise<never>;
  #reject!: (error: unknown) => void;
  #cancelled: CancelledFailure | undefined;
  /** Leaves the parent, so that a scope that has ended is not kept. */
  #detach: () => void = () => undefined;
  readonly #listeners = new Set<(error: CancelledFailure) => void>();

  constructor(options?: CancellationScopeOptions) {
    if (options !== undefined) requireObject('CancellationScope', options, "{ cancellable: true, timeout: '10s' }");
    this.cancellable = options?.cancellable ?? true;
    this.timeout = options?.timeout;
    if (this.timeout !== undefined) msToNumber(this.timeout, 'CancellationScope: its time-out');
    this.parent = options && 'parent' in options ? options.parent : CancellationScope.current();
    this.cancelRequested = new Promise((_, reject) => (this.#reject = reject));
    // Whoever awaits it hears of it; nobody has to.
    this.cancelRequested.catch(() => undefined);
    // A non-cancellable scope hears of its parent's cancellation, and shields what is below it.
    const parent = this.parent;
    if (parent?.cancellable) {
      if (parent.#cancelled) this.#cancel(parent.#cancelled);
      else {
        const listener = (error: CancelledFailure): void => this.#cancel(error);
        parent.#listeners.add(listener);
        this.#detach = () => parent.#listeners.delete(listener);
      }
    }
  }

  /** Whether the scope was cancelled and is cancellable: what is begun in it now is cancelled at once. */
  get consideredCancelled(): boolean {
    return this.#cancelled !== undefined && this.cancellable;
  }

  /** Whether cancellation was asked for. */
  get cancelRequestedFlag(): boolean {
    return this.#cancelled !== undefined;
  }

  /** Why, once it was. */
  get cancellation(): CancelledFailure | undefined {
    return this.#cancelled;
  }

  /** Runs a function in this scope. */
  run<T>(work: () => Promise<T>): Promise<T> {
    requireFunction('CancellationScope', work);
    return storage.run(this, async () => {
      const stop = this.timeout === undefined ? undefined : startScopeTimer(this.timeout, () => this.cancel());
      try {
        return await work();
      } finally {
        stop?.();
        this.#detach();
      }
    });
  }

  /** Cancels what runs in the scope and below it. */
  cancel(reason?: string): void {
    this.#cancel(new CancelledFailure(reason ?? 'Cancellation scope cancelled'));
  }

  #cancel(error: CancelledFailure): void {
    if (this.#cancelled) return;
    this.#cancelled = error;
    this.#reject(error);
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener(error);
  }

  /** Calls back when the scope is cancelled; returns what takes that back. */
  onCancel(listener: (error: CancelledFailure) => void): () => void {
    requireFunction('CancellationScope.onCancel', listener);
    if (!this.cancellable) return () => undefined;
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The scope in which this code runs. */
  static current(): CancellationScope | undefined {
    return (storage.getStore() as CancellationScope | undefined) ?? rootOfCurrent();
  }

  /** Runs a function in a scope of its own. */
  static cancellable<T>(work: () => Promise<T>): Promise<T> {
    return new CancellationScope({ cancellable: true, parent: CancellationScope.current() }).run(work);
  }

  /** Runs a function that cancellation does not reach. */
  static nonCancellable<T>(work: () => Promise<T>): Promise<T> {
    return new CancellationScope({ cancellable: false, parent: CancellationScope.current() }).run(work);
  }

  /** Runs a function that is cancelled after so long. */
  static withTimeout<T>(timeout: Duration, work: () => Promise<T>): Promise<T> {
    return new CancellationScope({ cancellable: true, timeout, parent: CancellationScope.current() }).run(work);
  }
}

/** Tells the end of something that code waits for. */
interface Waiting {
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/**
 * A promise of something that will be told later. In a scope that was cancelled it is rejected at once and nothing begins.
 * @param begin asks for it, and keeps what it is given to tell the end
 * @param onCancel called when the scope is cancelled before that; where it is left out, nothing happens then
 */
export function promiseInScope<R>(
  begin: (waiting: Waiting) => void,
  onCancel?: (error: CancelledFailure, waiting: Waiting) => void,
): Promise<R> {
  return new Promise((resolve, reject) => {
    const scope = CancellationScope.current();
    if (scope?.consideredCancelled) {
      reject(scope.cancellation ?? new CancelledFailure('Cancellation scope cancelled'));
      return;
    }
    const forget = onCancel && scope?.onCancel((error) => onCancel(error, waiting));
    const waiting: Waiting = {
      resolve: (value) => {
        forget?.();
        resolve(value as R);
      },
      reject: (error) => {
        forget?.();
        reject(error);
      },
    };
    begin(waiting);
  });
}
