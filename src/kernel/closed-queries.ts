import type { Activation, ActivationResult, WireQuery, WireQueryResult } from '../common/index.ts';
import { LIMITS, PleachError } from '../core/index.ts';
import type { RunRow } from '../store/index.ts';
import type { KernelNode } from './node.ts';
import type { WorkerHandle } from './workers.ts';

interface Asked {
  worker: WorkerHandle;
  answer(result: WireQueryResult): void;
  fail(error: PleachError): void;
}

/** Questions to runs that have closed: replayed at a worker without any trace, apart from what moves runs. */
export class ClosedQueries {
  readonly #node: KernelNode;
  readonly #asked = new Map<number, Asked>();
  #token = 0;

  constructor(node: KernelNode) {
    this.#node = node;
  }

  /** Replays a closed run at any worker of its queue and asks it. */
  async ask(row: RunRow, query: WireQuery): Promise<WireQueryResult> {
    const node = this.#node;
    const worker = node.queue(row.namespace, row.queue).workflowWorker(row.type);
    if (!worker) {
      throw new PleachError(
        'QUERY_FAILED',
        `no worker for task queue "${row.queue}" is connected; start one and ask again`,
        {
          workflowId: row.workflowId,
          queue: row.queue,
        },
      );
    }
    const history = await node.loadHistory(row.run);
    const state = await node.foldRun(row.run);
    // Negative, so that it is never the token of an activation that moves a run.
    const token = --this.#token;
    const activation: Activation = {
      runId: row.run,
      workflowId: row.workflowId,
      namespace: row.namespace,
      type: row.type,
      token,
      baseSeq: state.activations,
      history,
      time: state.time,
      historyLength: state.eventCount,
      historyBytes: state.bytes,
      timeoutMs: LIMITS.workflowTaskTimeoutMs,
      jobs: [],
      queries: [query],
      readOnly: true,
      ...(node.isWary ? { suspect: true } : {}),
    };
    return new Promise((answer, fail) => {
      this.#asked.set(token, { worker, answer, fail });
      worker.channel.send({ kind: 'activate', workerId: worker.registration.workerId, activation });
    });
  }

  /** Takes the answer to one; false where the token is not of a closed run's query. */
  answered(token: number, result: ActivationResult): boolean {
    if (token >= 0) return false;
    const asked = this.#asked.get(token);
    this.#asked.delete(token);
    if (!asked) return true;
    const found = result.status === 'miss' ? undefined : result.queries?.[0];
    if (found) asked.answer(found);
    else {
      const why = result.status === 'failed' ? result.failure.message : 'the worker gave no answer';
      asked.fail(new PleachError('QUERY_FAILED', `the closed run cannot be asked: ${why}`, {}));
    }
    return true;
  }

  workerGone(worker: WorkerHandle): void {
    for (const [token, asked] of this.#asked) {
      if (asked.worker !== worker) continue;
      this.#asked.delete(token);
      asked.fail(new PleachError('QUERY_FAILED', 'the worker went away; ask again', {}));
    }
  }
}
