import { hostname } from 'node:os';
import { type Duration, msTimeout, shown } from '../common/index.ts';
import { DEFAULT_ADDRESS, type KernelCaller, openCaller } from '../contract/index.ts';
import { PleachError } from '../core/index.ts';
import { warmBundler } from './sandbox/index.ts';
import { WorkerDatabase } from './worker-database.ts';

/** How a worker's connection is opened. */
export interface NativeConnectionOptions {
  /** `sqlite:./file.db`, `memory:`; default `localhost:7233`, a server. */
  address?: string;
  /** How long opening may take. Default 10 s. */
  connectTimeout?: Duration;
  /** For an engine in this process: partitions, lease, cache. */
  engine?: Record<string, unknown>;
  /** Taken for the sake of code that was written for servers, and not used: there is nobody on the way. */
  tls?: unknown;
  apiKey?: unknown;
  metadata?: Record<string, unknown>;
}

/** A connection to an engine, for workers; clients take it too. */
export class NativeConnection {
  readonly caller: KernelCaller;
  readonly address: string;
  #database: WorkerDatabase | undefined;

  private constructor(caller: KernelCaller, address: string) {
    this.caller = caller;
    this.address = address;
  }

  /** @throws PleachError INVALID_ARGUMENT · ADDRESS_UNSUPPORTED · DATABASE_* · DEADLINE_EXCEEDED */
  static async connect(options: NativeConnectionOptions = {}): Promise<NativeConnection> {
    if (typeof options !== 'object' || options === null || Array.isArray(options)) {
      throw new PleachError(
        'INVALID_ARGUMENT',
        `NativeConnection.connect takes options such as { address: 'sqlite:./file.db' }; this is ${shown(options)}`,
      );
    }
    const { address = DEFAULT_ADDRESS, connectTimeout, engine } = options;
    // A worker comes next, nearly always, and the engine opens in a thread of its own meanwhile.
    warmBundler();
    const caller = await openCaller({ address, engine, connectTimeoutMs: msTimeout(connectTimeout, 'connectTimeout') });
    return new NativeConnection(caller, address);
  }

  /** Opens it again, where it was lost. */
  async ensureConnected(): Promise<void> {
    await this.caller.connect();
  }

  /**
   * Tables of yours in the engine's own database, to migrate before a worker starts, say.
   * @throws PleachError DATABASE_ELSEWHERE where the engine has none that this process may open
   */
  get database(): WorkerDatabase {
    return (this.#database ??= new WorkerDatabase(this.caller));
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
