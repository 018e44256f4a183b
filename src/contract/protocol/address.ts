import type { Database, DatabaseProvider } from '../../common/index.ts';
import { type Clock, PleachError } from '../../core/index.ts';
import type { KernelLink } from './messages.ts';

/** What an opener gives: links to one kernel, as many as are asked for, until it is closed. */
export interface KernelAddress {
  /** Opens a link; waits until the kernel there can be talked to. */
  connect(): Promise<KernelLink>;
  /** Gives up this user's share; the engine behind the address closes with its last user. */
  release(): Promise<void>;
  /** The clock that an engine in this thread lives by, where it is not the host's: a test's. */
  readonly clock?: Clock;
  /** Whether the engine lives in the caller's own thread: then workflow code does too. */
  readonly isInThread?: boolean;
  /** The dialect of the engine's database, where this process may open it for authors' tables. */
  readonly dialect?: Database['dialect'];
  /** Opens that database; there is one for each address, and it closes with it. */
  openDatabase?(): Promise<DatabaseProvider>;
  /** For an engine in a thread of this process: how a worker's workflow threads are joined to it. */
  routeActivations?(workerId: string): ActivationRouter | undefined;
}

/** Joins the workflow threads of one worker to an engine in the same process, without the main thread between them. */
export interface ActivationRouter {
  /**
   * Gives the port for one of the worker's workflow threads. Batches of messages cross it as JSON text: `activate` and
   * `evict` come, `activated` goes. What a thread had in hand when its port closes is sent to the main thread instead.
   */
  open(lane: number, lanes: number): MessagePort;
  /** Has a run's activations sent to the main thread from now on. */
  divert(runId: string): void;
}

/** The workflow thread of a run, among so many of one worker: a run stays with its thread. */
export function laneOf(runId: string, lanes: number): number {
  if (lanes <= 1) return 0;
  let hash = 0;
  for (let i = 0; i < runId.length; i++) hash = (Math.imul(hash, 31) + runId.charCodeAt(i)) | 0;
  return (hash >>> 0) % lanes;
}

/** Opens an address of one scheme. */
export type AddressOpener = (address: string, options: Record<string, unknown>) => Promise<KernelAddress>;

const openers = new Map<string, AddressOpener>();

/** Makes a scheme (`sqlite:`, `memory:`, …) known to `Connection` and `NativeConnection`; the entry files call it. */
export function registerAddressOpener(scheme: string, opener: AddressOpener): void {
  openers.set(scheme, opener);
}

/** The address that is meant where none is given: a server on this machine. */
export const DEFAULT_ADDRESS = 'localhost:7233';

/**
 * Opens an address.
 * @throws ADDRESS_UNSUPPORTED for a scheme without an opener; the message names those that there are
 */
export async function openAddress(address: string, options: Record<string, unknown> = {}): Promise<KernelAddress> {
  const scheme = /^[a-z][a-z0-9+]*:(?!\d+(\/|$))/.exec(address)?.[0];
  const opener = scheme === undefined ? undefined : openers.get(scheme);
  if (opener) return opener(address, options);
  const known = [...openers.keys()].map((name) => (name === 'sqlite:' ? 'sqlite:./file.db' : name));
  const use =
    known.length > 0 ? known.join(' or ') : 'sqlite:./file.db or memory: (import from pleach/client or pleach/worker)';
  throw new PleachError(
    'ADDRESS_UNSUPPORTED',
    `cannot connect to "${address}": no server speaks to this release over the network yet; use ${use}`,
    { address, supported: known },
  );
}
