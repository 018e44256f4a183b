import { resolve } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { DatabaseProvider } from '../common/index.ts';
import type { ActivationRouter, FromKernel, KernelAddress, KernelLink } from '../contract/index.ts';
import { type Log, PleachError, silentLog, sourceFile, systemClock } from '../core/index.ts';
import { makeLink } from './link-pair.ts';
import { attach, socketPath } from './socket.ts';
import type { EngineOptions, FromThread, ToThread } from './thread-messages.ts';

const CONNECT_TRIES = 5;
const CONNECT_WAIT_MS = 40;
const TAKEOVER_WAIT_MS = 250;

/**
 * A SQLite file as an address. The first process on it is its engine, with the kernel in a thread of its own; the
 * others attach to its socket. When the engine is gone, the next one that needs it takes over: a refused connection
 * says that it is dead, a silent one is given its lease's time. Correctness is the epoch, so eagerness is harmless.
 */
export class SqliteEngine implements KernelAddress {
  readonly dialect = 'sqlite';
  readonly #file: string;
  readonly #options: EngineOptions;
  readonly #log: Log;
  readonly #onClosed: () => void;
  #users = 1;
  #closed = false;
  #thread: Worker | undefined;
  #opening: Promise<void> | undefined;
  #figureId = 0;
  #database: Promise<DatabaseProvider> | undefined;

  constructor(file: string, options: EngineOptions, log: Log = silentLog, onClosed: () => void = () => undefined) {
    this.#file = resolve(file);
    this.#options = options;
    this.#log = log;
    this.#onClosed = onClosed;
  }

  retain(): this {
    this.#users++;
    return this;
  }

  /** Whether the kernel of this file runs in this process. */
  get isEngine(): boolean {
    return this.#thread !== undefined;
  }

  async connect(): Promise<KernelLink> {
    for (;;) {
      if (this.#closed)
        throw new PleachError('CONNECTION_CLOSED', `the connection to ${this.#file} was closed`, { file: this.#file });
      if (this.#thread) return this.#linkToThread(this.#thread);
      try {
        await (this.#opening ??= this.#becomeEngine().finally(() => {
          this.#opening = undefined;
        }));
      } catch (error) {
        if (!(error instanceof PleachError) || error.code !== 'DATABASE_IN_USE') throw error;
        const link = await this.#attach(error);
        if (link) return link;
      }
    }
  }

  /** Tries the holder's socket; where it is dead, the next turn of `connect` takes over. */
  async #attach(held: PleachError): Promise<KernelLink | undefined> {
    const path = socketPath(this.#file);
    for (let tries = 0; tries < CONNECT_TRIES; tries++) {
      try {
        return await attach(path, systemClock);
      } catch (error) {
        if (error instanceof PleachError && error.details['isDead'] === true) break;
        // Its engine has the lease and does not listen yet, or died before it did; a few more tries tell them apart.
        await wait(CONNECT_WAIT_MS);
      }
    }
    try {
      await this.#becomeEngine(held.details['holder'] as string);
    } catch (error) {
      if (!(error instanceof PleachError) || error.code !== 'DATABASE_IN_USE') throw error;
      await wait(TAKEOVER_WAIT_MS);
    }
    return undefined;
  }

  async #becomeEngine(deadNode?: string): Promise<void> {
    const thread = new Worker(sourceFile('engine/kernel-thread'), {
      workerData: { file: this.#file, options: this.#options, ...(deadNode === undefined ? {} : { deadNode }) },
      name: 'pleach kernel',
    });
    await new Promise<void>((opened, failed) => {
      thread.once('error', failed);
      thread.on('message', (message: FromThread) => {
        if (message.kind === 'opened') opened();
        else if (message.kind === 'failed') {
          failed(new PleachError(message.error.code, message.error.message, message.error.details));
          void thread.terminate();
        } else if (message.kind === 'log') this.#log[message.level](message.message, message.fields);
        else if (message.kind === 'ended') {
          if (this.#thread === thread) this.#thread = undefined;
          if (message.error) {
            this.#log.error('the engine of this process has ended', { ...message.error });
            void thread.terminate();
          }
        }
      });
    });
    thread.on('error', (error: Error) => {
      if (this.#thread === thread) this.#thread = undefined;
      this.#log.error('the kernel thread failed', { message: error.message });
    });
    thread.on('exit', () => {
      if (this.#thread === thread) this.#thread = undefined;
    });
    this.#thread = thread;
  }

  /** Messages cross as JSON text, as they do on the socket: to clone the objects would cost three times as much. */
  #linkToThread(thread: Worker): KernelLink {
    const { port1, port2 } = new MessageChannel();
    thread.postMessage({ kind: 'link', port: port2 } satisfies ToThread, [port2]);
    const { link, end } = makeLink(
      (batch) => port1.postMessage(JSON.stringify(batch)),
      async () => port1.close(),
    );
    port1.on('message', (text: string) => end.deliver(JSON.parse(text) as FromKernel[]));
    port1.on('close', () =>
      end.closed(new PleachError('CONNECTION_CLOSED', 'the engine of this process has ended', {})),
    );
    return link;
  }

  routeActivations(workerId: string): ActivationRouter | undefined {
    const thread = this.#thread;
    if (!thread) return undefined;
    return {
      open(lane, lanes) {
        const { port1, port2 } = new MessageChannel();
        thread.postMessage({ kind: 'route', workerId, lane, lanes, port: port2 } satisfies ToThread, [port2]);
        return port1;
      },
      divert: (runId) => thread.postMessage({ kind: 'divert', workerId, runId } satisfies ToThread),
    };
  }

  /** Counters of the kernel in this process, for the bench. */
  async figures(): Promise<Record<string, unknown> | undefined> {
    const thread = this.#thread;
    if (!thread) return undefined;
    const id = ++this.#figureId;
    return new Promise((answer) => {
      const listener = (message: FromThread): void => {
        if (message.kind !== 'figures' || message.id !== id) return;
        thread.off('message', listener);
        answer(message.figures);
      };
      thread.on('message', listener);
      thread.postMessage({ kind: 'figures', id } satisfies ToThread);
    });
  }

  /** Loaded when it is asked for: most processes have no tables of their own here. */
  openDatabase(): Promise<DatabaseProvider> {
    this.#database ??= import('../store/index.ts').then(
      ({ SqliteDatabase }) => new SqliteDatabase(this.#file, systemClock),
    );
    return this.#database;
  }

  async release(): Promise<void> {
    if (--this.#users > 0 || this.#closed) return;
    this.#closed = true;
    this.#onClosed();
    await (await this.#database?.catch(() => undefined))?.close();
    const thread = this.#thread;
    if (!thread) return;
    await new Promise<void>((stopped) => {
      thread.once('exit', () => stopped());
      thread.postMessage({ kind: 'stop' } satisfies ToThread);
    });
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((done) => systemClock.after(ms, done));
}
