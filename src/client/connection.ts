import { AsyncLocalStorage } from 'node:async_hooks';
import { hostname } from 'node:os';
import { type Duration, msTimeout, shown } from '../common/index.ts';
import { type CallOptions, DEFAULT_ADDRESS, type KernelCaller, lazyCaller, openCaller } from '../contract/index.ts';
import { PleachError, systemClock } from '../core/index.ts';
import { requireOptions, requireWork } from './start-options.ts';

/** How a connection is opened. */
export interface ConnectionOptions {
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

/** What a client needs of a connection. */
export interface ConnectionLike {
  readonly caller: KernelCaller;
  close(): Promise<void>;
}

/** How long an ordinary request may take before it is DEADLINE_EXCEEDED. */
const CALL_TIMEOUT_MS = 10_000;
/** The address of a server on this machine. */
export const LOCAL_TARGET = DEFAULT_ADDRESS;

interface Scope {
  caller: KernelCaller;
  deadlineAt?: number;
  signal?: AbortSignal;
  outer: Scope | undefined;
}
/** Limits follow the calls that are made inside a scope, and no others that are made at the same time. */
const scopes = new AsyncLocalStorage<Scope>();

/** Runs work whose requests over a conversation are limited. The innermost limit of a sort counts. */
export function withLimits<R>(
  caller: KernelCaller,
  limits: { deadlineAt?: number; signal?: AbortSignal },
  work: () => Promise<R>,
): Promise<R> {
  requireWork('a call with limits', work);
  return scopes.run({ caller, ...limits, outer: scopes.getStore() }, work);
}

/** A point in time as a number. @throws INVALID_ARGUMENT */
export function instantOf(deadline: number | Date): number {
  const at = typeof deadline === 'number' || deadline instanceof Date ? Number(deadline) : Number.NaN;
  if (Number.isFinite(at)) return at;
  throw new PleachError(
    'INVALID_ARGUMENT',
    `withDeadline takes a Date, or milliseconds since 1970; this is ${shown(deadline)}`,
    { deadline },
  );
}

/** @throws INVALID_ARGUMENT unless it is an AbortSignal */
export function requireSignal(signal: AbortSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal;
  throw new PleachError(
    'INVALID_ARGUMENT',
    `withAbortSignal takes the signal of an AbortController; this is ${shown(signal)}`,
  );
}

/** How long a request that is made now may take. @param isLong whether it waits for something to happen */
export function callOptions(caller: KernelCaller, isLong = false): CallOptions {
  let deadlineAt: number | undefined;
  let signal: AbortSignal | undefined;
  for (let scope = scopes.getStore(); scope; scope = scope.outer) {
    if (scope.caller !== caller) continue;
    deadlineAt ??= scope.deadlineAt;
    signal ??= scope.signal;
  }
  const options: CallOptions = signal ? { signal } : {};
  if (deadlineAt !== undefined) options.timeoutMs = Math.max(0, deadlineAt - systemClock.now());
  else if (!isLong) options.timeoutMs = CALL_TIMEOUT_MS;
  return options;
}

/** A connection to an engine, for clients. */
export class Connection implements ConnectionLike {
  readonly caller: KernelCaller;
  readonly options: Readonly<ConnectionOptions>;

  protected constructor(caller: KernelCaller, options: ConnectionOptions) {
    this.caller = caller;
    this.options = options;
  }

  /**
   * Opens a connection and waits until the engine can be talked to.
   * @throws PleachError INVALID_ARGUMENT · ADDRESS_UNSUPPORTED · DATABASE_* · DEADLINE_EXCEEDED
   */
  static async connect(options: ConnectionOptions = {}): Promise<Connection> {
    requireOptions('Connection.connect', options, "{ address: 'sqlite:./file.db' }");
    const { address, connectTimeout, engine } = options;
    const caller = await openCaller({ address, engine, connectTimeoutMs: msTimeout(connectTimeout, 'connectTimeout') });
    return new Connection(caller, options);
  }

  /** A connection that is opened by the first request over it, or by `ensureConnected`. */
  static lazy(options: ConnectionOptions = {}): Connection {
    requireOptions('Connection.lazy', options, "{ address: 'sqlite:./file.db' }");
    const { address, engine } = options;
    return new Connection(lazyCaller({ address, engine }), options);
  }

  /** Opens it, where it is not open. @throws as `connect` does */
  async ensureConnected(): Promise<void> {
    await this.caller.connect();
  }

  /** Runs requests with a point in time by which each must be answered. */
  async withDeadline<R>(deadline: number | Date, work: () => Promise<R>): Promise<R> {
    return withLimits(this.caller, { deadlineAt: instantOf(deadline) }, work);
  }

  /** Runs requests that are given up when the signal is aborted. */
  async withAbortSignal<R>(signal: AbortSignal, work: () => Promise<R>): Promise<R> {
    return withLimits(this.caller, { signal: requireSignal(signal) }, work);
  }

  /** Metadata has no carrier inside a process; it is accepted and goes nowhere. */
  async withMetadata<R>(_metadata: Record<string, unknown>, work: () => Promise<R>): Promise<R> {
    requireWork('withMetadata', work);
    return work();
  }

  /** Closes it; the engine of its address closes with its last user. */
  async close(): Promise<void> {
    await this.caller.close();
  }
}

/** Who this process is, where nobody says: process id and host. */
export function defaultIdentity(): string {
  return `${process.pid}@${hostname()}`;
}
