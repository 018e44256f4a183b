import type { QueueState } from '../contract/index.ts';
import type { NodeId, Partition } from '../core/index.ts';
import { LIMITS } from '../core/index.ts';
import type { KernelNode } from './node.ts';
import type { Peer } from './peer.ts';
import type { Queue } from './workers.ts';

/** What a node says of a queue, and where it is told what to do about it. */
interface Offer {
  state: QueueState;
  /** The link on which it said so; absent for this node itself. */
  peer: Peer | undefined;
}

/**
 * Pairs what waits on one node with workers on another. Every queue has a home partition, whose owner is its matcher:
 * each node with workers or waiting tasks of the queue tells it so, and the matcher tells nodes with free workers whom to
 * serve. Tasks of a node's own runs go to its own workers without asking anyone.
 *
 * All of it is soft: what is not said again is forgotten, and after a change of owner it is all said anew.
 */
export class Matcher {
  readonly #node: KernelNode;
  /** As matcher: what nodes have said, by queue. */
  readonly #offers = new Map<Queue, Map<NodeId, Offer>>();
  /** As one of the nodes: queues about which there is something to say, and what was said last and to whom. */
  readonly #changed = new Set<Queue>();
  readonly #said = new Map<Queue, { text: string; to: NodeId | undefined }>();
  #isTelling = false;

  constructor(node: KernelNode) {
    this.#node = node;
  }

  // ---- as one of the nodes ----

  /** Something about a queue is not as it was: its matcher is told soon. Costs nothing where no other node is there. */
  changed(queue: Queue): void {
    if (this.#node.cluster.isAlone) return;
    this.#changed.add(queue);
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#node.clock.after(LIMITS.offerMs, () => {
      this.#isTelling = false;
      this.#tellAll();
    });
  }

  /** Says all anew, since others may have forgotten it or a queue has another matcher. */
  refresh(): void {
    if (this.#node.cluster.isAlone) return;
    this.#said.clear();
    for (const queue of this.#node.queues.values()) this.changed(queue);
  }

  #tellAll(): void {
    const node = this.#node;
    for (const queue of this.#changed) {
      this.#changed.delete(queue);
      if (node.ended) return;
      const state = this.#stateOf(queue);
      const home = node.partitionOf(queue.namespace, queue.name);
      const route = node.cluster.owns(home) ? undefined : node.cluster.routeOf(home);
      // Nobody is its matcher at the moment; it is said again when somebody is.
      if (!route && !node.cluster.owns(home)) continue;
      const text = JSON.stringify(state);
      const said = this.#said.get(queue);
      if (said ? said.text === text && said.to === route?.node : !isWorthSaying(state)) continue;
      this.#said.set(queue, { text, to: route?.node });
      if (!route) this.offered(node.id, state, undefined);
      else node.links.say(route, { kind: 'queue-state', node: node.id, state });
    }
  }

  #stateOf(queue: Queue): QueueState {
    const own = queue.workers.filter((worker) => !worker.isRelay && !worker.draining);
    const nowMs = this.#node.clock.monotonicMs();
    const able = own.filter(({ registration }) => registration.bundleId !== undefined);
    return {
      namespace: queue.namespace,
      queue: queue.name,
      address: this.#node.cluster.address ?? '',
      freeSlots: queue.freeSlots(nowMs),
      workflows: able.length > 0,
      waitingTasks: queue.waitingCount,
      waitingWorkflows: queue.wantsWorkflows && !queue.takesWorkflows,
    };
  }

  // ---- as matcher ----

  /** A node says how a queue stands with it. */
  offered(from: NodeId, state: QueueState, peer: Peer | undefined): void {
    const queue = this.#node.queue(state.namespace, state.queue);
    if (!this.#node.cluster.owns(this.#home(queue))) return;
    let offers = this.#offers.get(queue);
    if (!offers) this.#offers.set(queue, (offers = new Map<NodeId, Offer>()));
    offers.set(from, { state: { ...state }, peer });
    this.#match(queue, offers);
  }

  /** A link is gone, and with it what was said on it. */
  peerClosed(peer: Peer): void {
    for (const offers of this.#offers.values())
      for (const [node, offer] of offers) if (offer.peer === peer) offers.delete(node);
  }

  #home(queue: Queue): Partition {
    return this.#node.partitionOf(queue.namespace, queue.name);
  }

  #match(queue: Queue, offers: ReadonlyMap<NodeId, Offer>): void {
    for (const [needy, { state: needs }] of offers) {
      if (needs.waitingTasks === 0 && !needs.waitingWorkflows) continue;
      for (const [helper, { state: has, peer }] of offers) {
        if (helper === needy) continue;
        const slots = Math.min(needs.waitingTasks, has.freeSlots);
        const workflows = needs.waitingWorkflows && has.workflows;
        if (slots === 0 && !workflows) continue;
        // Counted as given, until either says otherwise.
        needs.waitingTasks -= slots;
        has.freeSlots -= slots;
        const serve = {
          kind: 'serve' as const,
          namespace: queue.namespace,
          queue: queue.name,
          to: { node: needy, address: needs.address },
          slots,
        };
        if (peer) peer.say(serve);
        else this.#node.relays.serve(serve);
      }
    }
  }
}

/** Whether a queue has anything that a matcher who has heard nothing of it would want to know. */
function isWorthSaying(state: QueueState): boolean {
  return state.freeSlots > 0 || state.workflows || state.waitingTasks > 0 || state.waitingWorkflows;
}
