import type { AttemptTask, FromKernel, ToKernel } from '../contract/index.ts';
import type { NodeId, Partition } from '../core/index.ts';
import type { Route } from './cluster.ts';
import type { KernelNode } from './node.ts';
import type { WorkerHandle } from './workers.ts';

/** A worker of this node that works for another: there it is registered as a remote worker, and this node passes on. */
interface Relay {
  readonly worker: WorkerHandle;
  readonly to: Route;
  /** Slots that were granted to the other node and are not taken up. */
  granted: number;
}

/** An attempt of another node's run that a worker of this node holds. */
interface RelayedAttempt {
  readonly worker: WorkerHandle;
  readonly partition: Partition;
  /** The node that was last told of it. */
  to: NodeId;
  /** Its end, which came while its run's node could not be told. */
  end: Extract<ToKernel, { kind: 'attempt-done' }> | undefined;
}

/**
 * Lets the workers of this node work for runs of other nodes, with the protocol of remote workers: this node registers
 * them there and passes on what is said either way. Attempts outlive the node that handed them out: when their partition
 * has another owner, they are announced to it.
 */
export class Relays {
  readonly #node: KernelNode;
  /** By the other node, and the worker's id. */
  readonly #relays = new Map<NodeId, Map<string, Relay>>();
  readonly #attempts = new Map<string, RelayedAttempt>();
  /** The node whose run an instance in a worker of this node belongs to, by run. */
  readonly #runs = new Map<string, { to: NodeId; worker: WorkerHandle }>();

  constructor(node: KernelNode) {
    this.#node = node;
  }

  // ---- what is asked of this node ----

  /** The matcher of a queue asks this node to serve another, with so many slots for its activities. */
  serve(ask: Extract<FromKernel, { kind: 'serve' }>): void {
    const to: Route = { node: ask.to.node as NodeId, address: ask.to.address };
    const queue = this.#node.queue(ask.namespace, ask.queue);
    let left = ask.slots;
    for (const worker of queue.workers) {
      if (worker.isRelay || worker.draining || worker.gone) continue;
      const relay = this.#relayTo(to, worker);
      const slots = Math.min(left, worker.registration.activitySlots - worker.tokens.size - worker.lent);
      if (slots <= 0) continue;
      left -= slots;
      worker.lent += slots;
      relay.granted += slots;
      this.#say(to, { kind: 'grant', workerId: worker.registration.workerId, slots });
    }
    this.#node.matcher.changed(queue);
  }

  #relayTo(to: Route, worker: WorkerHandle): Relay {
    const { workerId } = worker.registration;
    let relays = this.#relays.get(to.node);
    if (!relays) this.#relays.set(to.node, (relays = new Map<string, Relay>()));
    let relay = relays.get(workerId);
    if (relay) return relay;
    relays.set(workerId, (relay = { worker, to, granted: 0 }));
    const running = this.#attempts
      .entries()
      .filter(([, attempt]) => attempt.worker === worker && attempt.to === to.node)
      .map(([token]) => token);
    // It has no slots of its own there: only those that are granted.
    this.#say(to, {
      kind: 'register',
      worker: { ...worker.registration, activitySlots: 0, runningTokens: [...running], isRelay: true },
    });
    for (const { worker: holder, to: node, end } of this.#attempts.values())
      if (end && holder === worker && node === to.node) this.#say(to, end);
    return relay;
  }

  #say(to: Route, message: ToKernel): void {
    this.#node.links.say(to, message);
  }

  // ---- from the other node, to a worker of this one ----

  /** What another node says to a worker of this one. */
  receive(from: NodeId, message: FromKernel): void {
    switch (message.kind) {
      case 'serve':
        this.serve(message);
        return;
      case 'grant-back': {
        const relay = this.#relays.get(from)?.get(message.workerId);
        if (relay) this.#giveBack(relay, message.slots);
        return;
      }
      case 'attempt':
        this.#attempt(from, message.workerId, message.task);
        return;
      case 'activate': {
        const worker = this.#relays.get(from)?.get(message.workerId)?.worker;
        if (!worker || worker.gone || !this.#node.journal.holds()) return;
        this.#runs.set(message.activation.runId, { to: from, worker });
        worker.channel.send(message);
        return;
      }
      case 'evict': {
        const worker = this.#relays.get(from)?.get(message.workerId)?.worker;
        const own = this.#runs.get(message.runId);
        if (own?.to === from) this.#runs.delete(message.runId);
        // The run may be another's by now, which has an instance of its own there.
        else return;
        worker?.channel.send(message);
        return;
      }
      case 'attempt-cancel': {
        const attempt = this.#attempts.get(message.token);
        if (!attempt || attempt.to !== from) return;
        attempt.worker.channel.send(message);
        if (message.reason === 'NOT_FOUND') this.#forget(message.token, attempt);
        return;
      }
      default:
        return;
    }
  }

  #attempt(from: NodeId, workerId: string, task: AttemptTask): void {
    const relay = this.#relays.get(from)?.get(workerId);
    // A node that may have been fenced lets nothing begin, whoever asks.
    if (!relay || relay.worker.gone || !this.#node.journal.holds()) return;
    const { worker } = relay;
    if (relay.granted > 0) {
      relay.granted--;
      worker.lent--;
    }
    worker.tokens.set(task.token, this.#node.clock.monotonicMs());
    this.#attempts.set(task.token, {
      worker,
      partition: this.#node.partitionOf(task.namespace, task.workflowId),
      to: from,
      end: undefined,
    });
    worker.channel.send({ kind: 'attempt', workerId, task });
  }

  #giveBack(relay: Relay, slots: number): void {
    const back = Math.min(slots, relay.granted);
    relay.granted -= back;
    relay.worker.lent -= back;
    const { namespace, queue } = relay.worker.registration;
    if (back > 0) this.#node.attempts.serve(this.#node.queue(namespace, queue));
  }

  // ---- from a worker of this node, to the other ----

  /** Passes on what a worker of this node says of another node's run; false where it is this node's affair. */
  passOn(message: ToKernel): boolean {
    switch (message.kind) {
      case 'attempt-done': {
        const attempt = this.#attempts.get(message.token);
        if (!attempt) return false;
        attempt.end = message;
        this.#free(message.token, attempt);
        this.#tellEnd(message.token, attempt);
        return true;
      }
      case 'attempt-async':
      case 'heartbeat': {
        const attempt = this.#attempts.get(message.token);
        if (!attempt) return false;
        const relay = this.#relays.get(attempt.to)?.get(attempt.worker.registration.workerId);
        if (relay) this.#say(relay.to, message);
        if (message.kind === 'attempt-async') this.#forget(message.token, attempt);
        return true;
      }
      case 'activated':
      case 'local-resolved': {
        const run = this.#runs.get(message.runId);
        const relay = run && this.#relays.get(run.to)?.get(message.workerId);
        if (!relay) return false;
        this.#say(relay.to, message);
        return true;
      }
      default:
        return false;
    }
  }

  /** Tells the run's node of an attempt's end, if it can be told; else when it can. */
  #tellEnd(token: string, attempt: RelayedAttempt): void {
    const relay = this.#relays.get(attempt.to)?.get(attempt.worker.registration.workerId);
    if (!relay || !attempt.end) return;
    this.#say(relay.to, attempt.end);
    this.#attempts.delete(token);
  }

  #free(token: string, { worker }: RelayedAttempt): void {
    worker.tokens.delete(token);
    const { namespace, queue: name } = worker.registration;
    const queue = this.#node.queue(namespace, name);
    this.#node.attempts.serve(queue);
    this.#node.matcher.changed(queue);
  }

  #forget(token: string, attempt: RelayedAttempt): void {
    this.#attempts.delete(token);
    this.#free(token, attempt);
  }

  // ---- coming and going ----

  /** A worker of this node holds an attempt of a run that has become another node's: it is announced there. */
  adopt(token: string, worker: WorkerHandle, partition: Partition): void {
    this.#attempts.set(token, { worker, partition, to: this.#node.id, end: undefined });
    worker.tokens.set(token, this.#node.clock.monotonicMs());
  }

  /** Announces attempts whose partition has another owner than the one that was last told of them. */
  follow(): void {
    for (const [token, attempt] of this.#attempts) {
      if (this.#node.cluster.owns(attempt.partition)) {
        this.#comeHome(token, attempt);
        continue;
      }
      const route = this.#node.cluster.routeOf(attempt.partition);
      if (!route) continue;
      if (route.node === attempt.to && this.#relays.get(route.node)?.has(attempt.worker.registration.workerId))
        continue;
      attempt.to = route.node;
      // Registered anew, with all that it holds of that node's runs.
      this.#relays.get(route.node)?.delete(attempt.worker.registration.workerId);
      this.#relayTo(route, attempt.worker);
    }
    for (const [token, attempt] of this.#attempts) if (attempt.end) this.#tellEnd(token, attempt);
  }

  /** The run of an attempt is this node's now: the attempt is too. */
  #comeHome(token: string, attempt: RelayedAttempt): void {
    this.#attempts.delete(token);
    const { worker, end } = attempt;
    if (end) {
      this.#node.attempts.done(token, end.outcome).catch(() => this.#attempts.set(token, attempt));
      return;
    }
    void this.#node.attempts.announced(worker, [token]);
  }

  /** A worker of this node is gone, or takes nothing new. */
  workerLeaves(worker: WorkerHandle, kind: 'drain' | 'unregister'): void {
    const { workerId } = worker.registration;
    for (const relays of this.#relays.values()) {
      const relay = relays.get(workerId);
      if (relay?.worker !== worker) continue;
      this.#say(relay.to, { kind, workerId });
      if (kind === 'unregister') relays.delete(workerId);
    }
    if (kind === 'drain') return;
    for (const [token, attempt] of this.#attempts)
      if (attempt.worker === worker && !attempt.end) this.#attempts.delete(token);
    for (const [runId, run] of this.#runs) if (run.worker === worker) this.#runs.delete(runId);
  }

  /** The link to another node is gone: what was granted is free again, what runs is announced on the next link. */
  linkLost(node: NodeId): void {
    const relays = this.#relays.get(node);
    this.#relays.delete(node);
    for (const relay of relays?.values() ?? []) {
      relay.worker.lent -= relay.granted;
      const { namespace, queue } = relay.worker.registration;
      this.#node.matcher.changed(this.#node.queue(namespace, queue));
    }
  }
}
