/** What a statement may be given: on SQLite a boolean is 0 or 1 and a Date its milliseconds; PostgreSQL has both. */
export type DatabaseValue = null | number | bigint | string | boolean | Uint8Array | Date;

/** A row of an answer, by column. A whole number that a `number` cannot hold comes as a bigint. */
export type DatabaseRow = Record<string, unknown>;

/** A step of the author's own schema. Its number is its place in the list; once applied, its text never changes. */
export interface DatabaseMigration {
  name: string;
  sql: string;
}

/** Authors' own tables, in the database that pleach keeps its histories in. */
export interface Database {
  /** Whose SQL the statements are written in. */
  readonly dialect: 'sqlite' | 'postgres';
  /**
   * Reads rows. Parameters are by position: `?` on SQLite, `$1` on PostgreSQL. Statements are prepared once by text.
   * @throws PleachError STATEMENT_FAILED · UNIQUE_VIOLATION · STORE_UNAVAILABLE · INVALID_ARGUMENT
   */
  query<Row = DatabaseRow>(sql: string, parameters?: readonly DatabaseValue[]): Promise<Row[]>;
  /** Changes rows, in a transaction of its own where it is not in one. @returns how many rows were changed */
  execute(sql: string, parameters?: readonly DatabaseValue[]): Promise<{ changes: number }>;
  /**
   * Runs a function in one transaction: all of its statements take effect, or none. It has 1 s on SQLite, where no one
   * else writes meanwhile. For effects that belong to an activity's result, wrap the activity in `transactional`.
   * @throws what the function throws · TRANSACTION_TIMEOUT · TRANSACTION_ENGINE_CALL when it is called within another
   */
  transaction<T>(work: (tx: Database) => Promise<T> | T): Promise<T>;
  /**
   * Applies what was not applied yet of the author's migrations, in order, each once, whoever else does it at the time.
   * @throws PleachError MIGRATION_CHANGED where one that was applied reads otherwise now, or has another place
   */
  migrate(migrations: readonly DatabaseMigration[]): Promise<void>;
}

/** Who may write: the node that has said so, under its epoch. A transaction that finds another there changes nothing. */
export interface TransactionFence {
  node: string;
  epoch: number;
}

/** What names the one result of an activity. */
export interface TransactionKey {
  runId: string;
  activityId: string;
}

/** How a transaction ended, where it did not throw. */
export type TransactionEnd<T> =
  | { status: 'committed'; value: T }
  /** The fence has moved: nothing was begun, and it may be asked for again. */
  | { status: 'fenced' }
  /** The activity has its one outcome already, and this is it: nothing was begun. */
  | { status: 'decided'; outcome: string }
  /** The run is closed: nothing was begun. */
  | { status: 'closed' };

/** What a provider runs as one transaction. */
export interface Transact<T> {
  fence: TransactionFence;
  key?: TransactionKey;
  /** Gives its value, and the activity's outcome as text where there is a key. */
  work(tx: Database): Promise<{ value: T; outcome?: string }>;
}

/** A database that a process has open for authors' tables: what stands behind `Database`, one for each dialect. */
export interface DatabaseProvider {
  readonly dialect: Database['dialect'];
  query(sql: string, parameters: readonly DatabaseValue[]): Promise<DatabaseRow[]>;
  /**
   * Runs work in one transaction. Under a key it is the only one: the outcome that the work gives is stored with its
   * writes, and a second is not begun.
   */
  transact<T>(options: Transact<T>): Promise<TransactionEnd<T>>;
  close(): Promise<void>;
}
