/**
 * engine: opens a node on an address, with everything in it; wiring lives here.
 *
 * Nouns: the engine of an address (`SqliteEngine`, `MemoryEngine`), the kernel's thread, the socket beside a file, the
 * link that a client or worker holds. An address is opened once per process, whoever asks, and closes with the last.
 *
 * It promises that user code and the kernel never share a thread on a file: the kernel runs in one of its own, and only
 * messages cross, a turn's worth at a time. Other processes on the same file attach to its socket and speak the same
 * messages. `memory:` runs all of it in the caller's thread, through the same ports.
 *
 * When the world fails: an engine that dies closes its links; whoever connects next finds the connection refused and
 * takes over at once, under a higher epoch. A peer that falls silent is dropped after three missed pings.
 */
import { PleachError, stderrLog } from '../core/index.ts';
import { resolve } from 'node:path';
import { MemoryEngine } from './memory-engine.ts';
import { SqliteEngine } from './sqlite-engine.ts';
import type { EngineOptions } from './thread-messages.ts';

export { MemoryEngine, type MemoryEngineOptions } from './memory-engine.ts';
export { socketPath } from './socket.ts';
export { SqliteEngine } from './sqlite-engine.ts';
export type { EngineOptions } from './thread-messages.ts';

const files = new Map<string, SqliteEngine>();
const memories = new Map<string, MemoryEngine>();

/** Opens `sqlite:FILE`; one engine per file and process. */
export function openSqlite(address: string, options: EngineOptions = {}): SqliteEngine {
  const path = address.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '');
  if (path === '' || path === ':memory:') {
    throw new PleachError(
      'ADDRESS_UNSUPPORTED',
      `"${address}" names no file; write sqlite:./file.db, or memory: for a test`,
      { address },
    );
  }
  const file = resolve(path);
  const open = files.get(file);
  if (open) return open.retain();
  const engine = new SqliteEngine(file, options, stderrLog, () => {
    if (files.get(file) === engine) files.delete(file);
  });
  files.set(file, engine);
  return engine;
}

/** Opens `memory:NAME`; one engine per name and process. */
export function openMemory(address: string): MemoryEngine {
  const open = memories.get(address);
  if (open) return open.retain();
  const engine = new MemoryEngine({}, () => {
    if (memories.get(address) === engine) memories.delete(address);
  });
  memories.set(address, engine);
  return engine;
}
