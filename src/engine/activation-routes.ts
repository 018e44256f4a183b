import type { MessagePort } from 'node:worker_threads';
import { type FromKernel, laneOf, type ToKernel } from '../contract/index.ts';
import type { PeerChannel } from '../kernel/index.ts';
import { batcher } from './link-pair.ts';

type Activate = Extract<FromKernel, { kind: 'activate' }>;

/** The worker's own end, in its main thread. */
interface Owner {
  send(message: FromKernel): void;
  receive(message: ToKernel): void;
}

/** One workflow thread that the kernel talks to. */
interface Lane {
  port: MessagePort;
  send(message: FromKernel): void;
  /** Activations that it has not answered, by run. */
  open: Map<string, Activate>;
}

/** The workflow threads of one worker. */
interface Route {
  lanes: (Lane | undefined)[];
  /** Runs that the worker's main thread wants to see: they have ended a thread. */
  diverted: Set<string>;
  owner: Owner | undefined;
}

/**
 * Takes activations straight to a worker's workflow threads and their results straight back: two hops of a step less,
 * and nothing for the main thread to do. The main thread stays the one that answers for the threads: when one of them
 * ends, what it had in hand goes to the main thread, which knows whose fault it was.
 */
export class ActivationRoutes {
  readonly #routes = new Map<string, Route>();

  /** Opens the way to one workflow thread of a worker; a later call for the same lane replaces it. */
  open(workerId: string, lane: number, lanes: number, port: MessagePort): void {
    const route = this.#routes.get(workerId) ?? { lanes: [], diverted: new Set(), owner: undefined };
    this.#routes.set(workerId, route);
    route.lanes.length = lanes;
    const opened: Lane = {
      port,
      send: batcher<FromKernel>((batch) => port.postMessage(JSON.stringify(batch))),
      open: new Map(),
    };
    route.lanes[lane] = opened;
    port.on('message', (text: string) => {
      for (const message of JSON.parse(text) as ToKernel[]) {
        if (message.kind === 'activated' && opened.open.get(message.runId)?.activation.token === message.token)
          opened.open.delete(message.runId);
        route.owner?.receive(message);
      }
    });
    port.on('close', () => {
      if (route.lanes[lane] === opened) route.lanes[lane] = undefined;
      if (route.lanes.every((other) => other === undefined) && this.#routes.get(workerId) === route)
        this.#routes.delete(workerId);
      for (const message of opened.open.values()) route.owner?.send(message);
    });
    port.unref();
  }

  /** Sends a run's activations through the main thread from now on. */
  divert(workerId: string, runId: string): void {
    this.#routes.get(workerId)?.diverted.add(runId);
  }

  /** A channel to a worker's process that sends activations the short way where there is one. */
  through(channel: PeerChannel, receive: (message: ToKernel) => void): PeerChannel {
    const owner: Owner = { send: (message) => channel.send(message), receive };
    return {
      ...channel,
      send: (message) => {
        if (message.kind !== 'activate' && message.kind !== 'evict') {
          channel.send(message);
          return;
        }
        const runId = message.kind === 'activate' ? message.activation.runId : message.runId;
        const route = this.#routes.get(message.workerId);
        const isApart = route?.diverted.has(runId) || (message.kind === 'activate' && message.activation.suspect);
        const lane = isApart ? undefined : route?.lanes[laneOf(runId, route.lanes.length)];
        if (!route || !lane) {
          channel.send(message);
          return;
        }
        route.owner = owner;
        if (message.kind === 'activate') lane.open.set(runId, message);
        lane.send(message);
      },
    };
  }
}
