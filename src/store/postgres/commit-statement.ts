import * as zlib from 'node:zlib';
import type { Partition, RunId } from '../../core/index.ts';
import { PleachError } from '../../core/index.ts';
import type { AttemptRow, Batch, SegmentRow, TxResultRow } from '../port.ts';
import { type Element, type ElementType, encodeArray } from './binary-arrays.ts';

/**
 * A commit is one statement: a chain of parts, each fed by arrays of rows, all hanging on the first, which moves the
 * fence. Where the fence finds no row, no part has anything to write. All parts see the database as it was before the
 * statement, so no row may be touched by two of them, and what depends on order says so itself.
 */

/** What a commit relies on that this node has not seen with its own eyes: asked in the same statement, before the fence. */
export interface Checks {
  /** Segments that must be there. */
  segments: { run: RunId; seq: number }[];
  /** Positions that must be there. */
  positions: { partition: Partition; pos: number }[];
  /** Partitions that must be this node's. */
  owned: Partition[];
}

type Columns = readonly (readonly [name: string, type: ElementType])[];

interface Source {
  columns: Columns;
  rows(batch: Batch, checks: Checks): readonly (readonly Element[])[];
}

const RUN_COLUMNS: Columns = [
  ['id', 'uuid'],
  ['first_run', 'uuid'],
  ['started_at', 'int8'],
  ['closed_at', 'int8'],
  ['wake_at', 'int8'],
  ['part', 'int4'],
  ['namespace', 'text'],
  ['workflow_id', 'text'],
  ['type', 'text'],
  ['queue', 'text'],
  ['status', 'text'],
];

const SEGMENT_COLUMNS: Columns = [
  ['run', 'uuid'],
  ['pos', 'int8'],
  ['time', 'int8'],
  ['first_event', 'int8'],
  ['seq', 'int4'],
  ['part', 'int4'],
  ['format', 'int4'],
  ['events', 'int4'],
  ['crc', 'int4'],
  ['body', 'bytea'],
];

const ATTRIBUTE_COLUMNS: Columns = [
  ['run', 'uuid'],
  ['i', 'int4'],
  ['namespace', 'text'],
  ['key', 'text'],
  ['type', 'text'],
  ['num', 'float8'],
  ['txt', 'text'],
];

const MESSAGE_KEY: Columns = [
  ['to_part', 'int4'],
  ['from_part', 'int4'],
  ['from_pos', 'int8'],
  ['i', 'int4'],
];

/** Where the rows of each part come from. */
const SOURCES = {
  haveSegment: {
    columns: [
      ['run', 'uuid'],
      ['seq', 'int4'],
    ],
    rows: (_, checks) => checks.segments.map(({ run, seq }) => [run, seq]),
  },
  havePosition: {
    columns: [
      ['part', 'int4'],
      ['pos', 'int8'],
    ],
    rows: (_, checks) => checks.positions.map(({ partition, pos }) => [partition, pos]),
  },
  own: { columns: [['part', 'int4']], rows: (_, checks) => checks.owned.map((partition) => [partition]) },
  segment: {
    columns: SEGMENT_COLUMNS,
    rows: ({ segments }) =>
      segments.map((row) => [
        row.run,
        row.pos,
        row.time,
        row.firstEventId,
        row.seq,
        row.partition,
        row.format,
        row.eventCount,
        crcOf(row.body),
        row.body,
      ]),
  },
  change: {
    columns: [
      ['id', 'uuid'],
      ['status', 'text'],
      ['closed_at', 'int8'],
      ['wake_at', 'int8'],
    ],
    rows: ({ runChanges }) => runChanges.map((row) => [row.run, row.status, row.closedAt, row.wakeAt]),
  },
  run: {
    columns: RUN_COLUMNS,
    rows: ({ newRuns }) =>
      newRuns.map((row) => [
        row.run,
        row.firstRun,
        row.startedAt,
        row.closedAt,
        row.wakeAt,
        row.partition,
        row.namespace,
        row.workflowId,
        row.type,
        row.queue,
        row.status,
      ]),
  },
  message: {
    columns: [...MESSAGE_KEY, ['to_run', 'text'], ['body', 'bytea']],
    rows: ({ inboxIn }) => inboxIn.map((row) => [row.to, row.from, row.fromPos, row.index, row.toRun, row.body]),
  },
  messageDone: {
    columns: MESSAGE_KEY,
    rows: ({ inboxDone }) => inboxDone.map((key) => [key.to, key.from, key.fromPos, key.index]),
  },
  blob: {
    columns: [
      ['run', 'uuid'],
      ['n', 'int8'],
      ['crc', 'int4'],
      ['body', 'bytea'],
    ],
    rows: ({ blobs }) => blobs.map((row) => [row.run, row.n, crcOf(row.body), row.body]),
  },
  attributesOf: { columns: [['run', 'uuid']], rows: ({ attributes }) => attributes.map(({ run }) => [run]) },
  attribute: {
    columns: ATTRIBUTE_COLUMNS,
    rows: ({ attributes }) =>
      attributes.flatMap(({ run, namespace, values }) =>
        values.map(({ key, type, value }, i) => [
          run,
          i,
          namespace,
          key,
          type,
          typeof value === 'number' ? value : undefined,
          typeof value === 'string' ? value : undefined,
        ]),
      ),
  },
  attempt: {
    columns: [
      ['run', 'uuid'],
      ['seq', 'int4'],
      ['body', 'bytea'],
    ],
    rows: ({ attempts }) => attempts.map((row) => [row.run, row.seq, row.body]),
  },
  attemptDone: {
    columns: [
      ['run', 'uuid'],
      ['seq', 'int4'],
    ],
    rows: ({ attemptsDone }) => attemptsDone.map(({ run, seq }) => [run, seq]),
  },
  attemptsOf: { columns: [['run', 'uuid']], rows: ({ attemptsOfClosed }) => attemptsOfClosed.map((run) => [run]) },
  txResult: {
    columns: [
      ['run', 'uuid'],
      ['activity', 'text'],
      ['body', 'bytea'],
    ],
    rows: ({ txResults }) => txResults.map((row) => [row.run, row.activityId, row.body]),
  },
  txResultDone: {
    columns: [
      ['run', 'uuid'],
      ['activity', 'text'],
    ],
    rows: ({ txResultsDone }) => txResultsDone.map(({ run, activityId }) => [run, activityId]),
  },
  given: {
    columns: [
      ['part', 'int4'],
      ['node', 'text'],
    ],
    rows: ({ given }) => given.map(({ partition, to }) => [partition, to]),
  },
} satisfies Record<string, Source>;

type SourceName = keyof typeof SOURCES;

/** The parts, in groups: a group is in the statement where a batch has rows for it. The first always is. */
const GROUPS: readonly (readonly SourceName[])[] = [
  ['haveSegment', 'havePosition', 'own', 'segment'],
  ['change', 'run'],
  ['message', 'messageDone'],
  ['blob', 'attributesOf', 'attribute', 'attempt', 'attemptDone', 'attemptsOf', 'txResult', 'txResultDone', 'given'],
];

/** The time of the store: the server's own clock, unless a test gives its own as this parameter. */
export function nowSql(parameter: string): string {
  return `coalesce(${parameter}::int8, (extract(epoch from clock_timestamp()) * 1000)::int8)`;
}

/** What is set for one transaction where a session cannot be set up: behind a pooler. */
export const LOCAL_SETTINGS = `set_config('synchronous_commit', 'on', true)`;

const namesOf = (columns: Columns): string => columns.map(([name]) => name).join(', ');

/** The statement for some of the groups. */
function textOf(groups: readonly number[], schema: string, isPooled: boolean): string {
  let at = 5;
  const from = {} as Record<SourceName, string>;
  for (const group of groups) {
    for (const name of GROUPS[group]!) {
      const { columns } = SOURCES[name] as Source;
      const arrays = columns.map(([, type]) => `$${++at}::${type}[]`);
      from[name] = `unnest(${arrays.join(', ')}) as c(${namesOf(columns)})`;
    }
  }
  const insert = (table: string, columns: Columns, source: SourceName, more = ''): string =>
    `insert into ${schema}.${table} (${namesOf(columns)}) select ${columns.map(([name]) => `c.${name}`).join(', ')} from fence, ${more}${from[source]}`;
  const parts: string[][] = [
    [
      `bad as (
         select 1 from ${from.haveSegment} where not exists (select 1 from ${schema}.segment s where s.run = c.run and s.seq = c.seq)
         union all
         select 1 from ${from.havePosition} where not exists (select 1 from ${schema}.segment s where s.part = c.part and s.pos = c.pos)
         union all
         select 1 from ${from.own} where not exists (select 1 from ${schema}.partition p where p.id = c.part and p.node = $1))`,
      `fence as (
         update ${schema}.node set batch = batch + 1, until = ${nowSql('$4')} + $5::int8
         where id = $1::text and epoch = $2::int8 and batch = $3::int8 and not exists (select 1 from bad)
         returning until - $5::int8 as now${isPooled ? `, ${LOCAL_SETTINGS}` : ''})`,
      `segment_in as (${insert('segment', SEGMENT_COLUMNS, 'segment')})`,
    ],
    [
      `changed as (
         update ${schema}.run r set status = c.status, closed_at = c.closed_at, wake_at = c.wake_at
         from fence, ${from.change} where r.id = c.id returning 1)`,
      // Counting what has changed makes it happen first: a run that closes leaves its workflow id to its successor.
      `run_in as (${insert('run', RUN_COLUMNS, 'run', '(select count(*) as n from changed) as done, ')} where done.n >= 0)`,
    ],
    [
      `message_out as (
         delete from ${schema}.inbox m using fence, ${from.messageDone}
         where m.to_part = c.to_part and m.from_part = c.from_part and m.from_pos = c.from_pos and m.i = c.i)`,
      `message_in as (${insert('inbox', [...MESSAGE_KEY, ['to_run', 'text'], ['body', 'bytea']], 'message')})`,
    ],
    [
      `blob_in as (${insert('blob', SOURCES.blob.columns as unknown as Columns, 'blob')})`,
      `attribute_out as (delete from ${schema}.run_attr a using fence, ${from.attributesOf} where a.run = c.run returning 1)`,
      `attribute_in as (${insert('run_attr', ATTRIBUTE_COLUMNS, 'attribute', '(select count(*) as n from attribute_out) as done, ')} where done.n >= 0)`,
      `attempt_in as (${insert('attempt', SOURCES.attempt.columns as unknown as Columns, 'attempt')} on conflict (run, seq) do update set body = excluded.body)`,
      `attempt_out as (
         delete from ${schema}.attempt a using fence, ${from.attemptDone} where a.run = c.run and a.seq = c.seq)`,
      `attempts_out as (delete from ${schema}.attempt a using fence, ${from.attemptsOf} where a.run = c.run)`,
      `tx_result_in as (${insert('tx_result', SOURCES.txResult.columns as unknown as Columns, 'txResult')} on conflict do nothing)`,
      // Without an activity: all of the run.
      `tx_result_out as (
         delete from ${schema}.tx_result t using fence, ${from.txResultDone}
         where t.run = c.run and (c.activity is null or t.activity = c.activity))`,
      `given as (
         update ${schema}.partition p set node = (select n.id from ${schema}.node n where n.id = c.node)
         from fence, ${from.given} where p.id = c.part and p.node = $1)`,
    ],
  ];
  return `with ${groups.flatMap((group) => parts[group]!).join(',\n')}\nselect now from fence`;
}

/** Makes the statements of one store, each text once. */
export class CommitStatements {
  readonly #texts = new Map<string, string>();
  readonly #schema: string;
  readonly #isPooled: boolean;

  constructor(schema: string, isPooled: boolean) {
    this.#schema = schema;
    this.#isPooled = isPooled;
  }

  /** @param head node, epoch, batch, the store's time where a test gives it, and the lease's length in milliseconds */
  of(head: readonly unknown[], batch: Batch, checks: Checks): { name?: string; text: string; values: unknown[] } {
    const values: unknown[] = [...head];
    const groups: number[] = [];
    for (const [index, names] of GROUPS.entries()) {
      const rows = names.map((name) => (SOURCES[name] as Source).rows(batch, checks));
      if (index > 0 && rows.every((list) => list.length === 0)) continue;
      groups.push(index);
      for (const [place, name] of names.entries()) {
        const { columns } = SOURCES[name] as Source;
        for (const [column, [, type]] of columns.entries())
          values.push(
            encodeArray(
              type,
              rows[place]!.map((row) => row[column]),
            ),
          );
      }
    }
    const name = `commit_${groups.join('')}`;
    let text = this.#texts.get(name);
    if (text === undefined) this.#texts.set(name, (text = textOf(groups, this.#schema, this.#isPooled)));
    return this.#isPooled ? { text, values } : { name, text, values };
  }

  /** The text for every choice of groups, for a test that prepares them all. */
  all(): string[] {
    return Array.from({ length: 2 ** (GROUPS.length - 1) }, (_, choice) =>
      textOf(
        GROUPS.map((_group, index) => index).filter((index) => index === 0 || choice & (1 << (index - 1))),
        this.#schema,
        this.#isPooled,
      ),
    );
  }
}

/** A checksum as a signed number of four bytes. */
export function crcOf(body: Uint8Array): number {
  return zlib.crc32(body) | 0;
}

/** A batch in which no row is touched twice, and what it says stays the same: what comes later in it holds. */
export function coalesce(batch: Batch): Batch {
  const later = <T>(rows: readonly T[], keyOf: (row: T) => string): T[] =>
    rows.length < 2 ? [...rows] : [...new Map(rows.map((row) => [keyOf(row), row])).values()];
  const attemptKey = ({ run, seq }: Pick<AttemptRow, 'run' | 'seq'>): string => `${run}/${seq}`;
  const closed = new Set(batch.attemptsOfClosed);
  const done = new Set(batch.attemptsDone.map(attemptKey));
  const taken = new Set(batch.txResultsDone.map(({ run, activityId }) => `${run}/${activityId ?? ''}`));
  const isTaken = ({ run, activityId }: TxResultRow): boolean =>
    taken.has(`${run}/`) || taken.has(`${run}/${activityId}`);
  const txResults = new Map<string, TxResultRow>();
  for (const row of batch.txResults) {
    const key = `${row.run}/${row.activityId}`;
    // The first stays.
    if (!isTaken(row) && !txResults.has(key)) txResults.set(key, row);
  }
  const given = new Map(batch.given.map((row) => [row.partition, row]));
  for (const { run, values } of batch.attributes) {
    if (new Set(values.map(({ key, value }) => JSON.stringify([key, value]))).size < values.length)
      throw new PleachError('UNEXPECTED', `committing: run ${run} has a search attribute twice`, { run });
  }
  return {
    ...batch,
    runChanges: later(batch.runChanges, ({ run }) => run),
    attributes: later(batch.attributes, ({ run }) => run),
    attempts: later(
      batch.attempts.filter((row) => !closed.has(row.run) && !done.has(attemptKey(row))),
      attemptKey,
    ),
    attemptsDone: batch.attemptsDone.filter(({ run }) => !closed.has(run)),
    txResults: [...txResults.values()],
    given: [...given.values()],
  };
}

/** What a store knows of what it has written itself; enough to ask the database about the rest only. */
export class Known {
  readonly #seqs = new Map<RunId, number>();
  readonly #heads = new Map<Partition, number>();
  readonly #owned = new Set<Partition>();
  readonly #runsMax: number;

  constructor(runsMax: number) {
    this.#runsMax = runsMax;
  }

  /** Nothing is known any more. */
  forget(): void {
    this.#seqs.clear();
    this.#heads.clear();
    this.#owned.clear();
  }

  /** Partitions that are this node's from now on. */
  own(partitions: readonly Partition[]): void {
    for (const partition of partitions) {
      this.#owned.add(partition);
      this.#heads.delete(partition);
    }
  }

  /**
   * What must be true for this batch and is not known to be.
   * @throws UNEXPECTED where the batch itself has a gap
   */
  checksFor(batch: Batch): Checks {
    const checks: Checks = { segments: [], positions: [], owned: [] };
    const seqs = new Map<RunId, number>();
    const heads = new Map<Partition, number>();
    const partitions = new Set<Partition>();
    for (const row of batch.segments) {
      partitions.add(row.partition);
      const seq = seqs.get(row.run);
      if (seq === undefined ? row.seq < 1 : row.seq !== seq + 1) throw gapAt(row);
      if (seq === undefined && row.seq > 1 && this.#seqs.get(row.run) !== row.seq - 1)
        checks.segments.push({ run: row.run, seq: row.seq - 1 });
      seqs.set(row.run, row.seq);
      const pos = heads.get(row.partition);
      if (pos === undefined ? row.pos < 1 : row.pos !== pos + 1) throw gapAt(row);
      if (pos === undefined && row.pos > 1 && this.#heads.get(row.partition) !== row.pos - 1)
        checks.positions.push({ partition: row.partition, pos: row.pos - 1 });
      heads.set(row.partition, row.pos);
    }
    for (const row of batch.newRuns) partitions.add(row.partition);
    for (const { to } of batch.inboxDone) partitions.add(to);
    for (const { partition } of batch.given) partitions.add(partition);
    checks.owned = [...partitions].filter((partition) => !this.#owned.has(partition));
    return checks;
  }

  /** Notes what a commit has written. */
  wrote(batch: Batch, checks: Checks): void {
    if (this.#seqs.size > this.#runsMax) this.#seqs.clear();
    for (const row of batch.segments) {
      this.#seqs.set(row.run, row.seq);
      this.#heads.set(row.partition, row.pos);
    }
    for (const partition of checks.owned) this.#owned.add(partition);
    for (const { partition } of batch.given) {
      this.#owned.delete(partition);
      this.#heads.delete(partition);
    }
  }
}

function gapAt(row: SegmentRow): PleachError {
  return new PleachError(
    'UNEXPECTED',
    `committing: segment ${row.seq} of run ${row.run} at position ${row.pos} of partition ${row.partition} does not follow the one before it`,
    { run: row.run, seq: row.seq, pos: row.pos },
  );
}
