import type { Socket } from 'node:net';
import type { Client, ClientConfig, QueryConfig } from 'pg';
import { type Clock, LIMITS, PleachError } from '../../core/index.ts';
import type { PostgresAddress } from './address.ts';
import { isConnectionSpent } from './errors.ts';

/** The password, or who knows it: asked at each connection, so that one that expires is renewed. */
export type Password = string | (() => string | Promise<string>);

/** How connections of one store are made. */
export interface LaneOptions {
  address: PostgresAddress;
  password: Password | undefined;
  /** How long the server works on a statement, in milliseconds. */
  statementMs: number;
  /** Settings for every session; none go through a pooler, which would refuse or mix them up. */
  settings: Readonly<Record<string, string>>;
}

/** How much longer than the server we wait for its answer: a statement that it has ended itself is told apart. */
const ANSWER_GRACE_MS = 500;
const NO_TLS = 'The server does not support SSL connections';

/**
 * One connection, made when it is needed and again after it broke, and one statement on it at a time. A statement is
 * never sent twice: whoever sent it decides.
 */
export class Lane {
  readonly #options: LaneOptions;
  /** The connection in use, from when it begins to be made. */
  #client: Promise<Client> | undefined;
  #open: Client | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Runs one statement after those before it. */
  run<Row>(query: QueryConfig): Promise<Row[]> {
    return this.#inTurn(async (client) => (await client.query(query)).rows as Row[]);
  }

  /** Runs statements in one transaction; nothing else gets between. */
  transaction<T>(work: (run: <Row>(text: string, values?: unknown[]) => Promise<Row[]>) => Promise<T>): Promise<T> {
    return this.#inTurn(async (client) => {
      const run = async <Row>(text: string, values: unknown[] = []): Promise<Row[]> =>
        (await client.query(text, values)).rows as Row[];
      await run('begin');
      try {
        const answer = await work(run);
        await run('commit');
        return answer;
      } catch (error) {
        // A connection that is gone has rolled back by itself.
        if (!isConnectionSpent(error)) await run('rollback').catch(() => undefined);
        throw error;
      }
    });
  }

  /** The connection itself, for what comes by itself: notifications, and its end. */
  client(): Promise<Client> {
    if (this.#isClosed) throw new PleachError('CONNECTION_CLOSED', 'the store is closed', {});
    return (this.#client ??= this.#connect());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last.catch(() => undefined);
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    this.#open = undefined;
    if (!client) return;
    // A silent server answers no farewell.
    const socket = streamOf(client);
    socket.setTimeout(LIMITS.storeConnectMs, () => socket.destroy());
    await client.end().catch(() => undefined);
  }

  #inTurn<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const turn = this.#last
      .catch(() => undefined)
      .then(async () => {
        const client = await this.client();
        try {
          return await work(client);
        } catch (error) {
          if (isConnectionSpent(error)) this.#drop(client);
          throw error;
        }
      });
    this.#last = turn;
    return turn;
  }

  /** Cuts a connection at once: a silent one would never answer a farewell. */
  #drop(client: Client): void {
    this.#forget(client);
    streamOf(client).destroy();
  }

  /** One that was given up before may still fail: only the one in use is made again. */
  #forget(client: Client): void {
    if (this.#open !== client) return;
    this.#open = undefined;
    this.#client = undefined;
  }

  async #connect(): Promise<Client> {
    const { tls, tlsMode } = this.#options.address;
    try {
      return await this.#connectOnce(tls !== undefined).catch((error: unknown) => {
        if (tlsMode !== 'prefer' || !(error instanceof Error) || error.message !== NO_TLS) throw error;
        return this.#connectOnce(false);
      });
    } catch (error) {
      this.#client = undefined;
      throw error;
    }
  }

  async #connectOnce(withTls: boolean): Promise<Client> {
    const { address, password, statementMs, settings } = this.#options;
    const { default: pg } = await import('pg');
    const config: ClientConfig = {
      host: address.host,
      port: address.port,
      user: address.user,
      database: address.database,
      password: password ?? address.password,
      ssl: withTls && address.tls !== undefined ? { ...address.tls } : false,
      connectionTimeoutMillis: LIMITS.storeConnectMs,
      keepAlive: true,
      keepAliveInitialDelayMillis: LIMITS.storeConnectMs,
      query_timeout: statementMs + ANSWER_GRACE_MS,
      application_name: address.applicationName,
      types: { getTypeParser },
      ...(address.isPooled
        ? {}
        : {
            options: Object.entries({ ...settings, statement_timeout: String(statementMs) })
              .map(([name, value]) => `-c ${name}=${value}`)
              .join(' '),
          }),
    };
    const client = new pg.Client(config);
    // Said here or by the statement under way; without a listener it would end the process.
    client.on('error', () => this.#forget(client));
    await client.connect();
    this.#open = client;
    return client;
  }
}

/** The socket of a connection, which `pg` does not show. */
function streamOf(client: Client): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

const INT8 = 20;
const BYTEA = 17;
const INTS = [21, 23, 26];

/** Numbers as numbers: none of ours passes 2^53. */
function getTypeParser(oid: number): (text: string) => unknown {
  if (oid === INT8 || INTS.includes(oid) || oid === 701) return Number;
  if (oid === 16) return (text) => text === 't';
  if (oid === BYTEA) return (text) => Buffer.from(text.slice(2), 'hex');
  return (text) => text;
}

/** A few connections for reads. Whoever finds all of them taken waits, and not for ever. */
export class Pool {
  readonly #make: () => Lane;
  readonly #clock: Clock;
  readonly #max: number;
  readonly #lanes: Lane[] = [];
  readonly #idle: Lane[] = [];
  readonly #waiting = new Set<(lane: Lane) => void>();

  constructor(make: () => Lane, clock: Clock, max: number) {
    this.#make = make;
    this.#clock = clock;
    this.#max = max;
  }

  /** Runs one statement on a connection that is free. */
  async run<Row>(query: QueryConfig): Promise<Row[]> {
    const lane = this.#idle.pop() ?? this.#add() ?? (await this.#wait());
    try {
      return await lane.run<Row>(query);
    } finally {
      const [next] = this.#waiting;
      if (next) next(lane);
      else this.#idle.push(lane);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()));
  }

  #add(): Lane | undefined {
    if (this.#lanes.length >= this.#max) return undefined;
    const lane = this.#make();
    this.#lanes.push(lane);
    return lane;
  }

  #wait(): Promise<Lane> {
    return new Promise((resolve, reject) => {
      const take = (lane: Lane): void => {
        this.#waiting.delete(take);
        limit.clear();
        resolve(lane);
      };
      const limit = this.#clock.after(LIMITS.storeReadWaitMs, () => {
        this.#waiting.delete(take);
        reject(
          new PleachError(
            'STORE_READS_EXHAUSTED',
            `reading from PostgreSQL: all ${this.#max} connections for reads have been taken for ${LIMITS.storeReadWaitMs} ms (storeReadConnectionsMax). Safe to try again; look for reads that are slow`,
            { connections: this.#max, waiting: this.#waiting.size + 1 },
          ),
        );
      });
      this.#waiting.add(take);
    });
  }
}
