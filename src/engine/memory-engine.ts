import type { KernelAddress, KernelLink } from '../contract/index.ts';
import { type Clock, type Log, PleachError, type Random, silentLog, systemClock, systemRandom } from '../core/index.ts';
import { type Admission, KernelNode } from '../kernel/index.ts';
import { ModelData, ModelStore } from '../store/index.ts';
import { makeChannel, makeLink } from './link-pair.ts';

/** What a memory engine may be given instead of the host's own. */
export interface MemoryEngineOptions {
  clock?: Clock;
  random?: Random;
  log?: Log;
  admission?: Admission;
  /** How long its lease lives; a test that skips time needs a long one. */
  leaseTtlMs?: number;
}

/** An engine in this thread whose database is this process's memory: for tests. Closes with its last user. */
export class MemoryEngine implements KernelAddress {
  readonly clock: Clock;
  readonly isInThread = true;
  readonly #node: Promise<KernelNode>;
  #users = 1;
  #closed = false;
  readonly #onClosed: () => void;

  constructor(options: MemoryEngineOptions = {}, onClosed: () => void = () => undefined) {
    this.clock = options.clock ?? systemClock;
    this.#onClosed = onClosed;
    this.#node = KernelNode.open({
      store: new ModelStore(new ModelData(), this.clock),
      clock: this.clock,
      random: options.random ?? systemRandom(),
      log: options.log ?? silentLog,
      ...(options.leaseTtlMs === undefined ? {} : { leaseTtlMs: options.leaseTtlMs }),
      ...(options.admission ? { admission: options.admission } : {}),
    });
  }

  /** The node itself, for a test environment that moves its clock. */
  get node(): Promise<KernelNode> {
    return this.#node;
  }

  retain(): this {
    this.#users++;
    return this;
  }

  async connect(): Promise<KernelLink> {
    if (this.#closed)
      throw new PleachError('CONNECTION_CLOSED', 'the engine in memory was closed, and what it held is gone', {});
    const node = await this.#node;
    const { link, end } = makeLink(
      (batch) => {
        // A turn of its own: a sender never runs inside its receiver.
        for (const message of batch) peer.receive(message);
      },
      async () => {
        peer.closed();
        end.closed();
      },
    );
    const peer = node.connect(
      makeChannel(
        true,
        (batch) => end.deliver(batch),
        (error) => end.closed(error),
      ),
    );
    return link;
  }

  async release(): Promise<void> {
    if (--this.#users > 0 || this.#closed) return;
    this.#closed = true;
    this.#onClosed();
    await (await this.#node).stop();
  }
}
