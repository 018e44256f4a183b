import type { FromKernel, KernelLink, RequestName, ToKernel } from '../contract/index.ts';
import { messageOf, type NodeId, PleachError } from '../core/index.ts';
import type { Member } from '../store/index.ts';
import type { Route } from './cluster.ts';
import type { KernelNode } from './node.ts';

/** Opens a link to another node of the same store. */
export type Dial = (address: string) => Promise<KernelLink>;

interface OpenLink {
  link: Promise<KernelLink>;
  waiting: Map<
    number,
    { answer(message: Extract<FromKernel, { kind: 'response' }>): void; lost(error: PleachError): void }
  >;
}

/**
 * This node's links to the others, one to each that it has had to ask something, with the protocol that clients speak.
 * What is under way on a link that breaks fails, and whoever asked looks for the owner again.
 */
export class NodeLinks {
  readonly #node: KernelNode;
  readonly #dial: Dial | undefined;
  readonly #links = new Map<NodeId, OpenLink>();
  #nextId = 1;

  constructor(node: KernelNode, dial: Dial | undefined) {
    this.#node = node;
    this.#dial = dial;
  }

  /** Lets go of the links to nodes that are no longer there. */
  keep(members: readonly Member[]): void {
    for (const id of this.#links.keys()) if (!members.some(({ node }) => node === id)) this.#drop(id);
  }

  close(): void {
    for (const id of this.#links.keys()) this.#drop(id);
  }

  /**
   * Asks another node.
   * @throws what it answers; NODE_UNREACHABLE where it cannot be asked, or its link breaks before it has answered: it
   *   is not known whether the request took effect, and its request id makes the repeat harmless
   */
  async request(
    to: Route,
    method: RequestName,
    params: unknown,
    onForget: (forget: () => void) => void,
  ): Promise<unknown> {
    const open = this.#open(to);
    const link = await open.link;
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      open.waiting.set(id, {
        answer: (message) => {
          if ('error' in message)
            reject(new PleachError(message.error.code, message.error.message, message.error.details));
          else resolve(message.answer);
        },
        lost: reject,
      });
      onForget(() => {
        if (open.waiting.delete(id)) link.send({ kind: 'abandon', id });
      });
      link.send({ kind: 'request', id, method, params, isForwarded: true } as Parameters<KernelLink['send']>[0]);
    });
  }

  /** Says something to another node that has no answer; it may be lost with the link. */
  say(to: Route, message: ToKernel): void {
    this.#open(to).link.then(
      (link) => link.send(message),
      () => undefined,
    );
  }

  #open(to: Route): OpenLink {
    const known = this.#links.get(to.node);
    if (known) return known;
    const waiting: OpenLink['waiting'] = new Map();
    const open: OpenLink = { link: this.#connect(to, waiting), waiting };
    this.#links.set(to.node, open);
    open.link.catch(() => this.#forget(to.node, open));
    return open;
  }

  async #connect(to: Route, waiting: OpenLink['waiting']): Promise<KernelLink> {
    const unreachable = (cause: unknown): PleachError =>
      new PleachError(
        'NODE_UNREACHABLE',
        `node ${to.node} at ${to.address} cannot be reached${cause === undefined ? '' : ` (${messageOf(cause)})`}`,
        { node: to.node, address: to.address },
        { cause },
      );
    if (!this.#dial) throw unreachable('this node opens no links');
    let link: KernelLink;
    try {
      link = await this.#dial(to.address);
    } catch (error) {
      throw unreachable(error);
    }
    if (this.#node.ended) {
      void link.close();
      throw unreachable('this node has ended');
    }
    link.receive({
      message: (message) => {
        if (message.kind !== 'response') {
          this.#node.relays.receive(to.node, message);
          return;
        }
        const waiter = waiting.get(message.id);
        waiting.delete(message.id);
        waiter?.answer(message);
      },
      closed: (cause) => {
        const open = this.#links.get(to.node);
        if (open?.waiting === waiting) this.#forget(to.node, open);
        for (const waiter of waiting.values()) waiter.lost(unreachable(cause));
        waiting.clear();
      },
    });
    return link;
  }

  #forget(node: NodeId, open: OpenLink): void {
    if (this.#links.get(node) !== open) return;
    this.#links.delete(node);
    this.#node.relays.linkLost(node);
  }

  #drop(node: NodeId): void {
    const open = this.#links.get(node);
    this.#links.delete(node);
    if (open && !this.#node.ended) this.#node.relays.linkLost(node);
    open?.link.then(
      (link) => link.close(),
      () => undefined,
    );
  }
}
