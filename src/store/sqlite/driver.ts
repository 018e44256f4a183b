import { createRequire } from 'node:module';
import type { DatabaseSync, DatabaseSyncOptions } from 'node:sqlite';

const require = createRequire(import.meta.url);

/**
 * Opens a database by Node's own driver. It is required here, when a database is opened, and not imported: a built-in
 * that is missing would end an old Node before `src/entry/node-version.ts` could say what to do.
 */
export function openDatabase(path: string, options: DatabaseSyncOptions): DatabaseSync {
  const driver = require('node:sqlite') as { DatabaseSync: typeof DatabaseSync };
  return new driver.DatabaseSync(path, options);
}
