import type { MessagePort } from 'node:worker_threads';
import type { RemoteError } from '../contract/index.ts';

/** How the engine of a file may be set. */
export interface EngineOptions {
  partitions?: number;
  leaseTtlMs?: number;
  cachedRunsMax?: number;
  pagesMax?: number;
  /** A module that exports `wrapStore(store)`: tests put faults between kernel and store with it. */
  storeWrapper?: string;
}

/** What the kernel's thread is started with. */
export interface ThreadData {
  file: string;
  deadNode?: string;
  options: EngineOptions;
}

/** To the kernel's thread. */
export type ToThread =
  | { kind: 'link'; port: MessagePort }
  | { kind: 'route'; workerId: string; lane: number; lanes: number; port: MessagePort }
  | { kind: 'divert'; workerId: string; runId: string }
  | { kind: 'figures'; id: number }
  | { kind: 'stop' };

/** From it. */
export type FromThread =
  | { kind: 'opened' }
  | { kind: 'failed'; error: RemoteError }
  | { kind: 'ended'; error: RemoteError | undefined }
  | { kind: 'stopped' }
  | { kind: 'figures'; id: number; figures: Record<string, unknown> }
  | {
      kind: 'log';
      level: 'debug' | 'info' | 'warn' | 'error';
      message: string;
      fields: Record<string, unknown> | undefined;
    };
