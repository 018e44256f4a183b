import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { messageOf, PleachError } from '../../core/index.ts';
import { PARTITION_HASH } from '../partition.ts';
import type { StoreIdentity } from '../port.ts';
import { openDatabase } from './driver.ts';
import { storeError } from './errors.ts';
import { APPLICATION_ID, SCHEMA, SCHEMA_VERSION, UPGRADES } from './schema.ts';

/** How a file is opened. */
export interface OpenOptions {
  /** Partitions of a file that is made now; an existing file keeps its own. Default 256. */
  partitions?: number;
  /** How long another process's write is waited for, in milliseconds. Default 5,000. */
  busyMs?: number;
  /** A limit on the file's size in pages of 4 KB: writing past it is STORE_FULL. */
  pagesMax?: number;
}

const HEADER = 'SQLite format 3\0';
/** Where a SQLite file keeps the number that names its program. */
const APPLICATION_ID_AT = 68;

/** Opens or makes a file, and knows it for ours before anything is written to it. */
export function openFile(path: string, options: OpenOptions): { db: DatabaseSync; identity: StoreIdentity } {
  const doing = `opening ${path}`;
  if (path !== ':memory:') requireOurs(path, doing);
  let db: DatabaseSync;
  try {
    db = openDatabase(path, { timeout: options.busyMs ?? 5000 });
  } catch (error) {
    throw storeError(doing, error);
  }
  try {
    requireKnown(db, path);
    db.exec('pragma journal_mode = wal');
    db.exec('pragma synchronous = full');
    // macOS answers an ordinary sync before the platter has it.
    if (process.platform === 'darwin') db.exec('pragma fullfsync = 1; pragma checkpoint_fullfsync = 1');
    // The journal waits for a checkpoint: a small one, often, rather than one of a tenth of a second.
    db.exec('pragma wal_autocheckpoint = 1000');
    db.exec('pragma cache_size = -65536');
    if (options.pagesMax !== undefined) db.exec(`pragma max_page_count = ${Math.floor(options.pagesMax)}`);
    return { db, identity: migrate(db, path, options.partitions ?? 256) };
  } catch (error) {
    db.close();
    throw storeError(doing, error);
  }
}

function requireOurs(path: string, doing: string): void {
  const folder = dirname(path);
  if (!existsSync(folder)) {
    try {
      mkdirSync(folder, { recursive: true });
    } catch (error) {
      throw new PleachError(
        'DATABASE_UNOPENABLE',
        `${doing}: its folder cannot be made (${messageOf(error)})`,
        { path },
        { cause: error },
      );
    }
  }
  if (!existsSync(path)) return;
  const stat = statSync(path);
  if (!stat.isFile()) {
    throw new PleachError('DATABASE_UNOPENABLE', `${doing}: it is not a file. Name a file`, { path });
  }
  if (stat.size === 0) return;
  const head = Buffer.alloc(APPLICATION_ID_AT + 4);
  try {
    const file = openSync(path, 'r');
    try {
      readSync(file, head, 0, head.length, 0);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw new PleachError(
      'DATABASE_UNOPENABLE',
      `${doing}: the file cannot be read (${messageOf(error)}). Check who may read it`,
      { path },
      { cause: error },
    );
  }
  if (head.toString('latin1', 0, HEADER.length) !== HEADER) {
    throw new PleachError(
      'DATABASE_NOT_OURS',
      `${doing}: the file is not a SQLite database, and was left as it is. Name another file`,
      { path },
    );
  }
  if (head.readUInt32BE(APPLICATION_ID_AT) === APPLICATION_ID) return;
  // Not ours by its first page, unless ours is still in the log beside it. A reader's look changes nothing, not even
  // where another program has left a log.
  let reader: DatabaseSync | undefined;
  try {
    reader = openDatabase(path, { readOnly: true });
    requireKnown(reader, path);
  } catch (error) {
    throw storeError(doing, error);
  } finally {
    reader?.close();
  }
}

/** Reads only: whose database it is, and whether this release knows its tables. */
function requireKnown(db: DatabaseSync, path: string): number {
  const version = (db.prepare('pragma user_version').get() as { user_version: number }).user_version;
  const application = (db.prepare('pragma application_id').get() as { application_id: number }).application_id;
  if (application !== APPLICATION_ID) {
    const tables = (db.prepare('select count(*) as n from sqlite_schema').get() as { n: number }).n;
    if (tables > 0 || application !== 0) {
      throw new PleachError(
        'DATABASE_NOT_OURS',
        `opening ${path}: the database belongs to another program, and was left as it is. Name another file`,
        { path, application },
      );
    }
  }
  if (version > SCHEMA_VERSION) {
    throw new PleachError(
      'DATABASE_NEWER',
      `opening ${path}: the database has schema ${version} and this release knows ${SCHEMA_VERSION}. Update pleach, or open the file with the release that made it`,
      { path, found: version, known: SCHEMA_VERSION },
    );
  }
  return version;
}

function migrate(db: DatabaseSync, path: string, partitions: number): StoreIdentity {
  const found = requireKnown(db, path);
  if (found === 1) {
    throw new PleachError(
      'DATABASE_UNOPENABLE',
      `opening ${path}: the database was made before the first release (schema 1), and was left as it is. Name another file`,
      { path, found, known: SCHEMA_VERSION },
    );
  }
  if (found === 0) create(db, partitions);
  else if (found < SCHEMA_VERSION) upgrade(db);
  const read = db.prepare('select value from meta where key = ?');
  const value = (key: string): string => (read.get(key) as { value: string }).value;
  const identity = { partitions: Number(value('partitions')), hash: value('hash'), schema: SCHEMA_VERSION };
  if (identity.hash !== PARTITION_HASH) {
    throw new PleachError(
      'DATABASE_NEWER',
      `opening ${path}: its runs are spread by "${identity.hash}", which this release does not know. Update pleach`,
      { path, hash: identity.hash },
    );
  }
  return identity;
}

/** Adds what later versions have; what is there stays as it is, readable as before. */
function upgrade(db: DatabaseSync): void {
  db.exec('begin immediate');
  try {
    // Another process may have upgraded between our look and our lock.
    let version = (db.prepare('pragma user_version').get() as { user_version: number }).user_version;
    for (let step = UPGRADES.get(version); step !== undefined; step = UPGRADES.get(version)) {
      db.exec(step);
      db.exec(`pragma user_version = ${++version}`);
    }
    db.exec('commit');
  } catch (error) {
    if (db.isTransaction) db.exec('rollback');
    throw error;
  }
}

function create(db: DatabaseSync, partitions: number): void {
  db.exec('begin immediate');
  try {
    // Another process may have made the tables between our look and our lock.
    if ((db.prepare('pragma user_version').get() as { user_version: number }).user_version === 0) {
      db.exec(SCHEMA);
      const insert = db.prepare('insert into meta (key, value) values (?, ?)');
      insert.run('partitions', String(partitions));
      insert.run('hash', PARTITION_HASH);
      db.exec(`pragma application_id = ${APPLICATION_ID}; pragma user_version = ${SCHEMA_VERSION}`);
    }
    db.exec('commit');
  } catch (error) {
    if (db.isTransaction) db.exec('rollback');
    throw error;
  }
}
