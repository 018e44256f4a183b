import type { FromKernel, WorkerRegistration } from '../contract/index.ts';
import type { PleachError } from '../core/index.ts';
import { Rate } from './rate.ts';

/** Slots that come free within this many milliseconds may be counted on: about as long as a commit under load. */
const EXPECTED_WITHIN_MS = 20;
/** Weight of the newest attempt in the moving mean. */
const MEAN_SHARE = 0.1;

/** A peer's channel, from the kernel's side. */
export interface PeerChannel {
  /** Whether the peer is a thread of this process, which lives and dies with the node. */
  readonly local: boolean;
  send(message: FromKernel): void;
  /** The node has ended; nothing more will be said on this channel. */
  ended?(error: PleachError): void;
}

/** A worker that is connected. */
export interface WorkerHandle {
  readonly registration: WorkerRegistration;
  readonly channel: PeerChannel;
  /** Attempts that it holds, with the monotonic instant at which each was handed out. */
  readonly tokens: Map<string, number>;
  /** Attempts noted as started on the strength of a slot that will soon be free. */
  expected: number;
  /** Those of them whose start is durable, in order; each begins when it is told to. */
  readonly expecting: Set<() => void>;
  /** How long its attempts have lately taken, in milliseconds, from hand-out to end; a moving mean. */
  attemptMs: number;
  /** A worker of another node: it takes what is granted. */
  readonly isRelay: boolean;
  /** As a relay: attempts that it may still be handed. */
  granted: number;
  /** Slots that are promised to other nodes. */
  lent: number;
  /** Activations that it is at. */
  activations: number;
  draining: boolean;
  gone: boolean;
  /** Its own limit on attempts that begin. */
  readonly rate: Rate | undefined;
}

/** An attempt that waits for a worker. */
export interface WaitingTask {
  runId: string;
  seq: number;
  type: string;
  priority: number;
  order: number;
}

/** One task queue of a namespace: its workers, and what waits for them. */
export class Queue {
  readonly namespace: string;
  readonly name: string;
  readonly workers: WorkerHandle[] = [];
  readonly #waiting: WaitingTask[] = [];
  #head = 0;
  #turn = 0;
  /** The limit on attempts of this queue that begin, on all workers together. */
  rate: Rate | undefined;

  constructor(namespace: string, name: string) {
    this.namespace = namespace;
    this.name = name;
  }

  /**
   * Sets the limit that a worker of it asks for; the last one counts. It begins with nothing in hand: what was begun
   * before, under another engine too, is not known.
   */
  limit(perSecond: number, nowMs: number): void {
    if (this.rate?.perSecond !== perSecond) this.rate = new Rate(perSecond, 0, nowMs);
  }

  /** Whether workflow tasks of this queue have found no worker. */
  wantsWorkflows = false;

  /** Slots of this node's own workers that are free, and that nothing here waits for. */
  freeSlots(nowMs: number): number {
    if (this.waitingCount > 0) return 0;
    let free = 0;
    for (const worker of this.workers)
      if (!worker.isRelay && hasSlot(worker, nowMs))
        free += worker.registration.activitySlots - worker.tokens.size - worker.lent;
    return free;
  }

  get waitingCount(): number {
    return this.#waiting.length - this.#head;
  }

  /** Whether some worker takes activities of this queue. */
  get takesActivities(): boolean {
    return this.workers.some((worker) => !worker.draining && takesActivities(worker));
  }

  /** Whether some worker takes workflows of this queue. */
  get takesWorkflows(): boolean {
    return this.workers.some((worker) => !worker.draining && worker.registration.bundleId !== undefined);
  }

  /** A worker for workflows, by turns; one that has the type, where workers differ. */
  workflowWorker(type: string): WorkerHandle | undefined {
    const able = this.workers.filter((worker) => !worker.draining && worker.registration.bundleId !== undefined);
    const having = able.filter((w) => w.registration.anyWorkflowType || w.registration.workflowTypes?.includes(type));
    const from = having.length > 0 ? having : able;
    return from[this.#turn++ % Math.max(1, from.length)];
  }

  /** A worker with a free slot, where the queue's limit lets an attempt begin. */
  activityWorker(nowMs: number, localOnly: boolean): WorkerHandle | undefined {
    if (this.rate?.allows(nowMs) === false) return undefined;
    const count = this.workers.length;
    for (let i = 0; i < count; i++) {
      const worker = this.workers[(this.#turn + i) % count]!;
      if (localOnly && !worker.channel.local) continue;
      if (hasSlot(worker, nowMs)) {
        this.#turn++;
        return worker;
      }
    }
    return undefined;
  }

  /** A worker whose slots are all taken and of which one will soon be free; none where a limit counts what begins. */
  expectedWorker(): WorkerHandle | undefined {
    return this.rate ? undefined : this.workers.find(expectsSlot);
  }

  /** Puts a task in line, before those of a lesser priority (a larger number). */
  wait(task: WaitingTask): void {
    let at = this.#waiting.length;
    while (at > this.#head && this.#waiting[at - 1]!.priority > task.priority) at--;
    this.#waiting.splice(at, 0, task);
  }

  /** The task that is next in line. */
  take(): WaitingTask | undefined {
    const task = this.#waiting[this.#head];
    if (!task) return undefined;
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    return task;
  }
}

function takesActivities(worker: WorkerHandle): boolean {
  return worker.registration.activityTypes !== undefined || worker.registration.anyActivityType === true;
}

/** Whether a worker may be given one more attempt now. */
export function hasSlot(worker: WorkerHandle, nowMs: number): boolean {
  if (worker.draining || worker.gone || !takesActivities(worker)) return false;
  if (worker.isRelay ? worker.granted === 0 : worker.tokens.size + worker.lent >= worker.registration.activitySlots)
    return false;
  return worker.rate?.allows(nowMs) !== false;
}

/**
 * Whether a slot of a worker that is full will soon be free, by how long its attempts have lately taken: of slots that
 * are all taken for a mean of 200 ms, a tenth comes free within 20 ms. No more are counted on than that.
 */
function expectsSlot(worker: WorkerHandle): boolean {
  return (
    worker.channel.local &&
    !worker.draining &&
    !worker.gone &&
    worker.rate === undefined &&
    takesActivities(worker) &&
    worker.expected < Math.floor(worker.registration.activitySlots * Math.min(1, EXPECTED_WITHIN_MS / worker.attemptMs))
  );
}

/**
 * A slot that was expected did not come free: what runs now takes longer than what has ended. Fewer are counted on, and
 * none before long, until attempts have ended that say otherwise.
 */
export function learnMissedSlot(worker: WorkerHandle): void {
  const { activitySlots } = worker.registration;
  // Past the point where none is counted on, it would only take longer to come back.
  worker.attemptMs = 2 * Math.min(Math.max(worker.attemptMs, EXPECTED_WITHIN_MS), EXPECTED_WITHIN_MS * activitySlots);
}

/** Takes the length of an attempt into the worker's moving mean. */
export function learnAttempt(worker: WorkerHandle, tookMs: number): void {
  // The first says all there is to say.
  worker.attemptMs =
    worker.attemptMs === Infinity ? tookMs : worker.attemptMs + (tookMs - worker.attemptMs) * MEAN_SHARE;
}
