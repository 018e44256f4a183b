import { IllegalStateError, requireFunction } from '../common/index.ts';

/** What the host lends: storage that survives awaits, as three plain functions. */
export interface HostStorage {
  run<R>(store: unknown, work: () => R): R;
  getStore(): unknown;
}

let makeStorage: () => HostStorage = () => {
  throw new IllegalStateError(
    'AsyncLocalStorage is there inside a workflow only; outside, take the one of node:async_hooks',
  );
};

/** The sandbox hands in how storage is made. */
export function setStorageMaker(maker: () => HostStorage): void {
  makeStorage = maker;
}

/** Values that follow a workflow's own asynchronous calls. */
export class AsyncLocalStorage<T> {
  readonly #storage = makeStorage();

  getStore(): T | undefined {
    const held = this.#storage.getStore() as { value: T } | undefined;
    return held?.value;
  }

  run<R>(store: T, work: (...args: unknown[]) => R, ...args: unknown[]): R {
    requireFunction('AsyncLocalStorage.run', work);
    return this.#storage.run({ value: store }, () => work(...args));
  }

  /** Runs work without a value. */
  exit<R>(work: (...args: unknown[]) => R, ...args: unknown[]): R {
    requireFunction('AsyncLocalStorage.exit', work);
    return this.#storage.run(undefined, () => work(...args));
  }
}
