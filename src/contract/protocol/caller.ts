import { type Clock, PleachError, type Random, uuidV7 } from '../../core/index.ts';
import type { KernelAddress } from './address.ts';
import type { FromKernel, KernelLink, ToKernel } from './messages.ts';
import type { RequestName, Requests } from './requests.ts';

/** How a request is made. */
export interface CallOptions {
  /** Gives up after so many milliseconds with DEADLINE_EXCEEDED; absent: waits for ever. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** Codes after which the same request is made again: it took no effect, or its request id makes the repeat harmless. */
const RETRIED = new Set([
  'RESOURCE_EXHAUSTED',
  'CONNECTION_CLOSED',
  'LEASE_LOST',
  'NODE_STOPPED',
  'STORE_UNAVAILABLE',
  'DATABASE_IN_USE',
]);
const RETRY_FIRST_MS = 20;
const RETRY_FACTOR = 1.7;
const RETRY_MAX_MS = 5_000;

interface Waiting {
  message: Extract<ToKernel, { kind: 'request' }>;
  settle(answer: FromKernel & { kind: 'response' }): void;
  lost(cause: unknown): void;
}

/** Something that speaks and listens on a link beside requests: a worker. */
export interface LinkListener {
  /** A link is there (anew): register again. */
  opened(send: (message: ToKernel) => void): void;
  message(message: FromKernel): void;
  closed(): void;
}

/**
 * One side's conversation with a kernel: requests with answers, a link that is opened again when it breaks, and
 * requests that are made again when that is harmless.
 */
export class KernelCaller {
  readonly #address: KernelAddress;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<LinkListener>();
  #link: KernelLink | undefined;
  #opening: Promise<KernelLink> | undefined;
  #nextId = 1;
  #closed = false;

  constructor(address: KernelAddress, clock: Clock, random: Random) {
    this.#address = address;
    this.#clock = clock;
    this.#random = random;
  }

  get address(): KernelAddress {
    return this.#address;
  }

  /** An id for an effect: kept across retries, it makes the effect happen once. */
  newRequestId(): string {
    return uuidV7(this.#clock.now(), this.#random.bytes(16));
  }

  /** Opens the link, if it is not open. */
  async connect(): Promise<void> {
    await this.#open();
  }

  /** Adds a listener; it is told of the open link at once. */
  listen(listener: LinkListener): () => void {
    this.#listeners.add(listener);
    const link = this.#link;
    if (link) listener.opened((message) => link.send(message));
    else void this.#reopen();
    return () => this.#listeners.delete(listener);
  }

  /** @throws PleachError with the kernel's code, or DEADLINE_EXCEEDED · CONNECTION_CLOSED */
  async call<N extends RequestName>(
    method: N,
    params: Requests[N]['params'],
    options: CallOptions = {},
  ): Promise<Requests[N]['answer']> {
    const deadline = options.timeoutMs === undefined ? Infinity : this.#clock.monotonicMs() + options.timeoutMs;
    for (let waitMs = RETRY_FIRST_MS; ; waitMs = Math.min(waitMs * RETRY_FACTOR, RETRY_MAX_MS)) {
      try {
        return await this.#once(method, params, deadline, options.signal);
      } catch (error) {
        const again =
          error instanceof PleachError && RETRIED.has(error.code) && !this.#closed && !options.signal?.aborted;
        if (!again || this.#clock.monotonicMs() + waitMs >= deadline) throw error;
        await new Promise<void>((resolve) => this.#clock.after(waitMs, resolve));
      }
    }
  }

  async #once<N extends RequestName>(
    method: N,
    params: Requests[N]['params'],
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<Requests[N]['answer']> {
    if (this.#closed) throw new PleachError('CONNECTION_CLOSED', 'the connection was closed', { method });
    const link = this.#link ?? (await this.#open());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiting.delete(id);
        timer?.clear();
        signal?.removeEventListener('abort', aborted);
      };
      const giveUp = (error: unknown): void => {
        done();
        link.send({ kind: 'abandon', id });
        reject(error instanceof Error ? error : new Error(String(error)));
      };
      const aborted = (): void => giveUp(signal?.reason);
      const timer =
        deadline === Infinity
          ? undefined
          : this.#clock.after(deadline - this.#clock.monotonicMs(), () =>
              giveUp(
                new PleachError(
                  'DEADLINE_EXCEEDED',
                  `the engine did not answer "${method}" in time; what was asked may still take effect`,
                  { method },
                ),
              ),
            );
      if (signal?.aborted) {
        aborted();
        return;
      }
      signal?.addEventListener('abort', aborted, { once: true });
      const message = { kind: 'request', id, method, params } as Extract<ToKernel, { kind: 'request' }>;
      this.#waiting.set(id, {
        message,
        settle: (response) => {
          done();
          if ('error' in response)
            reject(new PleachError(response.error.code, response.error.message, response.error.details));
          else resolve(response.answer as Requests[N]['answer']);
        },
        lost: (cause) => {
          done();
          reject(new PleachError('CONNECTION_CLOSED', 'the connection to the engine broke', { method }, { cause }));
        },
      });
      link.send(message);
    });
  }

  #open(): Promise<KernelLink> {
    if (this.#link) return Promise.resolve(this.#link);
    this.#opening ??= this.#address.connect().then(
      (link) => {
        this.#opening = undefined;
        this.#link = link;
        for (const listener of this.#listeners) listener.opened((message) => link.send(message));
        link.receive({
          message: (message) => {
            if (message.kind === 'response') this.#waiting.get(message.id)?.settle(message);
            else for (const listener of this.#listeners) listener.message(message);
          },
          closed: (cause) => this.#broken(link, cause),
        });
        return link;
      },
      (error: unknown) => {
        this.#opening = undefined;
        throw error;
      },
    );
    return this.#opening;
  }

  #broken(link: KernelLink, cause: unknown): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    for (const waiting of this.#waiting.values().toArray()) waiting.lost(cause);
    for (const listener of this.#listeners) listener.closed();
    if (this.#listeners.size > 0) void this.#reopen();
  }

  /** A worker needs its link whether or not anyone asks for anything. */
  async #reopen(): Promise<void> {
    for (
      let waitMs = RETRY_FIRST_MS;
      !this.#closed && !this.#link;
      waitMs = Math.min(waitMs * RETRY_FACTOR, RETRY_MAX_MS)
    ) {
      try {
        await this.#open();
      } catch {
        // Nobody is there yet: the next try says so again, or finds someone.
        await new Promise<void>((resolve) => this.#clock.after(waitMs, resolve));
      }
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const link = this.#link;
    this.#link = undefined;
    for (const waiting of this.#waiting.values().toArray()) waiting.lost(undefined);
    await link?.close();
    await this.#address.release();
  }
}
