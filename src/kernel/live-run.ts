import type { Job, Told, WirePayloadMap, WireQuery, WireQueryResult } from '../common/index.ts';
import type { RunResult, UpdateAnswer, UpdateStage } from '../contract/index.ts';
import type { Partition, PleachError, RunId } from '../core/index.ts';
import type { InboxKey, RunRow } from '../store/index.ts';
import type { Deadline } from './deadlines.ts';
import type { OutMessage } from './journal.ts';
import { emptyState, type RunState } from './machine/state.ts';
import type { WorkerHandle } from './workers.ts';

/** A job that has come in and is not durable. */
export interface Arrival {
  job: Job;
  /** The message it came as; deleted by the commit that writes the job. */
  inbox?: InboxKey;
  /** Answers to that message: when the job is durable, in the same commit; when it is refused. */
  answer?: OutMessage;
  refusal?: OutMessage;
  /** Told when the job is durable. */
  acknowledged?: () => void;
  /** Told when it never will be: the run has closed, or the store refuses it. */
  refused?: (error: PleachError) => void;
  /** Told when it never will be, and nobody needs it any more. */
  discarded?: () => void;
  /** Has the message it came as delivered once more, where its run was never begun. */
  redeliver?: () => void;
  /** When it came, monotonic. */
  atMs: number;
}

/** What is kept of a run that is read anew, for whoever reads it. */
export interface Carried {
  arrived: Arrival[];
  queries: WaitingQuery[];
  resultWaiters: LiveRun['resultWaiters'];
  updateWaiters: LiveRun['updateWaiters'];
  refusals: number;
  taskAttempts: number;
  retryTaskAt: number;
}

/** A query that waits for an answer. */
export interface WaitingQuery {
  query: WireQuery;
  answer(result: WireQueryResult): void;
  fail(error: PleachError): void;
}

/** An activation that a worker is at. */
export interface Activating {
  token: number;
  worker: WorkerHandle;
  /** The jobs in it that are not durable. */
  arrivals: Arrival[];
  /** How many of the durable undelivered jobs it carries. */
  delivered: number;
  queries: WaitingQuery[];
  sentAtMs: number;
  time: number;
  /** What the code is told; set when it is sent. */
  told: Told | undefined;
  timeoutMs: number;
  /** The history is being loaded; nothing was sent yet. */
  loading: boolean;
  /** Its jobs were made durable without it, since it took long. */
  jobsDurable: boolean;
}

/** Someone who waits for an update to come so far. */
export interface UpdateWaiter {
  stage: UpdateStage;
  answer(answer: UpdateAnswer): void;
  fail(error: PleachError): void;
}

/** A run in a node's memory: its folded state, and what is under way with it. */
export class LiveRun {
  readonly id: RunId;
  readonly namespace: string;
  readonly workflowId: string;
  readonly partition: Partition;
  /** As the store has it, or will with the next commit. */
  row: RunRow;
  /** The row has not been written yet: the next commit does. */
  unwritten: boolean;
  state: RunState = emptyState();
  /** The search attributes whose rows are written, or will be with the next commit. */
  attributes: WirePayloadMap = this.state.searchAttributes;
  arrived: Arrival[] = [];
  queries: WaitingQuery[] = [];
  activating: Activating | undefined;
  /** Arrivals whose segment is on its way to the disk. */
  writing: Arrival[] = [];
  /** A segment of this run is on its way to the disk. */
  committing = false;
  /** A result that came while its jobs were being committed. */
  heldResult: (() => void) | undefined;
  /** The worker that has an instance of the run, and at which activation it stands. */
  sticky: { worker: WorkerHandle; activations: number } | undefined;
  /** While its task fails: how often it was tried, and from when it may be again (store time). */
  taskAttempts = 0;
  retryTaskAt = 0;
  retryTask: Deadline | undefined;
  /** Its code may end the process that runs it: it is activated apart until an activation of it has come back. */
  suspect = false;
  readonly timers = new Map<number, Deadline>();
  readonly activityDeadlines = new Map<number, Deadline>();
  /** Start delay, run time-out, execution time-out. */
  startDeadline: Deadline | undefined;
  closeDeadline: Deadline | undefined;
  resultWaiters: { answer(result: RunResult): void; fail(error: PleachError): void }[] = [];
  readonly updateWaiters = new Map<string, UpdateWaiter[]>();
  /** Gives slots back that attempts have taken whose start is not durable yet; called when the run is given up. */
  readonly reservations = new Set<() => void>();
  /** The last parked signal to each workflow: what is decided about those to one takes effect in their order. */
  readonly parkedSignals = new Map<string, Promise<void>>();
  /** How often in a row the store has refused a segment of it. */
  refusals = 0;
  /** Rows of transactions may be there under it; those whose outcome is durable in a segment go with the next. */
  hasTxResults = false;
  readonly txResultsDone: string[] = [];
  /** Given up: a stale callback must leave it alone. */
  dropped = false;

  constructor(row: RunRow, unwritten: boolean) {
    this.id = row.run;
    this.namespace = row.namespace;
    this.workflowId = row.workflowId;
    this.partition = row.partition;
    this.row = row;
    this.unwritten = unwritten;
  }

  /** Whether nothing at all is under way: it may leave memory if it also waits for nothing but time and messages. */
  get idle(): boolean {
    return (
      !this.activating &&
      !this.committing &&
      this.arrived.length === 0 &&
      this.queries.length === 0 &&
      this.state.undelivered.length === 0 &&
      this.state.localPending.size === 0 &&
      this.taskAttempts === 0 &&
      !this.unwritten
    );
  }
}

/** Puts back what was kept of a run, in front of what has come since. */
export function giveCarried(run: LiveRun, carried: Carried): void {
  run.arrived.unshift(...carried.arrived);
  run.queries.unshift(...carried.queries);
  run.resultWaiters.push(...carried.resultWaiters);
  for (const [updateId, waiters] of carried.updateWaiters)
    run.updateWaiters.set(updateId, [...waiters, ...(run.updateWaiters.get(updateId) ?? [])]);
  run.refusals = carried.refusals;
  run.taskAttempts = carried.taskAttempts;
  run.retryTaskAt = carried.retryTaskAt;
}

/** What names the one open run of a workflow id. */
export function workflowKey(namespace: string, workflowId: string): string {
  return `${namespace}\0${workflowId}`;
}

/** What has come to a run and is not durable yet, wherever it is on its way, oldest first. */
export function undurable(run: LiveRun): Arrival[] {
  const { activating } = run;
  // What a slow activation carries may be durable by now: nobody would tell of it a second time.
  const carried = activating && !activating.jobsDurable ? activating.arrivals : [];
  return [...run.writing, ...carried, ...run.arrived];
}

/** An arrival of a run that is not durable yet. */
export function findUndurable(run: LiveRun, isIt: (arrival: Arrival) => boolean): Arrival | undefined {
  const { activating } = run;
  const carried = activating && !activating.jobsDurable ? activating.arrivals : [];
  return run.arrived.find(isIt) ?? carried.find(isIt) ?? run.writing.find(isIt);
}

/** Waits until an arrival is durable; at once where there is none. @throws the error it is refused with */
export function whenDurable(arrival: Arrival | undefined): Promise<void> {
  if (!arrival) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const { acknowledged, refused } = arrival;
    arrival.acknowledged = () => {
      acknowledged?.();
      resolve();
    };
    arrival.refused = (error) => {
      refused?.(error);
      reject(error);
    };
  });
}
