import { type Clock, PleachError, type Random, uuidV7, type Wait } from '../../core/index.ts';
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
  'NODE_UNREACHABLE',
  'PARTITION_MOVED',
  'STORE_UNAVAILABLE',
  'DATABASE_IN_USE',
]);
const RETRY_FIRST_MS = 20;
const RETRY_FACTOR = 1.7;
const RETRY_MAX_MS = 5_000;

interface Waiting {
  settle(answer: FromKernel & { kind: 'response' }): void;
  lost(cause: unknown): void;
}

let guard: ((method: RequestName) => void) | undefined;

/** Has a function asked before each call of this process; what it throws is what the call ends with. */
export function guardCalls(check: (method: RequestName) => void): void {
  guard = check;
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

  /**
   * Makes a request, and makes it again where that is harmless: waits between tries grow from 20 ms by 1.7 to 5 s, until
   * the deadline.
   * @throws PleachError with the kernel's code, or DEADLINE_EXCEEDED · CALL_ABANDONED · CONNECTION_CLOSED
   */
  async call<N extends RequestName>(
    method: N,
    params: Requests[N]['params'],
    options: CallOptions = {},
  ): Promise<Requests[N]['answer']> {
    guard?.(method);
    const deadline = options.timeoutMs === undefined ? Infinity : this.#clock.monotonicMs() + options.timeoutMs;
    for (let waitMs = RETRY_FIRST_MS; ; waitMs = Math.min(waitMs * RETRY_FACTOR, RETRY_MAX_MS)) {
      try {
        const link = this.#link ?? (await this.#within(this.#open(), deadline, options.signal, method));
        return await this.#within(this.#once(link, method, params), deadline, options.signal, method);
      } catch (error) {
        const again = error instanceof PleachError && RETRIED.has(error.code) && !this.#closed;
        if (!again || this.#clock.monotonicMs() + waitMs >= deadline) throw error;
        const wait = this.#wait(waitMs);
        await this.#within(wait, deadline, options.signal, method);
      }
    }
  }

  /** Waits for an answer as long as its caller does; one that is given up is abandoned at the kernel too. */
  #within<T>(
    work: Promise<T> & { abandon?: () => void },
    deadline: number,
    signal: AbortSignal | undefined,
    method: RequestName,
  ): Promise<T> {
    if (deadline === Infinity && !signal) return work;
    return new Promise((resolve, reject) => {
      const settle = (then: () => void): void => {
        timer?.clear();
        signal?.removeEventListener('abort', aborted);
        then();
      };
      const giveUp = (error: PleachError): void =>
        settle(() => {
          work.abandon?.();
          work.catch(() => undefined);
          reject(error);
        });
      const aborted = (): void =>
        giveUp(new PleachError('CALL_ABANDONED', `"${method}" was given up`, { method }, { cause: signal?.reason }));
      const timer =
        deadline === Infinity
          ? undefined
          : this.#clock.after(Math.max(0, deadline - this.#clock.monotonicMs()), () =>
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
      work.then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
  }

  #wait(waitMs: number): Promise<void> & { abandon: () => void } {
    let wait: Wait | undefined;
    const waited = new Promise<void>((resolve) => (wait = this.#clock.after(waitMs, resolve)));
    return Object.assign(waited, { abandon: () => wait?.clear() });
  }

  #once<N extends RequestName>(
    link: KernelLink,
    method: N,
    params: Requests[N]['params'],
  ): Promise<Requests[N]['answer']> & { abandon: () => void } {
    const id = this.#nextId++;
    const answer = new Promise<Requests[N]['answer']>((resolve, reject) => {
      this.#waiting.set(id, {
        settle: (response) => {
          this.#waiting.delete(id);
          if ('error' in response)
            reject(new PleachError(response.error.code, response.error.message, response.error.details));
          else resolve(response.answer as Requests[N]['answer']);
        },
        lost: (cause) => {
          this.#waiting.delete(id);
          reject(new PleachError('CONNECTION_CLOSED', 'the connection to the engine broke', { method }, { cause }));
        },
      });
      link.send({ kind: 'request', id, method, params } as Extract<ToKernel, { kind: 'request' }>);
    });
    const abandon = (): void => {
      if (this.#waiting.delete(id) && this.#link === link) link.send({ kind: 'abandon', id });
    };
    return Object.assign(answer, { abandon });
  }

  #open(): Promise<KernelLink> {
    if (this.#closed) return Promise.reject(new PleachError('CONNECTION_CLOSED', 'the connection was closed', {}));
    if (this.#link) return Promise.resolve(this.#link);
    this.#opening ??= this.#address.connect().then(
      async (link) => {
        this.#opening = undefined;
        if (this.#closed) {
          // It was given up while it was being opened.
          await link.close();
          throw new PleachError('CONNECTION_CLOSED', 'the connection was closed', {});
        }
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
