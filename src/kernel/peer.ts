import type { FromKernel, RemoteError, RequestName, ToKernel, WorkerRegistration } from '../contract/index.ts';
import { LIMITS, messageOf, type NodeId, PleachError, type RunId } from '../core/index.ts';
import { RefusedTransition } from './machine/tables.ts';
import type { KernelNode } from './node.ts';
import { Rate } from './rate.ts';
import { routeRequest } from './route-request.ts';
import type { PeerChannel, WorkerHandle } from './workers.ts';

/** One client or worker process at the other end of a channel; it may hold several workers. */
export class Peer {
  readonly #node: KernelNode;
  readonly #channel: PeerChannel;
  readonly #workers = new Map<string, WorkerHandle>();
  /** Requests that wait, with what forgets them. */
  readonly #open = new Map<number, () => void>();
  #ended = false;

  constructor(node: KernelNode, channel: PeerChannel) {
    this.#node = node;
    this.#channel = channel;
  }

  /** Takes a message in. */
  receive(message: ToKernel): void {
    if (this.#ended) return;
    switch (message.kind) {
      case 'request':
        void this.#request(message.id, message.method, message.params, message.isForwarded === true);
        return;
      case 'abandon':
        this.#open.get(message.id)?.();
        this.#open.delete(message.id);
        return;
      case 'register':
        this.#register(message.worker);
        return;
      case 'drain': {
        const worker = this.#workers.get(message.workerId);
        if (!worker) return;
        worker.draining = true;
        this.#node.relays.workerLeaves(worker, 'drain');
        return;
      }
      case 'unregister':
        this.#unregister(message.workerId, false);
        return;
      case 'activated': {
        const worker = this.#workers.get(message.workerId);
        if (this.#node.closedQueries.answered(message.token, message.result)) return;
        if (!worker) return;
        const isOwn = this.#node.activations.isAt(worker, message.runId, message.token);
        if (!isOwn && this.#node.relays.passOn(message)) return;
        this.#node.activations.activated(worker, message.runId, message.token, message.result);
        return;
      }
      case 'attempt-done':
        this.#attemptDone(message);
        return;
      case 'local-resolved': {
        const run = this.#node.runs.get(message.runId as RunId);
        if (run?.state.localPending.has(message.seq)) {
          const { seq, attempt, outcome } = message;
          this.#node.activations.arriveJob(run, { kind: 'local-activity-resolved', seq, attempt, outcome });
        } else this.#node.relays.passOn(message);
        return;
      }
      case 'attempt-async':
        if (!this.#node.relays.passOn(message)) this.#node.attempts.asynchronous(message.token);
        return;
      case 'heartbeat':
        if (this.#node.relays.passOn(message)) return;
        this.#node.attempts
          .heartbeat(this.#workers.get(message.workerId), message.token, message.details)
          .catch((error: unknown) => this.#failed('a heartbeat', error));
        return;
      case 'queue-state':
        this.#node.matcher.offered(message.node as NodeId, message.state, this);
        return;
      case 'grant':
        this.#granted(message.workerId, message.slots);
        return;
      case 'ping':
        if (this.#node.journal.holds()) this.#channel.send({ kind: 'pong' });
        return;
    }
  }

  #attemptDone(message: Extract<ToKernel, { kind: 'attempt-done' }>): void {
    const node = this.#node;
    const failed = (error: unknown): void => this.#failed('a completion', error);
    const take = (): void => {
      if (!node.relays.passOn(message)) node.attempts.done(message.token, message.outcome).catch(failed);
    };
    const run = node.runs.get(message.token.slice(0, 36) as RunId);
    // While its partition is given away nobody can take it in: a moment later it is clear whose it is.
    const given = run && node.cluster.whenGiven(run.partition);
    if (given) given.then(take, failed);
    else take();
  }

  /** Another node lets this one hand attempts to a worker of its. What is not used soon goes back. */
  #granted(workerId: string, slots: number): void {
    const node = this.#node;
    const worker = this.#workers.get(workerId);
    if (!worker?.isRelay) return;
    worker.granted += slots;
    node.attempts.serve(node.queue(worker.registration.namespace, worker.registration.queue));
    if (worker.granted === 0) return;
    node.clock.after(LIMITS.grantUnusedMs, () => {
      const back = worker.granted;
      if (worker.gone || back === 0) return;
      worker.granted = 0;
      this.#channel.send({ kind: 'grant-back', workerId, slots: back });
    });
  }

  /** Says something to the other end that is no answer. */
  say(message: FromKernel): void {
    if (!this.#ended) this.#channel.send(message);
  }

  #failed(what: string, error: unknown): void {
    if (!this.#node.ended) this.#node.log.error(`${what} could not be taken in`, { message: messageOf(error) });
  }

  async #request(id: number, method: RequestName, params: unknown, isForwarded: boolean): Promise<void> {
    const forgets: (() => void)[] = [];
    this.#open.set(id, () => {
      for (const forget of forgets) forget();
    });
    try {
      const answer = await routeRequest(this.#node, method, params, {
        isForwarded,
        onForget: (forget) => forgets.push(forget),
      });
      this.#answer(id, () => this.#channel.send({ kind: 'response', id, answer }));
    } catch (error) {
      this.#answer(id, () => this.#channel.send({ kind: 'response', id, error: remoteError(error) }));
    } finally {
      this.#open.delete(id);
    }
  }

  /** An answer leaves only while the lease holds: a node that may have been fenced says nothing. */
  #answer(id: number, send: () => void): void {
    if (this.#ended || !this.#open.has(id)) return;
    if (this.#node.journal.holds()) {
      send();
      return;
    }
    this.#node.clock.after(50, () => this.#answer(id, send));
    this.#open.set(id, this.#open.get(id) ?? ((): void => undefined));
  }

  #register(registration: WorkerRegistration): void {
    const known = this.#workers.get(registration.workerId);
    if (known) this.#leave(known);
    const nowMs = this.#node.clock.monotonicMs();
    const worker: WorkerHandle = {
      registration,
      channel: this.#channel,
      tokens: new Map(),
      expected: 0,
      expecting: new Set(),
      attemptMs: Infinity,
      activations: 0,
      draining: false,
      gone: false,
      isRelay: registration.isRelay === true,
      granted: 0,
      lent: 0,
      rate:
        registration.maxActivitiesPerSecond === undefined
          ? undefined
          : new Rate(registration.maxActivitiesPerSecond, Infinity, nowMs),
    };
    this.#workers.set(registration.workerId, worker);
    const queue = this.#node.queue(registration.namespace, registration.queue);
    queue.workers.push(worker);
    if (registration.maxTaskQueueActivitiesPerSecond !== undefined)
      queue.limit(registration.maxTaskQueueActivitiesPerSecond, nowMs);
    this.#channel.send({ kind: 'registered', workerId: registration.workerId });
    this.#node.attempts
      .announced(worker, registration.runningTokens)
      .catch((error: unknown) => this.#failed('an announcement', error))
      .finally(() => {
        if (this.#node.ended || worker.gone) return;
        this.#node.activations.workerCame(worker);
        this.#node.attempts.serve(queue);
        if (!worker.isRelay) this.#node.matcher.changed(queue);
      });
  }

  #unregister(workerId: string, isLost: boolean): void {
    const worker = this.#workers.get(workerId);
    if (!worker) return;
    this.#workers.delete(workerId);
    this.#leave(worker);
    if (!worker.isRelay) this.#node.relays.workerLeaves(worker, 'unregister');
    this.#node.activations.workerGone(worker, isLost);
    this.#node.closedQueries.workerGone(worker);
    this.#node.attempts.workerGone(worker);
  }

  #leave(worker: WorkerHandle): void {
    worker.gone = true;
    const { workers } = this.#node.queue(worker.registration.namespace, worker.registration.queue);
    const at = workers.indexOf(worker);
    if (at >= 0) workers.splice(at, 1);
  }

  /** The channel is broken: its workers are gone, its requests have nobody who waits. */
  closed(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#node.peers.delete(this);
    this.#node.matcher.peerClosed(this);
    for (const forget of this.#open.values()) forget();
    this.#open.clear();
    for (const workerId of this.#workers.keys().toArray()) this.#unregister(workerId, true);
  }

  /** The node has ended: activities are told to stop, and nothing more is said. */
  end(error: PleachError): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const worker of this.#workers.values()) {
      worker.gone = true;
      if (error.code !== 'LEASE_LOST' && error.code !== 'STORE_WENT_BACK') continue;
      for (const token of worker.tokens.keys()) {
        this.#channel.send({
          kind: 'attempt-cancel',
          workerId: worker.registration.workerId,
          token,
          reason: 'WORKER_SHUTDOWN',
        });
      }
    }
    this.#open.clear();
    this.#channel.ended?.(error);
  }
}

/** An error as a peer is told it. */
export function remoteError(error: unknown): RemoteError {
  if (error instanceof PleachError) return { code: error.code, message: error.message, details: { ...error.details } };
  if (error instanceof RefusedTransition) return { code: 'INVALID_ARGUMENT', message: error.message };
  return { code: 'UNEXPECTED', message: messageOf(error) };
}
