import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { percentile } from './peers/measure.ts';

const COMMITS = 1_000;
const BODY = new Uint8Array(200).fill(7);

/** What one durable commit of one small row costs on this disk now, p50 in milliseconds: nothing can be faster. */
export function sqliteCommitMs(folder: string): number {
  const base = mkdtempSync(join(folder, 'floor-'));
  const db = new DatabaseSync(join(base, 'floor.db'));
  db.exec('pragma journal_mode = wal; pragma synchronous = full; create table t (id integer primary key, body blob)');
  const insert = db.prepare('insert into t (body) values (?)');
  const latencies: number[] = [];
  for (let i = 0; i < COMMITS; i++) {
    const at = performance.now();
    insert.run(BODY);
    latencies.push(performance.now() - at);
  }
  db.close();
  rmSync(base, { recursive: true });
  return percentile(latencies, 0.5);
}

/** The same on a PostgreSQL server, over one connection, and what that server says of its durability. */
export async function postgresFloor(url: string): Promise<{ commitMs: number; durability: string }> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('create table floor (id bigserial primary key, body bytea)');
  const latencies: number[] = [];
  for (let i = 0; i < COMMITS; i++) {
    const at = performance.now();
    await client.query({ name: 'floor', text: 'insert into floor (body) values ($1)', values: [BODY] });
    latencies.push(performance.now() - at);
  }
  const settings: string[] = [];
  for (const name of ['fsync', 'synchronous_commit', 'full_page_writes']) {
    const { rows } = await client.query<Record<string, string>>(`show ${name}`);
    settings.push(`${name}=${rows[0]?.[name]}`);
  }
  await client.query('drop table floor');
  await client.end();
  return { commitMs: percentile(latencies, 0.5), durability: settings.join(', ') };
}
