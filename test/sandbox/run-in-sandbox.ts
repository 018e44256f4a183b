import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { StartJob, WireFailure, WirePayload, WorkflowJob } from '../../src/common/index.ts';
import { silentLog } from '../../src/core/index.ts';
import { bundleWorkflowCode } from '../../src/worker/sandbox/bundle.ts';
import { type RoundFailure, type RoundResult, WorkflowContext } from '../../src/worker/sandbox/context.ts';

/** The run's clock in these tests: far from any host's. */
export const RUN_TIME = Date.UTC(2001, 1, 3, 4, 5, 6, 789);

/** A context with the bundle of one module of this folder, and runs in it that are moved by hand. */
export class Realm {
  readonly context: WorkflowContext;
  readonly #path: string;
  #runs = 0;

  private constructor(context: WorkflowContext, path: string) {
    this.context = context;
    this.#path = path;
  }

  static async open(module: string): Promise<Realm> {
    const workflowsPath = fileURLToPath(new URL(module, import.meta.url));
    return new Realm(
      new WorkflowContext(await bundleWorkflowCode({ workflowsPath }), { log: silentLog }),
      workflowsPath,
    );
  }

  /** Makes an instance and gives it its start. */
  start(type: string, options: { args?: unknown[]; runId?: string; seed?: string; time?: number } = {}): Started {
    const { args = [], runId = `run-${++this.#runs}`, seed = 'seed', time = RUN_TIME } = options;
    const job: StartJob = {
      kind: 'start',
      namespace: 'default',
      runId,
      firstRunId: runId,
      workflowId: runId,
      type,
      queue: 'q',
      attempt: 1,
      randomSeed: seed,
      startedAt: time,
      input: args.map((arg) => JSON.stringify(arg)),
    };
    const failure = this.context.create(job, fieldsAt(time));
    return { runId, answer: failure ?? this.context.round(runId, [job], fieldsAt(time)) };
  }

  /** Gives an instance further jobs. */
  round(runId: string, jobs: WorkflowJob[], time = RUN_TIME): RoundResult | RoundFailure {
    return this.context.round(runId, jobs, fieldsAt(time));
  }

  /** Runs a workflow that ends in its first activation and gives its value. */
  value(type: string, options: Parameters<Realm['start']>[1] = {}): unknown {
    return valueOf(this.start(type, options).answer);
  }

  /** The line of the workflows' module that has this text, from 1. */
  lineOf(text: string): number {
    const lines = readFileSync(this.#path, 'utf8').split('\n');
    return lines.findIndex((line) => line.includes(text)) + 1;
  }
}

/** An instance and what its first round came to. */
export interface Started {
  runId: string;
  answer: RoundResult | RoundFailure;
}

/** What a run completed with. */
export function valueOf(answer: RoundResult | RoundFailure): unknown {
  if ('cause' in answer) throw new Error(`${answer.cause}: ${JSON.stringify(answer.failure)}`);
  const complete = answer.commands.find((command) => command.kind === 'complete');
  if (!complete) throw new Error(`the run did not complete: ${JSON.stringify(answer.commands)}`);
  return decoded(complete.value);
}

/** What a failed task failed with. */
export function failureOf(answer: RoundResult | RoundFailure | undefined): WireFailure {
  if (!answer || !('cause' in answer)) throw new Error(`nothing failed: ${JSON.stringify(answer)}`);
  return answer.failure;
}

function decoded(payload: WirePayload | undefined): unknown {
  return typeof payload === 'string' ? (JSON.parse(payload) as unknown) : undefined;
}

function fieldsAt(time: number) {
  return { time, historyLength: 0, historyBytes: 0, isReplaying: false, suggestContinue: false };
}
