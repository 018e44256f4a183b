import { shown } from '../../common/index.ts';
import { PleachError, systemClock, systemRandom } from '../../core/index.ts';
import { DEFAULT_ADDRESS, type KernelAddress, openAddress } from './address.ts';
import { KernelCaller } from './caller.ts';

/** How a conversation with an engine is begun. */
export interface OpenOptions {
  /** `sqlite:./file.db`, `memory:`; default `localhost:7233`, a server. */
  address?: string | undefined;
  /** How long opening may take. Default 10 s. */
  connectTimeoutMs?: number | undefined;
  /** For an engine in this process: partitions, lease, cache. */
  engine?: Record<string, unknown> | undefined;
}

function requireAddress(address: unknown): string {
  if (typeof address === 'string' && address !== '') return address;
  throw new PleachError(
    'INVALID_ARGUMENT',
    `an address is text, such as sqlite:./file.db or memory:; this is ${shown(address)}`,
    { address },
  );
}

function requireEngine(engine: unknown): void {
  if (engine === undefined || (typeof engine === 'object' && engine !== null && !Array.isArray(engine))) return;
  throw new PleachError(
    'INVALID_ARGUMENT',
    `engine takes options such as { partitions: 64 }; this is ${shown(engine)}`,
    {},
  );
}

/**
 * Opens an address and waits until the engine there can be talked to.
 * @throws PleachError INVALID_ARGUMENT · ADDRESS_UNSUPPORTED · DATABASE_* · DEADLINE_EXCEEDED
 */
export async function openCaller(options: OpenOptions = {}): Promise<KernelCaller> {
  const { address: given = DEFAULT_ADDRESS } = options;
  const address = requireAddress(given);
  requireEngine(options.engine);
  const timeoutMs = options.connectTimeoutMs ?? 10_000;
  const kernel = await openAddress(address, options.engine);
  const caller = new KernelCaller(kernel, kernel.clock ?? systemClock, systemRandom());
  const tooLate = new PleachError('DEADLINE_EXCEEDED', `no engine answered at ${address} within ${timeoutMs} ms`, {
    address,
    timeoutMs,
  });
  const timeout = Promise.withResolvers<never>();
  const timer = systemClock.after(timeoutMs, () => timeout.reject(tooLate));
  try {
    await Promise.race([caller.connect(), timeout.promise]);
  } catch (error) {
    await caller.close();
    throw error;
  } finally {
    timer.clear();
  }
  return caller;
}

/** The same, opened when it is first needed. */
export function lazyCaller(options: OpenOptions = {}): KernelCaller {
  const { address: given = DEFAULT_ADDRESS } = options;
  const address = requireAddress(given);
  requireEngine(options.engine);
  let opened: Promise<KernelAddress> | undefined;
  const lazy: KernelAddress = {
    async connect() {
      opened ??= openAddress(address, options.engine);
      try {
        return await (await opened).connect();
      } catch (error) {
        // What could not be opened may be opened later; what was opened stays.
        await opened.catch(() => (opened = undefined));
        throw error;
      }
    },
    async release() {
      await (await opened?.catch(() => undefined))?.release();
    },
  };
  return new KernelCaller(lazy, systemClock, systemRandom());
}
