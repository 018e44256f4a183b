/**
 * store: where histories are kept.
 *
 * Nouns: the `Store` port (few operations, each made for many rows), the lease with its epoch and batch, the rows
 * (segment, blob, run, attribute, inbox, attempt, the outcome of a transaction) and the partition that a workflow id
 * hashes to. Implementations: `sqlite/` on one file, `postgres/` on a schema of a PostgreSQL database, which several nodes
 * may share, `model/` in memory; all pass the same conformance exercise.
 *
 * And the provider behind `Database` (`SqliteDatabase`): authors' own tables in the same file.
 *
 * It promises that a commit writes all of its batch or nothing, only while the lease that it names holds, and that what
 * it has answered is on the disk. Segments and blobs are stored with a checksum, and a row that no longer matches it is an error
 * that names the run. The store never opens a body: what is in a segment is the kernel's affair.
 *
 * When the world fails: full and read-only mean nothing was written; unavailable means that the outcome of a commit is
 * unknown, and `reclaim` tells; a store that went back in time (a restored copy) is told apart from one that another
 * node has taken, by the batch number that only ever grows.
 */
export * from './model/model-store.ts';
export * from './partition.ts';
export * from './port.ts';
export { PostgresStore, type PostgresOptions } from './postgres/postgres-store.ts';
export * from './sqlite/open.ts';
export * from './sqlite/sqlite-database.ts';
export * from './sqlite/sqlite-store.ts';
