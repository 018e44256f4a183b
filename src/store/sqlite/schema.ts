/**
 * The version of the tables below. A file of a newer one is refused, since it may hold what this release cannot read; so
 * is one of version 1, which no release has written.
 */
export const SCHEMA_VERSION = 4;

/** "plch", so that a file can be told from any other SQLite database before it is touched. */
export const APPLICATION_ID = 0x706c6368;

/**
 * What version 3 added. Large payloads lie in `blob`, each of one run. Search attributes lie in `run_attr`, the first
 * columns of whose key are what filters name: a column of any type keeps numbers as numbers, so ranges are scans. Both
 * hang on the run's row, and go with it whatever deletes it.
 */
const BLOBS_AND_ATTRIBUTES = `
create table blob (
  run blob not null references run (id) on delete cascade,
  n integer not null,
  crc integer not null,
  body blob not null
) strict;
create unique index blob_run on blob (run, n);

create table run_attr (
  namespace text not null,
  key text not null,
  value any not null,
  run blob not null references run (id) on delete cascade,
  type text not null,
  primary key (namespace, key, value, run)
) strict, without rowid;
create index run_attr_run on run_attr (run);
`;

/**
 * What version 4 added. The one outcome of each transactional activity, and room for the events that it publishes, which
 * nothing writes yet; and which migrations of authors were applied.
 */
const TRANSACTIONS = `
create table tx_result (
  run blob not null references run (id) on delete cascade,
  activity text not null,
  body blob not null,
  events blob,
  primary key (run, activity)
) strict, without rowid;

create table user_migration (
  number integer primary key,
  name text not null,
  checksum text not null
) strict;
`;

/** What brings the tables of a version to the next, by the version that is left. */
export const UPGRADES: ReadonlyMap<number, string> = new Map([
  [2, BLOBS_AND_ATTRIBUTES],
  [3, TRANSACTIONS],
]);

/**
 * The tables. Nothing hot is keyed by a random value but the index on workflow ids: run ids carry their time, so rows
 * that are written together lie together. A step writes one row, into `segment`, at its end: the table is the log of all
 * partitions, in the order in which they were committed. The ends of the partitions are in `head`, some hundred to a row,
 * so that a commit moves them by writing one small page (`docs/decisions/0018-log-in-order.md`). One node owns all
 * partitions of a file, so the index of what to wake does not begin with the partition.
 */
export const SCHEMA = `
create table meta (
  key text primary key,
  value text not null
) strict, without rowid;

create table node (
  id text primary key,
  epoch integer not null,
  batch integer not null,
  until integer not null
) strict, without rowid;

create table run (
  id blob primary key,
  namespace text not null,
  workflow_id text not null,
  part integer not null,
  type text not null,
  queue text not null,
  first_run blob not null,
  status text not null,
  started_at integer not null,
  closed_at integer,
  wake_at integer
) strict, without rowid;
create unique index run_open on run (namespace, workflow_id) where status = 'RUNNING';
create index run_workflow on run (namespace, workflow_id, started_at);
create index run_status on run (namespace, status, started_at);
create index run_wake on run (wake_at) where status = 'RUNNING';

create table segment (
  at integer primary key,
  run blob not null,
  seq integer not null,
  part integer not null,
  pos integer not null,
  format integer not null,
  first_event integer not null,
  events integer not null,
  time integer not null,
  crc integer not null,
  body blob not null
) strict;
create unique index segment_run on segment (run, seq);

create table head (
  chunk integer primary key,
  body blob not null
) strict;

create table inbox (
  to_part integer not null,
  from_part integer not null,
  from_pos integer not null,
  i integer not null,
  to_run text not null,
  body blob not null,
  primary key (to_part, from_part, from_pos, i)
) strict, without rowid;

create table attempt (
  run blob not null,
  seq integer not null,
  body blob not null,
  primary key (run, seq)
) strict, without rowid;
${BLOBS_AND_ATTRIBUTES}${TRANSACTIONS}`;
