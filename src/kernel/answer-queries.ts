import type { WireFailure, WireQueryResult } from '../common/index.ts';
import { PleachError } from '../core/index.ts';
import type { WaitingQuery } from './live-run.ts';

/** Answers questions with what a worker said of them; one that it said nothing of fails. */
export function answerQueries(queries: WaitingQuery[], results: WireQueryResult[] | undefined): void {
  for (const waiting of queries) {
    const result = results?.find(({ id }) => id === waiting.query.id);
    if (result) waiting.answer(result);
    else
      waiting.fail(new PleachError('QUERY_FAILED', `the worker gave no answer to query "${waiting.query.name}"`, {}));
  }
}

/** Fails questions whose workflow task failed, but for those that were answered all the same. */
export function failQueries(
  queries: WaitingQuery[],
  results: WireQueryResult[] | undefined,
  failure: WireFailure,
): void {
  for (const waiting of queries) {
    const result = results?.find(({ id }) => id === waiting.query.id);
    if (result) waiting.answer(result);
    else
      waiting.fail(
        new PleachError('QUERY_FAILED', `the workflow task fails: ${failure.message}`, { query: waiting.query.name }),
      );
  }
}
