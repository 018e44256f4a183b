import { AsyncLocalStorage } from 'node:async_hooks';
import type {
  Database,
  DatabaseMigration,
  DatabaseProvider,
  DatabaseRow,
  DatabaseValue,
  TransactionEnd,
  TransactionKey,
} from '../common/index.ts';
import { guardCalls, type KernelCaller } from '../contract/index.ts';
import { LIMITS, PleachError } from '../core/index.ts';

/** Carries a transaction through all that its function calls and awaits; what it leaves running sees that it is over. */
const transactionStorage = new AsyncLocalStorage<{ isOver: boolean }>();

/** What a transaction's function gives, and the outcome that is recorded with its writes. */
type Given<T> = Promise<{ value: T; outcome?: string }>;

/** Authors' tables in the database of an engine, for a process on the same database. The engine says whose turn it is. */
export class WorkerDatabase implements Database {
  readonly dialect: Database['dialect'];
  readonly #caller: KernelCaller;

  /** @throws PleachError DATABASE_ELSEWHERE */
  constructor(caller: KernelCaller) {
    const { dialect } = caller.address;
    if (dialect === undefined) {
      throw new PleachError(
        'DATABASE_ELSEWHERE',
        "this connection's engine has no database that this process may open; connect to sqlite:./file.db for tables of yours and transactional activities",
        {},
      );
    }
    this.dialect = dialect;
    this.#caller = caller;
  }

  async query<Row = DatabaseRow>(sql: string, parameters: readonly DatabaseValue[] = []): Promise<Row[]> {
    requireNone('a query beside its transaction would not see what that has written; ask the transaction');
    return (await (await this.#provider()).query(sql, parameters)) as Row[];
  }

  execute(sql: string, parameters: readonly DatabaseValue[] = []): Promise<{ changes: number }> {
    return this.transaction((tx) => tx.execute(sql, parameters));
  }

  async transaction<T>(work: (tx: Database) => Promise<T> | T): Promise<T> {
    const end = await this.transact(undefined, async (tx) => ({ value: await work(tx) }));
    if (end.status === 'committed') return end.value;
    throw new PleachError('UNEXPECTED', `a transaction without a key is ${end.status}`, {});
  }

  migrate(migrations: readonly DatabaseMigration[]): Promise<void> {
    return this.transaction((tx) => tx.migrate(migrations));
  }

  /**
   * Runs a transaction when the engine lets it.
   * @param attempt the attempt whose outcome it is, by its token, and what names the activity
   */
  async transact<T>(
    attempt: { token: string; key: TransactionKey } | undefined,
    work: (tx: Database) => Given<T>,
  ): Promise<Exclude<TransactionEnd<T>, { status: 'fenced' }>> {
    requireNone('a transaction is within another; use the one that is there');
    const provider = await this.#provider();
    const caller = this.#caller;
    for (let asks = 0; asks < LIMITS.transactionAsksMax; asks++) {
      const { grant, node, epoch } = await caller.call(
        'begin-transaction',
        attempt ? { activity: { token: attempt.token } } : {},
      );
      const ongoing = { isOver: false };
      try {
        const end = await provider.transact<T>({
          fence: { node, epoch },
          ...(attempt ? { key: attempt.key } : {}),
          work: (tx) => transactionStorage.run(ongoing, () => work(tx)),
        });
        if (end.status !== 'fenced') return end;
      } finally {
        ongoing.isOver = true;
        // Where it is not heard, the engine waits a while and goes on by itself.
        caller.call('end-transaction', { grant }, { timeoutMs: LIMITS.transactionGrantMs }).catch(() => undefined);
      }
    }
    throw new PleachError(
      'STORE_UNAVAILABLE',
      `the engine changed ${LIMITS.transactionAsksMax} times before a transaction could begin; nothing was changed`,
      {},
    );
  }

  async #provider(): Promise<DatabaseProvider> {
    return this.#caller.address.openDatabase!();
  }
}

function requireNone(why: string): void {
  const ongoing = transactionStorage.getStore();
  if (ongoing && !ongoing.isOver) throw new PleachError('TRANSACTION_ENGINE_CALL', why, {});
}

// The engine waits for the transaction: a call that waits for the engine would wait until the transaction's time is over.
guardCalls((method) =>
  requireNone(`"${method}" asks the engine, which waits for this transaction; ask before or after it`),
);
