import assert from 'node:assert/strict';
import type { Client, WorkflowClientInterceptor } from '../../src/entry/client.ts';
import { type ReplayWorkerOptions, Worker } from '../../src/entry/worker.ts';

/** What the start of a run says of it. */
export interface Begun {
  workflowType: string;
  taskQueue: string;
}

/** How a run is replayed, or the reason why it is not. */
export type HowToReplay = ReplayWorkerOptions | string;

interface Told {
  eventType: string;
  [attributes: string]: unknown;
}

/**
 * Takes note of every run that a suite's clients start, so that the suite can replay all of them at its end, with their
 * children and successors. Its `interceptor` is given to the clients.
 */
export class Histories {
  /** Workflow ids by run id. */
  readonly #runs = new Map<string, string>();

  readonly interceptor: WorkflowClientInterceptor = {
    start: async (input, next) => this.#note(input.options.workflowId, await next(input)),
    startWithDetails: async (input, next) => {
      const output = await next(input);
      this.#note(input.options.workflowId, output.runId);
      return output;
    },
    signalWithStart: async (input, next) => this.#note(input.options.workflowId, await next(input)),
    startUpdateWithStart: async (input, next) => {
      const output = await next(input);
      this.#note(output.workflowExecution.workflowId, output.workflowExecution.runId);
      return output;
    },
  };

  #note(workflowId: string | undefined, runId: string | undefined): string {
    if (workflowId !== undefined && runId !== undefined) this.#runs.set(runId, workflowId);
    return runId ?? '';
  }

  /**
   * Replays them all: each must ask for the same commands.
   * @param how by what it was started with; a text is the reason why it is left out
   * @param atLeast how many must have been replayed, so that a suite that notes nothing fails
   * @returns how many were
   */
  async expectSame(client: Client, how: (begun: Begun) => HowToReplay, atLeast: number): Promise<number> {
    const differences: string[] = [];
    let replayed = 0;
    // Those that are found on the way are walked too.
    for (const [runId, workflowId] of this.#runs) {
      const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      const events = history.events as unknown as Told[];
      await this.#noteRelated(client, workflowId, events);
      const { workflowType, taskQueue } = events[0]!['workflowExecutionStartedEventAttributes'] as {
        workflowType: { name: string };
        taskQueue: { name: string };
      };
      const way = how({ workflowType: workflowType.name, taskQueue: taskQueue.name });
      if (typeof way === 'string') continue;
      replayed++;
      await Worker.runReplayHistory(way, history, workflowId).catch((error: Error) =>
        differences.push(`${workflowId} (${workflowType.name}): ${error.message}`),
      );
    }
    assert.deepEqual(differences, []);
    assert.ok(replayed >= atLeast, `${replayed} runs were replayed, where ${atLeast} were expected at least`);
    return replayed;
  }

  /** Notes children, and the runs of the same id in front of it and at the end. */
  async #noteRelated(client: Client, workflowId: string, events: readonly Told[]): Promise<void> {
    const { continuedExecutionRunId } = events[0]!['workflowExecutionStartedEventAttributes'] as {
      continuedExecutionRunId?: string;
    };
    if (continuedExecutionRunId) this.#note(workflowId, continuedExecutionRunId);
    this.#note(workflowId, (await client.workflow.getHandle(workflowId).describe()).runId);
    for (const event of events) {
      const child = event['childWorkflowExecutionStartedEventAttributes'] as
        | { workflowExecution: { workflowId: string; runId: string } }
        | undefined;
      if (child) this.#note(child.workflowExecution.workflowId, child.workflowExecution.runId);
    }
  }
}
