/**
 * The powers that the kernel receives instead of taking: a simulator hands in its own and owns the world.
 */

/** A handle on a wait that has not ended; `clear` is safe to call twice and after it fired. */
export interface Wait {
  clear(): void;
}

/** Time. `now` is wall time and may jump; `monotonicMs` never goes back and is what leases are watched with. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds since some fixed point of this process. */
  monotonicMs(): number;
  /** Calls back once, at least `delayMs` after now by the monotonic clock. A wait that was not cleared keeps the process alive. */
  after(delayMs: number, fire: () => void): Wait;
  /** Calls back again and again, about every `periodMs`. Such a wait does not keep the process alive. */
  every(periodMs: number, fire: () => void): Wait;
  /** Calls back in a later turn of the loop, after input and output that is already waiting. */
  soon(fire: () => void): void;
}

/** Randomness. */
export interface Random {
  /** Fresh random bytes; the caller may keep and change them. */
  bytes(count: number): Uint8Array;
  /** A number in [0, 1). */
  fraction(): number;
}

/** Where a program tells what it does; `fields` are data, never secrets or payloads. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** A log that keeps nothing. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
