import { createHash } from 'node:crypto';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type {
  Database,
  DatabaseMigration,
  DatabaseProvider,
  DatabaseRow,
  DatabaseValue,
  TransactionEnd,
  TransactionFence,
  TransactionKey,
  Transact,
} from '../../common/index.ts';
import { type Clock, LIMITS, messageOf, PleachError, type RunId } from '../../core/index.ts';
import { storeError } from './errors.ts';
import { openDatabase } from './driver.ts';
import { runKey } from './sqlite-store.ts';

/** SQLite's numbers for a second row with the same key, whichever sort of key. */
const UNIQUE_KINDS = new Set([1555, 2067, 2579]);
const GENERAL = 1;
const READ_ONLY = 8;
/** Its numbers for what is wrong with a statement or its values: in general, too large, constraint, type, range. */
const OF_THE_STATEMENT = new Set([GENERAL, 18, 19, 20, 25]);

/** Statements that would end, nest or leave the transaction that an author was given. */
const NOT_FOR_AUTHORS = /^\s*(begin|commit|end|rollback|savepoint|release|pragma|attach|detach|vacuum)\b/i;

/** How long another writer's lock is waited for, in milliseconds: the journal has stepped aside, so there is mostly none. */
const BUSY_MS = 1_000;

/**
 * Authors' tables in the file of an engine, for any process that has it open. Two connections: one that only reads, and
 * one for the transaction of the moment, of which there is one at a time. The journal steps aside while it runs.
 *
 * A transaction begins `immediate`, so that nobody else writes until its end, and first asks what must be so: that the
 * node that allowed it still has the file, that the run is open, that the activity has no outcome yet.
 */
export class SqliteDatabase implements DatabaseProvider {
  readonly dialect = 'sqlite';
  readonly #path: string;
  readonly #clock: Clock;
  readonly #reader: Statements;
  readonly #writer: Statements;

  /** @throws DATABASE_UNOPENABLE · STORE_UNAVAILABLE */
  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    const doing = `opening ${path} for tables of yours`;
    let writer: DatabaseSync | undefined;
    try {
      writer = openDatabase(path, { timeout: BUSY_MS });
      writer.exec('pragma synchronous = full');
      // macOS answers an ordinary sync before the platter has it.
      if (process.platform === 'darwin') writer.exec('pragma fullfsync = 1');
      const reader = openDatabase(path, { readOnly: true, timeout: BUSY_MS });
      this.#reader = new Statements(reader);
      this.#writer = new Statements(writer);
    } catch (error) {
      writer?.close();
      throw storeError(doing, error);
    }
  }

  async query(sql: string, parameters: readonly DatabaseValue[]): Promise<DatabaseRow[]> {
    return this.#reader.all(sql, parameters);
  }

  async transact<T>(options: Transact<T>): Promise<TransactionEnd<T>> {
    const { fence, key } = options;
    const { db } = this.#writer;
    try {
      db.exec('begin immediate');
    } catch (error) {
      throw storeError(`beginning a transaction (${this.#path})`, error);
    }
    const tx = new SqliteTransaction(this.#writer);
    try {
      const stop = this.#whyNot(fence, key);
      if (stop) {
        db.exec('rollback');
        return stop;
      }
      const beganMs = this.#clock.monotonicMs();
      const { value, outcome } = await this.#inTime(options.work(tx));
      // Code that never let the loop go round has outlasted the timer too.
      if (this.#clock.monotonicMs() - beganMs > LIMITS.transactionMs) throw timedOut();
      if (key)
        this.#writer.run('insert into tx_result (run, activity, body) values (?, ?, ?)', [
          runKey(key.runId as RunId),
          key.activityId,
          Buffer.from(outcome ?? ''),
        ]);
      tx.end();
      this.#commit();
      return { status: 'committed', value };
    } catch (error) {
      tx.end();
      // A statement may have rolled all of it back by itself.
      if (db.isTransaction) db.exec('rollback');
      throw error;
    }
  }

  #commit(): void {
    try {
      this.#writer.db.exec('commit');
    } catch (error) {
      throw storeError(`committing a transaction (${this.#path})`, error);
    }
  }

  /** What stands in the way, by what is there under the lock. */
  #whyNot(
    fence: TransactionFence,
    key: TransactionKey | undefined,
  ): Exclude<TransactionEnd<never>, { value: never }> | undefined {
    const is = (sql: string, parameters: SQLInputValue[]) => this.#writer.prepare(sql).get(...parameters);
    if (!is('select 1 from node where id = ? and epoch = ?', [fence.node, fence.epoch])) return { status: 'fenced' };
    if (!key) return undefined;
    const run = runKey(key.runId as RunId);
    const decided = is('select body from tx_result where run = ? and activity = ?', [run, key.activityId]);
    if (decided) return { status: 'decided', outcome: Buffer.from(decided['body'] as Uint8Array).toString() };
    return is("select 1 from run where id = ? and status = 'RUNNING'", [run]) ? undefined : { status: 'closed' };
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait = this.#clock.after(LIMITS.transactionMs, () => reject(timedOut()));
      work.finally(() => wait.clear()).then(resolve, reject);
    });
  }

  async close(): Promise<void> {
    this.#reader.close();
    this.#writer.close();
  }
}

/** The database as the function of a transaction has it; of no use after its end. */
class SqliteTransaction implements Database {
  readonly dialect = 'sqlite';
  readonly #statements: Statements;
  #isOver = false;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  end(): void {
    this.#isOver = true;
  }

  async query<Row = DatabaseRow>(sql: string, parameters: readonly DatabaseValue[] = []): Promise<Row[]> {
    this.#requireOpen();
    return this.#statements.all(sql, parameters) as Row[];
  }

  async execute(sql: string, parameters: readonly DatabaseValue[] = []): Promise<{ changes: number }> {
    this.#requireOpen();
    return { changes: this.#statements.run(sql, parameters) };
  }

  async transaction<T>(): Promise<T> {
    throw new PleachError('TRANSACTION_ENGINE_CALL', 'a transaction is within another; use the one that is there', {});
  }

  async migrate(migrations: readonly DatabaseMigration[]): Promise<void> {
    this.#requireOpen();
    const applied = this.#statements.all('select number, name, checksum from user_migration order by number', []);
    for (const [index, row] of applied.entries()) {
      const given = migrations[index];
      if (given && given.name === row['name'] && checksumOf(given.sql) === row['checksum']) continue;
      const now = !given ? 'is missing' : given.name === row['name'] ? 'has another text' : `is "${given.name}"`;
      throw new PleachError(
        'MIGRATION_CHANGED',
        `migration ${index + 1} was applied as "${String(row['name'])}" and ${now} now. Put it back, and add what is new at the end`,
        { number: index + 1, applied: row['name'], given: given?.name },
      );
    }
    for (const [index, { name, sql }] of migrations.entries()) {
      if (index < applied.length) continue;
      this.#statements.script(sql, `migration ${index + 1}, "${name}"`);
      this.#statements.run('insert into user_migration (number, name, checksum) values (?, ?, ?)', [
        index + 1,
        name,
        checksumOf(sql),
      ]);
    }
  }

  #requireOpen(): void {
    if (!this.#isOver) return;
    throw new PleachError(
      'TRANSACTION_TIMEOUT',
      `a statement came after its transaction was over; await all of them within it, and within ${LIMITS.transactionMs} ms`,
      {},
    );
  }
}

function checksumOf(sql: string): string {
  return createHash('sha256').update(sql).digest('hex');
}

function timedOut(): PleachError {
  return new PleachError(
    'TRANSACTION_TIMEOUT',
    `the transaction took more than ${LIMITS.transactionMs} ms and was rolled back: nobody else can write meanwhile. Fetch and compute before it`,
    { limitMs: LIMITS.transactionMs },
  );
}

/** A connection, with its statements prepared once by text. */
class Statements {
  readonly db: DatabaseSync;
  readonly #kept = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    this.db = db;
  }

  prepare(sql: string): StatementSync {
    let statement = this.#kept.get(sql);
    if (statement) return statement;
    statement = this.db.prepare(sql);
    statement.setReadBigInts(true);
    if (this.#kept.size >= LIMITS.statementsKeptMax) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(sql, statement);
    return statement;
  }

  all(sql: string, parameters: readonly DatabaseValue[]): DatabaseRow[] {
    return this.#do(sql, () =>
      this.prepare(sql)
        .all(...parameters.map(toSqlite))
        .map(fromSqlite),
    );
  }

  run(sql: string, parameters: readonly DatabaseValue[]): number {
    return this.#do(sql, () => Number(this.prepare(sql).run(...parameters.map(toSqlite)).changes));
  }

  /** Runs several statements, none of which may end the transaction that they are in. */
  script(sql: string, what: string): void {
    this.#do(what, () => this.db.exec(sql));
    if (this.db.isTransaction) return;
    throw new PleachError('INVALID_ARGUMENT', `${what} ends its transaction itself; leave that to us`, {});
  }

  #do<T>(sql: string, work: () => T): T {
    if (typeof sql !== 'string' || NOT_FOR_AUTHORS.test(sql)) {
      throw new PleachError(
        'INVALID_ARGUMENT',
        `"${String(sql)}" is not for authors: transactions are begun and ended by \`transaction\``,
        {},
      );
    }
    try {
      return work();
    } catch (error) {
      throw statementError(sql, error);
    }
  }

  close(): void {
    if (this.db.isOpen) this.db.close();
  }
}

function toSqlite(value: DatabaseValue, index: number): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Date) return value.getTime();
  const isTaken =
    value === null || ['number', 'bigint', 'string'].includes(typeof value) || value instanceof Uint8Array;
  if (isTaken) return value as SQLInputValue;
  throw new PleachError(
    'INVALID_ARGUMENT',
    `parameter ${index + 1} is ${value === undefined ? 'undefined' : typeof value}; it may be null, a number, bigint, string, boolean, Date or bytes`,
    { parameter: index + 1 },
  );
}

function fromSqlite(row: Record<string, unknown>): DatabaseRow {
  const answer: DatabaseRow = {};
  for (const [column, value] of Object.entries(row)) {
    const isSmall = typeof value === 'bigint' && Number.isSafeInteger(Number(value));
    answer[column] = isSmall ? Number(value) : value;
  }
  return answer;
}

function statementError(sql: string, error: unknown): PleachError {
  if (error instanceof PleachError) return error;
  const number = (error as { errcode?: number }).errcode ?? GENERAL;
  const details = { sqlite: number, sql };
  const text = `"${sql}": ${messageOf(error)}`;
  const options = { cause: error };
  if (UNIQUE_KINDS.has(number)) return new PleachError('UNIQUE_VIOLATION', text, details, options);
  const primary = number & 0xff;
  if (primary === READ_ONLY) {
    // A reader may not write: the place in the code is what is wrong, and not the file.
    const mend = 'what writes goes through `execute` or `transaction`';
    return new PleachError('STATEMENT_FAILED', `${text}; ${mend}`, details, options);
  }
  if (OF_THE_STATEMENT.has(primary)) return new PleachError('STATEMENT_FAILED', text, details, options);
  return storeError(text, error);
}
