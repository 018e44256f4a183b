import type { Clock } from '../../src/core/index.ts';
import { systemClock } from '../../src/core/index.ts';
import { PostgresStore } from '../../src/store/index.ts';
import type { PostgresServer } from '../fakes/postgres-server.ts';
import type { World } from './exercise-store.ts';

let databases = 0;

/** A database of its own on a server that tests share; how often its stores are made is up to the test. */
export class PostgresWorld implements World {
  readonly #server: PostgresServer;
  readonly #clock: Clock;
  readonly #query: string;
  readonly #opened: PostgresStore[] = [];
  readonly name: string;

  private constructor(server: PostgresServer, clock: Clock, name: string, query: string) {
    this.#server = server;
    this.#clock = clock;
    this.name = name;
    this.#query = query;
  }

  /** @param query what the address says after its "?" */
  static async make(server: PostgresServer, clock: Clock, query = ''): Promise<PostgresWorld> {
    const name = `world_${process.pid}_${++databases}`;
    await server.query(`create database ${name}`);
    return new PostgresWorld(server, clock, name, query);
  }

  async open(): Promise<PostgresStore> {
    const store = await PostgresStore.open(`${this.#server.url(this.name)}?sslmode=disable${this.#query}`, {
      clock: systemClock,
      now: () => this.#clock.now(),
    });
    this.#opened.push(store);
    return store;
  }

  async die(store: unknown): Promise<void> {
    await (store as PostgresStore).close();
  }

  async copy(): Promise<void> {
    await this.#server.query(`create database ${this.name}_aside template ${this.name}`);
  }

  async putBack(): Promise<void> {
    await this.#server.query(`drop database ${this.name} with (force)`);
    await this.#server.query(`create database ${this.name} template ${this.name}_aside`);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#opened.map((store) => store.close()));
    await this.#server.query(`drop database if exists ${this.name} with (force)`);
    await this.#server.query(`drop database if exists ${this.name}_aside with (force)`);
  }
}
