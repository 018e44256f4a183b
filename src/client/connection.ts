import { hostname } from 'node:os';
import { PleachError, systemClock, systemRandom } from '../core/index.ts';
import { type CallOptions, DEFAULT_ADDRESS, KernelCaller, openAddress } from '../contract/index.ts';
import { type Duration, msToNumber } from '../common/index.ts';

/** How a connection is opened. */
export interface ConnectionOptions {
  /** `sqlite:./file.db`, `memory:`; default `localhost:7233`, a server. */
  address?: string;
  /** How long opening may take. Default 10 s. */
  connectTimeout?: Duration;
  /** For an engine in this process: partitions, lease, cache. */
  engine?: Record<string, unknown>;
}

/** How long an ordinary request may take before it is DEADLINE_EXCEEDED. */
const CALL_TIMEOUT_MS = 10_000;

/** A connection to an engine, for clients. */
export class Connection {
  readonly caller: KernelCaller;
  #scope: { deadlineAt?: number; signal?: AbortSignal } = {};

  protected constructor(caller: KernelCaller) {
    this.caller = caller;
  }

  /**
   * Opens a connection and waits until the engine can be talked to.
   * @throws PleachError ADDRESS_UNSUPPORTED · DATABASE_* · DEADLINE_EXCEEDED
   */
  static async connect(options: ConnectionOptions = {}): Promise<Connection> {
    const caller = await openCaller(options);
    return new Connection(caller);
  }

  /** Runs requests with a point in time by which each must be answered. */
  async withDeadline<R>(deadline: number | Date, work: () => Promise<R>): Promise<R> {
    return this.#with({ deadlineAt: Number(deadline) }, work);
  }

  /** Runs requests that are given up when the signal is aborted. */
  async withAbortSignal<R>(signal: AbortSignal, work: () => Promise<R>): Promise<R> {
    return this.#with({ signal }, work);
  }

  /** Metadata has no carrier inside a process; it is accepted and goes nowhere. */
  async withMetadata<R>(_metadata: Record<string, string>, work: () => Promise<R>): Promise<R> {
    return work();
  }

  async #with<R>(scope: { deadlineAt?: number; signal?: AbortSignal }, work: () => Promise<R>): Promise<R> {
    const before = this.#scope;
    this.#scope = { ...before, ...scope };
    try {
      return await work();
    } finally {
      this.#scope = before;
    }
  }

  /** How a request that is made now may take. */
  callOptions(isLong = false): CallOptions {
    const { deadlineAt, signal } = this.#scope;
    return {
      ...(deadlineAt === undefined
        ? isLong
          ? {}
          : { timeoutMs: CALL_TIMEOUT_MS }
        : { timeoutMs: Math.max(0, deadlineAt - systemClock.now()) }),
      ...(signal ? { signal } : {}),
    };
  }

  /** Closes it; the engine of its address closes with its last user. */
  async close(): Promise<void> {
    await this.caller.close();
  }
}

/** Opens an address and its link. */
export async function openCaller(options: ConnectionOptions): Promise<KernelCaller> {
  const { address = DEFAULT_ADDRESS, connectTimeout = '10s' } = options;
  if (typeof address !== 'string')
    throw new PleachError(
      'INVALID_ARGUMENT',
      `an address is text, such as sqlite:./file.db; this is ${typeof address}`,
      { address },
    );
  const timeoutMs = msToNumber(connectTimeout);
  const kernel = await openAddress(address, options.engine);
  const caller = new KernelCaller(kernel, kernel.clock ?? systemClock, systemRandom());
  const timeout = new Promise<never>((_, reject) => {
    const timer = systemClock.after(timeoutMs, () =>
      reject(
        new PleachError('DEADLINE_EXCEEDED', `no engine answered at ${address} within ${timeoutMs} ms`, {
          address,
          timeoutMs,
        }),
      ),
    );
    void caller
      .connect()
      .finally(() => timer.clear())
      .catch(() => undefined);
  });
  try {
    await Promise.race([caller.connect(), timeout]);
  } catch (error) {
    await caller.close();
    throw error;
  }
  return caller;
}

/** Who this process is, where nobody says: process id and host. */
export function defaultIdentity(): string {
  return `${process.pid}@${hostname()}`;
}
