import { type Database, requireFunction } from '../common/index.ts';
import { Context } from './context.ts';

/**
 * Makes an activity of a function whose writes to the engine's own database and whose result are one transaction: both
 * are there, exactly once, or neither is, whatever crashes, times out or is tried again.
 * @param work is given the transaction and the activity's arguments. On SQLite it has 1 s; what it does elsewhere, and
 *   what calls the engine (a client, another transaction), belongs before it, in an activity of its own
 * @returns the activity, to be registered with a worker whose connection is to `sqlite:…`
 * @throws in the activity PleachError DATABASE_ELSEWHERE · TRANSACTION_TIMEOUT · TRANSACTION_ENGINE_CALL ·
 *   TRANSACTION_DECIDED. After a crash the recorded result is taken, and the function is not run again.
 */
export function transactional<Args extends unknown[], Result>(
  work: (tx: Database, ...args: Args) => Promise<Result> | Result,
): (...args: Args) => Promise<Result> {
  requireFunction('transactional', work);
  return (...args) => Context.current().transact((tx) => work(tx, ...args));
}

/**
 * The engine's own database, for authors' tables: to read, to change outside of the result, to migrate. Writes that
 * belong to the activity's result go through `transactional`.
 * @throws PleachError DATABASE_ELSEWHERE where the worker's engine has no database that this process may open
 */
export function database(): Database {
  return Context.current().database;
}
