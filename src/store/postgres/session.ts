import type { Client } from 'pg';
import { type Clock, LIMITS, type Partition } from '../../core/index.ts';
import { Lane, type LaneOptions } from './lane.ts';

/** Longer lists of partitions are told as "all": a notification holds 8,000 bytes. */
const NOTIFIED_BYTES_MAX = 7_000;
const RETRY_MS = 100;
const RETRY_MS_MAX = 5_000;

/**
 * The connection that says that this node lives, and carries hints. It holds a lock that ends with it, so others know at
 * once when the process is gone; and it listens. When it breaks it is made again, and what was hinted at meanwhile
 * counts as lost. There is none behind a pooler.
 */
export class Session {
  readonly #lane: Lane;
  readonly #clock: Clock;
  readonly #schema: string;
  readonly #schemaNumber: number;
  readonly #watched = new WeakSet<Client>();
  #number: number | undefined;
  #listener: ((partitions: readonly Partition[] | undefined) => void) | undefined;
  #hinted = new Set<Partition>();
  #isGathering = false;
  #isClosed = false;

  constructor(options: LaneOptions, clock: Clock, schema: string, schemaNumber: number) {
    this.#lane = new Lane(options);
    this.#clock = clock;
    this.#schema = schema;
    this.#schemaNumber = schemaNumber;
  }

  /** Takes the lock that shows that this process lives; the number by which others find it. */
  async hold(): Promise<number> {
    if (this.#number === undefined) {
      await this.#watch();
      const [row] = await this.#lane.run<{ n: number }>({
        text: `select nextval('${this.#schema}.session')::int4 as n`,
      });
      const number = row!.n;
      await this.#lane.run({ text: 'select pg_advisory_lock($1, $2)', values: [this.#schemaNumber, number] });
      this.#number = number;
    }
    return this.#number;
  }

  /** Calls back with what other nodes hint at. */
  listen(listener: (partitions: readonly Partition[] | undefined) => void): void {
    this.#listener = listener;
    this.#reopen(0);
  }

  /** Hints of 2 ms travel together. */
  hint(partitions: readonly Partition[]): void {
    for (const partition of partitions) this.#hinted.add(partition);
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#clock.after(LIMITS.hintGatherMs, () => {
      this.#isGathering = false;
      const text = [...this.#hinted].join();
      this.#hinted = new Set();
      const said = text.length > NOTIFIED_BYTES_MAX ? '' : text;
      // A hint may be lost: whoever it was for looks once a second in any case.
      this.#lane.run({ text: 'select pg_notify($1, $2)', values: [this.#channel, said] }).catch(() => undefined);
    });
  }

  get #channel(): string {
    return `pleach_${this.#schemaNumber}`;
  }

  /** Makes the connection, takes its lock again and listens; where that fails, later and later. */
  #reopen(waitMs: number): void {
    if (this.#isClosed) return;
    const open = (): void => {
      if (this.#isClosed) return;
      this.#watch()
        .then(async () => {
          if (this.#number !== undefined)
            await this.#lane.run({
              text: 'select pg_try_advisory_lock($1, $2)',
              values: [this.#schemaNumber, this.#number],
            });
          if (this.#listener === undefined) return;
          await this.#lane.run({ text: `listen ${this.#channel}` });
          this.#listener(undefined);
        })
        .catch(() => this.#reopen(Math.min(RETRY_MS_MAX, Math.max(RETRY_MS, waitMs * 2))));
    };
    if (waitMs === 0) open();
    else this.#clock.after(waitMs, open);
  }

  async #watch(): Promise<void> {
    const client = await this.#lane.client();
    if (this.#watched.has(client)) return;
    this.#watched.add(client);
    const own = (client as unknown as { processID: number }).processID;
    client.on('notification', ({ processId, payload }) => {
      if (processId === own || this.#listener === undefined) return;
      this.#listener(payload ? payload.split(',').map((text) => Number(text) as Partition) : undefined);
    });
    client.on('end', () => this.#reopen(RETRY_MS));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#lane.close();
  }
}
