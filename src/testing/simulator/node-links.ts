import type { FromKernel, KernelLink, ToKernel } from '../../contract/index.ts';
import { PleachError } from '../../core/index.ts';
import type { Peer } from '../../kernel/index.ts';
import type { Checker } from './checker.ts';
import type { Live } from './client.ts';
import type { Scheduler, SimProcess } from './scheduler.ts';

interface SimLink {
  from: SimProcess;
  to: Live;
  peer: Peer;
  isCut: boolean;
  upUntil: number;
  downUntil: number;
  closed(cause: unknown): void;
}

/** The links between the nodes of a world: what is said on one comes late and in order, and is lost when it is cut. */
export class SimNodeLinks {
  readonly #scheduler: Scheduler;
  readonly #checker: Checker;
  readonly #links = new Set<SimLink>();
  /** Requests that were passed on. */
  requests = 0;
  /** Attempts and activations that were handed to another node's worker. */
  relayed = 0;

  constructor(scheduler: Scheduler, checker: Checker) {
    this.#scheduler = scheduler;
    this.#checker = checker;
  }

  /** Opens a link, unless nobody is there. */
  async dial(from: SimProcess, to: Live | undefined): Promise<KernelLink> {
    const scheduler = this.#scheduler;
    await scheduler.delay(scheduler.between(0, 5), from);
    if (!to || to.process.isDead) throw new PleachError('CONNECTION_CLOSED', 'simulated: nobody listens', {});
    let handler: Parameters<KernelLink['receive']>[0] | undefined;
    const early: FromKernel[] = [];
    const peer = to.node.connect({
      local: false,
      send: (message) => {
        if (to.process.isDead) return;
        if (message.kind === 'attempt') this.#checker.acts(to.node.id, 'began an attempt');
        if (message.kind === 'attempt' || message.kind === 'activate') this.relayed++;
        link.downUntil = Math.max(link.downUntil, scheduler.now + scheduler.between(0, 5));
        scheduler.after(link.downUntil - scheduler.now, from, () => {
          if (link.isCut) return;
          if (handler) handler.message(message);
          else early.push(message);
        });
      },
      ended: () => this.#cut(link),
    });
    const link: SimLink = {
      from,
      to,
      peer,
      isCut: false,
      upUntil: 0,
      downUntil: 0,
      closed: (cause) => handler?.closed(cause),
    };
    this.#links.add(link);
    return {
      send: (message: ToKernel) => {
        if (message.kind === 'request') this.requests++;
        link.upUntil = Math.max(link.upUntil, scheduler.now + scheduler.between(0, 5));
        scheduler.after(link.upUntil - scheduler.now, to.process, () => {
          if (!link.isCut) peer.receive(message);
        });
      },
      receive: (next) => {
        handler = next;
        for (const message of early.splice(0)) next.message(message);
        if (link.isCut) next.closed();
      },
      close: async () => this.#cut(link),
    };
  }

  /** Cuts one of the links, if there is any; each end finds out in its own time. */
  cutOne(): boolean {
    const { size } = this.#links;
    if (size === 0) return false;
    this.#cut(this.#scheduler.pick([...this.#links]));
    return true;
  }

  /** A process has ended, and all its links with it. */
  gone(process: SimProcess): void {
    for (const link of this.#links) if (link.from === process || link.to.process === process) this.#cut(link);
  }

  #cut(link: SimLink): void {
    if (!this.#links.delete(link)) return;
    link.isCut = true;
    const scheduler = this.#scheduler;
    const broken = new PleachError('CONNECTION_CLOSED', 'simulated: the link broke', {});
    scheduler.after(scheduler.between(0, 200), link.from, () => link.closed(broken));
    scheduler.after(scheduler.between(0, 200), link.to.process, () => link.peer.closed());
  }
}
