import { codeWire, loadDataConverter, type Segment, shown } from '../common/index.ts';
import { segmentsOf } from '../contract/index.ts';
import { loadModule, PleachError } from '../core/index.ts';
import { ReplayError } from './errors.ts';
import type { WorkerOptions } from './options.ts';
import { Runtime } from './runtime.ts';
import { type WorkflowBundle, WorkflowContext } from './sandbox/index.ts';
import { checkSinks, withSinks } from './sinks.ts';
import { bundleOf } from './workflow-bundle.ts';

/** What a replay needs of a worker's options. */
export interface ReplayWorkerOptions extends Omit<Partial<WorkerOptions>, 'connection' | 'activities'> {
  replayName?: string;
}

/** A stored history with the workflow that it belongs to. */
export interface HistoryAndWorkflowId {
  workflowId: string;
  /** As `fetchHistory` gives it, or its JSON parsed; histories of other engines too. */
  history: unknown;
}

/** Many of them. */
export type ReplayHistoriesIterable = AsyncIterable<HistoryAndWorkflowId> | Iterable<HistoryAndWorkflowId>;

/** How the replay of one history went. */
export interface ReplayResult {
  readonly workflowId: string;
  readonly runId: string;
  /** A `DeterminismViolationError` where the code does otherwise than the history has it. */
  readonly error?: Error;
}

/** Replays a history. @throws HISTORY_UNREADABLE · BUNDLE_FAILED · INVALID_ARGUMENT */
export async function replayHistory(
  options: ReplayWorkerOptions,
  history: unknown,
  workflowId: string | undefined,
): Promise<ReplayResult> {
  const bundle = await requireBundle(options);
  checkSinks(options.sinks);
  const { payloadCodecs } = loadDataConverter(options.dataConverter, loadModule);
  const segments = await codeWire(segmentsOf(history), payloadCodecs, 'decode');
  const start = startOf(segments);
  const named = { workflowId: workflowId ?? start?.workflowId ?? '', runId: start?.runId ?? '' };
  const context = new WorkflowContext(bundle, {
    log: withSinks(Runtime.instance().log, options.sinks, Runtime.instance().metricMeter),
    failureErrorTypes: options.workflowFailureErrorTypes ?? [],
  });
  const replayed = context.replay(named.runId, segments);
  if (!('failure' in replayed)) return named;
  const { cause, failure } = replayed.failure;
  if (cause !== 'NONDETERMINISM') {
    const error = new ReplayError(failure.message, named.workflowId, named.runId);
    if (failure.stackTrace !== undefined) error.stack = `${error.name}: ${failure.message}\n${failure.stackTrace}`;
    return { ...named, error };
  }
  // Loaded here and not above: a worker that only works needs nothing of the workflow room in this thread.
  const { DeterminismViolationError } = await import('../workflow/index.ts');
  return { ...named, error: Object.assign(new DeterminismViolationError(failure.message), named) };
}

/** Replays one after another. */
export async function* replayHistories(
  options: ReplayWorkerOptions,
  histories: ReplayHistoriesIterable,
): AsyncIterableIterator<ReplayResult> {
  const workflowBundle = await requireBundle(options);
  const { workflowsPath: _path, ...rest } = options;
  const { [Symbol.iterator]: each, [Symbol.asyncIterator]: eachLater } = (histories ?? {}) as Partial<
    Iterable<unknown> & AsyncIterable<unknown>
  >;
  if (typeof histories !== 'object' || !(each ?? eachLater)) {
    throw new PleachError(
      'INVALID_ARGUMENT',
      `runReplayHistories takes a list, or an iterable, of { workflowId, history }; this is ${shown(histories)}`,
    );
  }
  for await (const one of histories) {
    if (typeof one !== 'object' || one === null || typeof one.workflowId !== 'string') {
      throw new PleachError(
        'INVALID_ARGUMENT',
        `of the histories to replay, each is { workflowId, history }; this is ${shown(one)}`,
      );
    }
    yield await replayHistory({ ...rest, workflowBundle }, one.history, one.workflowId);
  }
}

async function requireBundle(options: ReplayWorkerOptions): Promise<WorkflowBundle> {
  const bundle = typeof options === 'object' && options !== null ? await bundleOf(options) : undefined;
  if (bundle) return bundle;
  throw new PleachError(
    'INVALID_ARGUMENT',
    `a replay needs options with workflowsPath or workflowBundle; this is ${shown(options)}`,
  );
}

function startOf(segments: readonly Segment[]) {
  for (const job of segments[0]?.rounds[0]?.jobs ?? []) if (job.kind === 'start') return job;
  return undefined;
}
