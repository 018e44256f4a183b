/** One step of the tables' history. Once released its text stays as it is: its checksum is in every database. */
export interface Migration {
  number: number;
  name: string;
  /** The statements; `$schema` stands for the schema's name, quoted. */
  sql: string;
}

/**
 * The first tables. Bodies are stored as they come: they are compressed by nobody, and read whole. `segment` grows at its
 * end, by run ids that carry their time; its second key is the log of each partition, whose end is one look at the key.
 * The rows of `node` and `cluster` are written again and again, and have room for that on their page.
 */
const FIRST = `
create table $schema.cluster (
  one smallint primary key check (one = 1),
  epoch bigint not null,
  format integer not null,
  partitions integer not null,
  hash text not null
) with (fillfactor = 50);

create sequence $schema.session as integer cycle;

create table $schema.node (
  id text collate "C" primary key,
  epoch bigint not null,
  batch bigint not null,
  until bigint not null,
  session integer,
  address text
) with (fillfactor = 50);

create table $schema.partition (
  id integer primary key,
  node text collate "C"
);

create table $schema.run (
  id uuid primary key,
  first_run uuid not null,
  started_at bigint not null,
  closed_at bigint,
  wake_at bigint,
  part integer not null,
  namespace text collate "C" not null,
  workflow_id text collate "C" not null,
  type text collate "C" not null,
  queue text collate "C" not null,
  status text collate "C" not null
) with (fillfactor = 90);
create unique index run_open on $schema.run (namespace, workflow_id) where status = 'RUNNING';
create index run_workflow on $schema.run (namespace, workflow_id, started_at, id);
create index run_status on $schema.run (namespace, status, started_at);
create index run_wake on $schema.run (part, wake_at, id) where status = 'RUNNING';

create table $schema.segment (
  run uuid not null,
  pos bigint not null,
  time bigint not null,
  first_event bigint not null,
  seq integer not null,
  part integer not null,
  format integer not null,
  events integer not null,
  crc integer not null,
  body bytea not null,
  primary key (run, seq),
  constraint segment_part unique (part, pos)
);
alter table $schema.segment alter column body set storage external;

create table $schema.blob (
  run uuid not null references $schema.run (id) on delete cascade,
  n bigint not null,
  crc integer not null,
  body bytea not null,
  primary key (run, n)
);
alter table $schema.blob alter column body set storage external;

create table $schema.run_attr (
  run uuid not null references $schema.run (id) on delete cascade,
  i integer not null,
  namespace text collate "C" not null,
  key text collate "C" not null,
  type text collate "C" not null,
  num double precision,
  txt text collate "C",
  primary key (run, i)
);
create index run_attr_num on $schema.run_attr (namespace, key, num) where num is not null;
create index run_attr_txt on $schema.run_attr (namespace, key, left(txt, 200)) where txt is not null;

create table $schema.inbox (
  from_pos bigint not null,
  to_part integer not null,
  from_part integer not null,
  i integer not null,
  to_run text not null,
  body bytea not null,
  primary key (to_part, from_part, from_pos, i)
);
alter table $schema.inbox alter column body set storage external;

create table $schema.attempt (
  run uuid not null,
  seq integer not null,
  body bytea not null,
  primary key (run, seq)
) with (fillfactor = 70);
alter table $schema.attempt alter column body set storage external;

create table $schema.tx_result (
  run uuid not null,
  activity text collate "C" not null,
  body bytea not null,
  primary key (run, activity)
);
alter table $schema.tx_result alter column body set storage external;
`;

/** All of them, in order, numbered from 1 without a gap. */
export const MIGRATIONS: readonly Migration[] = [{ number: 1, name: 'first-tables', sql: FIRST }];
