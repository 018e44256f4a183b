import { hostname } from 'node:os';
import { type Duration, msToNumber } from '../common/index.ts';
import { DEFAULT_ADDRESS, KernelCaller, openAddress } from '../contract/index.ts';
import { PleachError, systemClock, systemRandom } from '../core/index.ts';

/** How a worker's connection is opened. */
export interface NativeConnectionOptions {
  /** `sqlite:./file.db`, `memory:`; default `localhost:7233`, a server. */
  address?: string;
  /** How long opening may take. Default 10 s. */
  connectTimeout?: Duration;
  /** For an engine in this process: partitions, lease, cache. */
  engine?: Record<string, unknown>;
}

/** A connection to an engine, for workers. */
export class NativeConnection {
  readonly caller: KernelCaller;
  readonly address: string;

  private constructor(caller: KernelCaller, address: string) {
    this.caller = caller;
    this.address = address;
  }

  /** @throws PleachError ADDRESS_UNSUPPORTED · DATABASE_* · DEADLINE_EXCEEDED */
  static async connect(options: NativeConnectionOptions = {}): Promise<NativeConnection> {
    const { address = DEFAULT_ADDRESS } = options;
    const timeoutMs = msToNumber(options.connectTimeout ?? '10s');
    const kernel = await openAddress(address, options.engine);
    const caller = new KernelCaller(kernel, kernel.clock ?? systemClock, systemRandom());
    let timer: { clear(): void } | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = systemClock.after(timeoutMs, () =>
        reject(
          new PleachError('DEADLINE_EXCEEDED', `no engine answered at ${address} within ${timeoutMs} ms`, {
            address,
            timeoutMs,
          }),
        ),
      );
    });
    try {
      await Promise.race([caller.connect(), timeout]);
    } catch (error) {
      await caller.close();
      throw error;
    } finally {
      timer?.clear();
    }
    return new NativeConnection(caller, address);
  }

  /** Closes it; the engine of its address closes with its last user. */
  async close(): Promise<void> {
    await this.caller.close();
  }
}

/** Who this process is, where nobody says: process id and host. */
export function workerIdentity(): string {
  return `${process.pid}@${hostname()}`;
}
