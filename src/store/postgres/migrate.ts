import { createHash } from 'node:crypto';
import { PleachError } from '../../core/index.ts';
import { PARTITION_HASH } from '../partition.ts';
import type { StoreIdentity } from '../port.ts';
import type { PostgresAddress } from './address.ts';
import type { Lane } from './lane.ts';
import { type Migration, MIGRATIONS } from './migrations.ts';

/** The encoding of segments that every node of a new database reads. */
const FORMAT = 1;
/** "plch": with the schema's number, the lock that migrations take turns by. */
const MIGRATION_LOCK = 0x706c6368;

/** A name in quotes, as statements have it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** What a database keeps of a step: a text that has changed since is another step. */
export function checksumOf(migration: Migration): string {
  return createHash('sha256').update(migration.sql).digest('hex');
}

type Run = <Row>(text: string, values?: unknown[]) => Promise<Row[]>;

/**
 * Knows a schema for ours, and brings it to what this release knows. Steps run in one transaction under a lock, so a node
 * that is killed among them leaves nothing behind, and of many nodes that start together one migrates.
 * @param schemaNumber tells schemas of one database apart
 * @param migrations all that are known, in order
 * @throws DATABASE_NEWER · DATABASE_NOT_OURS · MIGRATION_CHANGED · DATABASE_UNOPENABLE · STORE_UNAVAILABLE
 */
export async function migrate(
  lane: Lane,
  address: PostgresAddress,
  partitions: number,
  schemaNumber: number,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<StoreIdentity> {
  const schema = quoted(address.schema);
  const doing = `opening ${address.shown} (schema ${address.schema})`;
  return lane.transaction(async (run) => {
    let applied = await loadApplied(run, address.schema, doing);
    requireKnown(applied, migrations, doing);
    if (applied.length < migrations.length) {
      await run('select pg_advisory_xact_lock($1, $2)', [MIGRATION_LOCK, schemaNumber]);
      // Another node may have migrated while we waited for the lock.
      applied = await loadApplied(run, address.schema, doing);
      requireKnown(applied, migrations, doing);
      if (applied.length === 0) await begin(run, address.schema);
      for (const step of migrations.slice(applied.length)) {
        await run(step.sql.replaceAll('$schema', schema));
        await run(`insert into ${schema}.migration (number, name, checksum) values ($1, $2, $3)`, [
          step.number,
          step.name,
          checksumOf(step),
        ]);
      }
      if (applied.length === 0) {
        await run(`insert into ${schema}.cluster (one, epoch, format, partitions, hash) values (1, 0, $1, $2, $3)`, [
          FORMAT,
          partitions,
          PARTITION_HASH,
        ]);
        await run(`insert into ${schema}.partition (id) select generate_series(0, $1::int4 - 1)`, [partitions]);
      }
    }
    const [row] = await run<{ partitions: number; hash: string }>(`select partitions, hash from ${schema}.cluster`);
    if (row?.hash !== PARTITION_HASH) {
      throw new PleachError(
        'DATABASE_NEWER',
        `${doing}: its runs are spread by "${row?.hash}", which this release does not know. Update pleach`,
        { hash: row?.hash },
      );
    }
    return { partitions: row.partitions, hash: row.hash, schema: migrations.length };
  });
}

interface Applied {
  number: number;
  checksum: string;
}

async function loadApplied(run: Run, schema: string, doing: string): Promise<Applied[]> {
  const tables = await run<{ relname: string }>(
    `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm')`,
    [schema],
  );
  if (tables.length === 0) return [];
  const names = new Set(tables.map(({ relname }) => relname));
  if (!['migration', 'cluster', 'segment'].every((name) => names.has(name))) {
    throw new PleachError(
      'DATABASE_NOT_OURS',
      `${doing}: the schema holds tables of another program, and was left as it is. Name another with ?schema=`,
      { schema, tables: [...names].slice(0, 10) },
    );
  }
  return run<Applied>(`select number, checksum from ${quoted(schema)}.migration order by number`);
}

function requireKnown(applied: readonly Applied[], known: readonly Migration[], doing: string): void {
  if (applied.length > known.length) {
    throw new PleachError(
      'DATABASE_NEWER',
      `${doing}: the database has schema ${applied.length} and this release knows ${known.length}. Update pleach, or open it with the release that made it`,
      { found: applied.length, known: known.length },
    );
  }
  for (const [index, { number, checksum }] of applied.entries()) {
    const step = known[index]!;
    if (number === step.number && checksum === checksumOf(step)) continue;
    throw new PleachError(
      'MIGRATION_CHANGED',
      `${doing}: migration ${number} was applied with another text than this release has. Open it with the release that made it`,
      { number, expected: checksumOf(step), found: checksum },
    );
  }
}

async function begin(run: Run, schema: string): Promise<void> {
  const [there] = await run('select 1 from pg_namespace where nspname = $1', [schema]);
  // Who may use a schema that is there may not always make one.
  if (!there) await run(`create schema ${quoted(schema)}`);
  await run(
    `create table ${quoted(schema)}.migration (number integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())`,
  );
}
